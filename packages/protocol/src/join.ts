import * as z from 'zod/mini'
import { NodeFacts } from './facts.ts'
import { NodeId, Nonce, PublicKey, Sha256Hex, Signature, UnixMs } from './ids.ts'
import { GenesisRecord } from './roster.ts'

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
})
export type JoinRequest = z.infer<typeof JoinRequest>
export const JoinResponse = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  organisation: z.object({ id: z.string(), name: z.string() }),
  /** By the instance key over {nodeId, nodeKey, organisationId, genesisHash} (`thatdam-join-answer-v1`). */
  signature: Signature,
})
export type JoinResponse = z.infer<typeof JoinResponse>

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
