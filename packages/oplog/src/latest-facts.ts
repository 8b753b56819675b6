import type { NodeFacts } from '@thatdam/protocol/facts'
import type { OpFeedEntry } from '@thatdam/protocol/local'

/** The least that a node ever said it was. */
export type LeastFacts = { readonly isZero: boolean; readonly ramBytes: number }

/** What a node last said of itself. `sealKey`: X25519 key that secrets for it are sealed to. */
export type LatestFacts = {
  readonly facts: NodeFacts
  readonly sealKey: string
  readonly hlc: string
  readonly opId: string
  readonly least: LeastFacts
}

/** By node id. Take them with the roster: a node that was removed is still here. */
export type FactsByNode = ReadonlyMap<string, LatestFacts>
export const NO_FACTS: FactsByNode = new Map()

/** Of each node the op with the latest stamp, whatever the order of arrival. The same map when nothing changed. */
export function addFacts(before: FactsByNode, entries: Iterable<OpFeedEntry>): FactsByNode {
  let next: Map<string, LatestFacts> | null = null
  for (const { op } of entries) {
    if (op.body.kind !== 'node.facts') continue
    const { nodeId, facts, sealKey } = op.body
    const known = (next ?? before).get(nodeId)
    const isKept = known !== undefined && (known.hlc > op.hlc || (known.hlc === op.hlc && known.opId >= op.id))
    const least = lesser(known?.least, facts)
    if (isKept && least === known.least) continue
    next ??= new Map(before)
    next.set(nodeId, isKept ? { ...known, least } : { facts, sealKey, hlc: op.hlc, opId: op.id, least })
  }
  return next ?? before
}

function lesser(before: LeastFacts | undefined, { powerClass, ramBytes }: NodeFacts): LeastFacts {
  const isZero = powerClass === 'zero'
  if (before === undefined) return { isZero, ramBytes }
  const isNoLess = ramBytes >= before.ramBytes && (before.isZero || !isZero)
  return isNoLess ? before : { isZero: before.isZero || isZero, ramBytes: Math.min(before.ramBytes, ramBytes) }
}
