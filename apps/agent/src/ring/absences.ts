import { graceMsOf } from '@thatdam/plan/synthesis/grace'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { sleep } from '../backoff.ts'

const LOOK_MS = 30_000

export interface AbsencesOptions {
  /** Since a member last proved its key to this node, milliseconds; null: not in this run. */
  readonly contactAgeMs: (nodeId: string) => number | null
  /** Monotonic, milliseconds. */
  readonly nowMs?: () => number
}

/** How long members have been out of contact, as far as this run of the agent knows: at its start nobody has been away for long. */
export class Absences {
  private readonly options: AbsencesOptions
  private readonly nowMs: () => number
  private readonly startedAtMs: number

  constructor(options: AbsencesOptions) {
    this.options = options
    this.nowMs = options.nowMs ?? (() => performance.now())
    this.startedAtMs = this.nowMs()
  }

  isLongAway({ nodeId, alive }: Pick<PlannedNode, 'nodeId' | 'alive'>, graceMs: number): boolean {
    return !alive && (this.options.contactAgeMs(nodeId) ?? this.nowMs() - this.startedAtMs) > graceMs
  }

  /** As the planner is told. */
  in(nodes: readonly PlannedNode[]): PlannedNode[] {
    return nodes.map((node) => ({ ...node, longAway: this.isLongAway(node, graceMsOf(node.facts)) }))
  }

  /** Nothing happens when a time of grace ends: it has to be looked for. */
  async follow(nodes: () => readonly PlannedNode[], changed: () => void, signal: AbortSignal): Promise<void> {
    let before = ''
    while (!signal.aborted) {
      const now = nodes()
        .filter((node) => node.longAway)
        .map((node) => node.nodeId)
        .join(' ')
      if (now !== before) changed()
      before = now
      await sleep(LOOK_MS, signal)
    }
  }
}
