import type { NodeId } from '@thatdam/protocol/ids'
import type { Liveness, Rumour } from './contract.ts'
import { done, HELPERS, type Member, type MembershipState, type MembershipStep } from './state.ts'

const WEIGHT: Readonly<Record<Liveness, number>> = { alive: 0, suspect: 1, away: 2 }

/**
 * Takes word of a member in: a greater incarnation wins, at the same one the worse news (SWIM §4.2). Word of an unknown id is dropped:
 * who is a member is the roster's affair. Bad word of oneself is answered with a greater incarnation.
 */
export function takeIn(state: MembershipState, rumour: Rumour, nowMs: number): MembershipStep {
  if (rumour.nodeId === state.nodeId) return done(refute(state, rumour))
  const known = state.members.get(rumour.nodeId)
  if (known === undefined) return done(state)
  const isNews =
    rumour.incarnation > known.incarnation || (rumour.incarnation === known.incarnation && WEIGHT[rumour.liveness] > WEIGHT[known.liveness])
  if (isNews) return replace(state, rumour, known, nowMs)
  const isSameSuspicion = rumour.liveness === 'suspect' && known.liveness === 'suspect' && rumour.incarnation === known.incarnation
  return isSameSuspicion ? done(withAccuser(state, rumour, known)) : done(state)
}

export function takeInAll(state: MembershipState, rumours: readonly Rumour[], nowMs: number): MembershipStep {
  let step: MembershipStep = done(state)
  for (const rumour of rumours) {
    const next = takeIn(step.state, rumour, nowMs)
    step = { state: next.state, actions: next.actions.length === 0 ? step.actions : next.actions }
  }
  return step
}

function refute(state: MembershipState, rumour: Rumour): MembershipState {
  const isBehind = rumour.incarnation > state.incarnation
  const isAccused = rumour.liveness !== 'alive' && rumour.incarnation === state.incarnation
  if (!isBehind && !isAccused) return state
  const incarnation = rumour.incarnation + 1
  const alive: Rumour = { nodeId: state.nodeId, incarnation, liveness: 'alive' }
  return { ...state, incarnation, rumours: new Map(state.rumours).set(state.nodeId, { rumour: alive, sent: 0 }) }
}

function replace(state: MembershipState, rumour: Rumour, known: Member, nowMs: number): MembershipStep {
  const isSuspect = rumour.liveness === 'suspect'
  const member: Member = {
    liveness: rumour.liveness,
    incarnation: rumour.incarnation,
    suspectedAtMs: isSuspect ? nowMs : 0,
    accusers: isSuspect && rumour.by !== undefined ? [rumour.by] : [],
  }
  const next: MembershipState = {
    ...state,
    suspects: withSuspect(state.suspects, rumour.nodeId, isSuspect),
    members: new Map(state.members).set(rumour.nodeId, member),
    rumours: new Map(state.rumours).set(rumour.nodeId, { rumour, sent: 0 }),
  }
  const isOtherSet = (known.liveness === 'away') !== (rumour.liveness === 'away')
  return isOtherSet ? done(next, { kind: 'changed' }) : done(next)
}

function withSuspect(suspects: ReadonlySet<NodeId>, nodeId: NodeId, isSuspect: boolean): ReadonlySet<NodeId> {
  if (suspects.has(nodeId) === isSuspect) return suspects
  const next = new Set(suspects)
  if (isSuspect) next.add(nodeId)
  else next.delete(nodeId)
  return next
}

/** Another accuser of the same suspicion: kept, and passed on, as long as it can shorten the wait. */
function withAccuser(state: MembershipState, rumour: Rumour, known: Member): MembershipState {
  if (rumour.by === undefined || known.accusers.includes(rumour.by) || known.accusers.length > HELPERS) return state
  return {
    ...state,
    members: new Map(state.members).set(rumour.nodeId, { ...known, accusers: [...known.accusers, rumour.by] }),
    rumours: new Map(state.rumours).set(rumour.nodeId, { rumour, sent: 0 }),
  }
}

/** How long a suspect has to answer: from the longest time, shorter with each further accuser (Lifeguard §IV-B). Milliseconds. */
export function suspicionMs(state: MembershipState, member: Member): number {
  const size = state.members.size + 1
  const shortest = state.timing.suspicionMs * Math.max(1, Math.log10(size))
  // Too few others for independent accusers: waiting for them would only be slow.
  if (size < HELPERS + 2) return shortest
  const longest = shortest * state.timing.suspicionStretch
  const further = Math.max(0, member.accusers.length - 1)
  const share = Math.log(further + 1) / Math.log(HELPERS + 1)
  return Math.max(shortest, longest - (longest - shortest) * share)
}

/** Suspects whose time is over are away. */
export function buryLateSuspects(state: MembershipState, nowMs: number): MembershipStep {
  let step: MembershipStep = done(state)
  for (const nodeId of state.suspects) {
    const member = state.members.get(nodeId)
    if (member === undefined || nowMs < member.suspectedAtMs + suspicionMs(state, member)) continue
    step = takeInAll(step.state, [{ nodeId, incarnation: member.incarnation, liveness: 'away' }], nowMs)
  }
  return step.state === state ? step : done(step.state, { kind: 'changed' })
}

/** A member spoke: its own word is the newest. At an incarnation that was buried it has to learn so and raise it first. */
export const heardFrom = (state: MembershipState, from: NodeId, incarnation: number, nowMs: number): MembershipStep =>
  takeIn(state, { nodeId: from, incarnation, liveness: 'alive' }, nowMs)
