import type { NodeId } from '@thatdam/protocol/ids'
import type { Term } from '@thatdam/protocol/plan'
import type { Election, ElectionEvent, ElectionMessage, Now, Step } from './contract.ts'
import { credible, mayBeLed } from './credible.ts'
import { answerWhileFollowing, tickFollowing } from './following.ts'
import { answerWhileLeading, resign, tickLeading } from './leading.ts'
import { chain, done, ELECTION_TIMING, follow, isLeaseRunning, note, type ElectionState, type ElectionTiming } from './state.ts'
import { compareTerms } from './terms.ts'

const JITTER_MS_MAX = 100
/** Ticks of a candidate that hears no leader are this far apart. */
const RESTLESS_MS = 100

/**
 * Leadership by rank, with terms and leases. No quorum: cut off, each side has its leader, and terms fence.
 *
 *                 lease ended, settled, my turn           nobody hears a leader
 *     ┌───────────┐ ───────────────────────▶ ┌────────┐ ───────────────────────▶ ┌─────────┐
 *     │ following │                          │ asking │                          │ leading │
 *     └───────────┘ ◀─────────────────────── └────────┘                          └─────────┘
 *        ▲     ▲      somebody hears one                                              │
 *        │     └──────────── stood still · a preferred leader is heard · resigned ────┘
 *        └── handover from the leader: following ──▶ leading, without a gap
 *
 * Which of two leaders that meet goes on: one that has been up for a minute before one that has not, then the better-ranked.
 * It takes a number above both, so that the orders of the other are refused everywhere.
 */
export const electionWith = (timing: ElectionTiming): Election<ElectionState> => ({
  initial({ clusterId, nodeId, highest, firstTermSkip = 0 }, now) {
    return {
      timing,
      clusterId,
      nodeId,
      phase: { kind: 'following' },
      highest,
      known: null,
      startedAtMs: now.monotonicMs,
      last: now,
      quietUntilMs: now.monotonicMs + timing.listenMs,
      ranking: [],
      alive: new Set(),
      aliveSinceMs: new Map(),
      returning: new Set(),
      seniorSinceMs: now.monotonicMs,
      candidatesChangedAtMs: now.monotonicMs,
      jitterMs: 0,
      termSkip: firstTermSkip,
    }
  },

  step(state, event, now, random) {
    if (state.phase.kind === 'stopped') return done(state)
    return chain(wakeUp(state, now), (awake) => handle({ ...awake, last: now, jitterMs: random * JITTER_MS_MAX }, event, now))
  },

  mayOrder(state, now) {
    return state.phase.kind === 'leading' && !stoodStill(state, now) ? state.phase.term : null
  },

  accepts(state, term) {
    return mayBeLed(state, term) && (state.highest === null || compareTerms(state.clusterId, term, state.highest) >= 0)
  },

  tickDueMs(state) {
    const { last, phase, known } = state
    if (phase.kind === 'leading') return Math.min(phase.heartbeatAtMs, last.monotonicMs + timing.stallMs / 4)
    const atRestMs = last.monotonicMs + timing.stallMs / 2
    if (known !== null && isLeaseRunning(state, last)) return Math.min(known.heardAtMs + timing.leaseMs, atRestMs)
    return state.ranking.includes(state.nodeId) ? last.monotonicMs + RESTLESS_MS : atRestMs
  },

  leader(state, now): Term | null {
    if (state.phase.kind === 'leading') return state.phase.term
    return state.known !== null && isLeaseRunning(state, now) ? state.known.term : null
  },
})

/** The election that agents run. */
export const rankedElection: Election<ElectionState> = electionWith(ELECTION_TIMING)

/**
 * A gap in either clock: the monotonic one stands still while a laptop sleeps, the wall clock does not. One that was set back may hide a sleep (a
 * machine whose clock chip is spent wakes up in the past), so it counts as a gap too: at worst a leader listens for a lease for nothing.
 */
function stoodStill({ last, timing }: ElectionState, now: Now): boolean {
  return now.monotonicMs - last.monotonicMs > timing.stallMs || Math.abs(now.wallMs - last.wallMs) > timing.stallMs
}

/** After a gap nothing is believed: the node follows, and listens for one lease before it may take over. */
function wakeUp(state: ElectionState, now: Now): Step<ElectionState> {
  if (!stoodStill(state, now)) return done(state)
  return follow({ ...state, quietUntilMs: Math.max(state.quietUntilMs, now.monotonicMs + state.timing.leaseMs) })
}

function handle(state: ElectionState, event: ElectionEvent, now: Now): Step<ElectionState> {
  switch (event.kind) {
    case 'tick':
      return tick(state, now)
    case 'roster':
      return chain(done(withRoster(state, event.ranking, event.alive, now)), (next) => tick(next, now))
    case 'message':
      // A second machine with this one's id, or an echo: a follower would take itself for its leader.
      return event.from === state.nodeId ? done(state) : hearOut(state, event.from, event.message, now)
    case 'order':
      return note(state, event.term)
    case 'stop':
      return chain(resign(state, now), (next) => done({ ...next, phase: { kind: 'stopped' } }))
  }
  return done(state)
}

const tick = (state: ElectionState, now: Now): Step<ElectionState> =>
  state.phase.kind === 'leading' ? tickLeading(state, now) : tickFollowing(state, now)

function hearOut(state: ElectionState, from: NodeId, message: ElectionMessage, now: Now): Step<ElectionState> {
  const counts = credible(state, from, message)
  return counts === null ? done(state) : answer(state, from, counts, now)
}

const answer = (state: ElectionState, from: NodeId, message: ElectionMessage, now: Now): Step<ElectionState> =>
  state.phase.kind === 'leading' ? answerWhileLeading(state, from, message, now) : answerWhileFollowing(state, from, message, now)

function withRoster(state: ElectionState, ranking: readonly NodeId[], alive: ReadonlySet<NodeId>, now: Now): ElectionState {
  const candidates = ranking.filter((nodeId) => alive.has(nodeId))
  const { aliveSinceMs } = state
  // Most of those that come and go in a large ring may lead never, or were known to be awake.
  if (candidates.length === aliveSinceMs.size && candidates.every((nodeId) => aliveSinceMs.has(nodeId))) return { ...state, ranking, alive }
  const left = [...aliveSinceMs.keys()].filter((nodeId) => !alive.has(nodeId))
  return {
    ...state,
    ranking,
    alive,
    aliveSinceMs: new Map(candidates.map((nodeId) => [nodeId, aliveSinceMs.get(nodeId) ?? now.monotonicMs])),
    returning: left.length === 0 ? state.returning : new Set([...state.returning, ...left]),
    candidatesChangedAtMs: now.monotonicMs,
  }
}
