import { makeRecoveryKey, readRecoveryKey } from '@thatdam/control/recovery-key'
import { signOwnership } from '@thatdam/control/ring-owner'
import type { Signer } from '@thatdam/control/keys'
import { nameOwnerKey } from '@thatdam/control/roster-edit'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NewRecoveryKey, UsedRecoveryKey } from '@thatdam/protocol/ring-door'
import type { RingHost } from '../agent/ring-host.ts'
import type { Log } from '../log.ts'
import type { Identity } from '../state/identity.ts'
import type { OwnerProofs } from './owner-proofs.ts'

export interface OwnerKeyPorts {
  readonly host: Pick<RingHost, 'store' | 'part'>
  readonly identity: Identity
  readonly proofs: OwnerProofs
  readonly log: Log
  /** Whose ring this is may be provable now. */
  readonly changed: () => void
}

/** The owner’s recovery key while it is at hand: the ring takes its public half, and the owner’s word that the ring is theirs is kept. */
export class OwnerKey {
  private readonly ports: OwnerKeyPorts

  constructor(ports: OwnerKeyPorts) {
    this.ports = ports
  }

  /** @throws ThatdamError FORBIDDEN where this machine is no admitter; CONFLICT when the ring has a key. */
  async make(): Promise<NewRecoveryKey> {
    const { text, key } = makeRecoveryKey()
    await this.name(key)
    return { words: text }
  }

  /**
   * The printed key of this or of another ring, as somebody typed it.
   * @throws ThatdamError as `make`; BAD_REQUEST for a slip of the pen; CONFLICT when this ring has another one.
   */
  async use(words: string): Promise<UsedRecoveryKey> {
    const key = readRecoveryKey(words)
    const { roster } = this.ports.host.store
    if (roster.ownerRecoveryKey === key.publicKey) {
      this.requireAdmitter()
      await this.prove(key)
      return { outcome: 'known' }
    }
    if (roster.ownerRecoveryKey !== null) {
      throw new ThatdamError(
        'CONFLICT',
        'This ring has another recovery key than this one. Look for the sheet of this ring: with a key of another ring nothing can be done here.',
      )
    }
    await this.name(key)
    return { outcome: 'named' }
  }

  private async name(key: Signer): Promise<void> {
    this.requireAdmitter()
    const { host, identity, log } = this.ports
    const { store } = host
    await store.edit(identity.key, (desk) => nameOwnerKey(desk, key.publicKey))
    log.info('the ring has a recovery key on paper from now on')
    await this.prove(key)
    await host.part.spread()
  }

  private async prove(key: Signer): Promise<void> {
    const { host, proofs, changed } = this.ports
    await proofs.keep(signOwnership(key, host.store))
    changed()
  }

  private requireAdmitter(): void {
    const { host, identity } = this.ports
    if (host.store.member(identity.nodeId)?.admitter === true) return
    throw new ThatdamError(
      'FORBIDDEN',
      'This machine may not say whose ring this is. Do it in the console of the machine that leads, or with “thatdam recovery-key” there.',
    )
  }
}
