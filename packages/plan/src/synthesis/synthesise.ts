import type { ClusterId, NodeId } from '@thatdam/protocol/ids'
import { SERVICE_NAMES, type PlanBody, type PlannedService, type Role } from '@thatdam/protocol/plan'
import type { RingPolicy } from '@thatdam/protocol/settings'
import { elect } from '../election/elect.ts'
import { byText, sortedMembers, type PlannedNode, type PlanWarning } from '../roster-view.ts'
import { isSmall } from './capability.ts'
import { assignDuties } from './duties.ts'
import { leaderServices, standbyServices } from './leader-services.ts'
import { quotasOf } from './quotas.ts'
import { isLeader, type RingView } from './ring-view.ts'
import { chooseStoreNodes, storageOf } from './storage.ts'
import { followExclusions, nodeWarnings, ringWarnings } from './wishes.ts'
import { deviceServices, mediaServices } from './worker-services.ts'

export interface SynthesisInput {
  readonly clusterId: ClusterId
  /** The whole roster, away members too, in any order. */
  readonly nodes: readonly PlannedNode[]
  readonly policy: RingPolicy
  /** Who leads at this moment (during a hold-down it is not the best-ranked). Left out: whom `elect` names. */
  readonly leader?: NodeId | null
}

export interface Synthesis {
  /** One body for each member, in order of their ids. */
  readonly plans: ReadonlyMap<NodeId, PlanBody>
  readonly warnings: readonly PlanWarning[]
  readonly leader: NodeId | null
  readonly standbys: readonly NodeId[]
}

const RULES = [leaderServices, standbyServices, deviceServices, mediaServices]
const ORDER: ReadonlyMap<string, number> = new Map(SERVICE_NAMES.map((name, index) => [name, index]))

/**
 * What every member should run. Same roster, settings and policy → same bytes of canonical JSON, whatever the order of arrival.
 * In a ring without a leader each member gets the plan it would have alone.
 */
export function synthesise(input: SynthesisInput): Synthesis {
  const { members, warnings: duplicates } = sortedMembers(input.nodes)
  const ring = ringOf(input, members)
  const plans = new Map<NodeId, PlanBody>()
  const warnings: PlanWarning[] = [...duplicates, ...ringWarnings(ring)]
  for (const node of members) {
    const planned = planMember(node, ring)
    plans.set(node.nodeId, planned.body)
    warnings.push(...planned.warnings)
  }
  return { plans, warnings: inOrder(warnings), leader: ring.leader, standbys: ring.standbys }
}

/** What all rules look at. `members`: each id once, in order. */
export function ringOf(input: Omit<SynthesisInput, 'nodes'>, members: readonly PlannedNode[]): RingView {
  const elected = elect({ clusterId: input.clusterId, nodes: members, pinnedLeader: input.policy.pinnedLeader })
  const leader = input.leader === undefined ? elected.leader : input.leader
  const standbys = elected.ranking.filter((nodeId) => nodeId !== leader).slice(0, leader === null ? 0 : 2)
  return viewOf(input, members, leader, standbys)
}

/** One member's body. In a ring without a leader it is planned as if it were alone. */
export const planMember = (node: PlannedNode, ring: RingView): { body: PlanBody; warnings: PlanWarning[] } =>
  planOf(node, ring.leader === null ? viewOf(ring, [node], null, []) : ring)

export const inOrder = (warnings: readonly PlanWarning[]): PlanWarning[] => warnings.toSorted(byNodeThenSentence)

function viewOf(
  input: Pick<SynthesisInput, 'clusterId' | 'policy'>,
  members: readonly PlannedNode[],
  leader: NodeId | null,
  standbys: readonly NodeId[],
): RingView {
  return {
    clusterId: input.clusterId,
    members,
    policy: input.policy,
    leader,
    standbys,
    duties: assignDuties(members, leader),
    storeNodes: chooseStoreNodes(members, leader),
  }
}

function planOf(node: PlannedNode, ring: RingView): { body: PlanBody; warnings: PlanWarning[] } {
  const wanted = RULES.flatMap((rule) => rule(node, ring))
  const { kept, warnings } = followExclusions(node, wanted)
  const services = kept.toSorted((a, b) => (ORDER.get(a.name) ?? 0) - (ORDER.get(b.name) ?? 0))
  const body: PlanBody = {
    version: 1,
    nodeId: node.nodeId,
    role: roleOf(node, ring),
    standby: ring.standbys.includes(node.nodeId),
    services,
    quotas: quotasOf(node, ring),
    storage: storageOf(node, ring),
    cameras: camerasOf(node, services),
  }
  return { body, warnings: [...warnings, ...nodeWarnings(node)] }
}

function roleOf(node: PlannedNode, ring: RingView): Role {
  if (isLeader(node, ring)) return 'leader'
  return isSmall(node) ? 'proxy' : 'worker'
}

/** The cameras that this machine's camera-proxy opens, each once, in order of their ids. */
function camerasOf(node: PlannedNode, services: readonly PlannedService[]): PlanBody['cameras'] {
  if (!services.some((service) => service.name === 'camera-proxy')) return []
  const names = new Map(node.facts.cameras.map((camera) => [camera.cameraId, camera.name]))
  return [...names].map(([cameraId, name]) => ({ cameraId, name })).toSorted((a, b) => byText(a.cameraId, b.cameraId))
}

const byNodeThenSentence = (a: PlanWarning, b: PlanWarning): number =>
  byText(a.nodeId ?? '', b.nodeId ?? '') || byText(a.sentence, b.sentence)
