import type { Job, Priority } from './contract.ts'

const MINUTE_MS = 60_000

/** How much later than a local job, queued at the same time, the others come. */
export const PRIORITY_DELAY_MS: Readonly<Record<Priority, number>> = { local: 0, distributed: 10 * MINUTE_MS, external: 60 * MINUTE_MS }
/** The most by which an asker in debt comes later. */
export const DEBT_DELAY_MS_MAX = 10 * MINUTE_MS
const DEBT_DELAY_MS_PER_CREDIT = 1_000
/** A node that has the input may take a job as if it had been queued this much earlier. */
export const NEAR_ADVANCE_MS = MINUTE_MS

/** What a copy brings over a LAN, bytes per second: waiting longer than the copy takes is no gain. */
const COPY_BYTES_PER_SECOND = 50_000_000
const NEAR_WAIT_MS_MIN = 1_000
export const NEAR_WAIT_MS_MAX = 30_000

/**
 * When a job's turn comes, as a time: smaller is sooner. It never changes while the job waits, and yet everything ages: time goes by, and what is
 * queued later has later turns. So nothing starves: a job is overtaken only by jobs queued less than OVERTAKE_MS_MAX after it.
 */
export const turnOf = (job: Job, asker: { readonly creditsLeft: number }): number =>
  job.queuedAtMs + PRIORITY_DELAY_MS[job.priority] + Math.min(DEBT_DELAY_MS_MAX, Math.max(0, -asker.creditsLeft) * DEBT_DELAY_MS_PER_CREDIT)

/** The bound: 71 minutes, for an external job of an asker in the deepest debt. */
export const OVERTAKE_MS_MAX = PRIORITY_DELAY_MS.external + DEBT_DELAY_MS_MAX + NEAR_ADVANCE_MS

/** Until when only nodes that have the input may take the job: the time of a copy, between one second and half a minute. */
export function opensAtMs(job: Job): number {
  if (job.onlyOn !== null) return Infinity
  if (job.near.length === 0) return job.queuedAtMs
  const copyMs = (job.inputBytes / COPY_BYTES_PER_SECOND) * 1_000
  return job.queuedAtMs + Math.min(NEAR_WAIT_MS_MAX, Math.max(NEAR_WAIT_MS_MIN, copyMs))
}
