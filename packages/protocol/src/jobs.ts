import * as z from 'zod/mini'
import { NodeId, Sha256Hex } from './ids.ts'

/*
 * Work that the leader gives to another machine: command `jobs` of its deriver, over the route for orders (POST /v1/command), which carries the term.
 * An order names all jobs that the machine has from the leader: what it does not name any more is dropped. The same order again changes nothing, and
 * is how a lease is kept.
 */

export const JOBS_MAX = 64

/** Grows with each lease that is given, in one term and from term to term: of two results for a job, the one with the later fence counts. */
export const Fence = z.object({ term: z.number().check(z.int(), z.nonnegative()), count: z.number().check(z.int(), z.nonnegative()) })
export type Fence = z.infer<typeof Fence>

export const JobId = z.string().check(z.regex(/^derive\/[0-9a-f]{64}\/[0-9a-f]{16}$/, 'not the id of a job'))

/** Previews of one source, and what the file says of itself (`media-info`). */
export const DeriveJob = z.object({
  jobId: JobId,
  fence: Fence,
  source: Sha256Hex,
  kind: z.enum(['photo', 'video', 'audio']),
  mimeType: z.string().check(z.maxLength(255)),
  durationMs: z.nullable(z.number()),
  sizeBytes: z.number().check(z.nonnegative()),
  recipes: z.array(z.object({ recipe: z.string().check(z.maxLength(64)), recipeHash: Sha256Hex })).check(z.minLength(1), z.maxLength(16)),
  /** Who has the source, as the leader knows. */
  holders: z.array(NodeId).check(z.maxLength(8)),
})
export type DeriveJob = z.infer<typeof DeriveJob>

/** Without another order for `leaseMs`, the machine drops all of them. */
export const JobsOrder = z.object({ leaseMs: z.number().check(z.positive()), jobs: z.array(DeriveJob).check(z.maxLength(JOBS_MAX)) })
export type JobsOrder = z.infer<typeof JobsOrder>

/** `failed`: nobody can do it, and the op-log says why. `cannot`: this machine cannot, now. */
export const JobState = z.enum(['queued', 'running', 'done', 'failed', 'cannot'])
export type JobState = z.infer<typeof JobState>

export const JobsAnswer = z.object({
  jobs: z
    .array(
      z.object({
        jobId: JobId,
        fence: Fence,
        state: JobState,
        /** Grows while it gets on. */
        progress: z.number().check(z.nonnegative()),
        reason: z.string().check(z.maxLength(500)),
      }),
    )
    .check(z.maxLength(JOBS_MAX)),
})
export type JobsAnswer = z.infer<typeof JobsAnswer>
