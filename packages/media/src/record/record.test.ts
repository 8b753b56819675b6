import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FragmentIndex } from '@thatdam/protocol/capture'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Journal, opsOfJournal } from './journal.ts'
import { recoverPart } from './part-file.ts'
import { pullFragments, whereToBegin, type FragmentReader } from './puller.ts'
import { CaptureSpace } from './space.ts'
import { captureTitle } from './title.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thatdam-record-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const begun = { type: 'begun', version: 1, captureId: 'c1', cameraId: 'cam', title: 'Door', startedAtMs: 1000 } as const

test('a torn last line of a journal is as if it was not written, and is not written behind', async () => {
  const first = await Journal.open(folder)
  await first.add(begun, { durable: true })
  await first.close()
  await appendFile(join(folder, 'journal.jsonl'), '{"type":"gap","fromMs":1')
  const second = await Journal.open(folder)
  expect(second.entries).toEqual([begun])
  await second.add({ type: 'stopped', endedAtMs: 5000, reason: 'crash' }, { durable: true })
  await second.close()
  const third = await Journal.open(folder)
  expect(third.entries.map((entry) => entry.type)).toEqual(['begun', 'stopped'])
  await third.close()
})

test('the ops of a journal: started, gaps, stopped', () => {
  const ops = opsOfJournal(
    [
      begun,
      { type: 'gap', fromMs: 2000, toMs: 3000 },
      { type: 'gap', fromMs: 4000, toMs: 4500 },
      { type: 'stopped', endedAtMs: 5000, reason: 'disk-full' },
    ],
    'node-a',
  )
  expect(ops.map(({ key }) => key)).toEqual(['started', 'gap-0', 'gap-1', 'stopped'])
  expect(ops.at(-1)?.body).toEqual({ kind: 'capture.stopped', captureId: 'c1', cameraId: 'cam', endedAtMs: 5000, reason: 'disk-full' })
})

test('a part file that is no MP4 is left alone', async () => {
  const path = join(folder, 'media-0.mp4')
  await writeFile(path, 'not a film at all, not even close')
  expect(await recoverPart(path)).toBeNull()
  expect((await readFile(path)).length).toBe(33)
})

const index = (keys: readonly [number, number][], next: number): FragmentIndex => ({
  generation: 'g',
  first: keys[0]?.[0] ?? next,
  next,
  fragments: keys.map(([number, timeMs]) => ({ number, generation: 'g', key: true, timeMs, durationMs: 1000 })),
})

test('where a recording begins, and where it goes on after a loss', () => {
  const ring = index(
    [
      [5, 1000],
      [6, 2000],
      [7, 3000],
    ],
    8,
  )
  expect(whereToBegin(ring, null, 2500)).toBe(6)
  expect(whereToBegin(ring, null, 10)).toBe(5)
  expect(whereToBegin(ring, 1980, 0)).toBe(6)
  expect(whereToBegin(ring, 9000, 0)).toBe(8)
  expect(whereToBegin(index([], 3), null, 0)).toBe(3)
})

test('a camera service that is away for a while leaves no hole when the ring still has it', async () => {
  const stop = new AbortController()
  const answers = ['away', 'gone', 'ok', 'away', 'ok'] as const
  let asked = 0
  const numbers: number[] = []
  const reader: FragmentReader = {
    index: async () => index([[5, 1000]], 7),
    init: async () => Buffer.alloc(0),
    fragment: async (number) => {
      const answer = answers[asked++] ?? 'later'
      if (answer !== 'ok') return answer
      return { number, generation: 'g', key: true, timeMs: number * 200, durationMs: 200, bytes: Buffer.alloc(1) }
    },
  }
  let away = 0
  for await (const got of pullFragments(reader, { fromMs: 1000, signal: stop.signal })) {
    if (got === 'away') away++
    else numbers.push(got.number)
    if (numbers.length === 2) stop.abort()
  }
  expect(numbers).toEqual([5, 6])
  expect(away).toBe(2)
})

test('what may still be recorded leaves room for sealing', async () => {
  const one = new CaptureSpace(folder, folder, async () => 1000)
  expect(await one.recordableBytes(0)).toBe(500)
  expect(await one.recordableBytes(400)).toBe(300)
  expect(await one.recordableBytes(1200)).toBeLessThan(0)
})

test('a title is local time and a file name everywhere', () => {
  const at = new Date(2026, 10, 21, 2, 3).getTime()
  expect(captureTitle('Front door', at)).toBe('Front door 2026-11-21 02.03')
  expect(captureTitle('  ', at)).toBe('Camera 2026-11-21 02.03')
})
