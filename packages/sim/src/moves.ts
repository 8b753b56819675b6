import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { Synthesis } from '@thatdam/plan/synthesis/synthesise'
import type { Rules } from './rules.ts'

/** What one leader planned last. */
interface Planned {
  readonly leader: string
  readonly members: string
  readonly awake: ReadonlySet<string>
  /** Who leads and stands by in it. */
  readonly chosen: ReadonlySet<string>
  /** `node service:mode` */
  readonly services: ReadonlySet<string>
}

/** Of a leader and a standby that change places each service may stop on one and start on the other, and heavy work leaves the new leader. */
const MOVES_PER_MACHINE_MAX = 40

/** Layouts must not flap: a machine that comes or goes moves services only where it led, stood by, or does so now; and then a bounded number. */
export class ServiceMoves {
  private readonly layout: Rules['layout']
  private readonly last = new Map<string, Planned>()

  constructor(layout: Rules['layout']) {
    this.layout = layout
  }

  /** Another set of machines is awake in a leader's eyes. Says what is wrong with the plans that follow, or null. */
  see(leader: string, clusterId: string, members: readonly PlannedNode[]): string | null {
    const now = plannedBy(leader, members, this.layout(members, clusterId))
    const before = this.last.get(clusterId)
    this.last.set(clusterId, now)
    // Another roster, or another leader's eyes: what those move is measured elsewhere.
    if (before === undefined || before.leader !== leader || before.members !== now.members) return null
    const moved = before.services.symmetricDifference(now.services).size
    const changed = before.awake.symmetricDifference(now.awake)
    const isOfChosen = [...changed].some((nodeId) => before.chosen.has(nodeId) || now.chosen.has(nodeId))
    const movesMax = isOfChosen ? changed.size * MOVES_PER_MACHINE_MAX : 0
    return moved <= movesMax ? null : `${moved} services move because ${[...changed].slice(0, 5).join(', ')} came or went`
  }
}

function plannedBy(leader: string, members: readonly PlannedNode[], { plans, leader: best, standbys }: Synthesis): Planned {
  const services = new Set<string>()
  for (const [nodeId, body] of plans) for (const { name, mode } of body.services) services.add(`${nodeId} ${name}:${mode}`)
  return {
    leader,
    members: members.map(({ nodeId }) => nodeId).join(' '),
    awake: new Set(members.filter(({ alive }) => alive).map(({ nodeId }) => nodeId)),
    chosen: new Set(best === null ? standbys : [best, ...standbys]),
    services,
  }
}
