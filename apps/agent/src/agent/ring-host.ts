import { verifySignature } from '@thatdam/control/keys'
import { foldRoster, recordHash, verifyGenesis } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import type { Formers } from '../meet/formers.ts'
import { RingPart, type RingPartPorts } from '../ring/ring-part.ts'
import { foundRing } from '../state/ring.ts'
import { RosterStore, writeRoster, type RingRecords } from '../ring/roster-store.ts'

const LEAVE_AGAIN_MS = 60_000

export type RingHostPorts = Omit<RingPartPorts, 'store'> & {
  /** The roster of each ring that it leaves is kept there. */
  readonly formers: Formers
  /** Before this machine goes over to another ring: what has to be carried over is put aside. */
  readonly leaving: () => Promise<void>
}

/** The ring that this node is in, and its part there: both are others after it has gone over to another ring. */
export class RingHost {
  private readonly ports: RingHostPorts
  private current: RingPart
  private started = false
  private moving: Promise<void> = Promise.resolve()
  private stopped = false

  private constructor(ports: RingHostPorts, part: RingPart) {
    this.ports = ports
    this.current = part
    this.watch()
  }

  /** @throws ThatdamError when its port or its state cannot be had. */
  static async open(ports: RingHostPorts, records: RingRecords): Promise<RingHost> {
    const store = new RosterStore(ports.paths.roster, records)
    return new RingHost(ports, await RingPart.open({ ...ports, store }))
  }

  get part(): RingPart {
    return this.current
  }

  get store(): RosterStore {
    return this.current.store
  }

  async start(): Promise<void> {
    this.started = true
    await this.current.start()
  }

  async stop(): Promise<void> {
    this.stopped = true
    await this.moving.catch(() => {})
    await this.current.stop()
  }

  /**
   * Takes roster records in that name this machine as a member. Of this ring: they are merged. Of another: this node goes over to it, with its
   * identity, its op-log and whatever runs; the old ring's roster is kept beside it. From a ring with other machines only where that ring has gone
   * over there itself. Twice is harmless.
   * @param records the genesis among them, unless they are of this ring.
   * @throws ThatdamError UNPROCESSABLE when they do not prove that this machine belongs to that ring.
   */
  adopt(records: readonly RosterRecord[]): Promise<void> {
    const next = this.moving.catch(() => {}).then(() => this.adoptNow(records))
    this.moving = next
    return next
  }

  private async adoptNow(records: readonly RosterRecord[]): Promise<void> {
    if (this.stopped) return
    const genesis = records.find((record): record is GenesisRecord => record.body.kind === 'genesis')
    const fingerprint = genesis && recordHash(genesis.body)
    if (genesis === undefined || fingerprint === this.store.fingerprint) {
      await this.store.merge(records)
      return
    }
    const later = records.filter((record) => record.body.kind !== 'genesis')
    this.requireMembership(genesis, later)
    if (this.store.roster.members.size > 1 && this.store.roster.forward?.fingerprint !== fingerprint) {
      throw new ThatdamError(
        'CONFLICT',
        'This machine is in a ring with other machines. Remove it there first, then let it into the other ring.',
      )
    }
    await this.goOver({ genesis, later })
  }

  /** It was removed, or has left: from here on it is a ring of one again, with all that is on its disks. */
  private async leaveNow(): Promise<void> {
    const { identity, bootCounter, log } = this.ports
    if (this.stopped || this.store.member(identity.nodeId) !== null) return
    log.warn('This machine does not belong to its ring any more: it goes on by itself. To take it back, let it in again.')
    // Those who do not know yet hear it from here.
    await this.current.spread()
    await this.goOver({ genesis: foundRing(identity, bootCounter), later: [] })
  }

  private async goOver({ genesis, later }: RingRecords): Promise<void> {
    const { paths, log, formers } = this.ports
    const old = this.current
    await this.ports.leaving()
    await old.stop()
    await old.store.leave()
    let ring: RingRecords = { genesis: old.store.founding, later: old.store.later() }
    try {
      // A copy first: there is a roster at every moment.
      await formers.keep({ fingerprint: old.store.fingerprint, records: old.store.all() })
      await writeRoster(paths.roster, { genesis, later })
      ring = { genesis, later }
      log.info(`this machine now belongs to the ring ${genesis.body.clusterId}`)
    } finally {
      // Whatever the disk said, this machine goes on being heard, in the ring that the disk names.
      await this.enter(new RosterStore(paths.roster, ring), old.discovery.announcedCount)
    }
  }

  private async enter(store: RosterStore, announcedCount: number): Promise<void> {
    this.current = await RingPart.open({ ...this.ports, store, announcedCount })
    this.watch()
    if (this.started) await this.current.start()
    this.ports.changed()
  }

  private watch(): void {
    const { store } = this
    store.onChange(() => {
      if (store.member(this.ports.identity.nodeId) === null) this.leave()
    })
  }

  private leave(): void {
    this.moving = this.moving.catch(() => {}).then(() => this.leaveNow())
    this.moving.catch((error: unknown) => {
      this.ports.log.error('this machine could not go on by itself after it left its ring; it tries again in a minute', error)
      setTimeout(() => this.leave(), LEAVE_AGAIN_MS).unref()
    })
  }

  private requireMembership(genesis: GenesisRecord, later: readonly RosterRecord[]): void {
    const { nodeId, key } = this.ports.identity
    const isSigned = verifyGenesis(genesis, verifySignature)
    const roster = isSigned ? foldRoster([genesis, ...later], recordHash(genesis.body), verifySignature) : null
    if (roster?.byKey.get(key.publicKey)?.nodeId === nodeId) return
    throw new ThatdamError(
      'UNPROCESSABLE',
      'The other ring’s roster does not name this machine as one of its own, so it stays where it is.',
    )
  }
}
