import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import { byText } from '../roster-view.ts'
import type { Layout } from './layout.ts'
import { placeBlob } from './place.ts'

export interface Copy {
  readonly to: NodeId
  /** Any of these has it. */
  readonly from: readonly NodeId[]
  /** `repair`: fewer copies than wanted are in reach. `rebalance`: there are enough, but not where they belong. */
  readonly reason: 'repair' | 'rebalance'
}

export interface Moves {
  /** Copies to make, in order; `repair` before `rebalance`. */
  readonly copies: readonly Copy[]
  /** Holders whose copy is one too many. Each may delete it only with the promises of the others. */
  readonly surplus: readonly NodeId[]
}

/**
 * What to do for one blob, given who has it. `reachable` are the nodes that answer now: only from them can be copied, only to them.
 * Nothing is surplus while a copy that should be there is missing.
 */
export function planMoves(layout: Layout, blob: Sha256Hex, have: ReadonlySet<NodeId>, reachable: ReadonlySet<NodeId>): Moves {
  const { holders, standIns } = placeBlob(layout, blob)
  const { byId } = layout
  const targets = [...holders, ...standIns]
  const sources = [...have].filter((nodeId) => reachable.has(nodeId)).toSorted(byText)
  const missing = targets.filter((nodeId) => !have.has(nodeId) && byId.get(nodeId)?.isFull !== true && byId.get(nodeId)?.state === 'here')
  const steady = [...have].filter((nodeId) => byId.get(nodeId)?.state === 'here').length
  const copies = missing
    .filter((nodeId) => reachable.has(nodeId) && sources.length > 0)
    .map((to, index) => ({ to, from: sources, reason: steady + index < layout.replicas ? ('repair' as const) : ('rebalance' as const) }))
  // A place that cannot take its copy (full, long away) has not got it: what lies elsewhere is then no surplus.
  const held = targets.filter((nodeId) => have.has(nodeId) && byId.get(nodeId)?.state === 'here').length
  const isWhole = missing.length === 0 && held >= layout.replicas
  return { copies, surplus: isWhole ? [...have].filter((nodeId) => !targets.includes(nodeId)).toSorted(byText) : [] }
}

export interface MoveList {
  /** Repairs first, of these the blobs with the fewest copies in reach first; then what only stands in the wrong place. */
  readonly copies: readonly (Copy & { readonly blob: Sha256Hex })[]
  readonly surplus: readonly { readonly blob: Sha256Hex; readonly nodeId: NodeId }[]
  /** There is more to do than was asked for: come again when this is done. */
  readonly isCut: boolean
}

/**
 * What to do for many blobs, at most `max` copies and as many deletions of it. Blobs are given in any order; equals are done in order of their names.
 * It holds all moves of what it is given until it has sorted them: give it a million blobs in slices, by the first byte of their names.
 */
export function moveList(
  layout: Layout,
  holdings: Iterable<readonly [Sha256Hex, ReadonlySet<NodeId>]>,
  reachable: ReadonlySet<NodeId>,
  max: number,
): MoveList {
  const copies: { blob: Sha256Hex; copy: Copy; inReach: number }[] = []
  const surplus: { blob: Sha256Hex; nodeId: NodeId }[] = []
  for (const [blob, have] of holdings) {
    const moves = planMoves(layout, blob, have, reachable)
    moves.copies.forEach((copy, index) => copies.push({ blob, copy, inReach: copy.from.length + index }))
    for (const nodeId of moves.surplus) surplus.push({ blob, nodeId })
  }
  const rank = ({ copy, inReach }: (typeof copies)[number]): number => (copy.reason === 'repair' ? inReach : Infinity)
  // Infinity − Infinity is no number: equal ranks are told apart first.
  copies.sort((a, b) => (rank(a) === rank(b) ? byText(a.blob, b.blob) || byText(a.copy.to, b.copy.to) : rank(a) - rank(b)))
  surplus.sort((a, b) => byText(a.blob, b.blob) || byText(a.nodeId, b.nodeId))
  return {
    copies: copies.slice(0, max).map(({ blob, copy }) => ({ blob, ...copy })),
    surplus: surplus.slice(0, max),
    isCut: copies.length > max || surplus.length > max,
  }
}

/** Who gets a blob and who loses it when the first layout becomes the second, stand-ins counted in. */
export function changeOf(
  before: Layout,
  after: Layout,
  blob: Sha256Hex,
): { readonly gains: readonly NodeId[]; readonly losses: readonly NodeId[] } {
  const [old, now] = [before, after].map((layout) => {
    const { holders, standIns } = placeBlob(layout, blob)
    return [...holders, ...standIns]
  })
  return {
    gains: (now ?? []).filter((nodeId) => old?.includes(nodeId) !== true),
    losses: (old ?? []).filter((nodeId) => now?.includes(nodeId) !== true),
  }
}
