import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NewRecoveryKey, UsedRecoveryKey } from '@thatdam/protocol/ring-door'
import type { CliCommand, CliContext } from './context.ts'
import { askAgent } from './local-client.ts'
import { askLine } from './prompt.ts'

const HELP = `thatdam recovery-key make: makes this ring's recovery key and shows it this once, to be printed or written down.
thatdam recovery-key use [--file FILE]: reads the printed key. Used in each of two rings of yours that are near each other, it makes them one.

The key is asked for, or read as one line from standard input, or from FILE; never from the command line, which others may see.`

export const run: CliCommand = async (argv, context) => {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { file: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const [what, ...rest] = positionals
  if (values.help) context.out(HELP)
  else if (rest.length > 0) throw new ThatdamError('BAD_REQUEST', ON_LINE)
  else if (what === 'make') await make(context)
  else if (what === 'use') await use(context, values.file)
  else throw new ThatdamError('BAD_REQUEST', 'Say what to do with the recovery key: make, or use. See: thatdam recovery-key --help')
  return 0
}

const ON_LINE =
  'The key does not belong on the command line, where other users of this machine may see it. Run “thatdam recovery-key use” and type it there.'

async function make({ env, out }: CliContext): Promise<void> {
  const { words } = NewRecoveryKey.parse(await askAgent(env.stateDir, 'POST', '/local/recovery-key', {}))
  out('The recovery key of this ring. Print it or write it down now: no machine keeps it, and nobody can show it again.')
  out(`\n  ${words}\n`)
  out('Whoever holds it owns the ring. To claim another ring of yours with it: thatdam recovery-key use')
}

async function use(context: CliContext, file: string | undefined): Promise<void> {
  const words = file === undefined ? await askLine(context, 'The printed key: ') : await readKeyFile(file)
  if (words === null || words.trim() === '') throw new ThatdamError('BAD_REQUEST', 'No key was typed. Nothing was changed.')
  const { outcome } = UsedRecoveryKey.parse(await askAgent(context.env.stateDir, 'POST', '/local/recovery-key/use', { words }))
  context.out(
    outcome === 'named'
      ? 'This ring belongs to whoever holds this key from now on. Another ring with the same key becomes one with it when they find each other.'
      : 'It is this ring’s key, and this machine can say so to other rings. Nothing else was changed.',
  )
}

async function readKeyFile(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new ThatdamError('BAD_REQUEST', `The file ${file} cannot be read (${code}).`, { cause: error })
  })
}
