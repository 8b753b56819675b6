import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DISCOVERY_METHODS } from '@thatdam/protocol/discovery'
import { type DatagramKind, decodeDatagram, encodeDatagram } from './datagram.ts'

test('what is encoded is decoded', () => {
  const kinds: DatagramKind[] = ['probe', 'announcement', 'sync', 'relayed', 'goodbye']
  const datagrams = fc.record({
    kind: fc.constantFrom(...kinds),
    via: fc.constantFrom(...DISCOVERY_METHODS),
    ageMs: fc.nat(0xff_ff_ff_ff),
    cookie: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    announcement: fc.uint8Array({ minLength: 300, maxLength: 1_182 }),
  })
  fc.assert(
    fc.property(datagrams, (datagram) => {
      const decoded = decodeDatagram(encodeDatagram(datagram))
      expect(
        decoded && { ...decoded, cookie: Uint8Array.from(decoded.cookie), announcement: Uint8Array.from(decoded.announcement) },
      ).toEqual(datagram)
    }),
  )
})

test('anything else is nothing', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => decodeDatagram(Buffer.from(bytes)) === null))
  const good = encodeDatagram({ kind: 'probe', via: 'udp', ageMs: 0, cookie: new Uint8Array(8), announcement: new Uint8Array(400) })
  for (const [at, value] of [
    [0, 0],
    [4, 0],
    [5, 200],
  ] as const) {
    const bad = Buffer.from(good)
    bad[at] = value
    expect(decodeDatagram(bad)).toBeNull()
  }
  expect(decodeDatagram(good.subarray(0, 200))).toBeNull()
})
