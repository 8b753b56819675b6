import * as z from 'zod/mini'
import { NodeFacts } from './facts.ts'
import { Bytes, CameraId, NodeId, PublicKey, Sha256Hex, Signature, UnixMs } from './ids.ts'
import { JsonValue } from './plan.ts'
import { POLICY_FIELDS } from './settings.ts'

/**
 * Hybrid logical clock in ring time: `<13 digits unix ms>-<6 digits counter>-<node id>`.
 * Compares as text: time, then counter, then node.
 */
export const Hlc = z.string().check(z.regex(/^\d{13}-\d{6}-[a-z0-9][a-z0-9-]{0,62}$/, 'not a hybrid logical clock stamp'))
export type Hlc = z.infer<typeof Hlc>

export const OpId = z.string().check(z.regex(/^[0-9a-f]{32}$/, 'an op id is 32 hex digits'))
export type OpId = z.infer<typeof OpId>

/** An asset is named by the SHA-256 of its primary blob: the same picture twice is one asset with two locations. */
export const AssetId = Sha256Hex

/** A path below its root. `encoding: 'base64'` for names that are not valid UTF-8. */
export const RelativePath = z.object({ encoding: z.enum(['utf8', 'base64']), value: z.string().check(z.maxLength(8192)) })
export type RelativePath = z.infer<typeof RelativePath>

export const AssetKind = z.enum(['photo', 'video', 'audio', 'other'])
export type AssetKind = z.infer<typeof AssetKind>

/** What ffprobe and exiftool told, in standard units; null where they did not. */
export const MediaInfo = z.object({
  mimeType: z.string(),
  /** As shown, orientation applied, pixels. */
  width: z.nullable(z.number()),
  height: z.nullable(z.number()),
  durationMs: z.nullable(z.number()),
  fps: z.nullable(z.number()),
  container: z.nullable(z.string()),
  videoCodec: z.nullable(z.string()),
  audioCodec: z.nullable(z.string()),
  bitRate: z.nullable(z.number()),
  /** EXIF orientation 1–8. */
  orientation: z.nullable(z.number()),
  /** When the picture was taken. `takenAtZone` is the offset "+02:00", or null when the file does not tell and local time is meant. */
  takenAtMs: z.nullable(z.number()),
  takenAtZone: z.nullable(z.string()),
  cameraMake: z.nullable(z.string()),
  cameraModel: z.nullable(z.string()),
  lens: z.nullable(z.string()),
  timecode: z.nullable(z.string()),
  latitude: z.nullable(z.number()),
  longitude: z.nullable(z.number()),
})
export type MediaInfo = z.infer<typeof MediaInfo>

const assetIngested = z.object({
  kind: z.literal('asset.ingested'),
  assetId: AssetId,
  sizeBytes: Bytes,
  assetKind: AssetKind,
  /** File name without its folder, or a recording's name: what a person sees first. */
  title: z.string().check(z.maxLength(1024)),
  origin: z.enum(['indexed', 'recorded', 'uploaded']),
  media: MediaInfo,
  /** For a recording: camera and time span. */
  capture: z.nullable(z.object({ captureId: z.string(), cameraId: CameraId, startedAtMs: UnixMs, endedAtMs: UnixMs })),
})
/**
 * What reading a file told, by whoever read it, where `asset.ingested` could not say it. Of several the latest by its stamp counts. A file that is
 * broken is told too, so that it is not read for ever; another recipe hash (a better reader) reads again.
 */
