import { parseRtp, type RtpPacket } from './rtp.ts'

/** A packet on the feed's own line: it goes on over restarts of the source. */
export interface FeedPacket {
  readonly bytes: Buffer
  readonly sequence: number
  readonly timestamp: number
}

const CLOCK_PER_MS = 90
const HISTORY_PACKETS = 2048
const GROUP_PACKETS = 4096
const GROUP_BYTES = 8 << 20

/**
 * One camera's RTP, from whatever ffmpeg runs now, on one line of sequence numbers and timestamps, so that a viewer does not notice
 * a restart. Keeps the packets since the last key frame (a new viewer begins there) and the newest 2,048 (for repeats).
 */
export class RtpFeed {
  private readonly payloadType: number
  private source: { ssrc: number; sequenceShift: number; timestampShift: number; started: boolean } | null = null
  private last: { sequence: number; timestamp: number; atMs: number } | null = null
  private readonly history: (FeedPacket | undefined)[] = Array.from({ length: HISTORY_PACKETS })
  private groupPackets: FeedPacket[] = []
  private groupBytes = 0
  /** False after a group outgrew its bound: nobody can begin until the next key frame. */
  private groupWhole = false
  private pictureStart = 0
  private readonly listeners = new Set<(packet: FeedPacket) => void>()

  constructor(payloadType: number) {
    this.payloadType = payloadType
  }

  onPacket(listener: (packet: FeedPacket) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** From the key frame on; empty when a viewer cannot begin now. */
  group(): readonly FeedPacket[] {
    return this.groupWhole ? this.groupPackets : []
  }

  /** A recent packet by its feed sequence number. */
  recent(sequence: number): FeedPacket | null {
    const packet = this.history[sequence % HISTORY_PACKETS]
    return packet?.sequence === sequence ? packet : null
  }

  /** The feed's time now: for sender reports. Null before the first packet. */
  clock(nowMs: number): { timestamp: number } | null {
    return this.last && { timestamp: (this.last.timestamp + Math.round((nowMs - this.last.atMs) * CLOCK_PER_MS)) >>> 0 }
  }

  receive(bytes: Buffer, nowMs: number): void {
    const packet = parseRtp(bytes, this.payloadType)
    if (!packet) return
    const source = this.sourceOf(packet, nowMs)
    if (!source.started) {
      if (!packet.keyStart) return
      source.started = true
    }
    const out: FeedPacket = {
      bytes,
      sequence: (packet.sequence + source.sequenceShift) & 0xffff,
      timestamp: (packet.timestamp + source.timestampShift) >>> 0,
    }
    this.keep(out, packet.keyStart)
    this.last = { sequence: out.sequence, timestamp: out.timestamp, atMs: nowMs }
    for (const listener of this.listeners) listener(out)
  }

  /** Another SSRC is another ffmpeg: its numbers are shifted to follow ours, its time by what passed on the clock. */
  private sourceOf(packet: RtpPacket, nowMs: number): NonNullable<RtpFeed['source']> {
    if (this.source?.ssrc === packet.ssrc && this.source.started) return this.source
    const elapsedTicks = this.last ? Math.max(1, Math.round((nowMs - this.last.atMs) * CLOCK_PER_MS)) : 0
    this.source = {
      ssrc: packet.ssrc,
      sequenceShift: this.last ? (this.last.sequence + 1 - packet.sequence) & 0xffff : 0,
      timestampShift: this.last ? this.last.timestamp + elapsedTicks - packet.timestamp : 0,
      started: false,
    }
    return this.source
  }

  private keep(packet: FeedPacket, keyStart: boolean): void {
    this.history[packet.sequence % HISTORY_PACKETS] = packet
    const newPicture = packet.timestamp !== this.last?.timestamp
    if (newPicture) this.pictureStart = this.groupPackets.length
    if (keyStart && this.groupPackets[0]?.timestamp !== packet.timestamp) {
      this.groupPackets = this.groupPackets.slice(this.pictureStart) // what came before the parameter sets, as a delimiter
      this.groupBytes = this.groupPackets.reduce((sum, kept) => sum + kept.bytes.length, 0)
      this.pictureStart = 0
      this.groupWhole = true
    }
    if (!this.groupWhole) return
    this.groupPackets.push(packet)
    this.groupBytes += packet.bytes.length
    if (this.groupPackets.length > GROUP_PACKETS || this.groupBytes > GROUP_BYTES) {
      this.groupWhole = false
      this.groupPackets = []
    }
  }
}
