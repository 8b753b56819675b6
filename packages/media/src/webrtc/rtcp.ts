/** The parts of RTCP that a sender of one video needs (RFC 3550 §6.4.1, RFC 4585 §6.2.1). */

const SENDER_REPORT = 200
const SOURCE_DESCRIPTION = 202
const TRANSPORT_FEEDBACK = 205
const GENERIC_NACK = 1
/** Seconds from 1900 to 1970. */
const NTP_OFFSET_SECONDS = 2_208_988_800

export interface SenderReport {
  readonly ssrc: number
  readonly wallMs: number
  /** The RTP time that belongs to `wallMs`. */
  readonly timestamp: number
  readonly packets: number
  readonly octets: number
}

/** A compound packet: sender report and the source's name. */
export function senderReport(report: SenderReport, cname: string): Buffer {
  const bytes = Buffer.alloc(28)
  bytes.writeUInt8(0x80, 0)
  bytes.writeUInt8(SENDER_REPORT, 1)
  bytes.writeUInt16BE(6, 2)
  bytes.writeUInt32BE(report.ssrc, 4)
  const seconds = report.wallMs / 1000
  bytes.writeUInt32BE((Math.floor(seconds) + NTP_OFFSET_SECONDS) >>> 0, 8)
  bytes.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32) >>> 0, 12)
  bytes.writeUInt32BE(report.timestamp >>> 0, 16)
  bytes.writeUInt32BE(report.packets >>> 0, 20)
  bytes.writeUInt32BE(report.octets >>> 0, 24)
  return Buffer.concat([bytes, sourceDescription(report.ssrc, cname)])
}

function sourceDescription(ssrc: number, cname: string): Buffer {
  const name = Buffer.from(cname, 'latin1').subarray(0, 255)
  const bytes = Buffer.alloc(Math.ceil((4 + 4 + 2 + name.length + 1) / 4) * 4)
  bytes.writeUInt8(0x81, 0)
  bytes.writeUInt8(SOURCE_DESCRIPTION, 1)
  bytes.writeUInt16BE(bytes.length / 4 - 1, 2)
  bytes.writeUInt32BE(ssrc, 4)
  bytes.writeUInt8(1, 8)
  bytes.writeUInt8(name.length, 9)
  name.copy(bytes, 10)
  return bytes
}

/** Sequence numbers that a receiver misses, of all generic NACKs of a compound packet; at most `limit`. */
export function nackedSequences(compound: Buffer, limit: number): number[] {
  const missing: number[] = []
  let at = 0
  while (at + 4 <= compound.length) {
    const end = at + 4 * (compound.readUInt16BE(at + 2) + 1)
    if (end > compound.length) break
    if (compound.readUInt8(at + 1) === TRANSPORT_FEEDBACK && (compound.readUInt8(at) & 0x1f) === GENERIC_NACK)
      for (let entry = at + 12; entry + 4 <= end; entry += 4) {
        const first = compound.readUInt16BE(entry)
        const mask = compound.readUInt16BE(entry + 2)
        missing.push(first)
        for (let bit = 0; bit < 16; bit++) if (mask & (1 << bit)) missing.push((first + bit + 1) & 0xffff)
        if (missing.length >= limit) return missing.slice(0, limit)
      }
    at = end
  }
  return missing
}
