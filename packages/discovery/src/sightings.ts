import type { Announcement, AnnouncementBody, DiscoveryMethodName } from '@thatdam/protocol/discovery'
import type { KnownPeer } from './method.ts'
import { rankAddresses } from './rank.ts'
import type { LocalAddress, Scope } from './interfaces.ts'

/** An address to try, best first in its sighting. */
export interface SightedAddress {
  /** May carry an IPv6 zone. */
  readonly address: string
  readonly port: number
  /** As the announcer says it; `heard`: the address its datagrams come from, which nobody signed. */
  readonly scope: Scope | 'heard'
  /** Ours that reaches it without a router, as far as we see; null otherwise. */
  readonly interfaceName: string | null
}

/** Somebody seen on the network. A hint: whoever connects checks the key against the roster, and the roster alone says who belongs to the ring. */
export interface Sighting extends Omit<AnnouncementBody, 'addresses'> {
  readonly addresses: readonly SightedAddress[]
  /** Ways by which it was heard within the life of an announcement. */
  readonly methods: readonly DiscoveryMethodName[]
  /** Milliseconds since it was heard, by us or by who told us. */
  readonly contactAgeMs: number
  readonly announcement: Announcement
}

export interface Heard {
  readonly announcement: Announcement
  readonly bytes: Uint8Array
  readonly method: DiscoveryMethodName
  readonly source: string
  readonly interfaceName: string | null
  readonly contactMs: number
  /** Address that its own datagram came from; null: told by others, or by a method without one. */
  readonly from: string | null
}

interface Entry {
  announcement: Announcement
  bytes: Uint8Array
  /** Who brought it first: shares of the table are counted by it. */
  readonly source: string
  contactMs: number
  directMs: number
  readonly heardMs: Map<DiscoveryMethodName, number>
  /** Source address → interface and time; at most 2. */
  readonly from: Map<string, { interfaceName: string | null; atMs: number }>
}

export const SIGHTINGS_MAX = 256
export const PER_SOURCE_MAX = 64
const FROM_MAX = 2
const MULTICAST: readonly DiscoveryMethodName[] = ['mdns', 'udp']

/**
 * The table of sightings, by public key. At most SIGHTINGS_MAX, at most PER_SOURCE_MAX brought by one source; when full, the source with most
 * gives up its oldest. Keys that `isMember` knows are never given up for strangers.
 */
export class Sightings {
  private readonly entries = new Map<string, Entry>()
  /** Bounded by what the intake verifies in a second. */
  private readonly pushedOut: string[] = []
  private readonly ttlMs: number
  private readonly isMember: (publicKey: string) => boolean

  constructor(ttlMs: number, isMember: (publicKey: string) => boolean) {
    this.ttlMs = ttlMs
    this.isMember = isMember
  }

  get size(): number {
    return this.entries.size
  }

  announcementOf(publicKey: string): { readonly body: AnnouncementBody; readonly bytes: Uint8Array } | null {
    const entry = this.entries.get(publicKey)
    return entry ? { body: entry.announcement.body, bytes: entry.bytes } : null
  }

  /** @returns null when it was not taken: older than what is known, or no room. */
  hear(heard: Heard): 'found' | 'changed' | 'known' | null {
    const { body } = heard.announcement
    const entry = this.entries.get(body.publicKey)
    if (entry === undefined) return this.admit(heard) ? 'found' : null
    const order = newer(body, entry.announcement.body)
    if (order < 0) return null
    if (order > 0) {
      entry.announcement = heard.announcement
      entry.bytes = heard.bytes
      // Addresses of before the change may be gone.
      entry.from.clear()
      entry.directMs = -Infinity
    }
    this.touch(entry, heard)
    return order > 0 ? 'changed' : 'known'
  }

  /** Somebody says that it goes: it is lost 2 s from now unless it is heard again. Who says so need not be it. */
  goodbye(publicKey: string, nowMs: number): void {
    const entry = this.entries.get(publicKey)
    if (entry) entry.contactMs = Math.min(entry.contactMs, nowMs - this.ttlMs + 2_000)
  }

