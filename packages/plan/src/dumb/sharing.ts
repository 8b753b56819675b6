import { capacityOf } from '../sharing/capacity.ts'
import type { Assignment, Job, WorkNode } from '../sharing/contract.ts'
import { creditsAt, spend, type Ledger } from '../sharing/credits.ts'
import { opensAtMs, turnOf } from '../sharing/turn.ts'

export interface DumbJob {
  readonly job: Job
  readonly runningOn: string | null
}

/** The slow, obvious twin of `assign`: looks at every pair of a job and a node before each choice. For tests only. */
export function dumbAssign(jobs: readonly DumbJob[], nodes: readonly WorkNode[], ledger: Ledger, nowMs: number): Assignment[] {
  const turns = turnsOf(jobs, ledger, nowMs)
  const placed = new Map(jobs.map(({ job, runningOn }) => [job.jobId, runningOn]))
  const assignments: Assignment[] = []
  for (;;) {
    const pairs = jobs
      .filter(({ job }) => placed.get(job.jobId) === null)
      .flatMap(({ job }) => nodes.map((node) => ({ job, node, isNear: isNear(job, node) })))
      .filter(({ job, node, isNear: near }) => (near || mayGoAnywhere(job, nowMs)) && hasRoom(job, node, running(node)))
      .map((pair) => ({
        ...pair,
        turn: (turns.get(pair.job.jobId) ?? 0) - (pair.isNear ? 60_000 : 0),
        load: running(pair.node).length / capacityOf(pair.node, nowMs).jobs,
      }))
    const [best] = pairs.toSorted(
      (a, b) => a.turn - b.turn || compare(a.job.jobId, b.job.jobId) || a.load - b.load || compare(a.node.nodeId, b.node.nodeId),
    )
    if (best === undefined) return assignments
    placed.set(best.job.jobId, best.node.nodeId)
    assignments.push({ jobId: best.job.jobId, nodeId: best.node.nodeId, isNear: best.isNear })
  }

  function running(node: WorkNode): Job[] {
    return jobs.filter(({ job }) => placed.get(job.jobId) === node.nodeId).map(({ job }) => job)
  }

  function hasRoom(job: Job, node: WorkNode, others: readonly Job[]): boolean {
    const capacity = capacityOf(node, nowMs)
    const ofPool = others.filter((other) => other.pool === job.pool).length
    return others.length < capacity.jobs && ofPool < capacity.pools[job.pool] && (job.priority !== 'external' || capacity.takesExternal)
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const isNear = (job: Job, node: WorkNode): boolean =>
  job.onlyOn === null ? job.near.slice(0, 4).includes(node.nodeId) : job.onlyOn === node.nodeId

const mayGoAnywhere = (job: Job, nowMs: number): boolean => job.onlyOn === null && opensAtMs(job) <= nowMs

function turnsOf(jobs: readonly DumbJob[], ledger: Ledger, nowMs: number): Map<string, number> {
  let left = ledger
  const turns = new Map<string, number>()
  for (const { job } of jobs.toSorted((a, b) => a.job.queuedAtMs - b.job.queuedAtMs || compare(a.job.jobId, b.job.jobId))) {
    if (job.queuedAtMs > nowMs) throw new RangeError('the twin knows no future')
    turns.set(job.jobId, turnOf(job, { creditsLeft: creditsAt(left.get(job.asker), job.queuedAtMs) }))
    left = spend(left, job.asker, job.credits, job.queuedAtMs)
  }
  return turns
}
