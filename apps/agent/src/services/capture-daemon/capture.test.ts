import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Recorder } from '@thatdam/media/record/recorder'
import { sealPart } from '@thatdam/media/record/seal'
import { CaptureSpace } from '@thatdam/media/record/space'
import { CameraStatus, CaptureStatus } from '@thatdam/protocol/capture'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { CameraProxyStatus, CaptureDaemonStatus } from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'
import { openBlobStore } from '@thatdam/store/blob-store'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { AS_PERSON, FakeAgent, HostedChild, TEST_CAMERA, TOKEN, until } from './child-host.testing.ts'
import { ProxyClient } from './proxy-reader.ts'

/*
 * Both camera services as real processes, with real ffmpeg, against a local API that keeps the ops.
 */

const run = promisify(execFile)

let root: string
let file: CameraFacts
let agent: FakeAgent
let proxy: HostedChild
let daemon: HostedChild | null = null
let tries = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'thatdam-capture-'))
  const locator = join(root, 'loop film.mp4')
  const source = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=30', '-t', '60', '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30']
  await run('ffmpeg', ['-v', 'error', ...source, '-bf', '0', '-pix_fmt', 'yuv420p', locator])
  const modes = [{ codec: 'h264', width: 640, height: 360, fps: 30 }]
  file = { cameraId: 'file:loop', kind: 'file', name: 'Loop film', locator, modes }
  agent = await FakeAgent.start()
  proxy = await HostedChild.start({ service: 'camera-proxy', stateDir: root, cameras: [TEST_CAMERA, file] })
  await until('both cameras to be live', async () => (await cameras()).every((camera) => camera.state === 'live'))
})

afterEach(async () => {
  await daemon?.stop()
  daemon = null
  agent.refuse = false
  agent.ops.length = 0
})

afterAll(async () => {
  await proxy?.stop()
  await agent?.close()
  await rm(root, { recursive: true, force: true })
})

async function cameras(): Promise<CameraStatus[]> {
  const answer = await fetch(`${proxy.url}/live/cameras`, { headers: AS_PERSON })
  return CameraProxyStatus.parse(await answer.json()).cameras
}

interface Place {
  readonly stateDir: string
}

async function newPlace(): Promise<Place> {
  return { stateDir: join(root, `state-${++tries}`) }
}

async function startDaemon(place: Place, more: { params?: Record<string, number>; ffmpegPath?: string } = {}): Promise<HostedChild> {
  const peers = { 'camera-proxy': proxy.url ?? '' }
  daemon = await HostedChild.start({ service: 'capture-daemon', ...place, localUrl: agent.url, peers, ...more })
  await until('the daemon to be ready', () => daemon?.url)
  return daemon
}

const captures = (child: HostedChild): CaptureStatus[] => CaptureDaemonStatus.parse(child.status).captures
const only = (child: HostedChild): CaptureStatus | undefined => captures(child)[0]

function untilState(child: HostedChild, state: CaptureStatus['state']): Promise<CaptureStatus> {
  return until(`the recording to be ${state}`, () => (only(child)?.state === state ? only(child) : null), 30_000)
}

function untilRecorded(child: HostedChild, ms: number): Promise<CaptureStatus> {
  return until(`${ms} ms to be recorded`, () => ((only(child)?.recordedMs ?? 0) >= ms ? only(child) : null), 30_000)
}

const blobPath = (place: Place, sha256: string): string =>
  join(place.stateDir, 'cas', 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256)

async function probe(path: string): Promise<{ duration: number; warnings: string; packets: number }> {
  const args = ['-v', 'warning', '-count_packets', '-show_entries', 'format=duration:stream=nb_read_packets', '-of', 'json', path]
  const { stdout, stderr } = await run('ffprobe', args)
  const decoded = await run('ffmpeg', ['-v', 'warning', '-i', path, '-f', 'null', '-'])
  const seen = JSON.parse(stdout) as { format: { duration: string }; streams: { nb_read_packets: string }[] }
  return { duration: Number(seen.format.duration), warnings: stderr + decoded.stderr, packets: Number(seen.streams[0]?.nb_read_packets) }
}

