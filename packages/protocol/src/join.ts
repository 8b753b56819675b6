import * as z from 'zod/mini'
import { NodeFacts } from './facts.ts'
import { ClusterId, NodeId, Nonce, PublicKey, Sha256Hex, Signature, UnixMs } from './ids.ts'
import { GenesisRecord, REKEYS_MAX, RosterRecord } from './roster.ts'

/**
 * Join token: `td1.<scope>.<fingerprint>.<secret>`.
 * scope: `new-<organisation id>` for a ring that does not exist yet, else the ring's id.
 * fingerprint: first 32 hex digits of SHA-256 of the pinned key (the cloud's instance key, or of a ring's genesis record).
 * secret: base64url of 32 bytes Ed25519 seed ‖ first 4 bytes of SHA-256(`thatdam-token-v1` ‖ scope ‖ fingerprint ‖ seed), so a mistyped token is found before anything is sent.
 */
export const TOKEN_PATTERN = /^td1\.([A-Za-z0-9-]{1,80})\.([0-9a-f]{32})\.([A-Za-z0-9_-]{48})$/

/** POST /agent/v1/join/hello: the joiner's random in, the server's key and nonce out, signed over both (`thatdam-hello-v1`). */
export const JoinHelloRequest = z.object({ version: z.literal(1), clientNonce: Nonce })
export type JoinHelloRequest = z.infer<typeof JoinHelloRequest>
export const JoinHelloResponse = z.object({
  version: z.literal(1),
  serverKey: PublicKey,
  serverNonce: z.string().check(z.maxLength(256)),
  serverTimeMs: UnixMs,
  /** By serverKey over {clientNonce, serverNonce, serverKey, serverTimeMs}. */
  signature: Signature,
})
export type JoinHelloResponse = z.infer<typeof JoinHelloResponse>

/** What both join signatures cover (`thatdam-join-seed-v1` by the token's seed, `thatdam-join-node-v1` by the node's key). */
export const JoinTranscript = z.object({
  serverNonce: z.string().check(z.maxLength(256)),
  serverKey: PublicKey,
  tokenKey: PublicKey,
  scope: z.string().check(z.maxLength(80)),
  nodeKey: PublicKey,
  nodeId: NodeId,
  genesisHash: Sha256Hex,
})
export type JoinTranscript = z.infer<typeof JoinTranscript>

/** Most records that a joining machine shows of the ring it is in. */
export const JOIN_RECORDS_MAX = 400

/** POST /agent/v1/join. Repeating it with the same token and node key gives the same answer. */
export const JoinRequest = z.object({
  version: z.literal(1),
  transcript: JoinTranscript,
  seedSignature: Signature,
  nodeSignature: Signature,
  genesis: GenesisRecord,
  facts: NodeFacts,
  /** Folders that the cloud may set INDEX_PATHS within; the owner decides them on the machine. */
  allowedIndexRoots: z.array(z.string().check(z.maxLength(1024))).check(z.maxLength(64)),
  /** Of a machine that is in a ring with others: its roster after the genesis record, which proves that it belongs there. */
  records: z.optional(z.array(RosterRecord).check(z.maxLength(JOIN_RECORDS_MAX))),
})
export type JoinRequest = z.infer<typeof JoinRequest>

/**
 * Where a machine stands in its organisation's one ring. `founder`: its own ring is that ring, and it lets the others in. `member`: it is in
 * the ring of this genesis record, or waits until somebody there lets it in.
 */
export const RingPlace = z.object({
  role: z.enum(['founder', 'member']),
  genesis: GenesisRecord,
  /** When this founder was appointed. A place of a later appointment counts: a founder that does not confirm is replaced. */
  appointedAtMs: UnixMs,
  /** By the instance key over {role, nodeKey, organisationId, genesisHash, appointedAtMs} (`thatdam-ring-place-v1`). */
  signature: Signature,
})
export type RingPlace = z.infer<typeof RingPlace>

