import type { ClusterId, NodeId } from '@thatdam/protocol/ids'
import { RETURNING_MAX } from '@thatdam/protocol/node-link'
import type { Term } from '@thatdam/protocol/plan'
import type { ElectionAction, ElectionMessage, LeadershipSeen, Now, Returning, Step } from './contract.ts'
import { laterTerm } from './terms.ts'

/** All in milliseconds. A set of its own, so that the simulator can plant faults in it. */
export interface ElectionTiming {
  /** How long a follower believes in a leader after its last heartbeat. */
  readonly leaseMs: number
  readonly heartbeatMs: number
  /** A node that has just started listens this long before it takes an ownerless lead. */
  readonly listenMs: number
  /** How long a node waits for answers whether others hear the leader. */
  readonly askMs: number
  /** The second in rank waits this much longer than the first, the third twice as much, up to STAGGER_PLACES_MAX. */
  readonly staggerMs: number
  /** The set of awake candidates must have been the same for this long before a takeover. */
  readonly settleMs: number
  /**
   * A better-ranked node that comes back must have been awake this long, in the leader's eyes, before it is asked to lead; a younger leader never
   * wins over an older one. It keeps a machine that starts again and again from taking the lead each time.
   */
  readonly holdDownMs: number
  /** The same for one that this node has not seen leave: while a house is switched on, or machines are installed, the best soon leads. */
  readonly welcomeMs: number
  readonly handoverRetryMs: number
  /** Events further apart than this mean that the process stood still (SIGSTOP, suspend): what it believed may be past. */
  readonly stallMs: number
}

export const ELECTION_TIMING: ElectionTiming = {
  leaseMs: 2_500,
  heartbeatMs: 600,
  listenMs: 3_000,
  askMs: 400,
  staggerMs: 1_000,
  settleMs: 500,
  holdDownMs: 60_000,
  welcomeMs: 5_000,
  handoverRetryMs: 1_000,
  stallMs: 1_250,
}

export const STAGGER_PLACES_MAX = 8
/** Small enough that numbers never run out: 2^53 is 10^11 starts away. */
export const TERM_SKIP_MAX = 65_535

interface Known {
  readonly term: Term
  readonly heardAtMs: number
  readonly uptimeMs: number
}

/** Times are of the monotonic clock. */
export interface ElectionState {
  readonly timing: ElectionTiming
  readonly clusterId: ClusterId
  readonly nodeId: NodeId
  readonly phase:
    | { readonly kind: 'following' }
    | { readonly kind: 'asking'; readonly untilMs: number }
    | { readonly kind: 'leading'; readonly term: Term; readonly heartbeatAtMs: number; readonly handoverAtMs: number }
    | { readonly kind: 'stopped' }
  /** Latest term seen or used; on disk before it was used. */
  readonly highest: Term | null
  /** The leader last heard, by its own heartbeat or another node's word. */
  readonly known: Known | null
  readonly startedAtMs: number
  /** As leader it counts as up since then, where the leader before it handed over to it: or each would take the other for too young to lead. */
  readonly seniorSinceMs: number
  readonly last: Now
  /** No takeover before: after a start or a stall a node listens first. */
  readonly quietUntilMs: number
  readonly ranking: readonly NodeId[]
  readonly alive: ReadonlySet<NodeId>
  /** Since when each awake candidate has been awake without a break. */
  readonly aliveSinceMs: ReadonlyMap<NodeId, number>
  /** Candidates that were awake, and then were not, in this node's run. */
  readonly returning: ReadonlySet<NodeId>
  readonly candidatesChangedAtMs: number
  /** Added to the next number, once. */
  readonly termSkip: number
  /** Wait before asking, drawn at the last event, so that nodes which cannot see each other's rank seldom ask at once. */
  readonly jitterMs: number
}

export const done = (state: ElectionState, ...actions: ElectionAction[]): Step<ElectionState> => ({ state, actions })

/** One step after another: the actions of both, in order. */
export function chain(first: Step<ElectionState>, next: (state: ElectionState) => Step<ElectionState>): Step<ElectionState> {
  const second = next(first.state)
  if (first.actions.length === 0) return second
  return { state: second.state, actions: [...first.actions, ...second.actions] }
}

export const isLeaseRunning = (state: ElectionState, now: Now): boolean =>
  state.known !== null && now.monotonicMs < state.known.heardAtMs + state.timing.leaseMs

/** How long a candidate has to be awake before it is asked to lead. */
export const holdDownOf = (state: ElectionState, nodeId: NodeId): number =>
  state.returning.has(nodeId) ? state.timing.holdDownMs : state.timing.welcomeMs

/** Place in the ranking; whoever is not in it comes after all others. */
export function place(state: ElectionState, nodeId: NodeId): number {
  const index = state.ranking.indexOf(nodeId)
  return index < 0 ? state.ranking.length : index
}

