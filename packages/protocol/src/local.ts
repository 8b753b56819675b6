import * as z from 'zod/mini'
import { CameraStatus, CaptureStatus } from './capture.ts'
import { CameraFacts, NodeFacts } from './facts.ts'
import { ClusterId, NodeId, PublicKey, Sha256Hex, UnixMs } from './ids.ts'
import { DeriveStatus, IndexStatus } from './index-status.ts'
import { StoreStatus } from './member.ts'
import { Hlc, Op, OpBody, OpId } from './ops.ts'
import { JsonValue, PlannedService, PlanState, Role, ServiceName, Term } from './plan.ts'
import { Adoption, ADOPTIONS_MAX, RoamTicket } from './ring-door.ts'
import { NodeSettings, RingPolicy } from './settings.ts'

/*
 * The agent's local API: HTTP on 127.0.0.1, a random port, bearer token. `STATE_DIR/local.json` (0600) tells both, so that the
 * command line, the console and the child services find it. Made anew at every start of the agent.
 */
export const LocalEndpoint = z.object({ version: z.literal(1), pid: z.number(), url: z.string(), token: z.string() })
export type LocalEndpoint = z.infer<typeof LocalEndpoint>

/** Headers that the gateway sets on what it passes on; it removes them from what comes in. */
export const LOCAL_TOKEN_HEADER = 'x-thatdam-local'
export const SESSION_HEADER = 'x-thatdam-session'

/** GET, on the base URL of a service, with the local token: is it well? The agent asks after a plan was applied. */
/**
 * How long the gateway keeps an idle connection to a service or the console, milliseconds; those keep theirs for longer. Whoever closes first while
 * the other one asks loses the question.
 */
export const SERVICE_IDLE_MS = 30_000
export const SERVICE_KEEP_ALIVE_MS = 2 * SERVICE_IDLE_MS
export const SERVICE_HEALTH_PATH = '/-/health'
/** `reason`: what is missing, in one sentence; empty when it is well. */
export const ServiceHealth = z.object({ ok: z.boolean(), reason: z.string().check(z.maxLength(500)) })
export type ServiceHealth = z.infer<typeof ServiceHealth>

/** Who is behind a request that the gateway passed on: JSON in `x-thatdam-session`, base64url. Absent: nobody signed in. */
export const Session = z.object({
  sessionId: z.string(),
  /** `first-run`: on loopback before any password. `handoff`: came from the cloud's page, can at most move to trash. */
  kind: z.enum(['first-run', 'password', 'handoff']),
  displayName: z.string(),
})
export type Session = z.infer<typeof Session>

/** A machine of the ring, as this node knows it. */
export const LocalMember = z.object({
  nodeId: NodeId,
  name: z.string(),
  role: Role,
  osName: z.string(),
  self: z.boolean(),
  /** Answers now. A machine that sleeps stays a member. */
  awake: z.boolean(),
  /** When it was last heard; null: it is this machine. 0: not since this machine's agent started. */
  lastContactMs: z.nullable(UnixMs),
  /** Follows the op-log, ready to take over. */
  standby: z.boolean(),
  /** May let machines in and put them out. */
  admitter: z.boolean(),
  consoleUrl: z.nullable(z.string()),
  services: z.array(PlannedService),
  /** What it told the leader; null: nothing yet, or this machine does not lead. */
  reported: z.nullable(
    z.object({
      agentVersion: z.string(),
      plan: PlanState,
      store: StoreStatus,
      assets: z.number(),
      index: z.nullable(IndexStatus),
      problems: z.array(z.string()),
    }),
  ),
  /** The owner's wishes for it, as this node knows them. */
  settings: z.nullable(NodeSettings),
})
export type LocalMember = z.infer<typeof LocalMember>

/**
 * What becomes of another ring near. `apart`: both go on; it is another owner’s, or says nothing that proves otherwise. `asks`: the cloud says that
 * it is the same owner’s, and this ring goes over to it once the owner agrees. `goes-over`: this ring’s machines go over to it. `comes`: its machines come here.
 */
export const OtherRingFate = z.enum(['apart', 'asks', 'goes-over', 'comes'])
export type OtherRingFate = z.infer<typeof OtherRingFate>

