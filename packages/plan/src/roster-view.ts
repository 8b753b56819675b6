import { canonicalJson } from '@thatdam/protocol/canonical'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { NodeId, PublicKey } from '@thatdam/protocol/ids'
import type { NodeSettings } from '@thatdam/protocol/settings'

/**
 * A member of the ring as a planner sees it: the roster's record, the node's own facts, the owner's wishes, and whether it answers.
 * Nothing here tells when or in which order nodes came: a layout may not depend on it.
 */
export interface PlannedNode {
  readonly nodeId: NodeId
  readonly publicKey?: PublicKey
  readonly facts: NodeFacts
  readonly settings: NodeSettings
  /** Boot counter of the *admission record* (not of the newest facts): a reboot changes no rank. */
  readonly bootCounter: number
  /** Answers now, in the view of whoever plans. A node that sleeps stays a member, and keeps its plan. */
  readonly alive: boolean
  /** Away for longer than the grace time: what only it did is given to others until it returns. Left out means no. */
  readonly longAway?: boolean
}

/** A sentence for the owner about a wish that was not followed, or a lack the layout has. `nodeId` null: the whole ring. */
export interface PlanWarning {
  readonly nodeId: NodeId | null
  readonly sentence: string
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * The members in order of their ids, each id once. Of two entries with one id the same is kept on every machine, whatever came first:
 * one that answers before one that is away, then the one with the greater canonical JSON.
 */
export function sortedMembers(nodes: readonly PlannedNode[]): { members: PlannedNode[]; warnings: PlanWarning[] } {
  const byId = new Map<NodeId, PlannedNode>()
  const warnings: PlanWarning[] = []
  for (const node of nodes) {
    const other = byId.get(node.nodeId)
    if (other === undefined) {
      byId.set(node.nodeId, node)
      continue
    }
    byId.set(node.nodeId, preferred(other, node))
    if (!warnings.some((warning) => warning.nodeId === node.nodeId)) {
      warnings.push({
        nodeId: node.nodeId,
        sentence: `Two machines call themselves ${node.nodeId}; only one of them is planned. Register one of them again under another name.`,
      })
    }
  }
  return {
    members: [...byId.values()].toSorted((a, b) => byText(a.nodeId, b.nodeId)),
    warnings: warnings.toSorted((a, b) => byText(a.nodeId ?? '', b.nodeId ?? '')),
  }
}

function preferred(a: PlannedNode, b: PlannedNode): PlannedNode {
  if (a.alive !== b.alive) return a.alive ? a : b
  return comparable(a) >= comparable(b) ? a : b
}

/** Facts from another agent version may hold what JSON cannot (NaN): then its plain text decides. */
function comparable(node: PlannedNode): string {
  try {
    return canonicalJson({ ...node })
  } catch {
    return JSON.stringify(node)
  }
}

/** What people call the machine: the owner's name for it, or its id. */
export const nameOf = (node: PlannedNode): string => (node.settings.name === '' ? node.nodeId : node.settings.name)