/** Grows the fence: from here on earlier terms are refused, also after a crash. */
export function note(state: ElectionState, term: Term | null): Step<ElectionState> {
  const highest = laterTerm(state.clusterId, state.highest, term)
  if (highest === null || highest === state.highest || isSame(highest, state.highest)) return done(state)
  return done({ ...state, highest }, { kind: 'persist', term: highest })
}

export const isSame = (a: Term | null, b: Term | null): boolean => a?.number === b?.number && a?.nodeId === b?.nodeId

/** Keeps the newer of what is known and what was heard: word of a leader cannot make its lease longer than its own heartbeat did. */
export function hear(state: ElectionState, term: Term, uptimeMs: number, heardAtMs: number): ElectionState {
  const { known } = state
  if (known !== null && isSame(known.term, term) && known.heardAtMs >= heardAtMs) return state
  return { ...state, known: { term, heardAtMs, uptimeMs } }
}

export const seenMessage = (state: ElectionState, now: Now): ElectionMessage => ({ kind: 'seen', seen: seenBy(state, now), returning: [] })

function seenBy(state: ElectionState, now: Now): LeadershipSeen {
  if (state.phase.kind === 'leading') {
    return { highest: state.highest, leader: { term: state.phase.term, ageMs: 0, uptimeMs: uptimeMs(state, now) } }
  }
  if (state.known === null || !isLeaseRunning(state, now)) return { highest: state.highest, leader: null }
  const { term, heardAtMs } = state.known
  return { highest: state.highest, leader: { term, ageMs: now.monotonicMs - heardAtMs, uptimeMs: state.known.uptimeMs } }
}

export const uptimeMs = (state: ElectionState, now: Now): number =>
  now.monotonicMs - (state.phase.kind === 'leading' ? Math.min(state.startedAtMs, state.seniorSinceMs) : state.startedAtMs)

/** Of the first `places` of the ranking: who came home less than a hold-down ago, or is still out. */
export function heldBackBefore(state: ElectionState, places: number, now: Now): Returning[] {
  return state.ranking
    .slice(0, places)
    .filter((nodeId) => state.returning.has(nodeId))
    .map((nodeId) => ({ nodeId, awakeMs: now.monotonicMs - (state.aliveSinceMs.get(nodeId) ?? now.monotonicMs) }))
    .filter(({ awakeMs }) => awakeMs < state.timing.holdDownMs)
    .slice(0, RETURNING_MAX)
}

/**
 * What another leader knows of candidates' absences counts as if this node had seen them leave. Of two returns the later one counts; but since
 * when somebody is there whom this node has not seen come, the leader knows better.
 */
export function withHeldBack(state: ElectionState, told: readonly Returning[], now: Now): ElectionState {
  const heldBack = told.filter(({ nodeId }) => state.ranking.includes(nodeId))
  if (heldBack.length === 0) return state
  const aliveSinceMs = new Map(state.aliveSinceMs)
  for (const { nodeId, awakeMs } of heldBack) {
    const sinceMs = aliveSinceMs.get(nodeId)
    const toldMs = now.monotonicMs - awakeMs
    if (sinceMs !== undefined) aliveSinceMs.set(nodeId, state.returning.has(nodeId) ? Math.max(sinceMs, toldMs) : toldMs)
  }
  return { ...state, aliveSinceMs, returning: new Set([...state.returning, ...heldBack.map(({ nodeId }) => nodeId)]) }
}

export const heartbeat = (state: ElectionState, term: Term, now: Now): ElectionMessage => ({
  kind: 'heartbeat',
  term,
  uptimeMs: uptimeMs(state, now),
  returning: heldBackBefore(state, state.ranking.length, now),
})

/** Takes the lead with a term that nobody has used: on disk first, then in force, then told to all. */
export function lead(state: ElectionState, now: Now): Step<ElectionState> {
  const term: Term = { number: (state.highest?.number ?? 0) + 1 + state.termSkip, nodeId: state.nodeId }
  const phase = {
    kind: 'leading',
    term,
    heartbeatAtMs: now.monotonicMs + state.timing.heartbeatMs,
    handoverAtMs: now.monotonicMs,
  } as const
  const next: ElectionState = { ...state, phase, highest: term, known: null, termSkip: 0 }
  return done(next, { kind: 'persist', term }, { kind: 'lead', term }, { kind: 'broadcast', message: heartbeat(next, term, now) })
}

export function follow(state: ElectionState): Step<ElectionState> {
  const wasLeading = state.phase.kind === 'leading'
  const next: ElectionState = { ...state, phase: { kind: 'following' }, seniorSinceMs: state.startedAtMs }
  return wasLeading ? done(next, { kind: 'follow' }) : done(next)
}
