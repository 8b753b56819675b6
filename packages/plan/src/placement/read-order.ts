import type { NodeId } from '@thatdam/protocol/ids'
import { byText } from '../roster-view.ts'

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
