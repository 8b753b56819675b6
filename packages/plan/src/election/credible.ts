import type { NodeId } from '@thatdam/protocol/ids'
import type { Term } from '@thatdam/protocol/plan'
import type { ElectionMessage } from './contract.ts'
import { isSame, type ElectionState } from './state.ts'

/** Above any number that a ring comes to, and below those that a double cannot tell apart: who noted one of these could never be exceeded. */
const NUMBER_MAX = 2 ** 52
/** One word raises the number by no more: thousands of restarts while a machine was away, and too little to wear the numbers out. */
const RAISE_MAX = 2 ** 28

/**
 * What a member says of leaderships counts within these bounds, or one stolen machine could lead them all: a leader is one of those that may lead and
 * speaks for itself, and no number is out of reach. A leader in force that has just been excluded counts until it hands over.
 * @returns the message, or what of it counts; null: nothing.
 */
export function credible(state: ElectionState, from: NodeId, message: ElectionMessage): ElectionMessage | null {
  if (message.kind === 'ask') return message
  if (message.kind !== 'seen') return message.term.nodeId === from && mayBeLed(state, message.term) ? message : null
  const { highest, leader } = message.seen
  if (highest !== null && !isInReach(state, highest)) return null
  return leader === null || mayBeLed(state, leader.term) ? message : { ...message, seen: { highest, leader: null } }
}

/** Whether this node would follow a leader of this term, were it the latest. */
export const mayBeLed = (state: ElectionState, term: Term): boolean =>
  isInReach(state, term) && (state.ranking.includes(term.nodeId) || isSame(term, state.known?.term ?? null))

const isInReach = ({ highest }: ElectionState, { number }: Term): boolean =>
  number <= NUMBER_MAX && (highest === null || number - highest.number <= RAISE_MAX)
