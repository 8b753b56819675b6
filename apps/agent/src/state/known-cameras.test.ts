import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { FACTS } from '../testing/plans.ts'
import { KnownCameras, mergeCameras } from './known-cameras.ts'

const DAY_MS = 24 * 3600_000
const camera = (cameraId: string, changes: Partial<CameraFacts> = {}): CameraFacts => ({
  cameraId,
  kind: 'v4l2',
  name: `Camera ${cameraId}`,
  locator: `/dev/v4l/by-path/${cameraId}`,
  modes: [{ codec: 'mjpeg', width: 1280, height: 720, fps: 30 }],
  ...changes,
})
const NONE: ReadonlyMap<string, string> = new Map()
let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-cameras-'))
  path = join(directory, 'cameras.json')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))
const ids = (known: KnownCameras): string[] => known.in(FACTS, NONE).cameras.map(({ cameraId }) => cameraId)

test('an unplugged camera stays for a week, in its place, also over a restart', async () => {
  const known = await KnownCameras.open(path)
  await known.found([camera('a'), camera('b')], 10 * DAY_MS)
  await known.found([camera('b'), camera('c')], 11 * DAY_MS)
  expect(ids(known)).toEqual(['a', 'b', 'c'])
  const again = await KnownCameras.open(path)
  expect(ids(again)).toEqual(['a', 'b', 'c'])
  await again.found([camera('b'), camera('c')], 16 * DAY_MS)
  expect(ids(again)).toEqual(['a', 'b', 'c'])
  await again.found([camera('b'), camera('c')], 17 * DAY_MS)
  expect(ids(again)).toEqual(['b', 'c'])
})

test('a camera in use that tells no modes keeps those it told before; generated cameras leave at once', () => {
  const before = [
    { camera: camera('a'), seenAtMs: 0 },
    { camera: camera('test:clock', { kind: 'test' }), seenAtMs: 0 },
  ]
  expect(mergeCameras(before, [camera('a', { modes: [] })], 1)).toEqual([{ camera: camera('a'), seenAtMs: 1 }])
})

test('never more than 64: who has been away longest gives way', () => {
  const before = [{ camera: camera('old'), seenAtMs: 0 }]
  const many = Array.from({ length: 64 }, (_, at) => camera(`n${at}`))
  const merged = mergeCameras(before, many, DAY_MS)
  expect(merged).toHaveLength(64)
  expect(merged.some((one) => one.camera.cameraId === 'old')).toBe(false)
})

test('a person’s name stands in for the device’s, an empty one does not; a damaged file is forgotten', async () => {
  writeFileSync(path, '{')
  const known = await KnownCameras.open(path)
  await known.found([camera('a'), camera('b')], DAY_MS)
  const named = known.in(
    FACTS,
    new Map([
      ['a', 'Front door'],
      ['b', ''],
    ]),
  )
  expect(named.cameras.map(({ name }) => name)).toEqual(['Front door', 'Camera b'])
})
