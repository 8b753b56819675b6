import { canonicalJson } from '@thatdam/protocol/canonical'
import { DISCOVERY_TTL_MS, type AnnouncementBody, type DiscoveryMethodName } from '@thatdam/protocol/discovery'
import { type Self, type Sign, type Verify, announcedAddresses, parseAnnouncement, signAnnouncement } from './announcement.ts'
import { Caller } from './caller.ts'
import { Intake, type Judged } from './intake.ts'
import { type LocalAddress, NetworkWatch, readInterfaces } from './interfaces.ts'
import type { DiscoveryMethod, KnownPeer, MethodContext, News, Said } from './method.ts'
import { type Sighting, Sightings } from './sightings.ts'
import { UdpPort } from './udp-port.ts'

export interface DiscoveryOptions {
  /** Of the node's discovery before this one in the same run, in another ring: else what it says now would be older than what it said then. */
  readonly announcedCount?: number
  readonly self: Self
  readonly sign: Sign
  readonly verify: Verify
  /** Keys of the roster: they are never pushed out of the tables by strangers. It gives them no other right. */
  readonly isMember: (publicKey: string) => boolean
  /** Methods to run, made with what they share (methods.ts has the usual choice). */
  readonly methods: (context: MethodContext) => readonly DiscoveryMethod[]
  /** UDP and TCP port of the node API. */
  readonly port: number
  /** One IPv4 address instead of all: several nodes on one machine, found by unicast alone. */
  readonly bindAddress?: string | null
  /** DISCOVERY_TTL. */
  readonly ttlMs?: number
  readonly interfaces?: () => readonly LocalAddress[]
  readonly log: (message: string) => void
}

export type MethodState = { readonly name: DiscoveryMethodName; readonly state: 'running' | 'failed'; readonly reason: string }
export type DiscoveryEvent =
  | { readonly kind: 'found' | 'changed'; readonly sighting: Sighting }
  | { readonly kind: 'lost'; readonly publicKey: string }

const nowMs = () => performance.now()
/** A failed method is tried again after this long, then twice as long, up to the last. */
const RETRY_MS = 30_000
const RETRY_MS_MAX = 15 * 60_000
/** What is not told again is gone after its time to live, and up to so much later. */
const SWEEP_MS_MAX = 5_000
const KNOWN_MAX = 64

/**
 * All methods side by side. Each may fail, now or later, without the others noticing; a failed one is tried again, ever more seldom, and after
 * each change of the network. What they bring is merged by public key.
 */
export class Discovery {
  /** The node's UDP port, for membership to listen and send on too. */
  readonly port: UdpPort
  readonly network: NetworkWatch
  private readonly options: DiscoveryOptions
  private readonly ttlMs: number
  private readonly caller: Caller
  private readonly intake: Intake
  private readonly table: Sightings
  private readonly methods: readonly DiscoveryMethod[]
  private readonly states = new Map<DiscoveryMethodName, MethodState>()
  private readonly listeners = new Set<(event: DiscoveryEvent) => void>()
  private readonly newsListeners = new Set<(news: News) => void>()
  private self: Self
  private leads = false
  private said: Said | null = null
  private count: number
  private endings: (() => void)[] = []
  private running = false
  private portTrouble = ''
  private readonly waits = new Map<DiscoveryMethodName, { readonly waitMs: number; readonly untilMs: number }>()
  private readonly starting = new Map<DiscoveryMethodName, Promise<void>>()

  constructor(options: DiscoveryOptions) {
    const { verify, isMember, log } = options
    const ttlMs = options.ttlMs ?? DISCOVERY_TTL_MS
    const known = () => this.known()
    this.options = options
    this.self = options.self
    this.count = options.announcedCount ?? 0
    this.ttlMs = ttlMs
    const { bindAddress = null } = options
    this.network = new NetworkWatch(options.interfaces ?? (bindAddress === null ? readInterfaces : () => [onlyAddress(bindAddress)]))
    this.port = new UdpPort({ port: options.port, bindAddress: options.bindAddress ?? null, network: this.network })
    this.table = new Sightings(ttlMs, isMember)
    this.intake = new Intake({ sightings: this.table, verify, isMember, ownKey: () => this.self.publicKey, ttlMs, nowMs })
    let broadcasts = false
    this.caller = new Caller({ port: this.port, network: this.network, known, nowMs, answersBroadcast: () => broadcasts })
    const onNews = (listener: (news: News) => void) => {
      this.newsListeners.add(listener)
      return () => void this.newsListeners.delete(listener)
    }
    this.methods = options.methods({ caller: this.caller, network: this.network, ttlMs, known, onNews, log })
    broadcasts = this.methods.some((method) => method.name === 'udp')
  }

  /** Never rejects for want of a network: `methodStates` says what does not work and why. */
  async start(): Promise<void> {
    this.running = true
    this.network.start()
    this.renew()
    await this.openPort()
    this.caller.start()
    this.endings = [
      ...this.methods.map((method) => method.onFound((found) => this.take(this.intake.take(found)))),
      this.network.onChange(() => {
        this.renew()
        this.retry(true)
      }),
      every(RETRY_MS, () => this.retry(false)),
      every(Math.min(SWEEP_MS_MAX, this.ttlMs / 8), () => this.sweep()),
    ]
    await Promise.all(this.methods.map((method) => this.startMethod(method)))
  }

  /** Says good-bye by every method. */
  async stop(): Promise<void> {
    if (!this.running) return
    this.running = false
    for (const end of this.endings) end()
    await Promise.all(this.starting.values())
    await Promise.all(this.methods.map((method) => method.stop().catch((error: unknown) => this.options.log(sentence(error)))))
    this.network.stop()
    this.caller.stop()
    await this.port.stop()
  }

