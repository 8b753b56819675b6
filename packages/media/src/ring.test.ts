import { expect, test } from 'vitest'
import type { InitSegment, ParsedFragment } from './fmp4/parser.ts'
import { FragmentRing } from './ring.ts'

const init: InitSegment = {
  bytes: Buffer.from('init'),
  track: { timescale: 1000, width: 2, height: 2, codec: 'avc1', defaultSampleTicks: 0, defaultSampleFlags: 0 },
}
const fragment = (key: boolean, bytes = 100, durationTicks = 500): ParsedFragment => ({
  bytes: Buffer.alloc(bytes),
  timing: { decodeTicks: 0, durationTicks, samples: 1, key, reordered: false },
})

function ring(maxBytes: number, maxMs = 60_000): FragmentRing {
  const made = new FragmentRing(100, { maxBytes, maxMs })
  made.setInit('a', init)
  return made
}

test('begins with a key frame and drops whole groups, by bytes and by time', () => {
  const bytes = ring(450)
  for (const key of [false, true, false, true, false, true]) bytes.push(fragment(key), 1000)
  expect([bytes.first, bytes.next]).toEqual([103, 106])
  expect(bytes.all()[0]?.key).toBe(true)
  expect(bytes.bytes).toBeLessThanOrEqual(450)
  const time = ring(10_000, 1600)
  for (const key of [true, false, true, false, true]) time.push(fragment(key), 1000)
  expect(time.all().map((one) => one.key)).toEqual([true, false, true])
})

test('a group larger than the ring empties it, and readers see that something is missing', () => {
  const small = ring(250)
  for (const key of [true, false, false]) small.push(fragment(key), 1000)
  expect(small.all()).toEqual([])
  expect(small.push(fragment(false), 1000)).toBeNull()
  expect(small.push(fragment(true), 1000)?.number).toBe(104)
})

test('a new generation begins at its key frame; numbers go on', () => {
  const two = ring(10_000)
  two.push(fragment(true), 1000)
  two.setInit('b', init)
  expect(two.push(fragment(false), 1500)).toBeNull()
  const next = two.push(fragment(true), 2000)
  expect(next).toMatchObject({ number: 102, generation: 'b', timeMs: 1500, durationMs: 500 })
  expect(two.initOf('a')?.generation).toBe('a')
  expect(two.get(101)).toBeNull()
  expect(two.get(102)).toBe(next)
})

test('waiting for the next one ends with it, with its time or with the reader', async () => {
  const live = ring(10_000)
  const waiting = live.waitFor(100, 5_000, new AbortController().signal)
  live.push(fragment(true), 1000)
  expect(await waiting).toBe(true)
  expect(await live.waitFor(101, 10, new AbortController().signal)).toBe(false)
  const gone = new AbortController()
  const left = live.waitFor(101, 5_000, gone.signal)
  gone.abort()
  expect(await left).toBe(false)
})
