import * as z from 'zod/mini'
import { CameraStatus, CaptureStatus } from './capture.ts'
import { NodeId, PublicKey, UnixMs } from './ids.ts'
import { DeriveStatus, IndexStatus } from './index-status.ts'
import { Adoption, ADOPTIONS_MAX, AdoptionId } from './ring-door.ts'
import { NodeSettingsPatch } from './settings.ts'
import { JsonValue, PlanState, Role, ServiceName, SignedPlan, Term } from './plan.ts'

/*
 * Between a member and the leader, over the node API. A member holds one GET /v1/plan, and tells what it does by POST /v1/report.
 */

/** GET /v1/plan?hash=<hash of the body it has>&term=<number>-<node id>: held 25–30 s while that is the plan in force, else answered. */
export const MemberPlanAnswer = z.object({ version: z.literal(1), plan: SignedPlan })
export type MemberPlanAnswer = z.infer<typeof MemberPlanAnswer>

/** How a store node comes by the copies that it should keep. `reason`: why those that are missing do not come; empty when nothing is wrong. */
export const RepairStatus = z.object({
  missingBlobs: z.number(),
  /** Since the agent's start. */
  fetchedBlobs: z.number(),
  fetchedBytes: z.number(),
  reason: z.string().check(z.maxLength(300)),
})
export type RepairStatus = z.infer<typeof RepairStatus>

export const StoreStatus = z.object({
  root: z.string(),
  diskFreeBytes: z.number(),
  diskTotalBytes: z.number(),
  reserveBytes: z.number(),
  /** Left out: this machine keeps no copies for the ring. */
  repair: z.optional(RepairStatus),
})
export type StoreStatus = z.infer<typeof StoreStatus>

export const DOOR_WAITING_MAX = 16
/** Who stands at a member's door: machines that nobody owns, and those that the owner lets in there by six digits. */
export const MemberDoor = z.object({
  /** `asks`: it waits at this member to be let in; the others were only heard. */
  waiting: z
    .array(
      z.object({
        nodeId: NodeId,
        publicKey: PublicKey,
        address: z.string().check(z.maxLength(64)),
        heardAgoMs: z.number().check(z.nonnegative()),
        asks: z.boolean(),
      }),
    )
    .check(z.maxLength(DOOR_WAITING_MAX)),
  adoptions: z.array(Adoption).check(z.maxLength(ADOPTIONS_MAX)),
})
export type MemberDoor = z.infer<typeof MemberDoor>

/** POST /v1/report: at start, on change (at most two a second) and every 20 s. Only the newest is kept. */
export const MemberReport = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  sentAtMs: UnixMs,
  agentVersion: z.string().check(z.maxLength(64)),
  role: Role,
  term: z.nullable(Term),
  plan: PlanState,
  cameras: z.array(CameraStatus).check(z.maxLength(64)),
  captures: z.array(CaptureStatus).check(z.maxLength(256)),
  index: z.nullable(IndexStatus),
  derive: z.nullable(DeriveStatus),
  store: StoreStatus,
  /** Sentences about wishes that this machine did not follow. */
  problems: z.array(z.string().check(z.maxLength(500))).check(z.maxLength(32)),
  counts: z.object({ assets: z.number(), recordingsActive: z.number() }),
  /** Of its gateway; null while it answers on loopback alone. */
  consolePort: z.nullable(z.number()),
  /** Left out: a version that tells nothing of it. */
  door: z.optional(MemberDoor),
})
export type MemberReport = z.infer<typeof MemberReport>

/**
 * POST /v1/command: an order of the leader to a service of this machine. 409 STALE_TERM when somebody else leads by now. The answer is the
 * service's own.
 */
export const MemberCommand = z.object({
  version: z.literal(1),
  term: Term,
  service: ServiceName,
  command: z.string().check(z.maxLength(64)),
  params: z.record(z.string(), JsonValue),
})
export type MemberCommand = z.infer<typeof MemberCommand>
export const MemberCommandAnswer = z.object({ value: JsonValue })

/**
 * POST /v1/adoptions → Adoption: what the owner says, in the leader's console, of a machine that waits at this member's door. From a leader that may
 * itself let machines in; 409 STALE_TERM as for a command.
 */
export const MemberAdoption = z.object({
  version: z.literal(1),
  term: Term,
  said: z.discriminatedUnion('word', [
    z.object({ word: z.literal('open'), publicKey: PublicKey }),
    z.object({ word: z.enum(['confirm', 'cancel']), id: AdoptionId }),
  ]),
})
export type MemberAdoption = z.infer<typeof MemberAdoption>

/** POST /v1/wishes: settings that a machine's owner chose on that machine, which is no admitter. Nothing about any other machine. */
export const MemberWishes = z.object({ version: z.literal(1), wishes: NodeSettingsPatch })
export type MemberWishes = z.infer<typeof MemberWishes>
