import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { LiveCamera } from './camera.ts'
import { startFfmpeg } from './ffmpeg/runner.ts'

let folder: string
let camera: LiveCamera | null = null
const changes: string[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thatdam-camera-'))
})
afterEach(async () => {
  await camera?.stop()
  camera = null
  changes.length = 0
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function until(what: string, look: () => boolean, limitMs = 15_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!look()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}; seen: ${changes.join(' | ')}`)
    await delay(20)
  }
}

function film(name: string, bFrames: number): CameraFacts {
  const locator = join(folder, name)
  const source = ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=30', '-t', '2']
  const codec = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '30', '-bf', String(bFrames), '-pix_fmt', 'yuv420p']
  execFileSync('ffmpeg', [...source, ...codec, locator])
  return { cameraId: name, kind: 'file', name, locator, modes: [{ codec: 'h264', width: 640, height: 360, fps: 30 }] }
}

function live(facts: CameraFacts, encoders: readonly string[] | null = null): LiveCamera {
  camera = new LiveCamera({
    camera: facts,
    ffmpegPath: 'ffmpeg',
    encoders,
    onChange: () => void changes.push(`${camera?.state} ${camera?.reason}`),
  })
  camera.start()
  return camera
}

const TEST: CameraFacts = { cameraId: 'test', kind: 'test', name: 'Test', locator: 'test', modes: [] }

test('H.264 goes through as it is, to fragments and to live viewers; a file begins again at its end', async () => {
  const copied = live(film('copy.mp4', 0))
  await until('a live feed', () => copied.state === 'live' && copied.feed.group().length > 0)
  expect(copied.status(0)).toMatchObject({ encoder: null, width: 640, height: 360 })
  expect((copied.feed.group()[0]?.bytes.readUInt8(12) ?? 0) & 0x1f).toBe(24) // parameter sets before the key frame
  const generation = copied.ring.init?.generation
  await until('the second pass', () => copied.ring.init?.generation !== generation)
  const [first] = copied.ring.all()
  await until('its fragments', () => copied.ring.all().at(-1)?.generation !== first?.generation)
  const numbers = copied.ring.all().map((fragment) => fragment.number)
  expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at))
  expect(changes).toEqual(['live '])
})

test('B-frames, which browsers do not show live, are encoded away', async () => {
  const encoded = live(film('b-frames.mp4', 2))
  await until('the encoder', () => encoded.status(0).encoder === 'libx264' && encoded.state === 'live')
  const generation = encoded.ring.init?.generation
  await until('its fragments', () => encoded.ring.all().some((fragment) => fragment.generation === generation))
  expect(changes.some((change) => change.startsWith('failed'))).toBe(false)
})

test('an encoder that cannot be opened is replaced by the next one', async () => {
  const fallen = live(TEST, ['h264_nvenc', 'libx264'])
  await until('a picture', () => fallen.state === 'live')
  expect(fallen.status(0).encoder).toBe('libx264')
})

test('a program that gives nothing is ended by the watchdog; one that is not there says so', async () => {
  const silent = startFfmpeg({ path: 'sleep', args: ['60'], onBytes: () => {}, firstByteMs: 200 })
  expect(await silent.exited).toMatchObject({ signal: 'SIGKILL', silentSeconds: 0 })
  const absent = await startFfmpeg({ path: join(folder, 'no-ffmpeg'), args: [], onBytes: () => {} }).exited
  expect(absent).toMatchObject({ code: null, signal: null })
  expect(absent.stderr).toContain('ENOENT')
})

test('after a silence of its pipe it is ended too, and stop() ends what does not listen', async () => {
  const stalls = startFfmpeg({ path: 'sh', args: ['-c', 'echo x; exec sleep 60'], onBytes: () => {}, silenceMs: 300 })
  expect((await stalls.exited).silentSeconds).toBe(0)
  let heard = false
  const deaf = startFfmpeg({ path: 'sh', args: ['-c', 'trap "" TERM; echo x; sleep 3; sleep 3'], onBytes: () => (heard = true) })
  await until('it to run', () => heard)
  expect((await deaf.stop()).signal).toBe('SIGKILL')
})
