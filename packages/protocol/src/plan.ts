import * as z from 'zod/mini'
import type { Json } from './canonical.ts'
import { CameraId, NodeId, Sha256Hex, Signature, PublicKey, UnixMs } from './ids.ts'

/** The parts of the agent that a plan can start. */
export const SERVICE_NAMES = [
  'supervisor',
  'discovery',
  'overlay-hub',
  'api-gateway',
  'local-console',
  'media-api',
  'catalog',
  'live-hub',
  'blob-store',
  'capture-daemon',
  'camera-proxy',
  'proxy-viewer',
  'indexer',
  'deriver',
  'transcoder',
  'stream-processor',
  'intel',
] as const
export const ServiceName = z.enum(SERVICE_NAMES)
export type ServiceName = z.infer<typeof ServiceName>

export const Role = z.enum(['leader', 'worker', 'proxy'])
export type Role = z.infer<typeof Role>

export const JsonValue: z.ZodMiniType<Json> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(JsonValue), z.record(z.string(), JsonValue)]),
) as z.ZodMiniType<Json>

export const PlannedService = z.object({
  name: ServiceName,
  /** How it runs: `full`, `light`, `headless`, `follow`, `embedded` … each service names its own. */
  mode: z.string().check(z.maxLength(32)),
  params: z.record(z.string(), JsonValue),
  /** One plain sentence for the person who owns the machine. */
  why: z.string().check(z.minLength(1), z.maxLength(300)),
})
export type PlannedService = z.infer<typeof PlannedService>

export const Quotas = z.object({
  maxDerives: z.number().check(z.int(), z.nonnegative()),
  maxTranscodes: z.number().check(z.int(), z.nonnegative()),
  maxIntel: z.number().check(z.int(), z.nonnegative()),
  /** 30–50 on a node with a person in front of it. */
  cpuReservePercent: z.number().check(z.int(), z.minimum(0), z.maximum(90)),
  quietHours: z.nullable(z.object({ from: z.string(), to: z.string() })),
})
export type Quotas = z.infer<typeof Quotas>

/** What a node should run. Same roster, settings and policy → same bytes (canonical JSON). */
export const PlanBody = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  role: Role,
  /** Follows the op-log, ready to take over. */
  standby: z.boolean(),
  services: z.array(PlannedService).check(z.maxLength(32)),
  quotas: Quotas,
  /** `weight` 0: keeps no copies of others' blobs. */
  storage: z.object({ weight: z.number().check(z.int(), z.nonnegative()), replicas: z.number().check(z.int(), z.positive()) }),
  cameras: z.array(z.object({ cameraId: CameraId, name: z.string() })).check(z.maxLength(64)),
})
export type PlanBody = z.infer<typeof PlanBody>

/** A leadership: every order carries it, and a node's term only ever grows. */
export const Term = z.object({ number: z.number().check(z.int(), z.nonnegative()), nodeId: NodeId })
export type Term = z.infer<typeof Term>

export const PlanEnvelope = z.object({
  version: z.literal(1),
  term: Term,
  /** Grows by one with each plan that this issuer gives this node. */
  revision: z.number().check(z.int(), z.positive()),
  /** SHA-256 of the body's canonical JSON. */
  bodyHash: Sha256Hex,
  issuer: PublicKey,
  /** Over `thatdam-plan-v1\n` + canonical JSON of {term, revision, bodyHash, issuer}. */
  signature: Signature,
})
export type PlanEnvelope = z.infer<typeof PlanEnvelope>

export const SignedPlan = z.object({ envelope: PlanEnvelope, body: PlanBody })
export type SignedPlan = z.infer<typeof SignedPlan>

/** `not-in-this-version` is neither drift nor failure. `waiting`: its cause (ffmpeg, disk, bundle) is in `reason`. */
export const ServiceState = z.enum(['starting', 'running', 'waiting', 'backing-off', 'failed', 'stopped', 'not-in-this-version'])
export type ServiceState = z.infer<typeof ServiceState>

export const ServiceReport = z.object({
  name: ServiceName,
  mode: z.string(),
  state: ServiceState,
  /** Why it is not running, or what it does; one sentence; empty when there is nothing to say. */
  reason: z.string().check(z.maxLength(500)),
  restarts: z.number().check(z.int(), z.nonnegative()),
  why: z.string(),
})
export type ServiceReport = z.infer<typeof ServiceReport>

/** Whether all that should run answers, asked after each apply. `tries`: how often in a row by now; three without success fail a new plan. */
export const PlanSelfTest = z.object({
  atMs: UnixMs,
  ok: z.boolean(),
  tries: z.number().check(z.int(), z.positive()),
  failures: z.array(z.object({ name: ServiceName, reason: z.string().check(z.maxLength(300)) })).check(z.maxLength(32)),
})
export type PlanSelfTest = z.infer<typeof PlanSelfTest>

/** Desired (what the newest plan says), applied (what was last applied whole), observed (what runs). */
export const PlanState = z.object({
  desiredHash: z.nullable(Sha256Hex),
  appliedHash: z.nullable(Sha256Hex),
  /** A plan that failed three times, and why: the last good one runs instead. */
  rejected: z.nullable(z.object({ bodyHash: Sha256Hex, reason: z.string() })),
  services: z.array(ServiceReport).check(z.maxLength(32)),
  /** Left out until the applied plan was tested once. */
  selfTest: z.optional(PlanSelfTest),
})
export type PlanState = z.infer<typeof PlanState>
