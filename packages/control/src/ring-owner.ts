import type { OwnerProof } from '@thatdam/protocol/ring-meet'
import { type Signer, verifySignature } from './keys.ts'
import { verifyPlace } from './ring-place.ts'
import { recordHash } from './roster.ts'

/** A ring that is spoken of: `speaker` is the key of the machine that shows the proofs. */
export type SpokenRing = { clusterId: string; fingerprint: string; speaker: string }
/** Whose ring this machine's own is, by what it knows itself. */
export type OwnOwner = {
  /** Of its ring. */
  fingerprint: string
  /** In force in its own roster. */
  ownerRecoveryKey: string | null
  /** The cloud that it registered with, pinned, and its organisation there. */
  cloud: { instanceKey: string; organisationId: string } | null
}
/**
 * `isOwnersWord`: by the owner's own key. The cloud's word alone may bring machines in as plain members, and hand this ring over to nobody.
 * `isOfAll`: of the whole ring. Else of the speaker alone, which got into a ring of which nobody says whose it is.
 */
export type SharedOwner = { owner: string; isOwnersWord: boolean; isOfAll: boolean }

/** “This ring is mine”, said with the printed key at hand: when it is made, and when a second ring is claimed with it. */
export function signOwnership(owner: Signer, { clusterId, fingerprint }: Pick<SpokenRing, 'clusterId' | 'fingerprint'>): OwnerProof {
  return { kind: 'recovery-key', ownerKey: owner.publicKey, signature: owner.sign('thatdam-ring-owner-v1', { clusterId, fingerprint }) }
}

/** Does the other ring belong to whom ours belongs to? By proof, and not by its own word. Null: it shows nothing that proves it. */
export function sharedOwner(own: OwnOwner, ring: SpokenRing, proofs: readonly OwnerProof[]): SharedOwner | null {
  const { ownerRecoveryKey } = own
  if (ownerRecoveryKey !== null && proofs.some((proof) => isKeyProof(proof, ring, ownerRecoveryKey)))
    return { owner: `key ${own.ownerRecoveryKey}`, isOwnersWord: true, isOfAll: true }
  const places = proofs.flatMap((proof) => placedIn(proof, ring.speaker, own.cloud) ?? [])
  const isOfAll = places.includes(ring.fingerprint)
  if (!isOfAll && !places.includes(own.fingerprint)) return null
  return { owner: `organisation ${own.cloud?.organisationId}`, isOwnersWord: false, isOfAll }
}

/** Does the owner with this recovery key say that the ring is theirs? */
export function isKeyProof(
  proof: OwnerProof,
  { clusterId, fingerprint }: Pick<SpokenRing, 'clusterId' | 'fingerprint'>,
  ownerKey: string,
): boolean {
  if (proof.kind !== 'recovery-key' || proof.ownerKey !== ownerKey) return false
  return verifySignature('thatdam-ring-owner-v1', { clusterId, fingerprint }, proof.signature, ownerKey)
}

/** Fingerprint of the ring in which our organisation has a place for this machine. */
function placedIn(proof: OwnerProof, nodeKey: string, cloud: OwnOwner['cloud']): string | null {
  if (proof.kind !== 'organisation' || cloud === null) return null
  const { instanceKey, organisationId, place } = proof
  if (instanceKey !== cloud.instanceKey || organisationId !== cloud.organisationId) return null
  return verifyPlace(place, { nodeKey, organisationId, instanceKey }) ? recordHash(place.genesis.body) : null
}