  /** Drops what nobody heard for the life of an announcement. @returns these and those pushed out since the last call. */
  expire(nowMs: number): string[] {
    const pushedOut = this.pushedOut.splice(0).filter((key) => !this.entries.has(key))
    const gone = [...this.entries].filter(([, entry]) => nowMs - entry.contactMs > this.ttlMs).map(([key]) => key)
    for (const key of gone) this.entries.delete(key)
    return [...pushedOut, ...gone]
  }

  /** Freshest first. */
  list(nowMs: number, locals: readonly LocalAddress[]): Sighting[] {
    return this.fresh().map((entry) => this.view(entry, nowMs, locals))
  }

  get(publicKey: string, nowMs: number, locals: readonly LocalAddress[]): Sighting | null {
    const entry = this.entries.get(publicKey)
    return entry ? this.view(entry, nowMs, locals) : null
  }

  peer(sighting: Sighting, nowMs: number): KnownPeer | null {
    const entry = this.entries.get(sighting.publicKey)
    if (entry === undefined) return null
    return {
      publicKey: sighting.publicKey,
      bytes: entry.bytes,
      addresses: sighting.addresses,
      ageMs: sighting.contactAgeMs,
      heardByMulticast: MULTICAST.some((method) => nowMs - (entry.heardMs.get(method) ?? -Infinity) <= this.ttlMs),
      heardDirectly: nowMs - entry.directMs <= this.ttlMs,
    }
  }

  private fresh(): Entry[] {
    return [...this.entries.values()].toSorted((a, b) => b.contactMs - a.contactMs)
  }

  private view(entry: Entry, nowMs: number, locals: readonly LocalAddress[]): Sighting {
    const { body } = entry.announcement
    return {
      ...body,
      addresses: rankAddresses(
        body,
        [...entry.from].map(([address, { interfaceName }]) => ({ address, interfaceName })),
        locals,
      ),
      methods: [...entry.heardMs]
        .filter(([, atMs]) => nowMs - atMs <= this.ttlMs)
        .map(([method]) => method)
        .toSorted(),
      contactAgeMs: Math.max(0, nowMs - entry.contactMs),
      announcement: entry.announcement,
    }
  }

  private admit(heard: Heard): boolean {
    const { publicKey } = heard.announcement.body
    if (!this.isMember(publicKey) && !this.makeRoom(heard.source)) return false
    const { announcement, bytes, source, contactMs } = heard
    const entry: Entry = { announcement, bytes, source, contactMs, directMs: -Infinity, heardMs: new Map(), from: new Map() }
    this.entries.set(publicKey, entry)
    this.touch(entry, heard)
    return true
  }

  private touch(entry: Entry, heard: Heard): void {
    entry.contactMs = Math.max(entry.contactMs, heard.contactMs)
    entry.heardMs.set(heard.method, Math.max(entry.heardMs.get(heard.method) ?? -Infinity, heard.contactMs))
    if (heard.from === null) return
    entry.directMs = heard.contactMs
    entry.from.delete(heard.from)
    entry.from.set(heard.from, { interfaceName: heard.interfaceName, atMs: heard.contactMs })
    const oldest = entry.from.keys().next()
    if (entry.from.size > FROM_MAX && !oldest.done) entry.from.delete(oldest.value)
  }

  /** False when only members are left to give up. */
  private makeRoom(source: string): boolean {
    const strangers = [...this.entries].filter(([key]) => !this.isMember(key))
    const counts = new Map<string, number>()
    for (const [, entry] of strangers) counts.set(entry.source, (counts.get(entry.source) ?? 0) + 1)
    const full = this.entries.size >= SIGHTINGS_MAX
    if (!full && (counts.get(source) ?? 0) < PER_SOURCE_MAX) return true
    const from = full ? [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0] : source
    const victim = strangers.filter(([, entry]) => entry.source === from).toSorted((a, b) => a[1].contactMs - b[1].contactMs)[0]
    if (victim === undefined) return false
    this.pushedOut.push(victim[0])
    return this.entries.delete(victim[0])
  }
}

/** > 0 when `a` is the later announcement, 0 when equal, < 0 when it is an older one. */
const newer = (a: AnnouncementBody, b: AnnouncementBody): number => a.boot - b.boot || a.count - b.count
