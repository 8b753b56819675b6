import type { NodeId } from '@thatdam/protocol/ids'
import type { Fence, JobsAnswer } from '@thatdam/protocol/jobs'

export interface Lease {
  readonly jobId: string
  readonly nodeId: NodeId
  readonly fence: Fence
  readonly endsAtMs: number
}

type Told = JobsAnswer['jobs'][number]

interface Held extends Lease {
  /** What the worker told last: only another word than before keeps the lease. */
  readonly word: string
}

/**
 * Who has which job, and until when. A lease is kept by getting on, not by answering: a worker that says the same for `leaseMs` loses the job like
 * one that is silent. Each lease has a fence above all before it, so that a late word of an earlier holder changes nothing. Reads no clock.
 *
 *     free ──grant──▶ leased ──heard: queued | running, another word──▶ leased, longer
 *                        ├── heard: done | failed | cannot, with its fence ──▶ free, with the outcome
 *                        └── time is over, or the worker is away ──▶ free, taken back
 */
export class Leases {
  private readonly term: number
  private readonly leaseMs: number
  private readonly held = new Map<string, Held>()
  private count = 0

  constructor(term: number, leaseMs: number) {
    this.term = term
    this.leaseMs = leaseMs
  }

  /** Whoever had it has it no more. */
  grant(jobId: string, nodeId: NodeId, nowMs: number): Lease {
    this.count += 1
    const lease: Held = { jobId, nodeId, fence: { term: this.term, count: this.count }, endsAtMs: nowMs + this.leaseMs, word: '' }
    this.held.set(jobId, lease)
    return lease
  }

  of(jobId: string): Lease | null {
    return this.held.get(jobId) ?? null
  }

  /** In the order in which they were given. */
  on(nodeId: NodeId): Lease[] {
    return [...this.held.values()].filter((lease) => lease.nodeId === nodeId).toSorted((a, b) => a.fence.count - b.fence.count)
  }

  get nodes(): ReadonlySet<NodeId> {
    return new Set([...this.held.values()].map(({ nodeId }) => nodeId))
  }

  /** A worker's word. @returns whether it counts: from who has the job now, under the present fence. An outcome still has to be settled. */
  hear(nodeId: NodeId, told: Told, nowMs: number): boolean {
    const lease = this.held.get(told.jobId)
    if (lease === undefined || lease.nodeId !== nodeId || !isSame(lease.fence, told.fence)) return false
    const word = `${told.state} ${told.progress}`
    if (word !== lease.word) this.held.set(told.jobId, { ...lease, word, endsAtMs: nowMs + this.leaseMs })
    return true
  }

  settle(jobId: string): void {
    this.held.delete(jobId)
  }

  /** Leases that ended: their time is over, or who has them is not among those awake. They are taken back. */
  takeBack(awake: ReadonlySet<NodeId>, nowMs: number): Lease[] {
    const ended = [...this.held.values()].filter(({ nodeId, endsAtMs }) => endsAtMs <= nowMs || !awake.has(nodeId))
    for (const { jobId } of ended) this.held.delete(jobId)
    return ended
  }
}

const isSame = (a: Fence, b: Fence): boolean => a.term === b.term && a.count === b.count

/** Negative when `a` is the earlier one. */
export const compareFences = (a: Fence, b: Fence): number => a.term - b.term || a.count - b.count
