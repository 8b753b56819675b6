import { createInterface } from 'node:readline/promises'
import type { CliContext } from './context.ts'

/** One line of standard input, asked for where a person sits at a terminal. Null: there is none. */
export async function askLine(context: CliContext, question: string): Promise<string | null> {
  const lines = createInterface({ input: context.stdin })
  if (context.stdin.isTTY) process.stdout.write(question)
  const line = await lines[Symbol.asyncIterator]().next()
  lines.close()
  return line.done ? null : line.value
}

/** Null: nothing, or something else, was said. */
export async function askYesOrNo(context: CliContext, question: string): Promise<boolean | null> {
  const said = (await askLine(context, `${question} [yes/no] `))?.trim().toLowerCase() ?? ''
  if (said === 'y' || said === 'yes') return true
  return said === 'n' || said === 'no' ? false : null
}
