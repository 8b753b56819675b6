import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'

/** Every file of the state directory, by name. */
export function statePaths(stateDir: string) {
  const at = (name: string) => join(stateDir, name)
  return {
    stateDir,
    identity: at('identity.json'),
    lock: at('agent.lock'),
    pid: at('agent.pid'),
    counters: at('counters.json'),
    /** Of each ring its own: a term of one means nothing in another. */
    term: (fingerprint: string) => at(`term-${fingerprint.slice(0, 16)}.json`),
    roster: at('roster.jsonl'),
    oldRoster: (fingerprint: string) => at(`roster-${fingerprint.slice(0, 16)}.jsonl`),
    neighbours: at('neighbours.json'),
    ringTokens: at('ring-tokens.json'),
    ownerProofs: at('owner-proofs.json'),
    oplog: at('oplog.db'),
    library: at('library.db'),
    settings: at('settings.json'),
    assets: at('assets.db'),
    facts: at('facts.json'),
    cameras: at('cameras.json'),
    plan: at('plan.json'),
    goodPlan: at('plan-good.json'),
    rejectedPlan: at('plan-rejected.json'),
    credential: at('credential.json'),
    pendingRing: at('pending-ring.json'),
    allowed: at('allowed-index-roots.json'),
    owner: at('owner.json'),
    sessions: at('sessions.db'),
    local: at('local.json'),
    gateway: at('gateway.json'),
    cluster: at('cluster.json'),
    bundles: at('bundles'),
    logs: at('logs'),
    children: at('children.json'),
  } as const
}
export type StatePaths = ReturnType<typeof statePaths>

/** @throws ThatdamError when the directory cannot be made or written. */
export function makeStateDir(stateDir: string): void {
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  } catch (error) {
    const reason = reasonAbove(stateDir) ?? (error as NodeJS.ErrnoException).code ?? 'unknown error'
    const advice =
      reason === 'EROFS'
        ? 'Its disk is mounted read-only: look at that disk, or set STATE_DIR to another folder.'
        : reason === 'ENOSPC'
          ? 'There is no space left on its disk: make room there, or set STATE_DIR to another folder.'
          : 'Run as a user who may write there, or set STATE_DIR to another folder.'
    throw new ThatdamError('INTERNAL', `The state directory ${stateDir} cannot be made (${reason}). ${advice}`, { cause: error })
  }
  try {
    closeSync(openSync(join(stateDir, '.thatdam'), 'a', 0o600))
  } catch {
    // A full disk: the marker only keeps indexers out, also another machine's that sees this disk.
  }
}

/** Making a folder with those above it says ENOENT on a read-only disk; the nearest folder that is there says why. Null: it may be written. */
function reasonAbove(folder: string): string | null {
  for (let at = dirname(folder); ; at = dirname(at)) {
    try {
      accessSync(at, constants.W_OK)
      return null
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT' || at === dirname(at)) return code ?? null
    }
  }
}
