import type { OwnerProof } from '@thatdam/protocol/ring-meet'
import { type Signer, verifySignature } from './keys.ts'
import { verifyPlace } from './ring-place.ts'
import { recordHash } from './roster.ts'

/** A ring that is spoken of: `speaker` is the key of the machine that shows the proofs. */
export type SpokenRing = { clusterId: string; fingerprint: string; speaker: string }
/** Whose ring this machine's own is, by what it knows itself. */
export type OwnOwner = {
  /** In force in its own roster. */
  ownerRecoveryKey: string | null
  /** The cloud that it registered with, pinned, and its organisation there. */
  cloud: { instanceKey: string; organisationId: string } | null
}
/** `isOwnersWord`: by the owner's own key. The cloud's word alone may bring machines in as plain members, and hand this ring over to nobody. */
export type SharedOwner = { owner: string; isOwnersWord: boolean }

/** “This ring is mine”, said with the printed key at hand: when it is made, and when a second ring is claimed with it. */
export function signOwnership(owner: Signer, { clusterId, fingerprint }: Pick<SpokenRing, 'clusterId' | 'fingerprint'>): OwnerProof {
  return { kind: 'recovery-key', ownerKey: owner.publicKey, signature: owner.sign('thatdam-ring-owner-v1', { clusterId, fingerprint }) }
}

/** Does the other ring belong to whom ours belongs to? By proof, and not by its own word. Null: it shows nothing that proves it. */
export function sharedOwner(own: OwnOwner, ring: SpokenRing, proofs: readonly OwnerProof[]): SharedOwner | null {
  const byKey = proofs.find((proof) => proof.kind === 'recovery-key' && proof.ownerKey === own.ownerRecoveryKey && isKeyProof(proof, ring))
  if (byKey !== undefined) return { owner: `key ${own.ownerRecoveryKey}`, isOwnersWord: true }
  const byCloud = own.cloud !== null && proofs.some((proof) => isCloudProof(proof, ring, own.cloud))
  return byCloud ? { owner: `organisation ${own.cloud?.organisationId}`, isOwnersWord: false } : null
}

function isKeyProof(proof: OwnerProof, { clusterId, fingerprint }: SpokenRing): boolean {
  return (
    proof.kind === 'recovery-key' && verifySignature('thatdam-ring-owner-v1', { clusterId, fingerprint }, proof.signature, proof.ownerKey)
  )
}

function isCloudProof(proof: OwnerProof, ring: SpokenRing, cloud: OwnOwner['cloud']): boolean {
  if (proof.kind !== 'organisation' || cloud === null) return false
  const { instanceKey, organisationId, place } = proof
  if (instanceKey !== cloud.instanceKey || organisationId !== cloud.organisationId) return false
  return recordHash(place.genesis.body) === ring.fingerprint && verifyPlace(place, { nodeKey: ring.speaker, organisationId, instanceKey })
}
