import * as z from 'zod/mini'
import { ClusterId, NodeId, Nonce, PublicKey, Sha256Hex, Signature } from './ids.ts'
import { RingJoinResponse } from './ring-join.ts'
import { RosterRecord } from './roster.ts'

/*
 * A machine joins a ring on the LAN without a token: two people compare six digits (packages/control/src/adopt has the picture). Open routes of
 * the node API.
 */

/** What each side commits to, and shows only when it has the other's commitment. */
export const JoinerReveal = z.object({
  nodeKey: PublicKey,
  nodeId: NodeId,
  bootCounter: z.number().check(z.int(), z.nonnegative()),
  nonce: Nonce,
})
export type JoinerReveal = z.infer<typeof JoinerReveal>
export const RingReveal = z.object({ serverKey: PublicKey, nodeId: NodeId, clusterId: ClusterId, fingerprint: Sha256Hex, nonce: Nonce })
export type RingReveal = z.infer<typeof RingReveal>

/** POST /v1/adopt/commit: SHA-256 over the canonical JSON of what will be revealed. Names are for the owner's eyes, and prove nothing. */
export const AdoptCommitRequest = z.object({
  version: z.literal(1),
  commitment: Sha256Hex,
  nodeId: NodeId,
  hostname: z.string().check(z.maxLength(255)),
})
export type AdoptCommitRequest = z.infer<typeof AdoptCommitRequest>
export const AdoptCommitResponse = z.object({ version: z.literal(1), id: Nonce, commitment: Sha256Hex })
export type AdoptCommitResponse = z.infer<typeof AdoptCommitResponse>

/** POST /v1/adopt/reveal: when the owner has opened it. The answer shows the ring's side. */
export const AdoptRevealRequest = z.object({ version: z.literal(1), id: Nonce, reveal: JoinerReveal })
export type AdoptRevealRequest = z.infer<typeof AdoptRevealRequest>
export const AdoptRevealResponse = z.object({
  version: z.literal(1),
  reveal: RingReveal,
  /** Proves that the key is an admitter's of the ring. */
  chain: z.array(RosterRecord).check(z.maxLength(64)),
  /** By the ring's key (`thatdam-adopt-ring-v1`) over {transcript}: the hash that the digits are of. */
  signature: Signature,
})
export type AdoptRevealResponse = z.infer<typeof AdoptRevealResponse>

export const AdoptPhase = z.enum(['waiting', 'opened', 'showing', 'admitted', 'over'])
export type AdoptPhase = z.infer<typeof AdoptPhase>
/** POST /v1/adopt/status, every two seconds. */
export const AdoptStatusRequest = z.object({
  version: z.literal(1),
  id: Nonce,
  /** What the person at the joiner said of the digits. */
  said: z.enum(['nothing', 'yes', 'no']),
  /** By the joiner's key (`thatdam-adopt-node-v1`) over {transcript, said}; null before it revealed. */
  signature: z.nullable(Signature),
})
export type AdoptStatusRequest = z.infer<typeof AdoptStatusRequest>
export const AdoptStatusResponse = z.object({
  version: z.literal(1),
  phase: AdoptPhase,
  /** Why it is over: one sentence. */
  reason: z.nullable(z.string().check(z.maxLength(500))),
  /** When admitted: the ring's records. */
  join: z.nullable(RingJoinResponse),
})
export type AdoptStatusResponse = z.infer<typeof AdoptStatusResponse>
