import * as z from 'zod/mini'
import { NodeFacts } from './facts.ts'
import { NodeId, UnixMs } from './ids.ts'
import { PlanState, Role, SignedPlan, Term } from './plan.ts'
import { NodeSettings } from './settings.ts'

export const Command = z.object({
  id: z.string().check(z.maxLength(64)),
  name: z.enum(['doctor', 'logs', 'report']),
  issuedAtMs: UnixMs,
})
export type Command = z.infer<typeof Command>

/**
 * GET /agent/v1/poll?cursor=<revision>: held 25–50 s (with jitter) until the node's row has a revision above the cursor, else 204.
 * `settings.fields` holds only fields that the cloud changed and the node has not confirmed by a report yet.
 */
export const PollResponse = z.object({
  version: z.literal(1),
  revision: z.number().check(z.int(), z.nonnegative()),
  settings: z.nullable(
    z.object({
      /** Grows with each change made on the cloud's page; the report names the last one applied. */
      revision: z.number().check(z.int(), z.nonnegative()),
      value: NodeSettings,
    }),
  ),
  commands: z.array(Command).check(z.maxLength(32)),
  /** Only for a node without a leader in reach and without a cached plan. */
  plan: z.nullable(SignedPlan),
})
export type PollResponse = z.infer<typeof PollResponse>

/** POST /agent/v1/report: at start, on change (coalesced, at most one a second) and every 60 s with jitter. */
export const ReportRequest = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  sentAtMs: UnixMs,
  facts: NodeFacts,
  role: Role,
  term: z.nullable(Term),
  plan: PlanState,
  settings: z.object({
    /** Last cloud revision that became part of `value`. */
    cloudRevision: z.number().check(z.int(), z.nonnegative()),
    value: NodeSettings,
    /** Sentences about wishes that were not followed: an index path outside the allowed roots, for one. */
    problems: z.array(z.string().check(z.maxLength(500))).check(z.maxLength(32)),
  }),
  /** Latest committed hashes-and-counts, for the Nodes list: never media. */
  counts: z.object({ assets: z.number(), cameras: z.number(), recordingsActive: z.number() }),
  commandResults: z.array(z.object({ id: z.string(), text: z.string().check(z.maxLength(65_536)) })).check(z.maxLength(8)),
})
export type ReportRequest = z.infer<typeof ReportRequest>
