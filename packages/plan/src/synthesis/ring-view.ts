import type { ClusterId, NodeId } from '@thatdam/protocol/ids'
import type { ServiceName } from '@thatdam/protocol/plan'
import type { RingPolicy } from '@thatdam/protocol/settings'
import type { PlannedNode } from '../roster-view.ts'
import type { Duties } from './duties.ts'

/** What every rule may look at. Rules are pure: `(node, ring) → services`. */
export interface RingView {
  readonly clusterId: ClusterId
  /** In order of their ids, each once. */
  readonly members: readonly PlannedNode[]
  readonly policy: RingPolicy
  readonly leader: NodeId | null
  readonly standbys: readonly NodeId[]
  readonly duties: Duties
  /** Members that keep copies of everybody's recordings and previews. */
  readonly storeNodes: ReadonlySet<NodeId>
}

export const excludes = (node: PlannedNode, service: ServiceName): boolean => node.settings.excludeServices.includes(service)

export const isLeader = (node: PlannedNode, ring: RingView): boolean => node.nodeId === ring.leader

export const isAlone = (ring: RingView): boolean => ring.members.length === 1
