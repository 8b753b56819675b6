import * as z from 'zod/mini'
import { ClusterId, Nonce, NodeId, PublicKey, Sha256Hex, Signature } from './ids.ts'
import { RingPlace } from './join.ts'
import { ROSTER_RECORDS_MAX, RosterRecord } from './roster.ts'

/*
 * Two claimed rings that find each other on the LAN, and one that goes over to the other. Open routes of the node API.
 */

/** That a ring belongs to somebody, by word of who is not a machine of it. */
export const OwnerProof = z.discriminatedUnion('kind', [
  /** By the owner's recovery key (`thatdam-ring-owner-v1`) over {clusterId, fingerprint}: made when the owner has the printed key at hand. */
  z.object({ kind: z.literal('recovery-key'), ownerKey: PublicKey, signature: Signature }),
  /** The cloud's word that the machine which introduces its ring has its place there. */
  z.object({
    kind: z.literal('organisation'),
    instanceKey: PublicKey,
    organisationId: z.string().check(z.maxLength(64)),
    place: RingPlace,
  }),
])
export type OwnerProof = z.infer<typeof OwnerProof>

const RingCardBody = z.object({
  clusterId: ClusterId,
  fingerprint: Sha256Hex,
  isClaimed: z.boolean(),
  isCloudPaired: z.boolean(),
  isChosen: z.boolean(),
  /** It has gone over to this ring already. */
  forward: z.nullable(z.object({ clusterId: ClusterId, fingerprint: Sha256Hex })),
})

/** POST /v1/meet. `isNews`: the asker has just found that the other ring's machines are to come over to its own, and it may not know that yet. */
export const RingMeetRequest = z.object({ version: z.literal(1), clientNonce: Nonce, isNews: z.optional(z.boolean()) })
export type RingMeetRequest = z.infer<typeof RingMeetRequest>
/** The answer of an admitter of the other ring. */
export const RingIntroduction = z.object({
  version: z.literal(1),
  card: RingCardBody,
  proofs: z.array(OwnerProof).check(z.maxLength(4)),
  serverKey: PublicKey,
  /** Proves that the key is an admitter's of the ring. */
  chain: z.array(RosterRecord).check(z.maxLength(64)),
  /** For a request to merge, within two minutes. */
  serverNonce: z.string().check(z.maxLength(256)),
  /** By serverKey (`thatdam-ring-card-v1`) over {clientNonce, serverNonce, card, proofs}. */
  signature: Signature,
})
export type RingIntroduction = z.infer<typeof RingIntroduction>

/** POST /v1/meet/merge: by any member of a ring that has gone over, to an admitter of the ring that goes on. Answered as a join is. */
export const RingMergeRequest = z.object({
  version: z.literal(1),
  serverKey: PublicKey,
  serverNonce: z.string().check(z.maxLength(256)),
  /** Of the ring that goes on, as its forwarding record says. */
  toFingerprint: Sha256Hex,
  /** Of the ring that has gone over; its records, the forwarding record among them. */
  fingerprint: Sha256Hex,
  records: z.array(RosterRecord).check(z.maxLength(ROSTER_RECORDS_MAX)),
  proofs: z.array(OwnerProof).check(z.maxLength(4)),
  nodeKey: PublicKey,
  nodeId: NodeId,
  /** By nodeKey (`thatdam-ring-merge-v1`) over {serverKey, serverNonce, toFingerprint, fingerprint, digest of the records}. */
  signature: Signature,
})
export type RingMergeRequest = z.infer<typeof RingMergeRequest>

/**
 * POST /v1/meet/way: by a machine whose ring may have gone over while it was away, to any machine near. Answered to nobody but members of that
 * ring, by their proved keys: all others get the one 401.
 */
export const WayRequest = z.object({ version: z.literal(1), fingerprint: Sha256Hex })
export type WayRequest = z.infer<typeof WayRequest>
/** The ring's own records, the forwarding record among them. */
export const WayAnswer = z.object({ records: z.array(RosterRecord).check(z.maxLength(ROSTER_RECORDS_MAX)) })
export type WayAnswer = z.infer<typeof WayAnswer>

/** Rings that have gone over to one ring: more are not kept. */
export const FORMERS_MAX = 64

/** A ring that has gone over to another one: who signed its ops, and where its machines belong. */
export const FormerRing = z.object({ fingerprint: Sha256Hex, records: z.array(RosterRecord).check(z.maxLength(ROSTER_RECORDS_MAX)) })
export type FormerRing = z.infer<typeof FormerRing>

/** POST /v1/formers, by a member to an admitter: what the ring keeps about rings that came over to it, and about its owner. */
export const FormersRequest = z.object({
  version: z.literal(1),
  held: z.array(z.object({ fingerprint: Sha256Hex, digest: z.string().check(z.maxLength(64)) })).check(z.maxLength(FORMERS_MAX)),
})
export type FormersRequest = z.infer<typeof FormersRequest>
/** `former`: the first of those that the asker holds not, or otherwise; null: none. One a call, for each may be large. */
export const FormersAnswer = z.object({ former: z.nullable(FormerRing), proofs: z.array(OwnerProof).check(z.maxLength(4)) })
export type FormersAnswer = z.infer<typeof FormersAnswer>

/** `owner-proofs.json`: the owner's word about rings that this machine is in, or was. Newest last. */
export const OWNER_PROOFS_MAX = 16
export const OwnerProofsFile = z.object({ version: z.literal(1), proofs: z.array(OwnerProof).check(z.maxLength(OWNER_PROOFS_MAX)) })
export type OwnerProofsFile = z.infer<typeof OwnerProofsFile>
