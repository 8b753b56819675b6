import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { PlanBody } from '@thatdam/protocol/plan'
import { planBodyHash } from '../body-hash.ts'
import { byText, sortedMembers, type PlannedNode, type PlanWarning } from '../roster-view.ts'
import { DUTIES } from './duties.ts'
import type { RingView } from './ring-view.ts'
import { replicasOf } from './storage.ts'
import { inOrder, planMember, ringOf, type Synthesis, type SynthesisInput } from './synthesise.ts'
import { ringWarnings } from './wishes.ts'

/** A ring's plans, with what is needed to make the next ones from them. Never changed in place. */
export interface PlannedRing extends Synthesis {
  /** Name of each body: SHA-256 of its canonical JSON. */
  readonly hashes: ReadonlyMap<NodeId, Sha256Hex>
  readonly ring: RingView
  readonly members: ReadonlyMap<NodeId, PlannedMember>
  readonly clusterId: SynthesisInput['clusterId']
  /** As told; undefined: whom `elect` names. */
  readonly toldLeader: NodeId | null | undefined
  readonly duplicates: readonly PlanWarning[]
}

interface PlannedMember {
  readonly node: PlannedNode
  readonly body: PlanBody
  readonly warnings: readonly PlanWarning[]
  readonly hash: Sha256Hex
  /** All of the ring that its plan depends on. */
  readonly place: string
}

export type RingChange =
  /** It is new, or another than it was: its facts, settings, awake or not. */
  | { readonly kind: 'member'; readonly node: PlannedNode }
  | { readonly kind: 'gone'; readonly nodeId: NodeId }
  /** Undefined: whom `elect` names. */
  | { readonly kind: 'leader'; readonly leader: NodeId | null | undefined }

/** The plans of a whole ring and their hashes: as `synthesise`, and the start for `replan`. */
export function planRing(input: SynthesisInput): PlannedRing {
  const { members, warnings } = sortedMembers(input.nodes)
  return planWith({ clusterId: input.clusterId, policy: input.policy, leader: input.leader }, members, warnings, new Map())
}

/**
 * The plans after one change: byte for byte those of `planRing` over the changed ring, but only bodies that can differ are made and hashed anew.
 * A ring in which two machines have one id is planned whole.
 */
export function replan(previous: PlannedRing, change: RingChange): PlannedRing {
  const { clusterId, ring, duplicates } = previous
  const leader = change.kind === 'leader' ? change.leader : previous.toldLeader
  const about = change.kind === 'member' ? change.node.nodeId : change.kind === 'gone' ? change.nodeId : null
  // Which of two machines with one id was left out is not known any more.
  const known = duplicates.length > 0 ? new Map<NodeId, PlannedMember>() : previous.members
  const others = about === null ? ring.members : ring.members.filter((node) => node.nodeId !== about)
  const members = change.kind === 'member' ? inserted(others, change.node) : others
  const stillDouble = duplicates.filter((warning) => warning.nodeId !== about)
  return planWith({ clusterId, policy: ring.policy, leader }, members, stillDouble, known)
}

function inserted(members: readonly PlannedNode[], node: PlannedNode): PlannedNode[] {
  const at = members.findIndex((other) => byText(other.nodeId, node.nodeId) > 0)
  return at < 0 ? [...members, node] : members.toSpliced(at, 0, node)
}

type Told = Omit<SynthesisInput, 'nodes' | 'leader'> & { readonly leader: NodeId | null | undefined }

function planWith(
  { clusterId, policy, leader }: Told,
  nodes: readonly PlannedNode[],
  duplicates: readonly PlanWarning[],
  known: ReadonlyMap<NodeId, PlannedMember>,
): PlannedRing {
  const ring = ringOf(leader === undefined ? { clusterId, policy } : { clusterId, policy, leader }, nodes)
  const common = commonOf(ring)
  const members = new Map<NodeId, PlannedMember>()
  const plans = new Map<NodeId, PlanBody>()
  const hashes = new Map<NodeId, Sha256Hex>()
  const warnings: PlanWarning[] = [...duplicates, ...ringWarnings(ring)]
  for (const node of nodes) {
    const member = planned(node, ring, common, known.get(node.nodeId))
    members.set(node.nodeId, member)
    plans.set(node.nodeId, member.body)
    hashes.set(node.nodeId, member.hash)
    for (const warning of member.warnings) warnings.push(warning)
  }
  const { leader: leads, standbys } = ring
  return { plans, hashes, warnings: inOrder(warnings), leader: leads, standbys, ring, members, clusterId, toldLeader: leader, duplicates }
}

function planned(node: PlannedNode, ring: RingView, common: string, before: PlannedMember | undefined): PlannedMember {
  const place = placeOf(node, ring, common)
  const isNear = node.nodeId === ring.leader || ring.standbys.includes(node.nodeId)
  if (before !== undefined && before.node === node && before.place === place && !isNear) return before
  const { body, warnings } = planMember(node, ring)
  const hash = before !== undefined && isEqual(before.body, body) ? before.hash : planBodyHash(body)
  return { node, body, warnings, hash, place }
}

/** What every member's plan depends on. Who else stands by matters to the leader and the standbys only: they are always planned anew. */
function commonOf(ring: RingView): string {
  return JSON.stringify([ring.leader === null, ring.members.length === 1, ring.policy, replicasOf(ring.policy, ring.storeNodes)])
}

function placeOf(node: PlannedNode, ring: RingView, common: string): string {
  let place = node.nodeId === ring.leader ? 'L' : ring.standbys.includes(node.nodeId) ? 'S' : '-'
  for (const duty of DUTIES) place += ring.duties[duty].has(node.nodeId) ? '1' : '0'
  return `${place}${ring.storeNodes.has(node.nodeId) ? '1' : '0'}${common}`
}

/** Both were made by the same code, so their members come in the same order. */
const isEqual = (a: PlanBody, b: PlanBody): boolean => JSON.stringify(a) === JSON.stringify(b)