  /** What this node says from now on: a ring joined, a role, a term. `leads`: it answers the ring's host name. */
  announce(self: Self, leads: boolean): void {
    this.self = self
    this.leads = leads
    this.renew()
  }

  /** Announcements that this node has made in this run. */
  get announcedCount(): number {
    return this.count
  }

  /** What goes out now: signed, for a GET of it over TCP and for the cloud. Null before `start`. */
  get announcement(): Uint8Array | null {
    return this.said?.bytes ?? null
  }

  /** Freshest contact first; addresses in the order to try them. */
  sightings(): Sighting[] {
    return this.table.list(performance.now(), this.network.current)
  }

  /** Of whoever announces itself with one of these keys, the freshest; null: nobody does. */
  sightingOf(publicKeys: readonly string[]): Sighting | null {
    const seen = publicKeys.flatMap((key) => this.table.get(key, nowMs(), this.network.current) ?? [])
    return seen.toSorted((a, b) => a.contactAgeMs - b.contactAgeMs)[0] ?? null
  }

  onEvent(listener: (event: DiscoveryEvent) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  methodStates(): MethodState[] {
    return [...this.states.values()]
  }

  /** For the log and for tests. */
  counts(): Readonly<Record<string, number>> {
    return { ...this.port.counts, ...this.intake.counts, sightings: this.table.size }
  }

  private known(): KnownPeer[] {
    const now = performance.now()
    return this.table
      .list(now, this.network.current)
      .slice(0, KNOWN_MAX)
      .flatMap((sighting) => this.table.peer(sighting, now) ?? [])
  }

  /** Signs anew when what is said has changed, and only then: listeners know equal bytes at a glance. */
  private renew(): void {
    const addresses = announcedAddresses(this.network.current)
    const same =
      this.said !== null &&
      this.said.leads === this.leads &&
      canonicalJson(comparable(this.said.body)) === canonicalJson({ ...this.self, addresses })
    if (same) return
    this.count += 1
    const bytes = signAnnouncement(this.self, { addresses, count: this.count }, this.options.sign)
    const body = parseAnnouncement(bytes)?.body
    if (body === undefined) return this.options.log('What this node knows of itself makes no valid announcement, so it stays silent.')
    this.said = { bytes, body, leads: this.leads }
    this.caller.announcement = bytes
    for (const method of this.methods) method.announce(this.said)
  }

  private take(judged: Judged | null): void {
    if (judged === null || judged.outcome === 'known') return
    const { publicKey, method, outcome } = judged
    const now = performance.now()
    const sighting = this.table.get(publicKey, now, this.network.current)
    const peer = sighting && this.table.peer(sighting, now)
    if (sighting === null || peer === null) return
    if (outcome === 'goodbye') {
      // Anybody can repeat an old announcement as a good-bye: whoever is still there answers this.
      for (const address of peer.addresses.slice(0, 2)) this.caller.probe(method === 'mdns' ? 'static' : method, address)
      return
    }
    for (const listener of this.newsListeners) listener({ peer, method })
    for (const listener of this.listeners) listener({ kind: outcome, sighting })
  }

  private sweep(): void {
    for (const publicKey of this.table.expire(performance.now()))
      for (const listener of this.listeners) listener({ kind: 'lost', publicKey })
  }

  private async openPort(): Promise<void> {
    if (this.port.isOpen) return
    try {
      await this.port.start()
      this.portTrouble = ''
    } catch (error) {
      if (sentence(error) !== this.portTrouble) this.options.log(sentence(error))
      this.portTrouble = sentence(error)
    }
  }

  private startMethod(method: DiscoveryMethod): Promise<void> {
    const underWay = this.starting.get(method.name)
    if (underWay) return underWay
    const start = this.tryMethod(method).finally(() => this.starting.delete(method.name))
    this.starting.set(method.name, start)
    return start
  }

  private async tryMethod(method: DiscoveryMethod): Promise<void> {
    const { name } = method
    try {
      await method.start()
      this.states.set(name, { name, state: 'running', reason: '' })
      this.waits.delete(name)
    } catch (error) {
      const reason = sentence(error)
      if (this.states.get(name)?.reason !== reason) this.options.log(reason)
      this.states.set(name, { name, state: 'failed', reason })
      const waitMs = Math.min(RETRY_MS_MAX, (this.waits.get(name)?.waitMs ?? RETRY_MS / 2) * 2)
      this.waits.set(name, { waitMs, untilMs: nowMs() + waitMs })
      await method.stop().catch(() => undefined)
    }
  }

  /** `now`: the network is another one, so what failed before may work. */
  private retry(now: boolean): void {
    const due = (name: DiscoveryMethodName) => now || nowMs() >= (this.waits.get(name)?.untilMs ?? 0)
    const failed = this.methods.filter(({ name }) => this.states.get(name)?.state === 'failed' && due(name))
    void this.openPort().then(() => Promise.all(this.running ? failed.map((method) => this.startMethod(method)) : []))
  }
}

/** All that a node knows of the network when it may use one address alone. */
function onlyAddress(address: string): LocalAddress {
  return { interfaceName: 'lo', address, family: 'ipv4', scope: 'loopback', prefixLength: 32, zone: 0 }
}

function comparable(body: AnnouncementBody): Omit<AnnouncementBody, 'version' | 'count'> {
  const { version: _version, count: _count, ...rest } = body
  return rest
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms)
  return () => clearInterval(timer)
}
