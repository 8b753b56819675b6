import * as z from 'zod/mini'
import { ClusterId, NodeId, Nonce, PublicKey, Sha256Hex, Signature, UnixMs } from './ids.ts'

/** A ring's roster holds no more records, and no record is larger as canonical JSON: both bound what a peer can make a machine keep. */
export const ROSTER_RECORDS_MAX = 10_000
export const RECORD_BYTES_MAX = 4_096
/** Of one record besides `previous`. */
export const ALSO_MAX = 16
export const SEEN_MAX = 24
export const VOIDS_MAX = 8
/** Replacements of one machine's key that are shown to somebody who has seen none of them. */
export const REKEYS_MAX = 8

/** First record of a ring. Its hash (SHA-256 of the canonical JSON of `body`) is the ring's fingerprint. */
export const GenesisBody = z.object({
  kind: z.literal('genesis'),
  version: z.literal(1),
  clusterId: ClusterId,
  founder: z.object({ nodeId: NodeId, publicKey: PublicKey, bootCounter: z.number() }),
  /** Public half of the offline owner recovery key; null when it was not made yet: an `owner-key` record brings it later. */
  ownerRecoveryKey: z.nullable(PublicKey),
  createdAtMs: UnixMs,
  nonce: Nonce,
})

/**
 * What every later record carries. `previous` and `also` name the newest records that its signer knew: with theirs, followed back, they are the
 * record's *ancestors*, that is, what its signer had seen.
 */
const LATER = {
  version: z.literal(1),
  clusterId: ClusterId,
  previous: Sha256Hex,
  also: z.optional(z.array(Sha256Hex).check(z.maxLength(ALSO_MAX))),
}

/** Of a member that is in already, with its key and `admitter: true`: raises it to admitter. */
export const AdmissionBody = z.object({
  kind: z.literal('admission'),
  ...LATER,
  nodeId: NodeId,
  publicKey: PublicKey,
  bootCounter: z.number(),
  admitter: z.boolean(),
})
/** By an admitter or the owner's key; or by the member itself, that leaves. */
export const RemovalBody = z.object({
  kind: z.literal('removal'),
  ...LATER,
  nodeId: NodeId,
  /**
   * Hashes of the removed node's records that the remover had seen, where they are not among its ancestors: what it signed and the remover
   * had not seen is void.
   */
  seen: z.array(Sha256Hex).check(z.maxLength(SEEN_MAX)),
  /** Records of the removed node that are void although the remover had seen them: a thief's forwarding record, for one. */
  voids: z.optional(z.array(Sha256Hex).check(z.maxLength(VOIDS_MAX))),
})
/** This ring's machines have gone over to another ring of the same owner. Permanent: a laptop that was away finds home by it. */
export const ForwardingBody = z.object({
  kind: z.literal('forwarding'),
  ...LATER,
  toClusterId: ClusterId,
  /** Hash of the other ring's genesis record. */
  toFingerprint: Sha256Hex,
})
/** A member's new key. By its old key or the owner's key. Both keys are good until the new one's first use. */
export const RekeyBody = z.object({ kind: z.literal('rekey'), ...LATER, nodeId: NodeId, oldKey: PublicKey, newKey: PublicKey })
/** First use of a new key, signed by it: from here on it is the only one. */
export const KeyUseBody = z.object({ kind: z.literal('key-use'), ...LATER, nodeId: NodeId, publicKey: PublicKey })
/**
 * Public half of the owner's recovery key, made after the ring. Signed by an admitter it says “this is the key that I know”; signed by the key
 * in force, it names the one that replaces it.
 */
export const OwnerKeyBody = z.object({
  kind: z.literal('owner-key'),
  ...LATER,
  ownerRecoveryKey: PublicKey,
  /** The signer: two admitters who say the same are two records. */
  by: PublicKey,
})
export const RosterBody = z.discriminatedUnion('kind', [
  GenesisBody,
  AdmissionBody,
  RemovalBody,
  ForwardingBody,
  RekeyBody,
  KeyUseBody,
  OwnerKeyBody,
])
export type RosterBody = z.infer<typeof RosterBody>
export type GenesisBody = z.infer<typeof GenesisBody>
export type AdmissionBody = z.infer<typeof AdmissionBody>

/** Signed over `thatdam-roster-v1` by `signer`: the founder for genesis, else as the kind of record says. */
export const RosterRecord = z.object({ body: RosterBody, signer: PublicKey, signature: Signature })
export type RosterRecord = z.infer<typeof RosterRecord>
export const GenesisRecord = z.object({ body: GenesisBody, signer: PublicKey, signature: Signature })
export type GenesisRecord = z.infer<typeof GenesisRecord>