const assetProbed = z.object({
  kind: z.literal('asset.probed'),
  assetId: AssetId,
  /** Of `media-info`. */
  recipeHash: Sha256Hex,
  assetKind: AssetKind,
  media: MediaInfo,
  /** What is wrong with the file: one sentence. */
  problem: z.nullable(z.string().check(z.maxLength(500))),
})
/** An original was seen at a place (an in-place file counts as zero stored copies). Keyed by (nodeId, root, path). */
const locationSeen = z.object({
  kind: z.literal('location.seen'),
  assetId: AssetId,
  nodeId: NodeId,
  root: z.string().check(z.maxLength(1024)),
  path: RelativePath,
  sizeBytes: Bytes,
  modifiedAtMs: z.number(),
})
const locationGone = z.object({
  kind: z.literal('location.gone'),
  nodeId: NodeId,
  root: z.string().check(z.maxLength(1024)),
  path: RelativePath,
})
/** A blob that is stored whole in this node's store. */
const blobStored = z.object({ kind: z.literal('blob.stored'), sha256: Sha256Hex, sizeBytes: Bytes, nodeId: NodeId })
const derivativeMade = z.object({
  kind: z.literal('derivative.made'),
  sourceSha256: Sha256Hex,
  /** thumb-320, thumb-1280, poster-1280 … */
  recipe: z.string().check(z.maxLength(64)),
  recipeHash: Sha256Hex,
  sha256: Sha256Hex,
  sizeBytes: Bytes,
  mimeType: z.string(),
  width: z.nullable(z.number()),
  height: z.nullable(z.number()),
})
/** Deriving failed for good (broken file): kept so that it is not tried for ever; a new recipe hash tries again. */
const derivativeFailed = z.object({
  kind: z.literal('derivative.failed'),
  sourceSha256: Sha256Hex,
  recipe: z.string().check(z.maxLength(64)),
  recipeHash: Sha256Hex,
  reason: z.string().check(z.maxLength(500)),
})
/** Values that stand against one another in a field; of more, the newest are shown and replaced first. */
export const REPLACES_MAX = 16
/**
 * A person's edit of one field. `replaces` names the op whose value the person saw; null for a first edit. `alsoReplaces`: the others of a
 * conflict, where the person chose between them.
 */
const fieldSet = <K extends string, F extends z.ZodMiniType>(kind: K, subject: z.ZodMiniType<string>, field: F) =>
  z.object({
    kind: z.literal(kind),
    subject,
    field,
    value: JsonValue,
    replaces: z.nullable(OpId),
    alsoReplaces: z.optional(z.array(OpId).check(z.maxLength(REPLACES_MAX))),
  })
const assetSet = fieldSet('asset.set', AssetId, z.enum(['title', 'note', 'rating', 'trashed']))
const nodeSet = fieldSet(
  'node.set',
  NodeId,
  z.enum(['name', 'labels', 'indexPaths', 'excludeServices', 'excludeLeader', 'quotas', 'quietHours']),
)
const cameraSet = fieldSet('camera.set', CameraId, z.enum(['name']))
const cameraSeen = z.object({
  kind: z.literal('camera.seen'),
  cameraId: CameraId,
  nodeId: NodeId,
  name: z.string(),
  cameraKind: z.string(),
})
const captureStarted = z.object({ kind: z.literal('capture.started'), captureId: z.string(), cameraId: CameraId, startedAtMs: UnixMs })
const captureStopped = z.object({
  kind: z.literal('capture.stopped'),
  captureId: z.string(),
  cameraId: CameraId,
  endedAtMs: UnixMs,
  reason: z.enum(['person', 'disk-full', 'camera-gone', 'crash', 'shutdown']),
})
const captureGap = z.object({
  kind: z.literal('capture.gap'),
  captureId: z.string(),
  cameraId: CameraId,
  fromMs: UnixMs,
  toMs: UnixMs,
})

/** What a node is, in coarse steps (`coarseFacts`), and the X25519 key that secrets for it are sealed to. The latest by its stamp counts. */
const nodeFacts = z.object({ kind: z.literal('node.facts'), nodeId: NodeId, facts: NodeFacts, sealKey: PublicKey })
/** A wish for the whole ring: a field of RingPolicy. */
const policySet = z.object({
  kind: z.literal('policy.set'),
  field: z.enum(POLICY_FIELDS),
  value: JsonValue,
  replaces: z.nullable(OpId),
})
/** What only some nodes may read: the same secret, sealed to the X25519 key of each (packages/control, seal.ts). */
export const SealedBox = z.object({ publicKey: PublicKey, box: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,8192}$/, 'not a sealed box')) })
export type SealedBox = z.infer<typeof SealedBox>
/** A secret of the ring, by name: `owner-password:<clusterId>` holds the hash of the owner's password. No box: it was taken back. */
const secretSet = z.object({
  kind: z.literal('secret.set'),
  name: z.string().check(z.regex(/^[a-z0-9][a-z0-9.:-]{0,63}$/, 'a secret’s name is 1–64 of a–z, 0–9, dot, colon and -')),
  sealedFor: z.array(SealedBox).check(z.maxLength(64)),
  replaces: z.nullable(OpId),
})
/** Somebody signed in to the ring's console. A cookie starts once; its end does not slide. */
const sessionStarted = z.object({
  kind: z.literal('session.started'),
  /** SHA-256 of the cookie's value: a copy of the log signs nobody in. */
  cookieHash: Sha256Hex,
  sessionKind: z.enum(['password', 'handoff']),
  displayName: z.string().check(z.maxLength(200)),
  expiresAtMs: UnixMs,
  /** The newest `session.ended` of all that its author knew; null: it knew none. A session that has not seen the newest has ended. */
  seenEnd: z.nullable(OpId),
})
/** One session ended (signed out), or all that did not see this op (the password changed). */
const sessionEnded = z.object({
  kind: z.literal('session.ended'),
  cookieHash: z.union([Sha256Hex, z.literal('all')]),
  /** As the start said: after that nobody needs to know. Null for `all`. */
  expiresAtMs: z.nullable(UnixMs),
})

