import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { DiscoveryMethodName } from '@thatdam/protocol/discovery'
import { type Datagram, type DatagramKind, NO_COOKIE, decodeDatagram, encodeDatagram } from './datagram.ts'
import { type NetworkWatch, interfaceFor } from './interfaces.ts'
import { type Found, FoundListeners, type KnownPeer } from './method.ts'
import { Bucket, Buckets } from './rates.ts'
import type { Endpoint, UdpPort } from './udp-port.ts'

/** Probes and syncs of one address that are answered. */
const ASKED = { perSecond: 4, burst: 20, keysMax: 1_024 }
/** Datagrams that all answers and introductions together may cost, whoever asks. */
const SENT_PER_SECOND = 200
/** Others told of in one sync. */
const SYNC_MAX = 32
const COOKIES_MAX = 256

export interface CallerOptions {
  readonly port: UdpPort
  readonly network: NetworkWatch
  readonly known: () => readonly KnownPeer[]
  /** Milliseconds that only go forward. */
  readonly nowMs: () => number
  /** Broadcast probes are answered only where broadcasting is switched on. */
  readonly answersBroadcast: () => boolean
}

/**
 * Speaks discovery's datagrams (datagram.ts) for every method that uses UDP: asks, answers, and hands on what it hears.
 * It is silent until `announcement` is set.
 */
export class Caller {
  announcement: Uint8Array | null = null
  private readonly options: CallerOptions
  private readonly found = new FoundListeners()
  private readonly asked = new Buckets(ASKED)
  private readonly sending: Bucket
  private readonly secret = randomBytes(32)
  /** Cookies that others gave us, by address; the oldest goes first. */
  private readonly cookies = new Map<string, Uint8Array>()
  private forget: (() => void) | null = null

  constructor(options: CallerOptions) {
    this.options = options
    this.sending = new Bucket(SENT_PER_SECOND, SENT_PER_SECOND, options.nowMs())
  }

  readonly onFound = this.found.add

  start(): void {
    this.forget ??= this.options.port.onDatagram('TDD1', (bytes, from) => this.hear(bytes, from))
  }

  stop(): void {
    this.forget?.()
    this.forget = null
  }

  /** "Here I am, who are you?" */
  probe(via: DiscoveryMethodName, to: Endpoint): void {
    this.send({ kind: 'probe', via }, to)
  }

  /** A probe that also asks whom the other knows. The first one to an address brings only the other itself, and its cookie. */
  sync(via: DiscoveryMethodName, to: Endpoint): void {
    this.send({ kind: 'sync', via, cookie: this.cookies.get(to.address) ?? NO_COOKIE }, to)
  }

  /** Passes on what somebody else announced. */
  relay(via: DiscoveryMethodName, peer: KnownPeer, to: Endpoint): void {
    this.send({ kind: 'relayed', via, ageMs: peer.ageMs, announcement: peer.bytes }, to)
  }

  tell(kind: 'announcement' | 'goodbye', via: DiscoveryMethodName, to: Endpoint): void {
    this.send({ kind, via }, to)
  }

  /** To everybody on the link. */
  callOut(kind: 'probe' | 'announcement' | 'goodbye', via: DiscoveryMethodName): void {
    if (this.announcement !== null)
      this.options.port.callOut(encodeDatagram({ kind, via, ageMs: 0, cookie: NO_COOKIE, announcement: this.announcement }))
  }

  private send(datagram: Partial<Datagram> & { kind: DatagramKind; via: DiscoveryMethodName }, to: Endpoint): void {
    if (this.announcement === null || !this.sending.take(this.options.nowMs())) return
    this.options.port.send(encodeDatagram({ ageMs: 0, cookie: NO_COOKIE, announcement: this.announcement, ...datagram }), to)
  }

  private hear(bytes: Buffer, from: Endpoint): void {
    const datagram = decodeDatagram(bytes)
    if (datagram === null || (this.announcement !== null && datagram.announcement.equals(this.announcement))) return
    const { kind, via } = datagram
    if (kind === 'announcement') this.keepCookie(from.address, datagram.cookie)
    if (kind === 'probe' || kind === 'sync') this.answer(datagram, from)
    const relayed = kind === 'relayed'
    this.found.tell({
      method: via,
      // A copy: the view would keep the whole datagram of whoever is remembered.
      bytes: Uint8Array.from(datagram.announcement),
      source: from.address,
      interfaceName: interfaceFor(from.address, this.options.network.current),
      ageMs: relayed ? datagram.ageMs : 0,
      relayed,
      goodbye: kind === 'goodbye',
    } satisfies Found)
  }

  private answer({ kind, via, cookie }: Datagram, from: Endpoint): void {
    if (via === 'udp' && !this.options.answersBroadcast()) return
    if (!this.asked.take(from.address, this.options.nowMs())) return
    const own = this.cookieFor(from.address)
    this.send({ kind: 'announcement', via, cookie: own }, from)
    if (kind !== 'sync' || !timingSafeEqual(own, Uint8Array.from(cookie))) return
    for (const peer of this.options.known().slice(0, SYNC_MAX)) this.relay(via, peer, from)
  }

  private cookieFor(address: string): Uint8Array {
    return createHmac('sha256', this.secret).update(address).digest().subarray(0, 8)
  }

  private keepCookie(address: string, cookie: Uint8Array): void {
    if (cookie.every((byte) => byte === 0)) return
    this.cookies.delete(address)
    this.cookies.set(address, Uint8Array.from(cookie))
    const oldest = this.cookies.keys().next()
    if (this.cookies.size > COOKIES_MAX && !oldest.done) this.cookies.delete(oldest.value)
  }
}
