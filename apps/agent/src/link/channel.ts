import type { Signer } from '@thatdam/control/keys'
import type { Member } from '@thatdam/control/roster'
import { Bucket, Buckets } from '@thatdam/discovery/rates'
import type { Json } from '@thatdam/protocol/canonical'
import { LINK_DATAGRAM_BYTES_MAX, LinkBody, type MessagesRequest, type NodeMessage } from '@thatdam/protocol/node-link'
import type { Addresses, LinkAddress } from './addresses.ts'
import { Sessions } from './sessions.ts'

/** First four bytes of our datagrams; then 64 bytes of signature, then the body as JSON. */
export const LINK_MAGIC = 'TDL1'
const SIGNATURE_BYTES = 64
const HEAD_BYTES = 4 + SIGNATURE_BYTES

export interface ChannelPorts {
  readonly key: Signer
  readonly nodeId: string
  /** First 16 hex digits of the ring's fingerprint. */
  readonly ring: string
  readonly session: string
  /** Who belongs to the ring now; asked for each datagram. */
  readonly member: (nodeId: string) => Member | null
  readonly verify: (domain: 'thatdam-datagram-v1', value: Json, signature: string, publicKey: string) => boolean
  readonly rosterDigest: () => string
  readonly addresses: Addresses
  readonly udp: {
    send(bytes: Uint8Array, to: LinkAddress): void
    onDatagram(magic: string, listener: (bytes: Buffer, from: LinkAddress) => void): () => void
  }
  /** POST /v1/messages to a member. Rejections are losses. */
  readonly stream: (member: Member, request: MessagesRequest) => Promise<unknown>
  readonly onMessage: (from: string, message: NodeMessage) => void
  /** A member holds other roster records than we do, or the same. */
  readonly onOtherRoster: (from: string) => void
  readonly onSameRoster: () => void
  readonly nowMs: () => number
}

/** Messages to one member that wait for its session, and how long. */
const WAITING_MAX = 8
const WAITING_MS = 2_000
/** A session is asked for this often, then, without an answer, ever more seldom. */
const ASK_MS = 100
const ASK_MS_MAX = 2_000
/** Without an answer for so long UDP may be blocked: streams it is, ever more seldom where they fail too. */
const DEAF_MS = 1_500
const STREAM_MS = 500
const STREAM_MS_MAX = 8_000
const STREAMS_MAX = 16
/** A proved address this recent is enough; else all are tried. */
const PROVED_MS = 3_000

interface Waiting {
  readonly messages: { readonly message: NodeMessage; readonly atMs: number }[]
  /** Since when it has not told its session. */
  readonly deafSinceMs: number
  askAtMs: number
  askWaitMs: number
  streamAtMs: number
  streamWaitMs: number
}

/**
 * Small messages between members: signed datagrams, each good once (sessions.ts). May lose, double and reorder; never delivers what a member did
 * not say in this life to this life. What a datagram cannot carry goes by stream. Verification, the one costly thing a stranger can cause, has a
 * bound per address and in all.
 */
export class Channel {
  private readonly ports: ChannelPorts
  private readonly sessions: Sessions
  private readonly waiting = new Map<string, Waiting>()
  private readonly ofAddress = new Buckets({ perSecond: 60, burst: 120, keysMax: 256 })
  private readonly inAll: Bucket
  private readonly answers: Bucket
  private streams = 0
  private readonly stopListening: () => void
  /** Since the start. */
  readonly counts = { sent: 0, taken: 0, refused: 0, forged: 0, limited: 0, streamed: 0 }

  constructor(ports: ChannelPorts) {
    this.ports = ports
    this.sessions = new Sessions(ports.session)
    this.inAll = new Bucket(1_000, 2_000, ports.nowMs())
    this.answers = new Bucket(50, 100, ports.nowMs())
    this.stopListening = ports.udp.onDatagram(LINK_MAGIC, (bytes, from) => this.receive(bytes, from))
  }

  stop(): void {
    this.stopListening()
    this.waiting.clear()
  }

  send(to: string, message: NodeMessage): void {
    const member = this.ports.member(to)
    if (member === null || to === this.ports.nodeId) return
    const session = this.sessions.of(to)
    if (session === null) {
      this.wait(member, message)
      return
    }
    const bytes = this.datagram(session, message)
    if (bytes.length <= LINK_DATAGRAM_BYTES_MAX) this.transmit(member, bytes)
    else this.stream(member, [message])
  }

  /** By stream, from a member whose key the handshake proved. */
  receiveStream(from: string, { roster, messages }: MessagesRequest): void {
    this.compare(from, roster)
    for (const message of messages) this.ports.onMessage(from, message)
  }

  /** A member does not answer: its session may be over. */
  doubt(nodeId: string): void {
    this.sessions.doubt(nodeId)
  }

  /** After each change of the roster. */
  keepOnly(members: ReadonlySet<string>): void {
    this.sessions.keepOnly(members)
    for (const nodeId of this.waiting.keys()) if (!members.has(nodeId)) this.waiting.delete(nodeId)
  }

