import { argon2, randomBytes } from 'node:crypto'
import { parseArgs, promisify } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { takeLock } from '../state/lock.ts'
import { writeOwner } from '../state/owner.ts'
import { makeStateDir, statePaths } from '../state/paths.ts'
import type { CliCommand, CliContext } from './context.ts'
import { callAgent } from './local-client.ts'
import { askLine } from './prompt.ts'

const LENGTH_MIN = 10
/** argon2id as OWASP advises for a server: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 }

const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')

const HELP = `thatdam password: sets the owner's password of this machine's console. It needs no cloud. Everybody is signed out.

  --reset    removes the password: the console is then open on this machine only, until a new one is set there

The password is asked for, or read as one line from standard input.`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { reset: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const passwordHash = values.reset ? null : await hashPassword(await askPassword(context))
  await save(context.env.stateDir, passwordHash)
  context.out(
    passwordHash === null
      ? 'The password is removed. Open the console on this machine and set a new one; until then no other machine can open it.'
      : 'The password is set. The console now answers on your network.',
  )
  return 0
}

async function askPassword(context: CliContext): Promise<string> {
  const password = (await askLine(context, 'New password: ')) ?? ''
  if (password.length < LENGTH_MIN)
    throw new ThatdamError('BAD_REQUEST', `A password needs at least ${LENGTH_MIN} characters. Nothing was changed.`)
  return password
}

/** The usual text form `$argon2id$v=19$…`, which the console verifies. */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(16)
  const tag = await promisify(argon2)('argon2id', { message: password, nonce, ...COST })
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${text(nonce)}$${text(tag)}`
}

/** Through the agent when one runs, so that it ends the sessions; else into its file. */
async function save(stateDir: string, passwordHash: string | null): Promise<void> {
  if ((await callAgent(stateDir, 'PUT', '/local/owner', { passwordHash })) !== null) return
  makeStateDir(stateDir)
  const paths = statePaths(stateDir)
  const lock = takeLock(paths)
  try {
    const { SessionStore } = await import('../gateway/session-store.ts')
    await writeOwner(paths.owner, { passwordHash })
    const sessions = new SessionStore(paths.sessions)
    sessions.endAll()
    sessions.close()
  } finally {
    lock.release()
  }
}
