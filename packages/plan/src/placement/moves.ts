import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import { byText } from '../roster-view.ts'
import { placeBlob, type Layout } from './place.ts'

export interface Moves {
  /** Copies to make, in order; `repair` before `rebalance` (DESIGN §7). */
  readonly copies: readonly { readonly to: NodeId; readonly from: readonly NodeId[]; readonly reason: 'repair' | 'rebalance' }[]
  /** Holders whose copy is one too many. Each may delete it only with the promises of the others. */
  readonly surplus: readonly NodeId[]
}

/**
 * What to do for one blob, given who has it. `reachable` are the nodes that answer now: only from them can be copied, only to them.
 * Nothing is surplus while a copy that should be there is missing.
 */
export function planMoves(layout: Layout, blob: Sha256Hex, have: ReadonlySet<NodeId>, reachable: ReadonlySet<NodeId>): Moves {
  const { holders, standIns } = placeBlob(layout, blob)
  const byId = new Map(layout.nodes.map((node) => [node.nodeId, node]))
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

/** Loads that differ by less count as equal: a reader should not hop about. */
const quarter = (load: number): number => (load >= 0 ? Math.min(4, Math.floor(load * 4)) : 0)

/** From whom to read: this node itself, then its own site, then the least loaded (in steps of a quarter), then by id. */
export function readOrder(
  holders: readonly { readonly nodeId: NodeId; readonly site: string | null; readonly isAlive: boolean; readonly load: number }[],
  reader: { readonly nodeId: NodeId; readonly site: string | null },
): NodeId[] {
  return holders
    .filter((holder) => holder.isAlive)
    .toSorted(
      (a, b) =>
        Number(b.nodeId === reader.nodeId) - Number(a.nodeId === reader.nodeId) ||
        Number(b.site === reader.site) - Number(a.site === reader.site) ||
        quarter(a.load) - quarter(b.load) ||
        byText(a.nodeId, b.nodeId),
    )
    .map((holder) => holder.nodeId)
}