test('records what is asked for, seals it into one clean MP4, and tells the op-log', { timeout: 60_000 }, async () => {
  const place = await newPlace()
  const child = await startDaemon(place)
  const begun = CaptureStatus.parse(await child.command('start', { cameraId: TEST_CAMERA.cameraId, preRollMs: 0 }))
  expect(begun.title).toMatch(/^Test pattern \d{4}-\d\d-\d\d \d\d\.\d\d$/)
  await expect(child.command('start', { cameraId: TEST_CAMERA.cameraId })).rejects.toThrow(/being recorded already/)
  await untilRecorded(child, 1000)
  const other = CaptureStatus.parse(await child.command('start', { cameraId: file.cameraId, title: 'Front door: "night"', preRollMs: 0 }))
  await untilRecorded(child, 3000)
  const running = only(child)
  expect(running?.diskSecondsLeft).toBeGreaterThan(0)
  const stoppedAtMs = Date.now()
  await child.command('stop', { captureId: begun.captureId })
  await child.command('stop', { captureId: other.captureId })
  await until('both to be sealed', () => captures(child).every((capture) => capture.state === 'sealed'), 30_000)

  const [first, second] = captures(child)
  if (!first?.sha256 || !second?.sha256) throw new Error('sealed without a blob')
  const wallSeconds = (stoppedAtMs - begun.startedAtMs) / 1000
  const seen = await probe(blobPath(place, first.sha256))
  expect(seen.warnings).toBe('')
  // nothing of what was asked for is missing; a key frame interval before and half a second after may come on top
  expect(seen.duration).toBeGreaterThan(wallSeconds - 0.2)
  expect(seen.duration).toBeLessThan(wallSeconds + 2)
  expect(Math.abs(seen.duration * 1000 - first.recordedMs)).toBeLessThan(100)
  expect((await probe(blobPath(place, second.sha256))).warnings).toBe('')
  const asset = agent.of('asset.ingested').find((op) => op.assetId === first.sha256)
  expect(asset).toMatchObject({ origin: 'recorded', assetKind: 'video', title: begun.title, capture: { captureId: begun.captureId } })
  expect(asset?.media).toMatchObject({ mimeType: 'video/mp4', width: 1280, height: 720, videoCodec: 'h264', fps: 30 })
  expect(agent.of('asset.ingested').find((op) => op.assetId === second.sha256)?.title).toBe('Front door: "night"')
  expect(agent.of('blob.stored').map((op) => op.sha256)).toContain(first.sha256)
  expect(agent.of('capture.started')).toHaveLength(2)
  expect(agent.of('capture.stopped').map((op) => op.reason)).toEqual(['person', 'person'])
  expect(agent.of('capture.gap')).toEqual([])
  expect(await readdir(join(place.stateDir, 'captures'))).toEqual([])
})

test('begins before the button was pressed, as far as the ring reaches', { timeout: 60_000 }, async () => {
  await until('5 s in the ring', async () => {
    const [camera] = await cameras()
    return (camera?.nextFragment ?? 0) - (camera?.firstFragment ?? 0) > 12
  })
  const child = await startDaemon(await newPlace())
  const begun = CaptureStatus.parse(await child.command('start', { cameraId: TEST_CAMERA.cameraId, preRollMs: 4000 }))
  await untilRecorded(child, 4000)
  expect(Date.now() - begun.startedAtMs).toBeLessThan(3000)
  await child.command('stop', { captureId: begun.captureId })
  const sealed = await untilState(child, 'sealed')
  expect(sealed.recordedMs).toBeGreaterThan(3900)
})

