import { verifySignature } from '@thatdam/control/keys'
import { foldRoster, recordHash, verifyGenesis } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { RingPart, type RingPartPorts } from '../ring/ring-part.ts'
import { RosterStore, writeRoster, type RingRecords } from '../ring/roster-store.ts'

export type RingHostPorts = Omit<RingPartPorts, 'store'>

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
   * identity, its op-log and whatever runs; the old ring's roster is kept beside it. Twice is harmless.
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
    if (genesis === undefined || recordHash(genesis.body) === this.store.fingerprint) {
      await this.store.merge(records)
      return
    }
    const later = records.filter((record) => record.body.kind !== 'genesis')
    this.requireMembership(genesis, later)
    const { paths, log } = this.ports
    const old = this.current
    await old.stop()
    // A copy first: there is a roster at every moment.
    await writeRoster(paths.oldRoster(old.store.fingerprint), { genesis: old.store.founding, later: old.store.later() })
    await writeRoster(paths.roster, { genesis, later })
    log.info(`this machine now belongs to the ring ${genesis.body.clusterId}`)
    const store = new RosterStore(paths.roster, { genesis, later })
    this.current = await RingPart.open({ ...this.ports, store })
    if (this.started) await this.current.start()
    this.ports.changed()
  }

  private requireMembership(genesis: GenesisRecord, later: readonly RosterRecord[]): void {
    const { nodeId, key } = this.ports.identity
    const isSigned = verifyGenesis(genesis, verifySignature)
    const roster = isSigned ? foldRoster([genesis, ...later], recordHash(genesis.body), verifySignature) : null
    if (roster?.members.get(nodeId)?.publicKey === key.publicKey) return
    throw new ThatdamError(
      'UNPROCESSABLE',
      'The other ring’s roster does not name this machine as one of its own, so it stays where it is.',
    )
  }
}
