import { isKeyProof } from '@thatdam/control/ring-owner'
import type { Roster } from '@thatdam/control/roster'
import { OWNER_PROOFS_MAX, type OwnerProof, OwnerProofsFile } from '@thatdam/protocol/ring-meet'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

type OwnedRing = Pick<Roster, 'clusterId' | 'fingerprint' | 'ownerRecoveryKey'>

/** What the owner signed about this machine's rings when the printed key was at hand. No secret: it is shown to whoever meets the ring. */
export class OwnerProofs {
  private readonly path: string
  private held: readonly OwnerProof[]

  private constructor(path: string, held: readonly OwnerProof[]) {
    this.path = path
    this.held = held
  }

  /** @throws ThatdamError when the file is damaged. */
  static async open(path: string): Promise<OwnerProofs> {
    return new OwnerProofs(path, (await readJson(path, OwnerProofsFile))?.proofs ?? [])
  }

  /** By the recovery key in force. */
  of(ring: OwnedRing): OwnerProof[] {
    return this.held.filter((proof) => proves(proof, ring)).slice(-1)
  }

  /** On disk when it resolves. */
  async keep(proof: OwnerProof): Promise<void> {
    const proofs = [...this.held.filter((one) => JSON.stringify(one) !== JSON.stringify(proof)), proof].slice(-OWNER_PROOFS_MAX)
    const file: OwnerProofsFile = { version: 1, proofs }
    await writeFileDurable(this.path, `${JSON.stringify(file)}\n`)
    this.held = proofs
  }

  /** From another machine of the ring: kept where it proves what this machine has no proof of yet. @returns whether it was. */
  async take(proofs: readonly OwnerProof[], ring: OwnedRing): Promise<boolean> {
    const proof = this.of(ring).length > 0 ? undefined : proofs.find((one) => proves(one, ring))
    if (proof !== undefined) await this.keep(proof)
    return proof !== undefined
  }
}

const proves = (proof: OwnerProof, ring: OwnedRing): boolean =>
  ring.ownerRecoveryKey !== null && isKeyProof(proof, ring, ring.ownerRecoveryKey)