export const JoinResponse = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  organisation: z.object({ id: z.string(), name: z.string() }),
  /** By the instance key over {nodeId, nodeKey, organisationId, genesisHash} (`thatdam-join-answer-v1`). */
  signature: Signature,
  /** Left out by a server that founds no rings. */
  ring: z.optional(RingPlace),
})
export type JoinResponse = z.infer<typeof JoinResponse>

/**
 * A machine that redeemed a token of the organisation and waits for an admitter of its ring. The token's seed and the machine's key signed the
 * transcript; the instance key says that this token was the organisation's and that the machine is to come into this ring.
 */
export const JoinIntent = z.object({
  version: z.literal(1),
  transcript: JoinTranscript,
  seedSignature: Signature,
  nodeSignature: Signature,
  voucher: z.object({
    organisationId: z.string().check(z.maxLength(64)),
    clusterId: ClusterId,
    /** Of the ring that it is to come into; the transcript's is of the machine's own. */
    genesisHash: Sha256Hex,
    /** For its admission record. */
    bootCounter: z.number().check(z.int(), z.nonnegative()),
    /** For the owner to recognise it by. */
    hostname: z.string().check(z.maxLength(255)),
    osName: z.string().check(z.maxLength(255)),
    /** SHA-256 of the canonical JSON of the facts that it joined with. */
    factsHash: Sha256Hex,
    /** The record that removed this node from the ring before it redeemed this token; an older intent never undoes a removal. */
    removal: z.nullable(Sha256Hex),
  }),
  /** By the instance key over {transcript, voucher} (`thatdam-join-intent-v1`). */
  voucherSignature: Signature,
})
export type JoinIntent = z.infer<typeof JoinIntent>

/** `pending-ring.json`: the ring that this machine waits for. */
export const PendingRing = z.object({
  version: z.literal(1),
  clusterId: ClusterId,
  genesisHash: Sha256Hex,
  appointedAtMs: UnixMs,
  /** By this machine's clock. */
  sinceMs: UnixMs,
})
export type PendingRing = z.infer<typeof PendingRing>

/**
 * POST /agent/v1/token: proof of the node's key → access token of 1 h. `requestNonce` is persisted before it is asked; the server repeats
 * its answer for the same nonce, so a crash or a lost reply never looks like a clone. `sequence` is the one of the last answer (0 at first).
 * Signed by the node's key over all other fields (`thatdam-renew-v1`).
 */
export const RenewRequest = z.object({
  version: z.literal(1),
  serverKey: PublicKey,
  nodeId: NodeId,
  nodeKey: PublicKey,
  requestNonce: Nonce,
  sequence: z.number().check(z.int(), z.nonnegative()),
  sentAtMs: UnixMs,
  /** After a replacement of its key, until a renewal under the new one was answered: the records by which each key introduced the next. */
  rekeys: z.optional(z.array(RosterRecord).check(z.maxLength(REKEYS_MAX))),
  signature: Signature,
})
export type RenewRequest = z.infer<typeof RenewRequest>
export const RenewResponse = z.object({
  version: z.literal(1),
  accessToken: z.string().check(z.maxLength(2048)),
  expiresInSeconds: z.number().check(z.int(), z.positive()),
  sequence: z.number().check(z.int(), z.positive()),
})
export type RenewResponse = z.infer<typeof RenewResponse>

/** Claims of an access token (`thatdam-access-v1`): base64url(canonical JSON) `.` signature, by the instance key. */
export const AccessClaims = z.object({ nodeId: NodeId, nodeKey: PublicKey, organisationId: z.string(), expiresAtMs: UnixMs })
export type AccessClaims = z.infer<typeof AccessClaims>

/** Claims of a one-time hand-off from the cloud's page to a node's console (`thatdam-handoff-v1`), 60 s. */
export const HandoffClaims = z.object({
  /** Used once; the node remembers it until it expires. */
  handoffId: z.string().check(z.maxLength(64)),
  nodeId: NodeId,
  nodeKey: PublicKey,
  userId: z.string(),
  email: z.string(),
  expiresAtMs: UnixMs,
})
export type HandoffClaims = z.infer<typeof HandoffClaims>