export const LocalRing = z.object({
  /** It has an owner. */
  claimed: z.boolean(),
  /** Null: nobody leads at this moment, or nobody may. */
  leader: z.nullable(z.object({ nodeId: NodeId, name: z.string(), consoleUrl: z.nullable(z.string()) })),
  /** Machines near that belong to nobody yet, and could be let in. */
  waiting: z.array(z.object({ nodeId: NodeId, publicKey: PublicKey, address: z.string(), heardAtMs: UnixMs })).check(z.maxLength(64)),
  /** Other rings near that have an owner, one entry a ring. */
  others: z
    .array(
      z.object({
        clusterId: ClusterId,
        fingerprint: Sha256Hex,
        nodeId: NodeId,
        address: z.string(),
        fate: OtherRingFate,
        /** One sentence where something keeps the two from becoming one; else empty. */
        reason: z.string().check(z.maxLength(500)),
      }),
    )
    .check(z.maxLength(16)),
  policy: RingPolicy,
  /** The op behind each field of the policy, which the next edit replaces; null: not set yet. */
  policyEdits: z.object({ replicas: z.nullable(OpId), pinnedLeader: z.nullable(OpId), goesOn: z.nullable(OpId) }),
  /** The owner has a recovery key on paper. */
  recoveryKeyMade: z.boolean(),
})
export type LocalRing = z.infer<typeof LocalRing>

export const RingCamera = z.extend(CameraStatus, { nodeId: NodeId })
export type RingCamera = z.infer<typeof RingCamera>
export const RingCapture = z.extend(CaptureStatus, { nodeId: NodeId })
export type RingCapture = z.infer<typeof RingCapture>

/** GET /local/state?after=<version>: answers at once when the state is newer than `after`, else holds up to 25 s. */
export const LocalState = z.object({
  version: z.number(),
  node: z.object({
    nodeId: NodeId,
    clusterId: ClusterId,
    fingerprint: z.string(),
    role: Role,
    term: Term,
    startedAtMs: UnixMs,
    agentVersion: z.string(),
  }),
  settings: NodeSettings,
  settingsProblems: z.array(z.string()),
  facts: NodeFacts,
  plan: PlanState,
  members: z.array(LocalMember),
  ring: LocalRing,
  adoptions: z.array(Adoption).check(z.maxLength(ADOPTIONS_MAX)),
  cloud: z.object({
    url: z.nullable(z.string()),
    state: z.enum(['none', 'connecting', 'connected', 'away', 'refused']),
    lastContactMs: z.nullable(UnixMs),
    reason: z.string(),
  }),
  /** Of all machines of the ring that are awake: on a node that does not lead, its own alone. */
  cameras: z.array(RingCamera),
  captures: z.array(RingCapture),
  index: z.nullable(IndexStatus),
  derive: z.nullable(DeriveStatus),
  store: StoreStatus,
  /**
   * `savedPosition`: all that this node wrote up to this place of the feed is on another machine's disk too; an edit above it is saved here only.
   * `carriers`: other machines in reach that keep a copy of everything. Left out: this agent tells nothing of it.
   */
  oplog: z.optional(z.object({ position: z.number(), savedPosition: z.number(), carriers: z.number() })),
  owner: z.object({ passwordSet: z.boolean(), consoleBind: z.enum(['loopback', 'lan']), consoleUrls: z.array(z.string()) }),
})
export type LocalState = z.infer<typeof LocalState>

/** GET /local/ops?after=<position>&limit=<n>&waitMs=<ms>: the node's merged op feed in arrival order. */
export const OpFeedEntry = z.object({ position: z.number().check(z.int(), z.positive()), nodeId: NodeId, op: Op })
export type OpFeedEntry = z.infer<typeof OpFeedEntry>
export const OpFeed = z.object({
  /** Changes when the feed was rebuilt: start again from 0. */
  feedId: z.string(),
  entries: z.array(OpFeedEntry).check(z.maxLength(2000)),
  /** Position of the last entry given; ask with it next. */
  position: z.number().check(z.int(), z.nonnegative()),
})
export type OpFeed = z.infer<typeof OpFeed>

/** POST /local/ops: signed, fsynced, then answered. */
export const AppendOpsRequest = z.object({
  ops: z.array(z.object({ id: z.optional(OpId), body: OpBody })).check(z.minLength(1), z.maxLength(1000)),
})
export type AppendOpsRequest = z.infer<typeof AppendOpsRequest>
export const AppendOpsResponse = z.object({
  ops: z.array(z.object({ id: OpId, hlc: Hlc, position: z.number() })),
  /** `here`: on this node's log alone; `saved`: fsynced on a second log-carrying node too. */
  durability: z.enum(['here', 'saved']),
})
export type AppendOpsResponse = z.infer<typeof AppendOpsResponse>

