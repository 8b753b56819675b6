import { parseArgs } from 'node:util'
import { generateKey } from '@thatdam/control/keys'
import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalState, type LocalMember } from '@thatdam/protocol/local'
import { NewKey } from '@thatdam/protocol/ring-door'
import { requireNoWaiting } from '../agent/key-replacement.ts'
import { changeIdentity, readIdentity } from '../state/identity.ts'
import { settleKey } from '../state/key-replacement.ts'
import { takeLock } from '../state/lock.ts'
import { statePaths } from '../state/paths.ts'
import type { CliCommand, CliContext } from './context.ts'
import { askAgent, callAgent } from './local-client.ts'

const HELP = `thatdam rekey: gives this machine a new key. For one whose disk was copied, or whose key somebody else may have.

Its name, its place in the ring, its library and its settings stay. The agent starts again with the new key, which takes some seconds; a recording
has a gap of that length. Machines that are not in reach now, and the cloud, are shown the new key when they are met again. Whoever knows the new
key refuses the old one.`

/** How long the agent gets to come back, and then the others to be heard. */
const [BACK_MS_MAX, HEARD_MS_MAX, LOOK_MS] = [60_000, 20_000, 300]
const FOUND_MS_MAX = 4_000

export const run: CliCommand = async (argv, context) => {
  const { values } = parseArgs({ args: [...argv], options: { help: { type: 'boolean', short: 'h' } } })
  if (values.help) {
    context.out(HELP)
    return 0
  }
  const { stateDir } = context.env
  const before = await callAgent(stateDir, 'GET', '/local/state')
  if (before === null) return await withoutAgent(context)
  const { publicKey } = NewKey.parse(await askAgent(stateDir, 'POST', '/local/rekey', {}))
  context.out('A new key was made, and told to whoever is in reach. The agent starts again with it.')
  if (!(await isBack(context, publicKey))) {
    context.err('The agent did not come back within a minute. The new key is on the disk: whatever is left is done when the agent starts.')
    return 1
  }
  await tellWhoKnows(context)
  return 0
}

/** All steps that concern this machine, at once; the others are shown the records when its agent runs. */
async function withoutAgent({ env, out }: CliContext): Promise<number> {
  const paths = statePaths(env.stateDir)
  const lock = takeLock(paths)
  try {
    const identity = await readIdentity(paths.identity)
    if (identity === null)
      throw new ThatdamError('NOT_FOUND', 'This machine has no key yet: it gets one at its first start, with: thatdam run')
    await requireNoWaiting(paths)
    const next = identity.next ?? generateKey()
    await changeIdentity(paths.identity, { ...identity, next })
    const settled = await settleKey(paths, { ...identity, next }, out)
    if (settled.key.publicKey !== next.publicKey) return 1
  } finally {
    lock.release()
  }
  out('No agent runs here now. Other machines and the cloud are shown the new key when it does: thatdam run')
  return 0
}

async function isBack({ env }: CliContext, publicKey: string): Promise<boolean> {
  for (const endsAtMs = performance.now() + BACK_MS_MAX; performance.now() < endsAtMs; await pause()) {
    const identity = await readIdentity(statePaths(env.stateDir).identity)
    if (identity?.key.publicKey === publicKey && (await stateOf(env.stateDir)) !== null) return true
  }
  return false
}

async function tellWhoKnows({ env, out }: CliContext): Promise<void> {
  let state: LocalState | null = null
  const startedAtMs = performance.now()
  for (const endsAtMs = performance.now() + HEARD_MS_MAX; performance.now() < endsAtMs; await pause()) {
    state = (await stateOf(env.stateDir)) ?? state
    if (state !== null && state.cloud.state !== 'connecting' && othersIn(state).every((one) => isSure(one, startedAtMs))) break
  }
  out('This machine has a new key. Whoever knows it refuses the old one from now on.')
  if (state === null) return
  const others = othersIn(state)
  const knowing = others.filter(knows).map(({ nodeId }) => nodeId)
  const away = others.filter((one) => !knows(one)).map(({ nodeId }) => nodeId)
  if (knowing.length > 0) out(`These know it: ${knowing.join(', ')}.`)
  if (away.length > 0) out(`Not in reach now, and shown it when they are met again: ${away.join(', ')}.`)
  if (state.cloud.state === 'connected') out('The cloud knows it.')
  else if (state.cloud.url !== null) out('The cloud is shown it when it is reached again.')
}

/** Null while no agent answers. */
async function stateOf(stateDir: string): Promise<LocalState | null> {
  const answer = await callAgent(stateDir, 'GET', '/local/state').catch((error: unknown) => {
    if (error instanceof ThatdamError) return null
    throw error
  })
  return answer === null ? null : LocalState.parse(answer)
}

const othersIn = ({ members }: LocalState): LocalMember[] => members.filter(({ self }) => !self)
/** Whoever has spoken to this agent has taken its key: nobody answers to one that it does not know. */
const knows = ({ lastContactMs }: LocalMember): boolean => lastContactMs !== null && lastContactMs > 0
/** It may yet be heard, as long as it counts as awake or nobody has had the time to find it. */
const isSure = (one: LocalMember, sinceMs: number): boolean => knows(one) || (!one.awake && performance.now() - sinceMs > FOUND_MS_MAX)
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_MS))
