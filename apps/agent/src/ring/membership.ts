import type { MembershipEvent, MembershipMessage } from '@thatdam/plan/membership/contract'
import { initialMembership, stepMembership } from '@thatdam/plan/membership/machine'
import { awake, type MembershipState } from '@thatdam/plan/membership/state'
import type { NodeId } from '@thatdam/protocol/ids'

export interface MembershipOptions {
  readonly nodeId: NodeId
  readonly send: (to: NodeId, message: MembershipMessage) => void
  /** Who is awake is another set now. */
  readonly changed: () => void
  /** A member that was awake answers nothing any more. */
  readonly silent: (nodeId: NodeId) => void
  readonly nowMs?: () => number
  readonly wallMs?: () => number
  readonly random?: () => number
}

/** The shell of packages/plan/src/membership: clock and wire for the pure machine. */
export class Membership {
  private readonly options: MembershipOptions
  private readonly nowMs: () => number
  private state: MembershipState

  constructor(options: MembershipOptions) {
    const { nowMs = () => performance.now(), wallMs = Date.now } = options
    this.options = options
    this.nowMs = nowMs
    this.state = initialMembership(options.nodeId, wallMs(), nowMs())
  }

  /** This node among them. */
  get awake(): ReadonlySet<NodeId> {
    return awake(this.state)
  }

  /** The roster's members, self among them: at start and at each change. */
  roster(members: readonly NodeId[]): void {
    this.give({ kind: 'roster', members })
  }

  receive(from: NodeId, message: MembershipMessage): void {
    this.give({ kind: 'message', from, message })
  }

  /** When `tick` is due, by the monotonic clock. */
  get dueMs(): number {
    return this.state.tickDueMs
  }

  tick(): void {
    this.give({ kind: 'tick' })
  }

  private give(event: MembershipEvent): void {
    const before = this.awake
    const { state, actions } = stepMembership(this.state, event, this.nowMs(), (this.options.random ?? Math.random)())
    this.state = state
    for (const action of actions) if (action.kind === 'send') this.options.send(action.to, action.message)
    if (!actions.some((action) => action.kind === 'changed')) return
    for (const nodeId of before) if (!this.awake.has(nodeId)) this.options.silent(nodeId)
    this.options.changed()
  }
}