  private wait(member: Member, message: NodeMessage): void {
    const nowMs = this.ports.nowMs()
    const begin = { deafSinceMs: nowMs, askAtMs: nowMs, askWaitMs: ASK_MS, streamAtMs: nowMs + DEAF_MS, streamWaitMs: STREAM_MS }
    const waiting: Waiting = this.waiting.get(member.nodeId) ?? { messages: [], ...begin }
    this.waiting.set(member.nodeId, waiting)
    waiting.messages.push({ message, atMs: nowMs })
    if (waiting.messages.length > WAITING_MAX) waiting.messages.shift()
    if (nowMs >= waiting.askAtMs) {
      waiting.askAtMs = nowMs + waiting.askWaitMs
      if (nowMs - waiting.deafSinceMs > DEAF_MS) waiting.askWaitMs = Math.min(ASK_MS_MAX, waiting.askWaitMs * 2)
      this.transmit(member, this.datagram(null, null))
    }
    if (nowMs < waiting.streamAtMs) return
    waiting.streamAtMs = nowMs + waiting.streamWaitMs
    waiting.streamWaitMs = Math.min(STREAM_MS_MAX, waiting.streamWaitMs * 2)
    this.stream(member, this.young(waiting), () => (waiting.streamWaitMs = STREAM_MS))
    waiting.messages.length = 0
  }

  private young(waiting: Waiting): NodeMessage[] {
    const nowMs = this.ports.nowMs()
    return waiting.messages.filter(({ atMs }) => nowMs - atMs < WAITING_MS).map(({ message }) => message)
  }

  private receive(bytes: Buffer, from: LinkAddress): void {
    const { ports, counts } = this
    const nowMs = ports.nowMs()
    if (bytes.length > LINK_DATAGRAM_BYTES_MAX || bytes.length <= HEAD_BYTES) return void (counts.refused += 1)
    if (!this.ofAddress.take(from.address, nowMs) || !this.inAll.take(nowMs)) return void (counts.limited += 1)
    const body = parseBody(bytes.subarray(HEAD_BYTES))
    const member = body !== null && body.ring === ports.ring && body.from !== ports.nodeId ? ports.member(body.from) : null
    if (body === null || member === null) return void (counts.refused += 1)
    const signature = bytes.subarray(4, HEAD_BYTES).toString('base64url')
    if (!member.keys.some((key) => ports.verify('thatdam-datagram-v1', body, signature, key))) return void (counts.forged += 1)
    this.take(member, body, from)
  }

  private take(member: Member, body: LinkBody, from: LinkAddress): void {
    const { ports, counts } = this
    const verdict = this.sessions.judge(body)
    if (verdict === 'drop') return void (counts.refused += 1)
    if (verdict === 'answer') {
      // Not to `addresses`: this may be a recording, played from anywhere. The answer is no larger than the question.
      if (this.answers.take(ports.nowMs())) ports.udp.send(this.datagram(body.session, null), from)
      return
    }
    counts.taken += 1
    ports.addresses.proved(member.publicKey, from, ports.nowMs())
    this.compare(member.nodeId, body.roster)
    this.flush(member)
    if (body.message !== null) ports.onMessage(member.nodeId, body.message)
  }

  private flush(member: Member): void {
    const waiting = this.waiting.get(member.nodeId)
    if (waiting === undefined) return
    this.waiting.delete(member.nodeId)
    for (const message of this.young(waiting)) this.send(member.nodeId, message)
  }

  private compare(from: string, roster: string): void {
    if (roster === this.ports.rosterDigest()) this.ports.onSameRoster()
    else this.ports.onOtherRoster(from)
  }

  private datagram(to: string | null, message: NodeMessage | null): Buffer {
    const { key, nodeId, ring, rosterDigest } = this.ports
    const body: LinkBody = {
      ring,
      from: nodeId,
      session: this.sessions.own,
      to,
      count: this.sessions.nextCount(),
      roster: rosterDigest(),
      message,
    }
    const signature = Buffer.from(key.sign('thatdam-datagram-v1', body), 'base64url')
    return Buffer.concat([Buffer.from(LINK_MAGIC, 'latin1'), signature, Buffer.from(JSON.stringify(body))])
  }

  private transmit(member: Member, bytes: Buffer): void {
    const nowMs = this.ports.nowMs()
    const { addresses, udp } = this.ports
    const proved = addresses.provedWithin(member.publicKey, nowMs, PROVED_MS)
    for (const address of proved === null ? addresses.of(member.publicKey, nowMs) : [proved]) udp.send(bytes, address)
    this.counts.sent += 1
  }

  private stream(member: Member, messages: readonly NodeMessage[], arrived: () => void = () => {}): void {
    if (messages.length === 0 || this.streams >= STREAMS_MAX) return
    this.streams += 1
    this.counts.streamed += 1
    void this.ports
      .stream(member, { roster: this.ports.rosterDigest(), messages: [...messages] })
      .then(arrived, () => {})
      .finally(() => (this.streams -= 1))
  }
}

function parseBody(bytes: Buffer): LinkBody | null {
  try {
    const parsed = LinkBody.safeParse(JSON.parse(bytes.toString('utf8')))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}
