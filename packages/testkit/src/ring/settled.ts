import type { ClusterFile } from '@thatdam/protocol/cluster'
import type { Term } from '@thatdam/protocol/plan'

/** What a settled ring agrees on. `leader` is null in a ring in which nobody may lead. */
export interface Settled {
  readonly clusterId: string
  readonly leader: string | null
  readonly term: Term | null
}

/**
 * Whether the machines that answer are one ring at rest: of one id and one term, all seeing exactly each other awake, and at most one leading,
 * of whom all say so. `views`: what each machine that should be awake says, null when it does not answer. `needsLeader`: one of them may lead.
 * @returns what they agree on, or one sentence that says why not yet.
 */
export function settledOf(views: ReadonlyMap<string, ClusterFile | null>, needsLeader: boolean): Settled | string {
  const found: ClusterFile[] = []
  for (const [name, view] of views) {
    if (view === null) return `${name} does not answer`
    found.push(view)
  }
  const [first] = found
  if (first === undefined) return 'there are no machines'
  const awake = found.map((view) => view.node_id).toSorted()
  for (const view of found) {
    if (view.cluster_id !== first.cluster_id || view.cluster_id === null) return `${view.node_id} and ${first.node_id} are of two rings`
    const seen = view.members.filter((member) => member.alive).map((member) => member.node_id)
    if (seen.toSorted().join() !== awake.join()) return `${view.node_id} sees ${seen.join(', ') || 'nobody'} awake, not ${awake.join(', ')}`
    if (view.term?.number !== first.term?.number || view.term?.nodeId !== first.term?.nodeId)
      return `${view.node_id} is in term ${told(view.term)}, ${first.node_id} in ${told(first.term)}`
  }
  const leaders = found.filter((view) => view.role === 'leader').map((view) => view.node_id)
  if (leaders.length > 1) return `${leaders.join(' and ')} both lead`
  const leader = leaders[0] ?? null
  if (leader === null && needsLeader) return 'nobody leads'
  for (const view of found) {
    const named = view.members.filter((member) => member.alive && member.role === 'leader').map((member) => member.node_id)
    if (named.join() !== (leader ?? ''))
      return `${view.node_id} says that ${named.join(' and ') || 'nobody'} leads, not ${leader ?? 'nobody'}`
  }
  if (leader !== null && first.term?.nodeId !== leader) return `${leader} leads, but the term is ${told(first.term)}`
  return { clusterId: first.cluster_id ?? '', leader, term: first.term }
}

const told = (term: Term | null): string => (term === null ? 'none' : `${term.number} of ${term.nodeId}`)