/** One change of shared state. Who may sign each kind, and in which log it goes: packages/oplog. */
export const OpBody = z.discriminatedUnion('kind', [
  assetIngested,
  assetProbed,
  locationSeen,
  locationGone,
  blobStored,
  derivativeMade,
  derivativeFailed,
  assetSet,
  nodeSet,
  cameraSet,
  cameraSeen,
  captureStarted,
  captureStopped,
  captureGap,
  nodeFacts,
  policySet,
  secretSet,
  sessionStarted,
  sessionEnded,
])
export type OpBody = z.infer<typeof OpBody>
export type OpKind = OpBody['kind']
export type OpOf<K extends OpKind> = Extract<OpBody, { kind: K }>

/** Whoever took this asset in lacked the program that reads its kind: `asset.probed` is wanted. An SVG has no size of its own. */
export function isUnread({ assetKind, media }: Pick<OpOf<'asset.ingested'>, 'assetKind' | 'media'>): boolean {
  if (assetKind === 'photo') return media.width === null && media.mimeType !== 'image/svg+xml'
  return assetKind !== 'other' && media.container === null
}

export const Op = z.object({ id: OpId, hlc: Hlc, body: OpBody })
export type Op = z.infer<typeof Op>

/**
 * A node has two logs of its own. `ring`: settings, names, facts, secrets, sessions: small, and carried by every member. `library`: assets,
 * places, blobs, derivatives, captures: carried by catalog and store nodes, and by whoever wrote it.
 */
export const OpScope = z.enum(['ring', 'library'])
export type OpScope = z.infer<typeof OpScope>

/** Ops of one log, in one signed step. `previous` is the hash of the batch before (zeros at sequence 1). */
export const BatchHeader = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  scope: OpScope,
  /** Random per life of the log: 32 hex digits. */
  epoch: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  sequence: z.number().check(z.int(), z.positive()),
  previous: Sha256Hex,
  opCount: z.number().check(z.int(), z.positive(), z.maximum(1024)),
  /** Root of the binary Merkle tree over SHA-256(0x00 ‖ canonical op); inner nodes SHA-256(0x01 ‖ left ‖ right) (RFC 6962). */
  merkleRoot: Sha256Hex,
})
export type BatchHeader = z.infer<typeof BatchHeader>

/** An op as a machine carries it for others: a newer agent may have written what is not understood here. */
export type CarriedOp = Omit<Op, 'body'> & { readonly body: { readonly kind: string } }
const OpFrame = z.object({
  id: OpId,
  hlc: Hlc,
  body: z.object({ kind: z.string().check(z.regex(/^[a-z][a-z.-]{0,63}$/, 'not a kind of op')) }),
})
/**
 * Kept as it came: what a newer agent says beyond what is known here was signed too, and belongs to the Merkle tree. A parsed copy would lack it,
 * and the batch, with all that follows it in its log, count as forged.
 */
const OpAsSigned = z.custom<CarriedOp>().check(({ value, issues }) => {
  const { error } = OpFrame.safeParse(value)
  for (const { path, message } of error?.issues ?? []) issues.push({ code: 'custom', input: value, path, message })
})
/** Null: this agent is too old for what it says, or it is ill-formed. */
export const understand = (op: CarriedOp): Op | null => (OpBody.safeParse(op.body).success ? (op as Op) : null)

export const SignedBatch = z.object({
  header: BatchHeader,
  signer: PublicKey,
  /** Over the header (`thatdam-op-batch-v1`). */
  signature: Signature,
  ops: z.array(OpAsSigned).check(z.maxLength(1024)),
})
export type SignedBatch = z.infer<typeof SignedBatch>
