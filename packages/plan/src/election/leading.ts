import type { NodeId } from '@thatdam/protocol/ids'
import type { Term } from '@thatdam/protocol/plan'
import type { ElectionMessage, Now, Step } from './contract.ts'
import {
  chain,
  done,
  follow,
  hear,
  heartbeat,
  heldBackBefore,
  holdDownOf,
  lead,
  note,
  place,
  seenMessage,
  uptimeMs,
  withHeldBack,
  type ElectionState,
} from './state.ts'
import { compareTerms } from './terms.ts'

/** Renews the lease, and asks a better-ranked node to lead once that one has been awake for long enough. */
export function tickLeading(state: ElectionState, now: Now): Step<ElectionState> {
  const { phase } = state
  if (phase.kind !== 'leading') return done(state)
  if (!state.ranking.includes(state.nodeId)) return resign(state, now)
  const beaten = now.monotonicMs < phase.heartbeatAtMs ? done(state) : beat(state, phase, now)
  return chain(beaten, (next) => offerHandover(next, now))
}

function beat(state: ElectionState, phase: Extract<ElectionState['phase'], { kind: 'leading' }>, now: Now): Step<ElectionState> {
  return done(
    { ...state, phase: { ...phase, heartbeatAtMs: now.monotonicMs + state.timing.heartbeatMs } },
    { kind: 'broadcast', message: heartbeat(state, phase.term, now) },
  )
}

function offerHandover(state: ElectionState, now: Now): Step<ElectionState> {
  const { phase } = state
  if (phase.kind !== 'leading' || now.monotonicMs < phase.handoverAtMs) return done(state)
  const successor = successorOf(state, now)
  if (successor === null) return done(state)
  return done(
    { ...state, phase: { ...phase, handoverAtMs: now.monotonicMs + state.timing.handoverRetryMs } },
    { kind: 'send', to: successor, message: handover(state, successor, { term: phase.term, resigning: false, now }) },
  )
}

const handover = (state: ElectionState, to: NodeId, word: { term: Term; resigning: boolean; now: Now }): ElectionMessage => {
  const { term, resigning, now } = word
  const returning = heldBackBefore(state, place(state, to), now)
  return { kind: 'handover', term, resigning, uptimeMs: uptimeMs(state, now), holdDownMs: holdDownOf(state, to), returning }
}

/**
 * The best of the better-ranked that has been awake for the hold-down. While a still better one is in its own hold-down it waits for that one,
 * or the lead would climb the ranking step by step when many start together; but no longer than twice, in case that one comes and goes.
 */
function successorOf(state: ElectionState, now: Now): NodeId | null {
  let isBetterOneYoung = false
  for (const nodeId of state.ranking.slice(0, place(state, state.nodeId))) {
    const sinceMs = state.aliveSinceMs.get(nodeId)
    if (sinceMs === undefined) continue
    const awakeMs = now.monotonicMs - sinceMs
    const holdDownMs = holdDownOf(state, nodeId)
    if (awakeMs >= holdDownMs * (isBetterOneYoung ? 2 : 1)) return nodeId
    if (awakeMs < holdDownMs) isBetterOneYoung = true
  }
  return null
}

/** Leaves the lead in order: the next in rank is told, so that nobody waits for the lease to end. */
export function resign(state: ElectionState, now: Now): Step<ElectionState> {
  const { phase } = state
  if (phase.kind !== 'leading') return done(state)
  const next = state.ranking.find((nodeId) => nodeId !== state.nodeId && state.alive.has(nodeId))
  const told =
    next === undefined
      ? done(state)
      : done(state, { kind: 'send', to: next, message: handover(state, next, { term: phase.term, resigning: true, now }) })
  return chain(told, follow)
}

export function answerWhileLeading(state: ElectionState, from: NodeId, message: ElectionMessage, now: Now): Step<ElectionState> {
  const { phase } = state
  if (phase.kind !== 'leading') return done(state)
  switch (message.kind) {
    case 'heartbeat': {
      const { term, uptimeMs: theirsMs, returning } = message
      return meet(withHeldBack(state, returning, now), { term, uptimeMs: theirsMs, heardAtMs: now.monotonicMs }, now)
    }
    case 'ask':
      return done(state, { kind: 'send', to: from, message: seenMessage(state, now) })
    case 'seen':
      return onSeen(withHeldBack(state, message.returning, now), message, now)
    case 'handover':
      return done(state)
  }
  return done(state)
}

/** Another leader: the preferred of the two goes on, above both numbers; the other one follows at once. */
function meet(state: ElectionState, other: { term: Term; uptimeMs: number; heardAtMs: number }, now: Now): Step<ElectionState> {
  if (other.term.nodeId === state.nodeId || state.phase.kind !== 'leading') return done(state)
  const own = state.phase.term
  if (isPreferred(state, other, now)) {
    const yielded = chain(note(state, other.term), (noted) => follow(hear(noted, other.term, other.uptimeMs, other.heardAtMs)))
    // Where its number is lower the others still refuse the preferred leader: it has to hear which one to exceed, and in any case whom to hold back.
    const returning = heldBackBefore(state, state.ranking.length, now)
    if (compareTerms(state.clusterId, other.term, own) > 0 && returning.length === 0) return yielded
    const message: ElectionMessage = { kind: 'seen', seen: { highest: own, leader: null }, returning }
    return chain(yielded, (next) => done(next, { kind: 'send', to: other.term.nodeId, message }))
  }
  return chain(note(state, other.term), (noted) => {
    if (compareTerms(noted.clusterId, other.term, own) > 0) return lead(noted, now)
    return done(noted, {
      kind: 'send',
      to: other.term.nodeId,
      message: heartbeat(noted, own, now),
    })
  })
}

function isPreferred(state: ElectionState, other: { term: Term; uptimeMs: number }, now: Now): boolean {
  const isOtherYoung = other.uptimeMs < state.timing.holdDownMs
  const amYoung = uptimeMs(state, now) < state.timing.holdDownMs
  if (isOtherYoung !== amYoung) return amYoung
  const difference = place(state, other.term.nodeId) - place(state, state.nodeId)
  return difference === 0
    ? compareTerms(state.clusterId, other.term, { number: other.term.number, nodeId: state.nodeId }) > 0
    : difference < 0
}

/** A node refuses this leader's number: there is another leader, or there was a later one. */
function onSeen(state: ElectionState, { seen }: Extract<ElectionMessage, { kind: 'seen' }>, now: Now): Step<ElectionState> {
  const { phase } = state
  if (phase.kind !== 'leading') return done(state)
  const heard = seen.leader
  if (heard !== null && heard.term.nodeId !== state.nodeId && heard.ageMs < state.timing.leaseMs) {
    return meet(state, { term: heard.term, uptimeMs: heard.uptimeMs, heardAtMs: now.monotonicMs - heard.ageMs }, now)
  }
  return chain(note(state, seen.highest), (noted) => {
    const isPast = noted.highest !== null && compareTerms(noted.clusterId, noted.highest, phase.term) > 0
    return isPast ? lead(noted, now) : done(noted)
  })
}
