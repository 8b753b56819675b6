import type { NodeView } from './node-view.ts'

/** The organisation's ring as the pages show it. */
export interface RingView {
  /** `founding`: a machine was asked to found it and has not reported yet. */
  state: 'none' | 'founding' | 'founded'
  /** Row id of the machine whose ring it is; null when that was removed here. */
  founderId: string | null
  genesisHash: string | null
  /** Node ids, by the signed records that its machines brought. */
  members: readonly string[]
  rendezvous: boolean
}

export interface SortedRing {
  /** Leads by its own report: of several that say so, the one with the highest term. */
  leader: NodeView | null
  inRing: NodeView[]
  waiting: NodeView[]
  /** In a ring of their own, for good: joined before there were rings, taken out of it, or in another one. */
  apart: NodeView[]
  /** Members that are not registered here, by node id. */
  elsewhere: string[]
}

const byName = (a: NodeView, b: NodeView): number => a.settings.name.localeCompare(b.settings.name) || a.nodeId.localeCompare(b.nodeId)

/** Who is where: members with their leader first, then who waits, then the rest. */
export function sortRing(ring: RingView, nodes: readonly NodeView[]): SortedRing {
  const inRing = nodes.filter((node) => node.ringState === 'in').toSorted(byName)
  const leaders = inRing.filter((node) => node.role === 'leader' && (node.reportedRing === null || node.reportedRing === ring.genesisHash))
  const [leader = null] = leaders.toSorted((a, b) => (b.termNumber ?? 0) - (a.termNumber ?? 0) || a.contactAgeMs - b.contactAgeMs)
  const here = new Set(nodes.map((node) => node.nodeId))
  return {
    leader,
    inRing: leader === null ? inRing : [leader, ...inRing.filter((node) => node !== leader)],
    waiting: nodes.filter((node) => node.ringState === 'waiting').toSorted(byName),
    apart: nodes.filter((node) => node.ringState === null || node.ringState === 'out').toSorted(byName),
    elsewhere: ring.members.filter((nodeId) => !here.has(nodeId)),
  }
}
