import * as z from 'zod/mini'
import { ClusterId, NodeId, Nonce, PublicKey, Sha256Hex, Signature, UnixMs } from './ids.ts'

/** First record of a ring. Its hash (SHA-256 of the canonical JSON of `body`) is the ring's fingerprint. */
export const GenesisBody = z.object({
  kind: z.literal('genesis'),
  version: z.literal(1),
  clusterId: ClusterId,
  founder: z.object({ nodeId: NodeId, publicKey: PublicKey, bootCounter: z.number() }),
  /** Public half of the offline owner recovery key; null until the owner made one. */
  ownerRecoveryKey: z.nullable(PublicKey),
  createdAtMs: UnixMs,
  nonce: Nonce,
})
export const AdmissionBody = z.object({
  kind: z.literal('admission'),
  version: z.literal(1),
  clusterId: ClusterId,
  nodeId: NodeId,
  publicKey: PublicKey,
  bootCounter: z.number(),
  admitter: z.boolean(),
  previous: Sha256Hex,
})
export const RemovalBody = z.object({
  kind: z.literal('removal'),
  version: z.literal(1),
  clusterId: ClusterId,
  nodeId: NodeId,
  /** Hashes of the removed node's records that the remover had seen: what is not among them is void. */
  seen: z.array(Sha256Hex),
  previous: Sha256Hex,
})
/** This ring's machines have gone over to another ring of the same owner. Permanent: a laptop that was away finds home by it. */
export const ForwardingBody = z.object({
  kind: z.literal('forwarding'),
  version: z.literal(1),
  clusterId: ClusterId,
  toClusterId: ClusterId,
  /** Hash of the other ring's genesis record. */
  toFingerprint: Sha256Hex,
  previous: Sha256Hex,
})
export const RosterBody = z.discriminatedUnion('kind', [GenesisBody, AdmissionBody, RemovalBody, ForwardingBody])
export type RosterBody = z.infer<typeof RosterBody>
export type GenesisBody = z.infer<typeof GenesisBody>

/** Signed over `thatdam-roster-v1` by `signer`: the founder for genesis, an admitter or the owner's key otherwise. */
export const RosterRecord = z.object({ body: RosterBody, signer: PublicKey, signature: Signature })
export type RosterRecord = z.infer<typeof RosterRecord>
export const GenesisRecord = z.object({ body: GenesisBody, signer: PublicKey, signature: Signature })
export type GenesisRecord = z.infer<typeof GenesisRecord>
