import type { NodeId } from '@thatdam/protocol/ids'
import type { PlanBody } from '@thatdam/protocol/plan'
import type { RingPolicy } from '@thatdam/protocol/settings'
import type { PlannedNode } from '../roster-view.ts'
import { isSmall, onMains } from './capability.ts'

/** Smaller disks keep only what their own machine needs. */
export const STORE_DISK_BYTES_MIN = 16_000_000_000
const GIB = 1024 ** 3
const REPLICAS_WITH_TWO = 2

/**
 * Who keeps copies: machines that are always on, and the leader. With fewer than two of them also machines on mains, and with fewer than two of
 * those also laptops: one copy is worse than one that is sometimes out of reach. Away members stay: a sleeping laptop moves no copy.
 */
export function chooseStoreNodes(members: readonly PlannedNode[], leader: NodeId | null): ReadonlySet<NodeId> {
  const able = members.filter((node) => canStore(node, leader))
  const groups = [able.filter((node) => node.facts.alwaysOn || node.nodeId === leader), able.filter(onMains), able]
  const chosen = new Set<NodeId>()
  for (const group of groups) {
    for (const node of group) chosen.add(node.nodeId)
    if (chosen.size >= REPLICAS_WITH_TWO) break
  }
  return chosen
}

function canStore(node: PlannedNode, leader: NodeId | null): boolean {
  if (isSmall(node) || node.settings.excludeServices.includes('blob-store')) return false
  return node.nodeId === leader || diskTotalBytes(node) >= STORE_DISK_BYTES_MIN
}

/** Two roots with equal figures lie on one file system: its bytes count once. Figures that cannot be count as nothing. */
export function diskTotalBytes(node: PlannedNode): number {
  const seen = new Map<string, number>()
  for (const { diskTotalBytes: total, diskFreeBytes: free } of node.facts.stores) {
    if (Number.isFinite(total) && total > 0) seen.set(`${total}:${free}`, total)
  }
  return [...seen.values()].reduce((sum, total) => sum + total, 0)
}

/**
 * Share of the ring's copies: the disk's size in GiB, rounded down to steps of 5 %, so that a reformatted partition moves nothing.
 * Free space is left out on purpose: it changes with every recording, and a full disk refuses copies by itself.
 */
export function storageWeight(diskBytes: number): number {
  const gib = Math.floor(diskBytes / GIB)
  if (gib <= 0) return 1
  let step = 1
  for (let next = 1; next <= gib; next = Math.max(next + 1, Math.floor((next * 21) / 20))) step = next
  return step
}

/** How many machines should hold each blob: the owner's wish, else 1 alone and 2 from two store nodes on. */
export const replicasOf = (policy: RingPolicy, storeNodes: ReadonlySet<NodeId>): number =>
  policy.replicas ?? Math.min(REPLICAS_WITH_TWO, Math.max(1, storeNodes.size))

export function storageOf(node: PlannedNode, ring: { policy: RingPolicy; storeNodes: ReadonlySet<NodeId> }): PlanBody['storage'] {
  const weight = ring.storeNodes.has(node.nodeId) ? storageWeight(diskTotalBytes(node)) : 0
  return { weight, replicas: replicasOf(ring.policy, ring.storeNodes) }
}