/** GET /local/folders?path=&nodeId=: one level, folders only. No path: where to begin, Pictures and Videos first. No node: this one. */
export const FolderListing = z.object({
  path: z.nullable(z.string()),
  parent: z.nullable(z.string()),
  folders: z
    .array(z.object({ name: z.string(), path: z.string(), readable: z.boolean(), suggested: z.boolean() }))
    .check(z.maxLength(1000)),
  truncated: z.boolean(),
})
export type FolderListing = z.infer<typeof FolderListing>

/** POST /local/services/<name>/command: to a running service, on this machine or another of the ring; its answer comes back. */
export const ServiceCommand = z.object({
  command: z.string().check(z.maxLength(64)),
  params: z.record(z.string(), JsonValue),
  /** Left out: this machine. */
  nodeId: z.optional(NodeId),
})
export type ServiceCommand = z.infer<typeof ServiceCommand>

/**
 * POST /local/sessions → the cookie's value, once; the agent keeps only its hash. `roam`: by a ticket of another machine of the ring; the new
 * session is of the kind and the name that it stands for.
 */
export const NewSessionRequest = z.object({
  kind: z.enum(['password', 'handoff', 'roam']),
  displayName: z.string(),
  handoffToken: z.optional(z.string()),
  ticket: z.optional(RoamTicket.shape.ticket),
})
export type NewSessionRequest = z.infer<typeof NewSessionRequest>
export const NewSessionResponse = z.object({ cookieValue: z.string(), expiresAtMs: UnixMs })
export type NewSessionResponse = z.infer<typeof NewSessionResponse>

/** GET / PUT /local/owner: the console verifies and makes argon2id hashes, the agent keeps the file (0600). */
export const OwnerCredential = z.object({ passwordHash: z.nullable(z.string().check(z.maxLength(512))) })
export type OwnerCredential = z.infer<typeof OwnerCredential>

/* Between the agent and a child service: Node's IPC channel. The child ends itself when the channel closes. */

export const ServiceConfig = z.object({
  service: ServiceName,
  mode: z.string(),
  params: z.record(z.string(), JsonValue),
  nodeId: NodeId,
  nodeName: z.string(),
  stateDir: z.string(),
  /** Root of the content-addressed store. */
  casRoot: z.string(),
  indexPaths: z.array(z.string()),
  /** The plan's cameras with what the facts say of each. */
  cameras: z.array(CameraFacts),
  localUrl: z.string(),
  localToken: z.string(),
  ffmpegPath: z.nullable(z.string()),
  ffprobePath: z.nullable(z.string()),
  maxParallel: z.number(),
  /** Base URLs of sibling services on loopback, by name, when they are up. */
  peers: z.record(z.string(), z.string()),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']),
})
export type ServiceConfig = z.infer<typeof ServiceConfig>

/** Parent → child. `peers` again whenever one comes or goes. */
export const ToService = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start'), config: ServiceConfig }),
  z.object({ type: z.literal('peers'), peers: z.record(z.string(), z.string()) }),
  z.object({ type: z.literal('command'), id: z.number(), command: z.string(), params: z.record(z.string(), JsonValue) }),
  z.object({ type: z.literal('stop') }),
])
export type ToService = z.infer<typeof ToService>

/** Child → parent. `status` replaces the one before; at most four a second. */
export const FromService = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), url: z.nullable(z.string()) }),
  z.object({ type: z.literal('waiting'), reason: z.string().check(z.maxLength(500)) }),
  z.object({ type: z.literal('running'), reason: z.string().check(z.maxLength(500)) }),
  z.object({ type: z.literal('status'), status: JsonValue }),
  z.object({
    type: z.literal('result'),
    id: z.number(),
    ok: z.boolean(),
    value: JsonValue,
  }),
])
export type FromService = z.infer<typeof FromService>

/** Status of each service that has one, as its `status` message carries it. */
export const CameraProxyStatus = z.object({ cameras: z.array(CameraStatus) })
export const CaptureDaemonStatus = z.object({ captures: z.array(CaptureStatus) })
export const IndexerStatus = IndexStatus
export const DeriverStatus = DeriveStatus
