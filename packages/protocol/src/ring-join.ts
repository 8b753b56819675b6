import * as z from 'zod/mini'
import { ClusterId, NodeId, Nonce, PublicKey, Sha256Hex, Signature } from './ids.ts'
import { JoinHelloResponse } from './join.ts'
import { ROSTER_RECORDS_MAX, RosterRecord } from './roster.ts'

/*
 * Joining a ring on the LAN with a token that one of its admitters made: `td1.<ring's id>.<first 32 hex digits of its fingerprint>.<secret>`.
 * Open routes of the node API, and the same bytes over plain HTTP: the secret crosses neither.
 */

/** POST /v1/join/hello. `tokenKey`: public half of the token, so that the joiner finds the one machine that can redeem it. */
export const RingHelloRequest = z.object({ version: z.literal(1), clientNonce: Nonce, tokenKey: z.optional(PublicKey) })
export type RingHelloRequest = z.infer<typeof RingHelloRequest>
/** The cloud's hello, and the records that prove the server's key to be an admitter's. */
export const RingHelloResponse = z.object({
  ...JoinHelloResponse.shape,
  /** By this machine; null when it was not asked about a token. */
  knowsToken: z.nullable(z.boolean()),
  chain: z.array(RosterRecord).check(z.maxLength(64)),
})
export type RingHelloResponse = z.infer<typeof RingHelloResponse>

/** What both signatures cover: `thatdam-ring-seed-v1` by the token's seed, `thatdam-ring-node-v1` by the joiner's own key. */
export const RingJoinTranscript = z.object({
  serverNonce: z.string().check(z.maxLength(256)),
  serverKey: PublicKey,
  tokenKey: PublicKey,
  clusterId: ClusterId,
  fingerprint: Sha256Hex,
  nodeKey: PublicKey,
  nodeId: NodeId,
  bootCounter: z.number().check(z.int(), z.nonnegative()),
})
export type RingJoinTranscript = z.infer<typeof RingJoinTranscript>

/** POST /v1/join. Repeating it (a new hello, the same token and key) is harmless. */
export const RingJoinRequest = z.object({
  version: z.literal(1),
  transcript: RingJoinTranscript,
  seedSignature: Signature,
  nodeSignature: Signature,
})
export type RingJoinRequest = z.infer<typeof RingJoinRequest>

/** All that the server knows of the ring, the joiner's admission among it. */
export const RingJoinResponse = z.object({
  version: z.literal(1),
  nodeId: NodeId,
  fingerprint: Sha256Hex,
  records: z.array(RosterRecord).check(z.maxLength(ROSTER_RECORDS_MAX)),
  /** By the server's key (`thatdam-ring-answer-v1`) over {nodeId, nodeKey, fingerprint, digest}: nothing was left out on the way. */
  signature: Signature,
})
export type RingJoinResponse = z.infer<typeof RingJoinResponse>

/** `STATE_DIR/ring-tokens.json` of an admitter: tokens that it made, and only it redeems. No secrets. */
export const RingToken = z.object({
  /** Public half of the seed: the token's only key. */
  tokenKey: PublicKey,
  createdAtMs: z.number(),
  expiresAtMs: z.number(),
  maxUses: z.number().check(z.int(), z.positive(), z.maximum(1_000)),
  revokedAtMs: z.nullable(z.number()),
  redemptions: z
    .array(
      z.object({
        nodeKey: PublicKey,
        nodeId: NodeId,
        atMs: z.number(),
        /** The record by which this machine had been removed when it came: this token takes it back, and no later one's removal. */
        removal: z.nullable(Sha256Hex),
      }),
    )
    .check(z.maxLength(1_000)),
})
export type RingToken = z.infer<typeof RingToken>
export const RingTokensFile = z.object({
  version: z.literal(1),
  fingerprint: Sha256Hex,
  tokens: z.array(RingToken).check(z.maxLength(256)),
})
export type RingTokensFile = z.infer<typeof RingTokensFile>
