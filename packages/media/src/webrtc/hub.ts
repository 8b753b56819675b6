import { randomBytes, randomInt } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { PeerConnection, Video, type Track } from 'node-datachannel'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { FeedPacket, RtpFeed } from './feed.ts'
import { nackedSequences, senderReport } from './rtcp.ts'
import { payloadBytes, rewriteRtp } from './rtp.ts'
import { readVideoOffer, type VideoOffer } from './sdp.ts'

/*
 * The embedded WHEP hub: each viewer is one peer connection that gets one camera's feed.
 *
 *   offered ──answer──▶ connecting ──track open──▶ watching ──DELETE / failed / closed──▶ gone
 *                          └──────── 30 s without connection ────────────────────────────▶ gone
 */

export const MAX_VIEWERS = 32
const CONNECT_LIMIT_MS = 30_000
const GATHER_LIMIT_MS = 5_000
const REPORT_MS = 1_000
const NACKS_AT_ONCE = 256
/** Frames of the burst lie this far apart, so that a browser decodes them at once and shows the newest. */
const BURST_TICKS = 90

export interface WhepAnswer {
  readonly viewerId: string
  readonly sdp: string
}

export class WhepHub {
  private readonly viewers = new Map<string, Viewer>()

  viewersOf(feed: RtpFeed): number {
    let count = 0
    for (const viewer of this.viewers.values()) if (viewer.feed === feed) count++
    return count
  }

  get size(): number {
    return this.viewers.size
  }

  /** Throws BAD_REQUEST for an offer that cannot be answered, TOO_MANY_REQUESTS when full, UNAVAILABLE when no address is found. */
  async join(feed: RtpFeed, rawOffer: string, sessionId: string): Promise<WhepAnswer> {
    if (this.viewers.size >= MAX_VIEWERS)
      throw new ThatdamError(
        'TOO_MANY_REQUESTS',
        `${MAX_VIEWERS} people are watching this machine's cameras already. Close one of those pages.`,
      )
    const offer = readVideoOffer(rawOffer)
    const viewerId = randomBytes(16).toString('hex')
    const viewer = new Viewer({ viewerId, sessionId, feed, offer, onGone: () => this.viewers.delete(viewerId) })
    this.viewers.set(viewerId, viewer)
    try {
      return { viewerId, sdp: await viewer.answer() }
    } catch (error) {
      viewer.close()
      if (error instanceof ThatdamError) throw error
      throw new ThatdamError('BAD_REQUEST', 'The offer could not be answered: it is malformed.', { cause: error })
    }
  }

  /** False: there is no such viewer (any more). */
  leave(viewerId: string): boolean {
    const viewer = this.viewers.get(viewerId)
    viewer?.close()
    return viewer !== undefined
  }

  /** Ends the pictures of a session that was ended; null: of all. Returns how many. */
  endSession(sessionId: string | null): number {
    const theirs = [...this.viewers.values()].filter((viewer) => sessionId === null || viewer.sessionId === sessionId)
    for (const viewer of theirs) viewer.close()
    return theirs.length
  }

  close(): void {
    this.endSession(null)
  }
}

interface ViewerOptions {
  readonly viewerId: string
  readonly sessionId: string
  readonly feed: RtpFeed
  readonly offer: VideoOffer
  readonly onGone: () => void
}

class Viewer {
  readonly sessionId: string
  readonly feed: RtpFeed
  private readonly peer: PeerConnection
  private readonly track: Track
  private readonly offer: VideoOffer
  private readonly ssrc = randomInt(1, 0xffff_ffff)
  private readonly onGone: () => void
  private readonly connectTimer: NodeJS.Timeout
  private reportTimer: NodeJS.Timeout | null = null
  private unsubscribe: (() => void) | null = null
  private sent = { packets: 0, octets: 0 }
  /** Timestamps that the burst gave to its packets, for repeats. */
  private readonly burst = new Map<number, number>()
  private lastSequence: number | null = null
  private closed = false

