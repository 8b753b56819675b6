import type { RingPlace } from '@thatdam/protocol/join'
import { type Signer, verifySignature } from './keys.ts'
import { recordHash, verifyGenesis } from './roster.ts'
import type { Place } from './store.ts'

type Machine = { readonly nodeKey: string; readonly organisationId: string }

const signedPart = (place: Pick<RingPlace, 'role' | 'genesis' | 'appointedAtMs'>, { nodeKey, organisationId }: Machine) => ({
  role: place.role,
  nodeKey,
  organisationId,
  genesisHash: recordHash(place.genesis.body),
  appointedAtMs: place.appointedAtMs,
})

export function signPlace(instance: Signer, { role, ring }: Place, machine: Machine): RingPlace {
  const { genesis, appointedAtMs } = ring
  const place = { role, genesis, appointedAtMs }
  return { ...place, signature: instance.sign('thatdam-ring-place-v1', signedPart(place, machine)) }
}

/** Whether the pinned cloud told this machine so, about a genesis record that is its founder's. A machine waits for no other ring. */
export function verifyPlace(place: RingPlace, machine: Machine & { readonly instanceKey: string }): boolean {
  return (
    verifyGenesis(place.genesis, verifySignature) &&
    verifySignature('thatdam-ring-place-v1', signedPart(place, machine), place.signature, machine.instanceKey)
  )
}
