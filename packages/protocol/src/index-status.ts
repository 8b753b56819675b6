import * as z from 'zod/mini'

/** What the indexer says about its work. */
export const IndexStatus = z.object({
  state: z.enum(['idle', 'walking', 'indexing', 'paused']),
  roots: z.array(
    z.object({
      path: z.string(),
      /** `missing`, `unreadable`, `overlaps` (with the store or another root), `not-allowed`, or ok. */
      problem: z.nullable(z.string()),
      filesSeen: z.number(),
    }),
  ),
  filesDone: z.number(),
  filesTotal: z.nullable(z.number()),
  bytesDone: z.number(),
  bytesTotal: z.nullable(z.number()),
  /** Over the last seconds; null until measured. */
  bytesPerSecond: z.nullable(z.number()),
  secondsLeft: z.nullable(z.number()),
  errorCount: z.number(),
  /** The newest 100. */
  errors: z.array(z.object({ path: z.string(), reason: z.string() })).check(z.maxLength(100)),
  lastFinishedAtMs: z.nullable(z.number()),
})
export type IndexStatus = z.infer<typeof IndexStatus>

/** What the deriver says about its work. */
export const DeriveStatus = z.object({
  state: z.enum(['idle', 'working', 'paused']),
  done: z.number(),
  waiting: z.number(),
  failed: z.number(),
  current: z.nullable(z.string()),
})
export type DeriveStatus = z.infer<typeof DeriveStatus>