  constructor({ viewerId, sessionId, feed, offer, onGone }: ViewerOptions) {
    this.sessionId = sessionId
    this.feed = feed
    this.offer = offer
    this.onGone = onGone
    const loopbackOnly = hasOnlyLoopback()
    this.peer = new PeerConnection(viewerId, {
      iceServers: [],
      disableAutoNegotiation: true,
      ...(loopbackOnly ? { bindAddress: '127.0.0.1' } : {}),
    })
    const video = new Video(offer.mid, 'SendOnly')
    video.addH264Codec(offer.payloadType, offer.format)
    video.addSSRC(this.ssrc, 'thatdam', 'thatdam', 'thatdam-video')
    this.track = this.peer.addTrack(video)
    this.track.onOpen(() => this.guarded(() => this.watch()))
    this.track.onMessage((message) => this.guarded(() => this.feedback(message)))
    this.peer.onStateChange((state) =>
      this.guarded(() => {
        if (state === 'connected') clearTimeout(this.connectTimer)
        if (state === 'failed' || state === 'closed' || state === 'disconnected') this.close()
      }),
    )
    this.connectTimer = setTimeout(() => this.close(), CONNECT_LIMIT_MS)
  }

  async answer(): Promise<string> {
    const gathered = new Promise<void>((resolve) => {
      this.peer.onGatheringStateChange((state) => {
        if (state === 'complete') resolve()
      })
      setTimeout(resolve, GATHER_LIMIT_MS).unref()
    })
    this.peer.setRemoteDescription(this.offer.sdp, 'offer')
    this.peer.setLocalDescription('answer')
    await gathered
    const sdp = this.peer.localDescription()?.sdp
    if (!sdp || !/^a=candidate:/m.test(sdp))
      throw new ThatdamError('UNAVAILABLE', 'This machine found no network address to send video from. Look at its network.')
    return sdp
  }

  /** An exception that leaves a callback of the native library ends the process: it ends this viewer instead. */
  private guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      console.error('viewer', error)
      this.close()
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    clearTimeout(this.connectTimer)
    if (this.reportTimer) clearInterval(this.reportTimer)
    this.unsubscribe?.()
    this.onGone()
    setImmediate(() => this.peer.close()) // not from within one of its own callbacks
  }

  /** The newest group at once, then what comes. */
  private watch(): void {
    if (this.closed || this.unsubscribe) return
    const group = this.feed.group()
    const newest = group.at(-1)?.timestamp ?? 0
    const pictures = [...new Set(group.map((packet) => packet.timestamp))]
    for (const packet of group) {
      const behind = pictures.length - 1 - pictures.indexOf(packet.timestamp)
      const timestamp = (newest - behind * BURST_TICKS) >>> 0
      this.burst.set(packet.sequence, timestamp)
      this.send(packet, timestamp)
    }
    this.unsubscribe = this.feed.onPacket((packet) => this.guarded(() => this.send(packet, packet.timestamp)))
    this.reportTimer = setInterval(() => this.guarded(() => this.report()), REPORT_MS)
    this.report()
  }

  private send(packet: FeedPacket, timestamp: number): void {
    if (this.closed || !this.track.isOpen()) return // datagrams: nothing waits for a slow viewer
    const { payloadType } = this.offer
    this.track.sendMessageBinary(rewriteRtp(packet.bytes, { payloadType, ssrc: this.ssrc, sequence: packet.sequence, timestamp }))
    this.sent = { packets: this.sent.packets + 1, octets: this.sent.octets + payloadBytes(packet.bytes) }
    this.lastSequence = packet.sequence
  }

  private report(): void {
    const nowMs = Date.now()
    const clock = this.feed.clock(performance.now())
    if (this.closed || !clock || !this.track.isOpen() || this.lastSequence === null) return
    this.track.sendMessageBinary(senderReport({ ssrc: this.ssrc, wallMs: nowMs, timestamp: clock.timestamp, ...this.sent }, 'thatdam'))
  }

  private feedback(message: Buffer): void {
    for (const sequence of nackedSequences(message, NACKS_AT_ONCE)) {
      const packet = this.feed.recent(sequence)
      if (packet) this.send(packet, this.burst.get(sequence) ?? packet.timestamp)
    }
    if (this.burst.size > 0 && this.sent.packets > 4 * this.burst.size + 2048) this.burst.clear()
  }
}

/** A machine without a network still shows its cameras to itself. */
function hasOnlyLoopback(): boolean {
  return Object.values(networkInterfaces()).every((addresses) => addresses?.every((address) => address.internal) ?? true)
}
