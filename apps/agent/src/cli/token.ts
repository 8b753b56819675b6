import { parseArgs } from 'node:util'
import { ThatdamError } from '@thatdam/protocol/errors'
import { JOIN_TOKEN_MACHINES_MAX, JOIN_TOKEN_MINUTES_MAX, JoinTokenList, NewJoinToken } from '@thatdam/protocol/ring-door'
import type { CliCommand, CliContext } from './context.ts'
import { askAgent } from './local-client.ts'

const HELP = `thatdam token: makes a join token of this machine's ring, which needs no cloud. This machine alone redeems it, so keep it on.

  --machines N   for so many machines (1, at most ${JOIN_TOKEN_MACHINES_MAX})
  --minutes M    good for so long (15, at most ${JOIN_TOKEN_MINUTES_MAX})
  --list         the tokens of this machine that may still be used
  --revoke ID    withdraws one; the first letters of its id are enough`

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({
    args: withDashedId(argv),
    options: {
      machines: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '15' },
      list: { type: 'boolean' },
      revoke: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) context.out(HELP)
  else if (values.list) await list(context)
  else if (values.revoke !== undefined) await revoke(context, values.revoke)
  else {
    const machines = wholeOf('--machines', values.machines, JOIN_TOKEN_MACHINES_MAX)
    await make(context, { machines, lifeMinutes: wholeOf('--minutes', values.minutes, JOIN_TOKEN_MINUTES_MAX) })
  }
  return 0
}

/** An id may begin with a dash, and would be taken for an option. */
function withDashedId(argv: readonly string[]): string[] {
  const at = argv.indexOf('--revoke')
  const id = argv[at + 1]
  return at < 0 || id === undefined ? [...argv] : [...argv.slice(0, at), `--revoke=${id}`, ...argv.slice(at + 2)]
}

async function make({ env, out }: CliContext, wish: { machines: number; lifeMinutes: number }): Promise<void> {
  const { text, installUrl } = NewJoinToken.parse(await askAgent(env.stateDir, 'POST', '/local/join-tokens', wish))
  out(
    `Good for ${count(wish.machines, 'machine')} and ${count(wish.lifeMinutes, 'minute')}, while this machine runs. On the other machine:`,
  )
  out(`\n  thatdam register --token ${text}\n`)
  if (installUrl === null) return
  out('Or, where ThatDAM is not installed yet:')
  out(`\n  curl -fsSL ${installUrl}/install.sh | sh -s -- --token ${text}\n`)
}

async function list(context: CliContext): Promise<void> {
  const tokens = await tokensOf(context)
  for (const { id, machines, used, expiresAtMs } of tokens) {
    const until = new Date(expiresAtMs).toISOString().slice(0, 16).replace('T', ' ')
    context.out(`${id}  ${used} of ${count(machines, 'machine')} came with it, until ${until} UTC`)
  }
  if (tokens.length === 0) context.out('No join token of this machine may be used now. Make one with: thatdam token')
}

async function revoke(context: CliContext, beginning: string): Promise<void> {
  const [token, other] = (await tokensOf(context)).filter(({ id }) => id.startsWith(beginning))
  if (token === undefined || other !== undefined) {
    const what = other === undefined ? 'No token that may be used now has this id.' : 'Several tokens begin so.'
    throw new ThatdamError('NOT_FOUND', `${what} See: thatdam token --list`)
  }
  await askAgent(context.env.stateDir, 'DELETE', `/local/join-tokens/${token.id}`)
  context.out('The token is withdrawn. Machines that came with it stay.')
}

const tokensOf = async ({ env }: CliContext): Promise<JoinTokenList['tokens']> =>
  JoinTokenList.parse(await askAgent(env.stateDir, 'GET', '/local/join-tokens')).tokens

function wholeOf(option: string, text: string, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value
  throw new ThatdamError('BAD_REQUEST', `${option} takes a whole number from 1 to ${most}, not “${text}”.`)
}

const count = (value: number, noun: string): string => `${value} ${noun}${value === 1 ? '' : 's'}`
