import { randomBytes } from 'node:crypto'
import { verifySignature } from '@thatdam/control/keys'
import { readJson } from '@thatdam/control/http-io'
import type { Member } from '@thatdam/control/roster'
import { Discovery } from '@thatdam/discovery/all'
import type { Self } from '@thatdam/discovery/announcement'
import { parseBackend, parseSeeds, usualMethods } from '@thatdam/discovery/methods'
import { NODE_PORT } from '@thatdam/protocol/discovery'
import { ThatdamError } from '@thatdam/protocol/errors'
import { MessagesRequest, type NodeMessage } from '@thatdam/protocol/node-link'
import type { Term } from '@thatdam/protocol/plan'
import type { Log } from '../log.ts'
import { Leadership } from './leadership.ts'
import { Addresses, type LinkAddress } from '../link/addresses.ts'
import { Channel } from '../link/channel.ts'
import { NodeClient } from '../link/client.ts'
import { memberOf, NodeServer, type NodeRoute } from '../link/server.ts'
import type { Env } from '../env.ts'
import type { Identity } from '../state/identity.ts'
import { useNewKey } from '../state/key-replacement.ts'
import type { StatePaths } from '../state/paths.ts'
import { addressMemory } from './address-memory.ts'
import { Beat } from './beat.ts'
import { parseBody } from './body.ts'
import { Introduction } from './introduction.ts'
import { Membership } from './membership.ts'
import { openNodePort } from './node-port.ts'
import { RingClock } from './ring-clock.ts'
import type { RosterStore } from './roster-store.ts'
import { RosterSync } from './roster-sync.ts'

const MESSAGES_BYTES_MAX = 1024 * 1024
const MESSAGES_MS_MAX = 3_000
const TOLD_AGAIN_MS = 600_000
const TOLD_MAX = 256

export interface RingPartPorts {
  readonly env: Env
  readonly paths: StatePaths
  readonly identity: Identity
  readonly store: RosterStore
  readonly bootCounter: number
  /** Of the part in the ring before, in this run. */
  readonly announcedCount?: number
  readonly log: Log
  /** For the log, and for the owner to see beside this machine: one sentence that says what to do. */
  readonly notice: (sentence: string) => void
  /** The system's clock follows a time server. */
  readonly clockIsSynchronised: () => boolean
  /** Routes of other parts of the agent; asked for once, at the first request. */
  readonly routes: () => readonly NodeRoute[]
  /** Leaves our announcement with the cloud and brings those of the ring's other machines; rejects where the owner did not opt in. Null: there is no cloud. */
  readonly rendezvous: ((announcement: Uint8Array) => Promise<readonly { readonly bytes: Uint8Array; readonly ageMs: number }[]>) | null
  /** What is announced now, beside keys and ports. */
  readonly presence: () => Pick<Self, 'claimed' | 'role' | 'consolePort'>
  /** Who is awake, who belongs to the ring, or who leads is other than it was. */
  readonly changed: () => void
}

/**
 * This node's part in one ring: how it speaks to the others, whom it takes for awake, who leads, and what time it is. It is of one ring for all
 * its life: a node that goes over to another ring closes it and opens another.
 *
 *     discovery ──addresses──▶ channel (UDP) and client (TLS) ◀──▶ members
 *     roster ──members──▶ membership ──awake──▶ leadership, ring time
 */
export class RingPart {
  readonly store: RosterStore
  readonly rosterSync: RosterSync
  readonly client: NodeClient
  readonly clock: RingClock
  readonly membership: Membership
  readonly leadership: Leadership
  readonly discovery: Discovery
  private readonly ports: RingPartPorts
  private readonly addresses: Addresses
  private readonly channel: Channel
  private readonly introduction: Introduction
  private readonly server: NodeServer
  private readonly endings: (() => void)[] = []
  /** Until when the same refusal is not told again. */
  private readonly toldOf = new Map<string, number>()
  private readonly heardAtMs = new Map<string, number>()
  private readonly beat: Beat
  private ranking: readonly string[] = []
  private isKeyUsed: boolean