test('kill -9 in the middle: the next start seals what was on the disk', { timeout: 60_000 }, async () => {
  const place = await newPlace()
  const killed = await startDaemon(place)
  await killed.command('start', { cameraId: TEST_CAMERA.cameraId, preRollMs: 0 })
  const before = await untilRecorded(killed, 2500)
  await killed.kill()
  const child = await startDaemon(place)
  const sealed = await untilState(child, 'sealed')
  expect(sealed.recordedMs).toBeGreaterThanOrEqual(before.recordedMs)
  const seen = await probe(blobPath(place, sealed.sha256 ?? ''))
  expect(seen.warnings).toBe('')
  expect(seen.duration * 1000).toBeGreaterThanOrEqual(before.recordedMs - 50)
  expect(agent.of('capture.stopped').map((op) => op.reason)).toEqual(['crash'])
  expect(agent.of('capture.started')).toHaveLength(1)
  expect(await readdir(join(place.stateDir, 'captures'))).toEqual([])
})

test('stops by itself before the disk is full, keeps the recording, says why', { timeout: 60_000 }, async () => {
  const place = await newPlace()
  const capturesDir = join(place.stateDir, 'captures')
  const casRoot = join(place.stateDir, 'cas')
  const store = await openBlobStore(casRoot, { reserveBytes: 0 })
  await mkdir(capturesDir, { recursive: true })
  let spareBytes = 100_000_000
  const ops: OpBody[] = []
  const stopping = new AbortController()
  const recorder = new Recorder({
    capturesDir,
    nodeId: 'node-a',
    space: new CaptureSpace(capturesDir, casRoot, async () => spareBytes),
    reader: (cameraId) => new ProxyClient(TOKEN, () => proxy.url).reader(cameraId),
    appendOps: async (bodies) => void ops.push(...bodies),
    sealPart: (path, takenAtMs) => sealPart({ ffmpegPath: 'ffmpeg', ffprobePath: 'ffprobe', store }, path, takenAtMs),
    onChange: () => {},
    signal: stopping.signal,
  })
  await recorder.start({ cameraId: TEST_CAMERA.cameraId, cameraName: 'Test', preRollMs: 0 })
  await until('a second', () => (recorder.status()[0]?.recordedMs ?? 0) >= 1000)
  expect(recorder.status()[0]?.diskSecondsLeft).toBeGreaterThan(10)
  // room for what is recorded to be sealed, and for not one fragment more
  spareBytes = recorder.status()[0]?.sizeBytes ?? 0
  const sealed = await until('it to stop by itself', () => recorder.status().find((one) => one.state === 'sealed'), 30_000)
  expect(sealed.reason).toMatch(/disk is full up to its reserve, so recording stopped/)
  expect((await probe(blobPath(place, sealed.sha256 ?? ''))).warnings).toBe('')
  expect(ops.find((op) => op.kind === 'capture.stopped')).toMatchObject({ reason: 'disk-full' })
  spareBytes = 0
  await expect(recorder.start({ cameraId: 'other', cameraName: 'Other' })).rejects.toThrow(/nothing can be recorded/)
  stopping.abort()
  await recorder.settled()
})

test("a camera's ffmpeg dies: the gap is told, the same recording goes on", { timeout: 60_000 }, async () => {
  const place = await newPlace()
  const child = await startDaemon(place)
  const begun = CaptureStatus.parse(await child.command('start', { cameraId: TEST_CAMERA.cameraId, preRollMs: 0 }))
  await untilRecorded(child, 1500)
  process.kill(await ffmpegOf(proxy, 'testsrc2'), 'SIGKILL')
  await until('the gap', () => (only(child)?.gaps ?? 0) === 1)
  const after = only(child)?.recordedMs ?? 0
  await untilRecorded(child, after + 1500)
  await child.command('stop', { captureId: begun.captureId })
  const sealed = await untilState(child, 'sealed')
  const [gap] = agent.of('capture.gap')
  expect(gap?.captureId).toBe(begun.captureId)
  const gapMs = (gap?.toMs ?? 0) - (gap?.fromMs ?? 0)
  expect(gapMs).toBeGreaterThan(300)
  expect(gapMs).toBeLessThan(5000)
  expect(agent.of('asset.ingested')).toHaveLength(1)
  const seen = await probe(blobPath(place, sealed.sha256 ?? ''))
  expect(seen.warnings).toBe('')
  expect(Math.abs(seen.duration * 1000 - sealed.recordedMs)).toBeLessThan(100)
})

