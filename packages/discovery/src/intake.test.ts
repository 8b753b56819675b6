import { generateKey, verifySignature } from '@thatdam/control/keys'
import { ANNOUNCEMENT_BYTES_MAX } from '@thatdam/protocol/discovery'
import { expect, test } from 'vitest'
import { parseAnnouncement } from './announcement.ts'
import { Intake } from './intake.ts'
import type { Found } from './method.ts'
import { PER_SOURCE_MAX, SIGHTINGS_MAX, Sightings } from './sightings.ts'
import { announcementOf } from './testing/loopback.ts'

const TTL_MS = 45_000

function room(members: ReadonlySet<string> = new Set()) {
  let nowMs = 1_000_000
  const isMember = (publicKey: string) => members.has(publicKey)
  const sightings = new Sightings(TTL_MS, isMember)
  const intake = new Intake({ sightings, verify: verifySignature, isMember, ownKey: () => 'own', ttlMs: TTL_MS, nowMs: () => nowMs })
  const take = (bytes: Uint8Array, change: Partial<Found> = {}) =>
    intake.take({ method: 'udp', bytes, source: '10.0.0.1', interfaceName: null, ageMs: 0, relayed: false, goodbye: false, ...change })
      ?.outcome ?? null
  const pass = (ms: number) => {
    nowMs += ms
    return nowMs
  }
  return { sightings, intake, take, pass, names: () => sightings.list(nowMs, []).map((one) => one.nodeId) }
}

test('newer announcements replace older ones, equal ones refresh, older ones are refused', () => {
  const { take, sightings, pass } = room()
  const key = generateKey()
  const [first, second, reboot] = [
    announcementOf('a', { count: 1 }, key),
    announcementOf('a', { count: 2, address: '192.168.7.8' }, key),
    announcementOf('a', { boot: 2, count: 1 }, key),
  ] as const
  expect([take(first), take(first), take(second), take(first), take(reboot), take(second)]).toEqual([
    'found',
    'known',
    'changed',
    null,
    'changed',
    null,
  ])
  const [sighting] = sightings.list(pass(5_000), [])
  expect(sighting).toMatchObject({ boot: 2, contactAgeMs: 5_000, methods: ['udp'] })
})

test('what is told by others keeps its age, so the dead are not kept alive by hearsay', () => {
  const { take, sightings, pass } = room()
  const bytes = announcementOf('a')
  take(bytes)
  pass(30_000)
  expect(take(bytes, { relayed: true, ageMs: 30_000 })).toBe('known')
  expect(take(bytes, { relayed: true, ageMs: TTL_MS + 1 })).toBe(null)
  expect(sightings.expire(pass(15_001))).toHaveLength(1)
})

test('forged, malformed, padded and oversized bytes make no sighting', () => {
  const { take, intake, names } = room()
  const good = Buffer.from(announcementOf('a')).toString()
  const forged = good.replace('"worker"', '"leader"')
  expect(take(Buffer.from(forged))).toBe(null)
  expect(intake.counts.forged).toBe(1)
  for (const text of [
    '',
    '{}',
    'null',
    `${good} `,
    good.slice(1),
    '['.repeat(1_000),
    good.replace('"version":1', '"version":1,"extra":true'),
  ])
    expect(take(Buffer.from(text))).toBe(null)
  expect(take(Buffer.alloc(10 << 20, 32))).toBe(null)
  expect(intake.counts.malformed).toBe(8)
  expect(names()).toEqual([])
})

test('10,000 fake nodes from one source, and from as many sources, stay within the table; members are kept', () => {
  const key = generateKey()
  const { take, sightings, intake, pass, names } = room(new Set([key.publicKey]))
  const member = announcementOf('member', {}, key)
  const fakes = Array.from({ length: 600 }, (_, index) => announcementOf(`fake-${index}`))
  expect(take(member, { source: '10.0.0.9' })).toBe('found')
  for (const bytes of fakes) {
    take(bytes)
    pass(20)
  }
  expect(sightings.size).toBeLessThanOrEqual(PER_SOURCE_MAX + 1)
  for (let index = 0; index < 10_000; index += 1) {
    take(fakes[index % fakes.length] ?? member, { source: `10.1.${index >> 8}.${index & 255}` })
    pass(1)
  }
  expect(sightings.size).toBeLessThanOrEqual(SIGHTINGS_MAX)
  // The clock went on 10 s: at 100 signatures a second and a burst of 200.
  expect(intake.counts.verified).toBeLessThan(600 + 1_210)
  expect(names()).toContain('member')
  // The flood took the whole budget of strangers, none of the member's.
  expect(take(announcementOf('member', { count: 2 }, key), { source: '10.0.0.9' })).toBe('changed')
})

test('one loud source is limited, others are not', () => {
  const { take, intake } = room()
  const bytes = announcementOf('a')
  for (let index = 0; index < 1_000; index += 1) take(bytes)
  expect(intake.counts.limited).toBe(900)
  expect(take(announcementOf('b'), { source: '10.0.0.2' })).toBe('found')
})

test('a good-bye shortens a life to 2 s unless the node is heard again; a stranger cannot say it for an unknown', () => {
  const { take, sightings, pass } = room()
  const bytes = announcementOf('a')
  expect(take(bytes, { goodbye: true })).toBe(null)
  take(bytes)
  expect(take(bytes, { goodbye: true })).toBe('goodbye')
  pass(1_000)
  expect(take(bytes)).toBe('known')
  expect(sightings.expire(pass(3_000))).toEqual([])
  take(bytes, { goodbye: true })
  expect(sightings.expire(pass(2_001))).toHaveLength(1)
})

test('the longest possible announcement fits a datagram by leaving out its last addresses', () => {
  const key = generateKey()
  const bytes = announcementOf('n'.repeat(63), { term: { number: Number.MAX_SAFE_INTEGER, nodeId: 'm'.repeat(63) } }, key)
  expect(bytes.length).toBeLessThan(ANNOUNCEMENT_BYTES_MAX)
  expect(parseAnnouncement(bytes)?.body.nodeId).toHaveLength(63)
})
