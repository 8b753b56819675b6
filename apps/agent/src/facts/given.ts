import { readFile } from 'node:fs/promises'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeFacts } from '@thatdam/protocol/facts'
import * as z from 'zod/mini'

/** Any of the facts; a name that is no fact is refused, so that a slip of the pen is not silently without effect. */
const GivenFacts = z.strictObject(z.partial(NodeFacts).shape)

/**
 * FACTS_FILE: facts that replace what was gathered, so that tests and demos have a ring of unlike machines on one machine. It is read at each
 * gathering: a change of the file is a change of the machine.
 * @throws ThatdamError that names the file and the field which cannot be used.
 */
export async function readGivenFacts(file: string): Promise<Partial<NodeFacts>> {
  const found = GivenFacts.safeParse(await readObject(file))
  // JSON knows no undefined: what is there has a value.
  if (found.success) return found.data as Partial<NodeFacts>
  const issue = found.error.issues[0]
  const isUnknown = issue?.code === 'unrecognized_keys'
  const field = isUnknown ? (issue.keys[0] ?? '') : (issue?.path.map(String).join('.') ?? '')
  throw new ThatdamError(
    'BAD_REQUEST',
    field === ''
      ? `FACTS_FILE ${file} does not hold a JSON object of facts. Correct the file, or unset FACTS_FILE.`
      : `The field ${field} in FACTS_FILE ${file} cannot be used: ${isUnknown ? 'there is no such fact' : (issue?.message ?? 'not as expected')}. Correct the file, or unset FACTS_FILE.`,
  )
}

async function readObject(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'it is not JSON' : ((error as NodeJS.ErrnoException).code ?? 'unknown error')
    throw new ThatdamError('BAD_REQUEST', `FACTS_FILE ${file} cannot be read (${reason}). Correct the file, or unset FACTS_FILE.`, {
      cause: error,
    })
  }
}
