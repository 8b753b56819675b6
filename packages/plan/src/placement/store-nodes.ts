import type { PlannedNode } from '../roster-view.ts'
import type { Synthesis } from '../synthesis/synthesise.ts'
import type { StoreNode } from './layout.ts'

/** A label such as `site:studio` tells where a machine stands. */
const SITE_LABEL = /^site:(.+)$/i
/** Below this share of free disk a machine takes no further copies. */
const FREE_PERCENT_MIN = 5

/** Who keeps copies, for placing blobs: shares from the plans, sites from the owner's labels, the rest from what the machines say. */
export function storeNodesOf(nodes: readonly PlannedNode[], plans: Synthesis['plans']): StoreNode[] {
  return nodes.flatMap((node) => {
    const weight = plans.get(node.nodeId)?.storage.weight ?? 0
    if (weight === 0) return []
    return [{ nodeId: node.nodeId, weight, site: siteOf(node), state: node.longAway === true ? 'long-away' : 'here', isFull: isFull(node) }]
  })
}

export function siteOf(node: PlannedNode): string | null {
  const sites = node.settings.labels.flatMap((label) => SITE_LABEL.exec(label)?.[1]?.trim().toLowerCase() ?? [])
  return sites.toSorted()[0] ?? null
}

/** Full when every disk is: one with room is enough. A machine that tells no disk at all has none to give. */
function isFull(node: PlannedNode): boolean {
  return node.facts.stores.every(({ diskFreeBytes, diskTotalBytes }) => !(diskFreeBytes * 100 >= diskTotalBytes * FREE_PERCENT_MIN))
}
