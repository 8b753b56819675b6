import * as z from 'zod/mini'
import { NodeFacts } from './facts.ts'
import { NodeId, Sha256Hex, UnixMs } from './ids.ts'
import { JoinIntent, RingPlace } from './join.ts'
import { PlanState, Role, SignedPlan, Term } from './plan.ts'
import { RosterRecord } from './roster.ts'
import { NodeSettings } from './settings.ts'

export const Command = z.object({
  id: z.string().check(z.maxLength(64)),
  name: z.enum(['doctor', 'logs', 'report']),
  issuedAtMs: UnixMs,
})
export type Command = z.infer<typeof Command>

/** Roster records in one poll's answer or one report. */
export const RELAY_PAGE_MAX = 64
/** Waiting machines told in one poll's answer; those heard from last come first. */
export const JOIN_INTENTS_MAX = 64

/**
 * The organisation's ring as far as the cloud relays it. The cloud keeps records in the order in which they came; the poll says how many of
 * them the machine has (`records=<position>&digest=<digest>`) and gets those after.
 */
export const RingNews = z.object({
  place: RingPlace,
  /** The cloud knows of an admission of this machine. */
  admitted: z.boolean(),
  /** The owner lets machines find one another through the cloud. */
  rendezvous: z.boolean(),
  /** The page begins after this many records, and ends at `position`. */
  after: z.number().check(z.int(), z.nonnegative()),
  position: z.number().check(z.int(), z.nonnegative()),
  records: z.array(RosterRecord).check(z.maxLength(RELAY_PAGE_MAX)),
  /** There are more: ask again at once. */
  more: z.boolean(),
  /** Of all records (packages/control/src/relay.ts): another one than computed from what came means that the order was begun anew. */
  digest: Sha256Hex,
})
export type RingNews = z.infer<typeof RingNews>

/**
 * GET /agent/v1/poll?cursor=<revision>[&records=<position>&digest=<digest>]: held 25–50 s (with jitter) until the node's row has a revision above the cursor, else 204.
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
  /** Of a machine that belongs to the organisation's ring, or waits for it. */
  ring: z.optional(RingNews),
  /** Machines that wait to be let in, all of them each time: told to members of the ring alone. An admitter checks each by itself. */
  joinIntents: z.optional(z.array(JoinIntent).check(z.maxLength(JOIN_INTENTS_MAX))),
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
  /** The ring that the machine is in now, and records of it that the cloud lacks. */
  ring: z.optional(z.object({ genesisHash: Sha256Hex, records: z.array(RosterRecord).check(z.maxLength(RELAY_PAGE_MAX)) })),
})
export type ReportRequest = z.infer<typeof ReportRequest>
