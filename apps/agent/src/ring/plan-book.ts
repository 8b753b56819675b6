import type { KeyPair } from '@thatdam/control/keys'
import { planRing, type PlannedRing } from '@thatdam/plan/synthesis/replan'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { NodeId } from '@thatdam/protocol/ids'
import type { SignedPlan, Term } from '@thatdam/protocol/plan'
import type { RingPolicy } from '@thatdam/protocol/settings'
import { signPlan } from './signed-plan.ts'

export interface PlanBookInput {
  readonly clusterId: string
  readonly nodes: readonly PlannedNode[]
  readonly policy: RingPolicy
  readonly term: Term
}

/**
 * The plans that a leader gives out, of one term: signed anew only where the body changed, so that a member's revision grows by one with each
 * plan that is really another. A new term begins it anew.
 */
export class PlanBook {
  private readonly key: KeyPair
  private term: Term | null = null
  private plans = new Map<NodeId, SignedPlan>()
  private planned: PlannedRing | null = null
  private readonly waiting = new Set<() => void>()

  constructor(key: KeyPair) {
    this.key = key
  }

  /** What the owner should know about the whole ring's layout. */
  get warnings(): PlannedRing['warnings'] {
    return this.planned?.warnings ?? []
  }

  get standbys(): readonly NodeId[] {
    return this.planned?.standbys ?? []
  }

  /** Every member's plan now. */
  get all(): ReadonlyMap<NodeId, SignedPlan> {
    return this.plans
  }

  of(nodeId: NodeId): SignedPlan | null {
    return this.plans.get(nodeId) ?? null
  }

  /** @returns whether anybody's plan is another one. */
  make(input: PlanBookInput): boolean {
    const { clusterId, nodes, policy, term } = input
    const isNewTerm = this.term === null || this.term.number !== term.number || this.term.nodeId !== term.nodeId
    this.planned = planRing({ clusterId, nodes, policy, leader: term.nodeId })
    const before = isNewTerm ? new Map<NodeId, SignedPlan>() : this.plans
    const next = new Map<NodeId, SignedPlan>()
    for (const [nodeId, body] of this.planned.plans) {
      const known = before.get(nodeId)
      const isSame = known !== undefined && known.envelope.bodyHash === this.planned.hashes.get(nodeId)
      next.set(nodeId, isSame ? known : signPlan(this.key, body, term, (known?.envelope.revision ?? 0) + 1))
    }
    const isOther = isNewTerm || next.size !== this.plans.size || [...next].some(([nodeId, plan]) => this.plans.get(nodeId) !== plan)
    this.term = term
    this.plans = next
    if (isOther) this.wake()
    return isOther
  }

  /** The lead is over: nobody gets a plan from here any more. */
  clear(): void {
    if (this.term === null) return
    this.term = null
    this.planned = null
    this.plans = new Map()
    this.wake()
  }

  /** Resolves at the next change, after `holdMs`, or when the signal aborts. */
  changed(holdMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, holdMs)
      if (signal.aborted) return done()
      this.waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }

  private wake(): void {
    for (const done of this.waiting) done()
  }
}
