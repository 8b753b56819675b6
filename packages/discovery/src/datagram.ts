import { DATAGRAM_BYTES_MAX, DATAGRAM_HEADER_BYTES, DISCOVERY_METHODS, type DiscoveryMethodName } from '@thatdam/protocol/discovery'

/*
 * A datagram of discovery:
 *
 *   0     4      5     6          10            18
 *   TDD1  kind   via   age in ms  cookie        announcement (canonical JSON, signed)
 *
 * kind  P probe: "here I am, who are you?", answered by one A       A announcement: answered by nothing
 *       S sync: a probe that also asks whom you know; the others come only when it carries the cookie that an earlier A brought,
 *         so that a forged sender address cannot turn one datagram into many
 *       R relayed: an announcement of somebody else, `age` ms after it was heard         G good-bye
 * via   index of the method that asked; an answer repeats it
 */

export type DatagramKind = 'probe' | 'announcement' | 'sync' | 'relayed' | 'goodbye'
export interface Datagram {
  readonly kind: DatagramKind
  readonly via: DiscoveryMethodName
  readonly ageMs: number
  /** 8 bytes; zeros: none. */
  readonly cookie: Uint8Array
  readonly announcement: Uint8Array
}
export interface Received extends Datagram {
  /** A view on the datagram, still unjudged. */
  readonly announcement: Buffer
}

const MAGIC = Buffer.from('TDD1')
const KINDS: Readonly<Record<DatagramKind, number>> = { probe: 0x50, announcement: 0x41, sync: 0x53, relayed: 0x52, goodbye: 0x47 }
const KIND_OF = new Map(Object.entries(KINDS).map(([kind, code]) => [code, kind as DatagramKind]))
export const NO_COOKIE = new Uint8Array(8)
/** Shorter than any signed announcement: a probe must be about as long as its answer. */
const ANNOUNCEMENT_BYTES_MIN = 300

/** @throws RangeError when it is too large: announcements are made to fit. */
export function encodeDatagram(datagram: Datagram): Buffer {
  const bytes = Buffer.alloc(DATAGRAM_HEADER_BYTES + datagram.announcement.length)
  if (bytes.length > DATAGRAM_BYTES_MAX) throw new RangeError(`a datagram of ${bytes.length} bytes`)
  MAGIC.copy(bytes, 0)
  bytes[4] = KINDS[datagram.kind]
  bytes[5] = DISCOVERY_METHODS.indexOf(datagram.via)
  bytes.writeUInt32BE(Math.max(0, Math.min(0xff_ff_ff_ff, Math.round(datagram.ageMs))), 6)
  bytes.set(datagram.cookie.subarray(0, 8), 10)
  bytes.set(datagram.announcement, DATAGRAM_HEADER_BYTES)
  return bytes
}

/** Null for anything that is not ours. */
export function decodeDatagram(bytes: Buffer): Received | null {
  if (bytes.length < DATAGRAM_HEADER_BYTES + ANNOUNCEMENT_BYTES_MIN || bytes.length > DATAGRAM_BYTES_MAX) return null
  if (bytes.compare(MAGIC, 0, 4, 0, 4) !== 0) return null
  const kind = KIND_OF.get(bytes[4] ?? 0)
  const via = DISCOVERY_METHODS[bytes[5] ?? 255]
  if (kind === undefined || via === undefined) return null
  return {
    kind,
    via,
    ageMs: bytes.readUInt32BE(6),
    cookie: bytes.subarray(10, 18),
    announcement: bytes.subarray(DATAGRAM_HEADER_BYTES),
  }
}