  private constructor(ports: RingPartPorts, opened: { server: NodeServer; leadership: (part: () => RingPart) => Leadership }) {
    const { env, identity, store, log } = ports
    const { nodeId, key } = identity
    this.ports = ports
    this.isKeyUsed = identity.former.length === 0
    this.store = store
    this.server = opened.server
    this.addresses = new Addresses({
      sighted: (publicKey) => this.sighted(publicKey),
      isSame: (expected, shown) => store.isSame(expected, shown),
    })
    this.client = new NodeClient(key, nodeId, this.addresses)
    this.rosterSync = new RosterSync({ store, client: () => this.client, log: (message) => log.debug(message) })
    this.introduction = new Introduction({ nodeId, store, client: () => this.client, log, notice: ports.notice })
    this.discovery = new Discovery({
      self: this.self(),
      ...(ports.announcedCount === undefined ? {} : { announcedCount: ports.announcedCount }),
      sign: (domain, value) => key.sign(domain, value),
      verify: verifySignature,
      isMember: (publicKey) => store.memberByKey(publicKey) !== null,
      methods: usualMethods({
        backend: parseBackend(env.node.backend),
        nodePort: this.server.port,
        seeds: parseSeeds(env.node.seeds, env.node.port || NODE_PORT),
        hint: env.node.upstream,
        memory: addressMemory(ports.paths.neighbours),
        ask: null,
        exchange: ports.rendezvous,
        ...(env.node.mdnsService === null ? {} : { mdnsService: env.node.mdnsService }),
      }),
      port: this.server.port,
      bindAddress: env.node.bindAddress,
      ttlMs: env.node.ttlMs,
      log: (message) => log.debug(message),
    })
    this.channel = this.openChannel()
    const send = (to: string, message: NodeMessage): void => this.channel.send(to, message)
    this.clock = new RingClock({
      nodeId,
      send: (to, word) => send(to, { of: 'clock', word }),
      isSynchronised: ports.clockIsSynchronised,
    })
    this.membership = new Membership({
      nodeId,
      send: (to, word) => send(to, { of: 'membership', word }),
      changed: () => this.aliveChanged(),
      silent: (other) => this.fellSilent(other),
    })
    this.leadership = opened.leadership(() => this)
    this.beat = new Beat(this)
  }

  /** @throws ThatdamError when the node port cannot be had, or the term on disk is damaged. */
  static async open(ports: RingPartPorts): Promise<RingPart> {
    const part: { value: RingPart | null } = { value: null }
    const now = (): RingPart => {
      if (part.value === null) throw new Error('the ring is not open yet')
      return part.value
    }
    const server = await openNodePort(ports, now)
    const leadership = await Leadership.open({
      path: ports.paths.term(ports.store.fingerprint),
      clusterId: ports.store.clusterId,
      nodeId: ports.identity.nodeId,
      send: (to, word) => part.value?.sendElection(to, word),
      changed: () => part.value?.leaderChanged(),
      rested: () => part.value?.beat.arm(),
      log: (message, error) => (error === undefined ? ports.log.debug(message) : ports.log.error(message, error)),
    })
    part.value = new RingPart(ports, { server, leadership: () => leadership })
    return part.value
  }

  /** Begins to look for the others. */
  async start(): Promise<void> {
    this.endings.push(this.store.onChange(() => this.rosterChanged()))
    this.rosterChanged()
    await this.discovery.start()
  }

  async stop(): Promise<void> {
    for (const end of this.endings.splice(0)) end()
    this.beat.stop()
    await this.leadership.stop()
    // The good-byes of the election above still leave.
    await new Promise((resolve) => setImmediate(resolve))
    this.channel.stop()
    await this.discovery.stop()
    this.client.close()
    await this.server.close()
  }

  get nodePort(): number {
    return this.server.port
  }

  /** This node among them. */
  get awake(): ReadonlySet<string> {
    return this.membership.awake
  }

  /** Of the leader that this node follows or is; null: it knows none. */
  leader(): Term | null {
    return this.leadership.leader()
  }

  /** Since a member last proved its key to us, milliseconds; null: not in this run. */
  contactAgeMs(nodeId: string): number | null {
    const atMs = this.heardAtMs.get(nodeId)
    return atMs === undefined ? null : performance.now() - atMs
  }

  /** Where a browser reaches the console of a member: its LAN addresses as announced, best first. */
  consoleUrls(nodeId: string): string[] {
    const member = this.store.member(nodeId)
    const sighting = this.discovery.sightingOf(member?.keys ?? [])
    if (sighting === null || sighting.consolePort === null) return []
    const port = sighting.consolePort
    const usable = sighting.addresses.filter(({ address }) => !address.includes('%'))
    return usable.map(({ address }) => `http://${address.includes(':') ? `[${address}]` : address}:${port}`)
  }

  /** Who may lead, best first, of the members whose facts are known. */
  rank(ranking: readonly string[]): void {
    this.ranking = ranking
    this.leadership.roster(ranking, this.awake)
  }

  /** Where the node API of a member answers, as far as is known. */
  addressOf(nodeId: string): LinkAddress | null {
    const member = this.store.member(nodeId)
    return member === null ? null : (this.addresses.of(member.publicKey, performance.now())[0] ?? null)
  }

  /** What is announced has changed. */
  announce(): void {
    this.discovery.announce(this.self(), this.leadership.order() !== null)
  }

  /** Other members, awake first. */
  others(): Member[] {
    const { nodeId } = this.ports.identity
    const members = [...this.store.roster.members.values()].filter((member) => member.nodeId !== nodeId)
    return members.toSorted((a, b) => Number(this.awake.has(b.nodeId)) - Number(this.awake.has(a.nodeId)))
  }

  /** Records that this node has signed or taken in are told to whoever is awake, at once. */
  async spread(): Promise<void> {
    const awake = this.others().filter((member) => this.awake.has(member.nodeId))
    await Promise.allSettled(awake.map((member) => this.rosterSync.exchange(member)))
  }

