import type { NodeId } from '@thatdam/protocol/ids'
import type { ElectionMessage, Now, Step } from './contract.ts'
import {
  done,
  follow,
  hear,
  holdDownOf,
  isLeaseRunning,
  isSame,
  lead,
  note,
  place,
  seenMessage,
  chain,
  STAGGER_PLACES_MAX,
  uptimeMs,
  withHeldBack,
  type ElectionState,
} from './state.ts'
import { compareTerms } from './terms.ts'

/** Follows while a lease runs; else asks around when its turn has come, and leads when nobody hears a leader. */
export function tickFollowing(state: ElectionState, now: Now): Step<ElectionState> {
  if (isLeaseRunning(state, now)) return state.phase.kind === 'asking' ? follow(state) : done(state)
  if (!isMyTurn(state, now)) return state.phase.kind === 'asking' ? follow(state) : done(state)
  if (state.phase.kind !== 'asking') {
    const asking: ElectionState = { ...state, phase: { kind: 'asking', untilMs: now.monotonicMs + state.timing.askMs + state.jitterMs } }
    return done(asking, { kind: 'broadcast', message: { kind: 'ask' } })
  }
  return now.monotonicMs >= state.phase.untilMs ? lead(withLapsedLeader(state, now), now) : done(state)
}

/**
 * A leader that fell silent counts as awake from when it is heard again: its hold-down starts anew, whether members noticed its absence or not. The
 * same goes for those before this one who let their turn pass.
 */
function withLapsedLeader(state: ElectionState, now: Now): ElectionState {
  const lapsed = state.known?.term.nodeId
  if (lapsed === undefined) return state
  return withReturning(state, [lapsed, ...state.ranking.slice(0, place(state, state.nodeId))], now)
}

function withReturning(state: ElectionState, nodeIds: readonly NodeId[], now: Now): ElectionState {
  const awake = nodeIds.filter((nodeId) => state.aliveSinceMs.has(nodeId))
  if (awake.length === 0) return state
  const since = new Map(state.aliveSinceMs)
  for (const nodeId of awake) since.set(nodeId, now.monotonicMs)
  return { ...state, aliveSinceMs: since, returning: new Set([...state.returning, ...awake]) }
}

/**
 * The best awake candidate first, each next one a second later, in case those before it died too and nobody has noticed yet.
 * The leader whose lease has just ended does not count as awake: members notice its death only seconds later.
 */
function isMyTurn(state: ElectionState, now: Now): boolean {
  if (!state.ranking.includes(state.nodeId)) return false
  if (now.monotonicMs < state.quietUntilMs || now.monotonicMs < state.candidatesChangedAtMs + state.timing.settleMs) return false
  const lapsed = state.known?.term.nodeId ?? null
  const before = state.ranking
    .slice(0, state.ranking.indexOf(state.nodeId))
    .filter((nodeId) => nodeId !== lapsed && state.alive.has(nodeId))
  const leaseEndMs = state.known === null ? state.quietUntilMs : Math.max(state.quietUntilMs, state.known.heardAtMs + state.timing.leaseMs)
  const places = Math.min(before.length, STAGGER_PLACES_MAX)
  return now.monotonicMs >= leaseEndMs + places * state.timing.staggerMs
}

export function answerWhileFollowing(state: ElectionState, from: NodeId, message: ElectionMessage, now: Now): Step<ElectionState> {
  switch (message.kind) {
    case 'heartbeat':
      return onHeartbeat(state, from, message, now)
    case 'ask':
      return done(state, { kind: 'send', to: from, message: seenMessage(state, now) })
    case 'seen':
      return onSeen(withHeldBack(state, message.returning, now), message, now)
    case 'handover':
      return onHandover(state, from, message, now)
  }
  return done(state)
}

function onHeartbeat(
  state: ElectionState,
  from: NodeId,
  { term, uptimeMs: theirs, returning }: Extract<ElectionMessage, { kind: 'heartbeat' }>,
  now: Now,
): Step<ElectionState> {
  if (state.highest !== null && compareTerms(state.clusterId, term, state.highest) < 0) {
    // A past leader, or one that rose on the other side of a cut: it learns which number it has to exceed.
    return done(state, { kind: 'send', to: from, message: seenMessage(state, now) })
  }
  return chain(note(withHeldBack(state, returning, now), term), (noted) => follow(hear(noted, term, theirs, now.monotonicMs)))
}

/** Another node hears a leader that this one does not: that one's lease runs for this node too. */
function onSeen(state: ElectionState, { seen }: Extract<ElectionMessage, { kind: 'seen' }>, now: Now): Step<ElectionState> {
  return chain(note(state, seen.highest), (noted) => {
    const heard = seen.leader
    if (heard === null || heard.term.nodeId === noted.nodeId) return done(noted)
    if (noted.highest !== null && compareTerms(noted.clusterId, heard.term, noted.highest) < 0) return done(noted)
    const next = hear(noted, heard.term, heard.uptimeMs, now.monotonicMs - heard.ageMs)
    return isLeaseRunning(next, now) ? follow(next) : done(next)
  })
}

/**
 * Only the leader of the latest term can hand over, and not to a machine that has only just started, unless it leaves anyway. How long
 * this one has to have been up, the leader knows: whether it is new to it, or was away before. A leader before it may have known better.
 */
function onHandover(
  state: ElectionState,
  from: NodeId,
  { term, resigning, holdDownMs, uptimeMs: theirsMs, returning }: Extract<ElectionMessage, { kind: 'handover' }>,
  now: Now,
): Step<ElectionState> {
  const isFromLeader = term.nodeId === from && (state.highest === null || compareTerms(state.clusterId, term, state.highest) >= 0)
  const upForMs = Math.max(holdDownMs, holdDownOf(state, state.nodeId))
  const isReady = resigning || (uptimeMs(state, now) >= upForMs && now.monotonicMs >= state.quietUntilMs)
  if (!isFromLeader || !isReady || !state.ranking.includes(state.nodeId)) return done(state)
  const told = withHeldBack(state, returning, now)
  const left = resigning ? withReturning(told, [from], now) : told
  const seniorSinceMs = now.monotonicMs - theirsMs
  return chain(note(left, term), (noted) => (isSame(noted.highest, term) ? lead({ ...noted, seniorSinceMs }, now) : done(noted)))
}
