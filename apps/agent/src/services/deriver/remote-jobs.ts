import { compareFences } from '@thatdam/plan/sharing/leases'
import type { DeriveJob, JobsAnswer, JobsOrder, JobState } from '@thatdam/protocol/jobs'

export interface RemoteJob extends DeriveJob {
  /** Aborted when the leader does not name it any more, or names nothing for too long. */
  readonly signal: AbortSignal
}

interface Known {
  job: DeriveJob
  state: JobState
  progress: number
  reason: string
  readonly dropped: AbortController
}

/**
 * What the leader gave this machine to do. An order names all of it; it may come twice, and a later one of another leader may name the same jobs under
 * a new fence: what runs goes on.
 */
export class RemoteJobs {
  private readonly known = new Map<string, Known>()
  private endsAtMs = 0

  /** @returns how all of them stand. An order that lags behind what is known of a job changes nothing of that job. */
  order({ leaseMs, jobs }: JobsOrder, nowMs: number): JobsAnswer {
    this.endsAtMs = nowMs + leaseMs
    const named = new Set(jobs.map(({ jobId }) => jobId))
    for (const jobId of this.known.keys()) if (!named.has(jobId)) this.drop(jobId)
    for (const job of jobs) this.take(job)
    return {
      jobs: [...this.known.values()].map(({ job: { jobId, fence }, state, progress, reason }) => ({
        jobId,
        fence,
        state,
        progress,
        reason,
      })),
    }
  }

  /** The next one to do, but for sources that are being worked on; it counts as running. Null: there is none. */
  next(busy: ReadonlySet<string>, nowMs: number): RemoteJob | null {
    if (nowMs >= this.endsAtMs) for (const jobId of this.known.keys()) this.drop(jobId)
    for (const known of this.known.values()) {
      if (known.state !== 'queued' || busy.has(known.job.source)) continue
      known.state = 'running'
      return { ...known.job, signal: known.dropped.signal }
    }
    return null
  }

  advance(jobId: string, by: number): void {
    const known = this.known.get(jobId)
    if (known !== undefined) known.progress += by
  }

  end(jobId: string, state: 'done' | 'failed' | 'cannot', reason = ''): void {
    const known = this.known.get(jobId)
    if (known === undefined) return
    known.state = state
    known.reason = reason.slice(0, 500)
  }

  private take(job: DeriveJob): void {
    const known = this.known.get(job.jobId)
    if (known === undefined) {
      this.known.set(job.jobId, { job, state: 'queued', progress: 0, reason: '', dropped: new AbortController() })
      return
    }
    if (compareFences(job.fence, known.job.fence) <= 0) return
    known.job = job
    // Asked once more: what it could not do then, it may now. What was done is known to be, so that costs nothing.
    if (known.state !== 'running') known.state = 'queued'
  }

  private drop(jobId: string): void {
    this.known.get(jobId)?.dropped.abort()
    this.known.delete(jobId)
  }
}
