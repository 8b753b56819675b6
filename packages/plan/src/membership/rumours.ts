import type { Liveness, Rumour } from './contract.ts'
import { HELPERS, type Draft, type Member, type MembershipState } from './state.ts'

const WEIGHT: Readonly<Record<Liveness, number>> = { alive: 0, suspect: 1, away: 2 }

/**
 * Takes word of a member in: a greater incarnation wins, at the same one the worse news (SWIM §4.2). Word of an unknown id is dropped:
 * who is a member is the roster's affair. Bad word of oneself is answered with a greater incarnation.
 */
export function takeIn(draft: Draft, rumour: Rumour, nowMs: number): void {
  if (rumour.nodeId === draft.state.nodeId) {
    refute(draft, rumour)
    return
  }
  const known = draft.state.members.get(rumour.nodeId)
  if (known === undefined || rumour.incarnation < known.incarnation) return
  const isNews = rumour.incarnation > known.incarnation || WEIGHT[rumour.liveness] > WEIGHT[known.liveness]
  if (isNews) replace(draft, rumour, nowMs)
  else if (rumour.liveness === 'suspect' && known.liveness === 'suspect') addAccuser(draft, rumour, known)
}

function refute(draft: Draft, rumour: Rumour): void {
  const { state } = draft
  const isBehind = rumour.incarnation > state.incarnation
  const isAccused = rumour.liveness !== 'alive' && rumour.incarnation === state.incarnation
  if (!isBehind && !isAccused) return
  state.incarnation = rumour.incarnation + 1
  draft.tell({ nodeId: state.nodeId, incarnation: state.incarnation, liveness: 'alive' })
}

function replace(draft: Draft, rumour: Rumour, nowMs: number): void {
  const isSuspect = rumour.liveness === 'suspect'
  draft.setMember(rumour.nodeId, {
    liveness: rumour.liveness,
    incarnation: rumour.incarnation,
    suspectedAtMs: isSuspect ? nowMs : 0,
    accusers: isSuspect && rumour.by !== undefined ? [rumour.by] : NOBODY,
  })
  draft.tell(rumour)
}

const NOBODY: Member['accusers'] = []

/** Another accuser of the same suspicion: kept, and passed on, as long as it can shorten the wait. */
function addAccuser(draft: Draft, rumour: Rumour, known: Member): void {
  if (rumour.by === undefined || known.accusers.includes(rumour.by) || known.accusers.length > HELPERS) return
  draft.setMember(rumour.nodeId, { ...known, accusers: [...known.accusers, rumour.by] })
  draft.tell(rumour)
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

export const burialAtMs = (state: MembershipState, member: Member): number => member.suspectedAtMs + suspicionMs(state, member)

/** Suspects whose time is over are away. */
export function buryLateSuspects(draft: Draft, nowMs: number): void {
  for (const nodeId of draft.state.suspects) {
    const member = draft.state.members.get(nodeId)
    if (member === undefined || nowMs < burialAtMs(draft.state, member)) continue
    takeIn(draft, { nodeId, incarnation: member.incarnation, liveness: 'away' }, nowMs)
  }
}
