import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { ClusterId, NodeId } from '@thatdam/protocol/ids'
import { byText, type PlannedNode } from '../roster-view.ts'

/** 2 GB as sold: firmware and graphics keep up to a tenth of it, which a Pi with 2 GB does not report. */
export const LEADER_RAM_BYTES_MIN = 1_800_000_000
/** How many awake nodes after the leader follow the op-log, ready to take over. */
export const STANDBYS_MAX = 2

export type Ineligible = 'zero' | 'small-memory' | 'excluded-by-owner'

export interface Elected {
  /** Null: no awake node may lead; each node keeps its own plan. */
  readonly leader: NodeId | null
  readonly standbys: readonly NodeId[]
  /** Eligible and awake nodes, best first. */
  readonly ranking: readonly NodeId[]
}

/**
 * Who leads, as a pure function of the alive roster: every node computes it alone and comes to the same answer.
 * `pinnedLeader` is the owner's choice; it is followed when that node is eligible and awake.
 */
export function elect(roster: {
  readonly clusterId: ClusterId
  readonly nodes: readonly PlannedNode[]
  readonly pinnedLeader?: NodeId | null
}): Elected {
  const ranking = rank(
    roster.clusterId,
    roster.nodes.filter((node) => node.alive && ineligible(node) === null),
    roster.pinnedLeader ?? null,
  )
  return { leader: ranking[0] ?? null, standbys: ranking.slice(1, 1 + STANDBYS_MAX), ranking }
}

/**
 * Facts as the ring plans with them: a machine that could not lead at one time cannot later, whatever it says of itself. Who stands by is made an
 * admitter, and a camera from the shed, in the hands of a thief, would only have to call itself a workstation.
 */
export function heldToLeast(facts: NodeFacts, least: { readonly isZero: boolean; readonly ramBytes: number }): NodeFacts {
  if (least.isZero && facts.powerClass !== 'zero') return { ...facts, powerClass: 'zero' }
  if (least.ramBytes < LEADER_RAM_BYTES_MIN && facts.ramBytes > least.ramBytes) return { ...facts, ramBytes: least.ramBytes }
  return facts
}

/** Why a node never leads nor stands by; null when it may. */
export function ineligible(node: PlannedNode): Ineligible | null {
  if (node.facts.powerClass === 'zero') return 'zero'
  if (!(node.facts.ramBytes >= LEADER_RAM_BYTES_MIN)) return 'small-memory'
  if (node.settings.excludeLeader) return 'excluded-by-owner'
  return null
}

/** 0 is best: always on with a desktop, always on, desktop, the rest. */
export function tier(node: PlannedNode): 0 | 1 | 2 | 3 {
  if (node.facts.alwaysOn) return node.facts.uiAvailable ? 0 : 1
  return node.facts.uiAvailable ? 2 : 3
}

/**
 * SHA-256(CLUSTER_ID ‖ NODE_ID ‖ bootCounter) in hex: a fixed, unplanned order among equals.
 * UTF-8 text, the counter in decimal; two nodes whose texts run together alike are told apart by their ids in `rank`.
 */
export function rankKey(clusterId: ClusterId, nodeId: NodeId, bootCounter: number): string {
  const text = `${clusterId}${nodeId}${bootCounter}`
  const known = rankKeys.get(text)
  if (known !== undefined) return known
  const key = bytesToHex(sha256(utf8ToBytes(text)))
  if (rankKeys.size >= RANK_KEYS_MAX) rankKeys.clear()
  rankKeys.set(text, key)
  return key
}

/** Keys are asked for again and again, at each comparison of terms. Remembered for the members of four rings of the largest size. */
const RANK_KEYS_MAX = 4_096
const rankKeys = new Map<string, string>()

function rank(clusterId: ClusterId, nodes: readonly PlannedNode[], pinned: NodeId | null): NodeId[] {
  return nodes
    .map((node) => ({
      nodeId: node.nodeId,
      tier: node.nodeId === pinned ? -1 : tier(node),
      key: rankKey(clusterId, node.nodeId, node.bootCounter),
    }))
    .toSorted((a, b) => a.tier - b.tier || byText(a.key, b.key) || byText(a.nodeId, b.nodeId))
    .map((ranked) => ranked.nodeId)
}
