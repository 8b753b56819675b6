import type { ClusterId } from '@thatdam/protocol/ids'
import type { Term } from '@thatdam/protocol/plan'
import { byText } from '../roster-view.ts'
import { rankKey } from './elect.ts'

/**
 * Order of leaderships: the number, then the key of the node's id. The boot counter stays out of the key, so that machines
 * whose rosters differ for a moment still agree. Positive when `a` is the later one; 0 only for the same term.
 */
export function compareTerms(clusterId: ClusterId, a: Term, b: Term): number {
  if (a.number !== b.number) return a.number - b.number
  if (a.nodeId === b.nodeId) return 0
  return byText(rankKey(clusterId, a.nodeId, 0), rankKey(clusterId, b.nodeId, 0)) || byText(a.nodeId, b.nodeId)
}

/** The later of two terms; null counts as before every term. */
export function laterTerm(clusterId: ClusterId, a: Term | null, b: Term | null): Term | null {
  if (a === null || b === null) return a ?? b
  return compareTerms(clusterId, a, b) >= 0 ? a : b
}