test('the camera service is killed and comes back elsewhere: the same recording goes on', { timeout: 60_000 }, async () => {
  const place = await newPlace()
  const other = { service: 'camera-proxy', stateDir: root } as const
  const first = await HostedChild.start({ ...other, cameras: [TEST_CAMERA] })
  const child = await startDaemon(place)
  child.setPeers({ 'camera-proxy': first.url ?? '' })
  const begun = CaptureStatus.parse(await child.command('start', { cameraId: TEST_CAMERA.cameraId, preRollMs: 0 }))
  await untilRecorded(child, 1000)
  await first.kill()
  await until('its absence to be said', () => /goes on by itself/.test(only(child)?.reason ?? ''))
  const second = await HostedChild.start({ ...other, cameras: [TEST_CAMERA] })
  child.setPeers({ 'camera-proxy': second.url ?? '' })
  const before = only(child)?.recordedMs ?? 0
  await untilRecorded(child, before + 1000)
  expect(only(child)).toMatchObject({ state: 'recording', reason: '', gaps: 1 })
  await child.command('stop', { captureId: begun.captureId })
  const sealed = await untilState(child, 'sealed')
  expect((await probe(blobPath(place, sealed.sha256 ?? ''))).warnings).toBe('')
  expect(agent.of('asset.ingested')).toHaveLength(1)
  await second.stop()
})

test('sealing that fails keeps the raw parts and says so; ops wait for the op-log', { timeout: 60_000 }, async () => {
  const place = await newPlace()
  agent.refuse = true
  const broken = await startDaemon(place, { ffmpegPath: '/bin/false' })
  const begun = CaptureStatus.parse(await broken.command('start', { cameraId: file.cameraId, preRollMs: 0 }))
  await untilRecorded(broken, 1000)
  await broken.command('stop', { captureId: begun.captureId })
  const failing = await until('the failure to be said', () =>
    /could not be finished/.test(only(broken)?.reason ?? '') ? only(broken) : null,
  )
  expect(failing.state).toBe('sealing')
  expect((await readFile(join(place.stateDir, 'captures', begun.captureId, 'media-0.mp4'))).length).toBeGreaterThan(10_000)
  await broken.stop()
  agent.refuse = false
  const child = await startDaemon(place)
  await untilState(child, 'sealed')
  expect(agent.ops.map((op) => op.kind)).toEqual(['capture.started', 'capture.stopped', 'blob.stored', 'asset.ingested'])
  expect(agent.of('capture.stopped')[0]?.reason).toBe('person')
})

test('a camera that is not there is refused in one sentence', async () => {
  const child = await startDaemon(await newPlace())
  await expect(child.command('start', { cameraId: 'nobody' })).rejects.toThrow(/has no such camera/)
  await expect(child.command('stop', { captureId: 'nobody' })).rejects.toThrow(/no such recording/)
  await expect(child.command('start', {})).rejects.toThrow(/not well formed/)
})

/** The ffmpeg child of a service whose command line contains `word`. */
async function ffmpegOf(service: HostedChild, word: string): Promise<number> {
  const { stdout } = await run('ps', ['-o', 'pid=,args=', '--ppid', String(service.process.pid)])
  const line = stdout.split('\n').find((one) => one.includes(word))
  if (!line) throw new Error(`no ffmpeg with ${word}`)
  return Number.parseInt(line, 10)
}