  /** The node API's own routes. */
  routes(): NodeRoute[] {
    return [
      this.rosterSync.route(),
      this.introduction.route(),
      {
        method: 'POST',
        path: '/v1/messages',
        run: async (call) => {
          const request = parseBody(MessagesRequest, await readJson(call.request, MESSAGES_BYTES_MAX))
          this.channel.receiveStream(memberOf(call).nodeId, request)
          return { status: 204, body: null }
        },
      },
      ...this.ports.routes(),
    ]
  }

  /** A member's key was proved over TLS; its UDP has the same number as its server. */
  proved(publicKey: string): void {
    const member = this.store.memberByKey(publicKey)
    if (member) this.heardAtMs.set(member.nodeId, performance.now())
  }

  /** Somebody came whose key is nobody's now. Whoever has a member's old key is told from other strangers, for the owner to see. */
  refused(publicKey: string, address: string): void {
    const nowMs = performance.now()
    const owner = this.store.formerOwner(publicKey)
    if (owner === null || nowMs < (this.toldOf.get(publicKey) ?? 0)) return
    if (this.toldOf.size >= TOLD_MAX) this.toldOf.clear()
    this.toldOf.set(publicKey, nowMs + TOLD_AGAIN_MS)
    this.ports.notice(
      `Refused: ${address} came with a key that ${owner.nodeId} has replaced. A copy of its disk does that, or a backup that was put back.`,
    )
  }

  private openChannel(): Channel {
    const { identity, store } = this.ports
    return new Channel({
      key: identity.key,
      nodeId: identity.nodeId,
      ring: store.fingerprint.slice(0, 16),
      session: randomBytes(8).toString('hex'),
      member: (nodeId) => store.member(nodeId),
      verify: verifySignature,
      rosterDigest: () => store.digest,
      addresses: this.addresses,
      udp: this.discovery.port,
      stream: (member, request) => this.stream(member, request),
      onMessage: (from, message) => this.receive(from, message),
      onOtherRoster: (from) => {
        const member = store.member(from)
        if (member) this.rosterSync.meet(member)
      },
      onSameRoster: () => this.useNewKey(),
      nowMs: () => performance.now(),
    })
  }

  private useNewKey(): void {
    if (this.isKeyUsed) return
    this.isKeyUsed = true
    const { store, identity, log } = this.ports
    useNewKey(store, identity)
      .then((isMade) => (isMade ? this.spread() : undefined))
      .catch((error: unknown) => {
        this.isKeyUsed = false
        log.error('the new key of this machine could not be taken into use; it is tried again', error)
      })
  }

  private async stream(member: Member, body: MessagesRequest): Promise<void> {
    const { publicKey } = member
    try {
      await this.client.call({ publicKey, method: 'POST', path: '/v1/messages', body, timeoutMs: MESSAGES_MS_MAX })
    } catch (error) {
      if (!(error instanceof ThatdamError) || error.code !== 'UNAUTHENTICATED') throw error
      // To that one this machine is a stranger: one of them has not heard of something, of a new key or of a removal.
      if (await this.introduction.to(member)) return
      this.rosterSync.meet(member)
      throw error
    }
  }

  private fellSilent(nodeId: string): void {
    this.channel.doubt(nodeId)
    for (const key of this.store.member(nodeId)?.keys ?? []) this.client.drop(key)
  }

  private receive(from: string, message: NodeMessage): void {
    this.heardAtMs.set(from, performance.now())
    if (message.of === 'membership') this.membership.receive(from, message.word)
    else if (message.of === 'election') this.leadership.receive(from, message.word)
    else this.clock.receive(from, message.word)
    this.beat.arm()
  }

  private sendElection(to: string | null, word: Extract<NodeMessage, { of: 'election' }>['word']): void {
    const all = to === null ? this.others().map((member) => member.nodeId) : [to]
    for (const nodeId of all) this.channel.send(nodeId, { of: 'election', word })
  }

  private rosterChanged(): void {
    const { members } = this.store.roster
    const ids = new Set(members.keys())
    this.membership.roster([...ids])
    this.beat.arm()
    this.channel.keepOnly(ids)
    this.addresses.keepOnly(new Set([...members.values()].map((member) => member.publicKey)))
    for (const nodeId of this.heardAtMs.keys()) if (!ids.has(nodeId)) this.heardAtMs.delete(nodeId)
    this.server.dropFormer()
    this.ports.changed()
  }

  private aliveChanged(): void {
    this.clock.alive(this.awake)
    this.leadership.roster(this.ranking, this.awake)
    this.ports.changed()
  }

  private leaderChanged(): void {
    this.announce()
    this.ports.changed()
  }

  private self(): Self {
    const { identity, store, bootCounter, presence } = this.ports
    return {
      nodeId: identity.nodeId,
      publicKey: identity.key.publicKey,
      clusterId: store.clusterId,
      fingerprint: store.fingerprint,
      ...presence(),
      term: this.leadership?.leader() ?? null,
      port: this.server.port,
      boot: bootCounter,
    }
  }

  private sighted(publicKey: string): { address: string; port: number }[] {
    const keys = this.store.memberByKey(publicKey)?.keys ?? [publicKey]
    return this.discovery.sightingOf(keys)?.addresses.map(({ address, port }) => ({ address, port })) ?? []
  }
}
