import { RELAY_RECORDS_MAX, RELAY_START, type RelayCursor, relayOn } from '@thatdam/control/relay'
import { recordId } from '@thatdam/control/roster-sync'
import { verifyPlace } from '@thatdam/control/ring-place'
import { recordHash } from '@thatdam/control/roster'
import type { PendingRing, RingPlace } from '@thatdam/protocol/join'
import { RELAY_PAGE_MAX, type ReportRequest, type RingNews } from '@thatdam/protocol/poll'
import type { RosterRecord } from '@thatdam/protocol/roster'

/** A record that was sent is not sent again until the cloud had time to tell of it. */
const SENT_AGAIN_MS = 60_000

/** The ring that this machine is in now. */
export interface OwnRing {
  readonly genesisHash: string
  /** Its records, the genesis among them. */
  readonly records: readonly RosterRecord[]
  /** Machines in it, this one counted. */
  readonly members: number
}

/** What the cloud relays of the organisation's ring. */
export interface RelayedRing {
  readonly role: RingPlace['role']
  readonly clusterId: string
  readonly genesisHash: string
  /** All that the cloud has, the genesis first. Each proves itself: nothing here is to be believed because the cloud brought it. */
  readonly records: readonly RosterRecord[]
}

/** `adopt`: records to take in. `wait`: nothing to take in yet, another ring's admission is waited for. `apart`: this machine's ring has other machines and is not the organisation's. */
export type RelayOutcome =
  | { readonly kind: 'adopt'; readonly ring: RelayedRing }
  | { readonly kind: 'wait'; readonly pending: Omit<PendingRing, 'sinceMs'> }
  | { readonly kind: 'nothing' | 'apart' | 'forged' }

/**
 * The organisation's ring as this machine hears of it from the cloud, and what it has to tell. In memory: after a restart it hears everything
 * once more.
 */
export class RingRelay {
  readonly #machine: { readonly nodeKey: string; readonly organisationId: string; readonly instanceKey: string }
  readonly #ids = new WeakMap<RosterRecord, string>()
  #place: RingPlace | null = null
  #genesisHash = ''
  #cursor: RelayCursor = RELAY_START
  #records = new Map<string, RosterRecord>()
  #sent = new Map<string, number>()
  /** What was handed on last, so that nothing is handed on twice. */
  #handed = ''
  rendezvous = false

  constructor(machine: { nodeKey: string; organisationId: string; instanceKey: string }) {
    this.#machine = machine
  }

  /** For the next poll. */
  get query(): string {
    return `&records=${this.#cursor.position}&digest=${this.#cursor.digest}`
  }

  /** As the cloud told it last in this run. */
  get place(): RingPlace | null {
    return this.#place
  }

  /** When the cloud appointed this machine to found the ring; null: another one. It waits for a report from the founder, made after that. */
  get appointedAtMs(): number | null {
    return this.#place?.role === 'founder' ? this.#place.appointedAtMs : null
  }

  take(news: RingNews, own: OwnRing): RelayOutcome {
    const { place } = news
    if (!verifyPlace(place, this.#machine)) return { kind: 'forged' }
    // Two answers may cross on their way.
    if (this.#place !== null && place.appointedAtMs < this.#place.appointedAtMs) return { kind: 'nothing' }
    const genesisHash = recordHash(place.genesis.body)
    if (genesisHash !== this.#genesisHash) this.#begin()
    this.#place = place
    this.#genesisHash = genesisHash
    this.rendezvous = news.rendezvous
    if (!this.#follow(news) || news.more) return { kind: 'nothing' }
    if (genesisHash !== own.genesisHash) {
      if (own.members > 1) return { kind: 'apart' }
      const { appointedAtMs } = place
      if (!news.admitted)
        return { kind: 'wait', pending: { version: 1, clusterId: place.genesis.body.clusterId, genesisHash, appointedAtMs } }
    }
    const state = `${own.genesisHash} ${genesisHash} ${this.#cursor.digest}`
    if (state === this.#handed) return { kind: 'nothing' }
    this.#handed = state
    const { role, genesis } = place
    return { kind: 'adopt', ring: { role, clusterId: genesis.body.clusterId, genesisHash, records: [genesis, ...this.#records.values()] } }
  }

  /** What was handed on last could not be taken in: it is handed on again with the next answer. */
  notTaken(): void {
    this.#handed = ''
  }

  /** The ring's part of a report: the ring, and the next records of it that the cloud lacks. */
  report(own: OwnRing, nowMs: number): NonNullable<ReportRequest['ring']> {
    const { genesisHash } = own
    if (genesisHash !== this.#genesisHash) return { genesisHash, records: [] }
    const records: RosterRecord[] = []
    for (const record of own.records) {
      if (records.length === RELAY_PAGE_MAX) break
      const id = this.#idOf(record)
      const sentMs = this.#sent.get(id)
      const isDue = sentMs === undefined || Math.abs(nowMs - sentMs) >= SENT_AGAIN_MS
      if (record.body.kind !== 'genesis' && !this.#records.has(id) && isDue) records.push(record)
    }
    return { genesisHash, records }
  }

  /** The cloud has the report. */
  reported(records: readonly RosterRecord[], nowMs: number): void {
    for (const record of records) this.#sent.set(this.#idOf(record), nowMs)
  }

  #begin(): void {
    this.#cursor = RELAY_START
    this.#records = new Map()
    this.#sent = new Map()
  }

  /** False: what came does not go on from what is here, so all of it is asked for anew. */
  #follow(news: RingNews): boolean {
    if (news.after !== this.#cursor.position) {
      this.#begin()
      if (news.after !== 0) return false
    }
    if (this.#records.size + news.records.length > RELAY_RECORDS_MAX) return false
    const ids = news.records.map((record) => this.#idOf(record))
    for (const [index, record] of news.records.entries()) {
      const id = ids[index] ?? ''
      this.#records.set(id, record)
      this.#sent.delete(id)
    }
    this.#cursor = relayOn(this.#cursor, ids)
    if (news.more || this.#cursor.digest === news.digest) return true
    this.#begin()
    return false
  }

  #idOf(record: RosterRecord): string {
    const known = this.#ids.get(record)
    if (known !== undefined) return known
    const id = recordId(record)
    this.#ids.set(record, id)
    return id
  }
}
