import { expect, test } from 'vitest'
import { readVideoOffer } from './sdp.ts'

/** In the shape of a desktop browser's offer to receive one video. */
const OFFER = [
  'v=0',
  'o=- 46117317 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=group:BUNDLE 0',
  'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 106 107 125',
  'c=IN IP4 0.0.0.0',
  'a=candidate:1 1 udp 2113937151 0b1c7a1e-6a0b-4a0e-9d0e-3a5f5f0c8f11.local 50000 typ host generation 0',
  'a=candidate:2 1 udp 2113937150 192.0.2.7 50001 typ host generation 0',
  'a=ice-ufrag:abcd',
  'a=ice-pwd:abcdefghijklmnopqrstuvwx',
  'a=mid:0',
  'a=recvonly',
  'a=rtpmap:96 VP8/90000',
  'a=rtpmap:97 rtx/90000',
  'a=fmtp:97 apt=96',
  'a=rtpmap:102 H264/90000',
  'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f',
  'a=rtpmap:106 H264/90000',
  'a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
  'a=rtpmap:125 H264/90000',
  'a=fmtp:125 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
]
const offer = (change: (lines: string[]) => string[] = (lines) => lines): string => `${change([...OFFER]).join('\r\n')}\r\n`

test("constrained baseline with packetization-mode=1 is taken, under the viewer's number", () => {
  const chosen = readVideoOffer(offer())
  expect(chosen).toMatchObject({ mid: '0', payloadType: 125 })
  expect(chosen.format).toContain('42e01f')
  expect(readVideoOffer(offer((lines) => lines.filter((line) => !line.includes('125 ')))).payloadType).toBe(102)
})

test('a candidate that is a name is never looked up', () => {
  const { sdp } = readVideoOffer(offer())
  expect(sdp).not.toContain('.local')
  expect(sdp).toContain('192.0.2.7')
})

test.each([
  ['no SDP', () => 'hello', /no SDP offer/],
  ['no video', () => offer((lines) => lines.slice(0, 5)), /asks for no video/],
  ['two parts', () => offer((lines) => [...lines, 'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=mid:1']), /more than one part/],
  ['a sender', () => offer((lines) => lines.map((line) => line.replace('recvonly', 'sendonly'))), /would send video/],
  ['no H.264', () => offer((lines) => lines.filter((line) => !line.includes('H264'))), /does not offer H.264/],
  ['no mid', () => offer((lines) => lines.filter((line) => !line.startsWith('a=mid'))), /does not name/],
  [
    'a mid that would break out of its line',
    () => offer((lines) => lines.map((line) => line.replace('mid:0', 'mid:0 a=x'))),
    /does not name/,
  ],
  ['too many lines', () => offer((lines) => [...lines, ...Array.from({ length: 1001 }, () => 'a=x')]), /no SDP offer/],
])('%s is refused', (_, make, sentence) => {
  expect(() => readVideoOffer(make())).toThrow(sentence)
})
