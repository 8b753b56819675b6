/** Fields of an RTP packet (RFC 3550) and what its H.264 payload (RFC 6184) begins. */
export interface RtpPacket {
  readonly bytes: Buffer
  readonly sequence: number
  readonly timestamp: number
  readonly ssrc: number
  /** Holds parameter sets or the first part of an IDR slice: a decoder can begin at its picture. */
  readonly keyStart: boolean
}

const NAL_IDR = 5
const NAL_SPS = 7
const STAP_A = 24
const FU_A = 28

/** Null for anything that is not an RTP packet of `payloadType` (RTCP among it). */
export function parseRtp(bytes: Buffer, payloadType: number): RtpPacket | null {
  if (bytes.length < 13 || bytes.length > 2048 || (bytes.readUInt8(0) & 0xc0) !== 0x80) return null
  if ((bytes.readUInt8(1) & 0x7f) !== payloadType) return null
  const headerBytes = headerLength(bytes)
  if (headerBytes === null) return null
  return {
    bytes,
    sequence: bytes.readUInt16BE(2),
    timestamp: bytes.readUInt32BE(4),
    ssrc: bytes.readUInt32BE(8),
    keyStart: beginsKey(bytes, headerBytes),
  }
}

function headerLength(bytes: Buffer): number | null {
  const first = bytes.readUInt8(0)
  let length = 12 + 4 * (first & 0x0f)
  if (first & 0x10) {
    if (length + 4 > bytes.length) return null
    length += 4 + 4 * bytes.readUInt16BE(length + 2)
  }
  return length < bytes.length ? length : null
}

function beginsKey(bytes: Buffer, at: number): boolean {
  const type = bytes.readUInt8(at) & 0x1f
  if (type === NAL_SPS || type === NAL_IDR) return true
  if (type === FU_A && at + 1 < bytes.length) {
    const header = bytes.readUInt8(at + 1)
    return (header & 0x80) !== 0 && (header & 0x1f) === NAL_IDR
  }
  if (type !== STAP_A) return false
  let unit = at + 1
  while (unit + 2 < bytes.length) {
    const nal = bytes.readUInt8(unit + 2) & 0x1f
    if (nal === NAL_SPS || nal === NAL_IDR) return true
    unit += 2 + bytes.readUInt16BE(unit)
  }
  return false
}

/** A copy with another identity: what one viewer negotiated, on the feed's own line of sequence and time. */
export function rewriteRtp(bytes: Buffer, to: { payloadType: number; ssrc: number; sequence: number; timestamp: number }): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8((copy.readUInt8(1) & 0x80) | to.payloadType, 1)
  copy.writeUInt16BE(to.sequence & 0xffff, 2)
  copy.writeUInt32BE(to.timestamp >>> 0, 4)
  copy.writeUInt32BE(to.ssrc >>> 0, 8)
  return copy
}

/** Payload bytes without the 12 bytes of header: what a sender report counts. */
export function payloadBytes(bytes: Buffer): number {
  return bytes.length - 12
}
