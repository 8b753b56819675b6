import { expect, test } from 'vitest'
import { RtpFeed, type FeedPacket } from './feed.ts'
import { nackedSequences, senderReport } from './rtcp.ts'
import { parseRtp, rewriteRtp } from './rtp.ts'

const SPS = Buffer.from([0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68])
const IDR = Buffer.from([0x7c, 0x85, 1, 2])
const SLICE = Buffer.from([0x61, 1, 2])

function rtp(sequence: number, timestamp: number, ssrc: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(0x80, 0)
  header.writeUInt8(96, 1)
  header.writeUInt16BE(sequence & 0xffff, 2)
  header.writeUInt32BE(timestamp >>> 0, 4)
  header.writeUInt32BE(ssrc, 8)
  return Buffer.concat([header, payload])
}

test('a restart of the source goes on in sequence and time; what comes before its key frame is left out', () => {
  const feed = new RtpFeed(96)
  const seen: FeedPacket[] = []
  feed.onPacket((packet) => void seen.push(packet))
  feed.receive(rtp(9, 1000, 1, SLICE), 0)
  feed.receive(rtp(65_535, 4000, 1, SPS), 0)
  feed.receive(rtp(0, 4000, 1, IDR), 1)
  feed.receive(rtp(1, 7000, 1, SLICE), 33)
  feed.receive(rtp(500, 90_000, 2, SLICE), 1000)
  feed.receive(rtp(501, 93_000, 2, SPS), 1033)
  feed.receive(rtp(502, 93_000, 2, IDR), 1034)
  const sequences = seen.map((packet) => packet.sequence)
  const first = sequences[0] ?? 0
  expect(sequences).toEqual([0, 1, 2, 3, 4].map((step) => (first + step) & 0xffff))
  expect(seen[1]?.timestamp).toBe(seen[0]?.timestamp)
  expect((seen[3]?.timestamp ?? 0) - (seen[2]?.timestamp ?? 0)).toBe(90_000) // 1,000 ms at 90 kHz
  expect(feed.group().map((packet) => packet.sequence)).toEqual(sequences.slice(3))
  expect(feed.recent(sequences[2] ?? 0)).toBe(seen[2])
  expect(feed.recent(40_000)).toBeNull()
  expect(feed.clock(1134)?.timestamp).toBe((seen[4]?.timestamp ?? 0) + 9000)
})

test('a group that never ends is forgotten rather than kept for ever', () => {
  const feed = new RtpFeed(96)
  feed.receive(rtp(0, 0, 1, SPS), 0)
  expect(feed.group()).toHaveLength(1)
  for (let at = 1; at < 5000; at++) feed.receive(rtp(at, at * 3000, 1, SLICE), at)
  expect(feed.group()).toEqual([])
})

test('what is no RTP of ours is left out', () => {
  expect(parseRtp(Buffer.alloc(4), 96)).toBeNull()
  expect(parseRtp(Buffer.alloc(100), 96)).toBeNull()
  expect(parseRtp(senderReport({ ssrc: 1, wallMs: 0, timestamp: 0, packets: 0, octets: 0 }, 'x'), 96)).toBeNull()
  const extended = rtp(1, 1, 1, SLICE)
  extended.writeUInt8(0x90, 0)
  expect(parseRtp(extended, 96)).toBeNull()
  expect(parseRtp(rtp(1, 1, 1, IDR), 96)?.keyStart).toBe(true)
  expect(parseRtp(rtp(1, 1, 1, SLICE), 96)?.keyStart).toBe(false)
})

test("a viewer gets its own payload type and SSRC; the marker stays, the feed's copy too", () => {
  const original = rtp(1, 2, 3, SLICE)
  original.writeUInt8(0xe0, 1)
  const copy = rewriteRtp(original, { payloadType: 109, ssrc: 77, sequence: 65_536 + 5, timestamp: 2 ** 32 + 6 })
  expect([copy.readUInt8(1), copy.readUInt16BE(2), copy.readUInt32BE(4), copy.readUInt32BE(8)]).toEqual([0x80 | 109, 5, 6, 77])
  expect(original.readUInt32BE(8)).toBe(3)
})

test('NACKs name single packets and the 16 after them; broken RTCP names none', () => {
  const nack = Buffer.alloc(16)
  nack.writeUInt8(0x81, 0)
  nack.writeUInt8(205, 1)
  nack.writeUInt16BE(3, 2)
  nack.writeUInt16BE(65_535, 12)
  nack.writeUInt16BE(0b101, 14)
  const report = senderReport({ ssrc: 1, wallMs: 1_795_225_865_126, timestamp: 5, packets: 1, octets: 2 }, 'thatdam')
  expect(report.length % 4).toBe(0)
  expect(nackedSequences(Buffer.concat([report, nack]), 256)).toEqual([65_535, 0, 2])
  expect(nackedSequences(Buffer.concat([report, nack]), 2)).toEqual([65_535, 0])
  nack.writeUInt16BE(9000, 2)
  expect(nackedSequences(nack, 256)).toEqual([])
})
