import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync, crc32 } from 'node:zlib'
import sharp from 'sharp'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { DeriveStatus } from '@thatdam/protocol/index-status'
import { JobsAnswer, type JobsOrder } from '@thatdam/protocol/jobs'
import type { AssetKind, OpBody, OpOf } from '@thatdam/protocol/ops'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import { openIndexDb, setMeta } from '@thatdam/store/index-db'
import { recipeHash } from '@thatdam/store/recipe-hash'
import { FakeAgent, hostService, temporaryFolder, waitFor, type HostedService } from '@thatdam/testkit/service-host'
import { combine } from '../indexer/media-info.ts'

// Real processes on a machine that may be busy: deadlines, not expectations.
vi.setConfig({ testTimeout: 120_000 })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let agent: FakeAgent
let store: BlobStore
let service: HostedService | null = null

beforeEach(async () => {
  folder = await temporaryFolder('deriver')
  agent = await FakeAgent.start()
  store = await openBlobStore(join(folder.path, 'cas'), { reserveBytes: 0 })
})
afterEach(async () => {
  await service?.stop()
  service = null
  await agent.close()
  await folder.remove()
})

function start(ffmpegPath: string | null = 'ffmpeg'): HostedService {
  const stateDir = join(folder.path, 'state')
  service = hostService(join(import.meta.dirname, 'process.ts'), agent, {
    service: 'deriver',
    stateDir,
    casRoot: join(folder.path, 'cas'),
    ffmpegPath,
    ffprobePath: ffmpegPath === null ? null : 'ffprobe',
  })
  return service
}
const status = (): DeriveStatus | null => (service?.status() ?? null) as DeriveStatus | null
const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

function ingested(
  assetId: string,
  kind: 'photo' | 'video' | 'audio',
  mimeType: string,
  { durationMs = null, isRead = true }: { readonly durationMs?: number | null; readonly isRead?: boolean } = {},
): OpBody {
  const { media } = combine({ kind, mimeType }, null, null)
  const assetKind: AssetKind = kind
  return {
    kind: 'asset.ingested',
    assetId,
    sizeBytes: 1,
    assetKind,
    title: 'x',
    origin: 'uploaded',
    media: { ...media, durationMs, ...(isRead ? { width: 1, container: 'read' } : {}) },
    capture: null,
  }
}
/** A source that lies in the store, announced. */
async function add(
  data: Uint8Array,
  kind: 'photo' | 'video' | 'audio',
  mimeType: string,
  durationMs: number | null = null,
): Promise<string> {
  const { sha256 } = await store.put(data)
  agent.add([ingested(sha256, kind, mimeType, { durationMs })])
  return sha256
}
/** One that whoever took it in could not read. */
async function addUnread(data: Uint8Array, kind: 'photo' | 'video' | 'audio', mimeType: string): Promise<string> {
  const { sha256 } = await store.put(data)
  agent.add([ingested(sha256, kind, mimeType, { isRead: false })])
  return sha256
}
const probed = (source: string): Promise<OpOf<'asset.probed'>> =>
  waitFor(() => agent.ops('asset.probed').find(({ assetId }) => assetId === source) ?? null)
const hasSaid = (text: RegExp) => (): boolean =>
  service?.messages.some((message) => message.type === 'running' && text.test(message.reason)) ?? false
async function thumbs(source: string): Promise<Record<string, Buffer>> {
  const made = await waitFor(() => {
    const found = agent.ops('derivative.made').filter((op) => op.sourceSha256 === source)
    return found.length >= 2 ? found : null
  })
  const blobs = new Set(agent.ops('blob.stored').map((op) => op.sha256))
  const all: Record<string, Buffer> = {}
  for (const op of made) {
    expect(blobs.has(op.sha256)).toBe(true)
    expect(await store.verify(op.sha256)).toBe('ok')
    all[op.recipe] = Buffer.concat(await Array.fromAsync(store.read(op.sha256)))
    expect(await sharp(all[op.recipe]).metadata()).toMatchObject({ width: op.width, height: op.height, format: 'webp' })
  }
  return all
}
async function failure(source: string): Promise<string> {
  const found = await waitFor(() => agent.ops('derivative.failed').filter((op) => op.sourceSha256 === source)[0] ?? null, 60_000)
  return found.reason
}
function ffmpeg(output: string, ...args: string[]): Buffer {
  const path = join(folder.path, output)
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, path])
  return readFileSync(path)
}

/** Black for two seconds, then six that show something. */
const lateFilm = (output: string): Buffer => {
  const [black, shown] = ['color=black:s=320x180:r=10:d=2', 'testsrc=s=320x180:r=10:d=6'].map((source) => ['-f', 'lavfi', '-i', source])
  return ffmpeg(output, ...(black ?? []), ...(shown ?? []), '-filter_complex', '[0][1]concat=n=2', '-pix_fmt', 'yuv420p')
}
async function isBlack(picture: Buffer | undefined): Promise<boolean> {
  const { channels } = await sharp(picture).stats()
  return Math.max(...channels.map((channel) => channel.mean)) < 40
}

test('pictures get both sizes, upright, in sRGB, never enlarged', async () => {
  const half = sharp({ create: { width: 1000, height: 1500, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  const picture = await sharp({ create: { width: 2000, height: 1500, channels: 3, background: 'blue' } })
    .composite([{ input: await half, left: 0, top: 0 }])
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
  start()
  const made = await thumbs(await add(picture, 'photo', 'image/jpeg'))
  expect(await sharp(made['thumb-1280']).metadata()).toMatchObject({ width: 960, height: 1280, space: 'srgb' })
  expect(await sharp(made['thumb-320']).metadata()).toMatchObject({ width: 240, height: 320 })
  // Turned to the right, the red left half is on top.
  const top = await sharp(made['thumb-320']).extract({ left: 100, top: 40, width: 1, height: 1 }).raw().toBuffer()
  expect([Number(top[0]) > 200, Number(top[2]) < 60]).toEqual([true, true])
  const small = await sharp({ create: { width: 40, height: 30, channels: 4, background: '#00ff0080' } })
    .png()
    .toBuffer()
  const tiny = await thumbs(await add(small, 'photo', 'image/png'))
  expect(await sharp(tiny['thumb-1280']).metadata()).toMatchObject({ width: 40, height: 30 })
  const bitmap = ffmpeg('a.bmp', '-f', 'lavfi', '-i', 'testsrc=s=640x360', '-frames:v', '1')
  expect(await sharp((await thumbs(await add(bitmap, 'photo', 'image/bmp')))['thumb-320']).metadata()).toMatchObject({
    width: 320,
    height: 180,
  })
  expect(status()).toMatchObject({ failed: 0 })
})

test('a film shows a frame that is not black, turned as it is played; sounds show their cover or their wave', async () => {
  const late = lateFilm('late.mp4')
  start()
  const frame = (await thumbs(await add(late, 'video', 'video/mp4', 8000)))['thumb-320']
  expect(await isBlack(frame)).toBe(false)
  ffmpeg('flat.mp4', '-f', 'lavfi', '-i', 'testsrc=s=320x180:r=10:d=1', '-pix_fmt', 'yuv420p')
  const turned = ffmpeg('turned.mp4', '-i', join(folder.path, 'flat.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90')
  expect(await sharp((await thumbs(await add(turned, 'video', 'video/mp4', 1000)))['thumb-320']).metadata()).toMatchObject({
    width: 180,
    height: 320,
  })
  const wave = ffmpeg('a.flac', '-f', 'lavfi', '-i', 'sine=d=1')
  expect(await sharp((await thumbs(await add(wave, 'audio', 'audio/flac', 1000)))['thumb-320']).metadata()).toMatchObject({
    width: 320,
    height: 180,
  })
  writeFileSync(
    join(folder.path, 'cover.png'),
    await sharp({ create: { width: 200, height: 200, channels: 3, background: 'red' } })
      .png()
      .toBuffer(),
  )
  const song = ffmpeg(
    'c.mp3',
    '-i',
    join(folder.path, 'a.flac'),
    '-i',
    join(folder.path, 'cover.png'),
    '-map',
    '0',
    '-map',
    '1',
    '-c:v',
    'copy',
    '-disposition:v',
    'attached_pic',
  )
  expect(await sharp((await thumbs(await add(song, 'audio', 'audio/mpeg', 1000)))['thumb-320']).metadata()).toMatchObject({
    width: 200,
    height: 200,
  })
})

test('a RAW picture shows the preview it carries, turned by its own orientation', async () => {
  const preview = await sharp({ create: { width: 800, height: 600, channels: 3, background: 'orange' } })
    .jpeg()
    .toBuffer()
  // exiftool writes previews into JPEG containers only: this one stands for a RAW file, its own picture is 16 × 12.
  const raw = join(folder.path, 'raw.jpg')
  writeFileSync(join(folder.path, 'p.jpg'), preview)
  writeFileSync(
    raw,
    await sharp({ create: { width: 16, height: 12, channels: 3, background: 'orange' } })
      .jpeg()
      .toBuffer(),
  )
  const { exiftoolPath } = await import('exiftool-vendored')
  execFileSync(await exiftoolPath(), [
    '-q',
    '-overwrite_original',
    '-n',
    '-Orientation=6',
    `-ThumbnailImage<=${join(folder.path, 'p.jpg')}`,
    raw,
  ])
  start()
  const made = await thumbs(await add(readFileSync(raw), 'photo', 'image/x-adobe-dng'))
  expect(await sharp(made['thumb-1280']).metadata()).toMatchObject({ width: 600, height: 800 })
  writeFileSync(
    join(folder.path, 'b.dng'),
    await sharp({ create: { width: 16, height: 12, channels: 3, background: 'orange' } })
      .tiff()
      .toBuffer(),
  )
  expect(await failure(await add(readFileSync(join(folder.path, 'b.dng')), 'photo', 'image/x-adobe-dng'))).toMatch(/holds no preview/)
})

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** A PNG of 100,000 × 100,000 pixels in a few bytes. */
function bomb(): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(100_000, 0)
  header.writeUInt32BE(100_000, 4)
  header.set([1, 0, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(1_000_000))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

test('broken and hostile files fail in words, once, and the next one is made', async () => {
  const whole = await sharp({ create: { width: 600, height: 400, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer()
  start()
  const cut = await add(whole.subarray(0, whole.length / 2), 'photo', 'image/jpeg')
  const huge = await add(bomb(), 'photo', 'image/png')
  const playlist = await add(
    Buffer.from('#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n'),
    'video',
    'video/mp4',
    1000,
  )
  const concat = await add(Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n"), 'video', 'video/mp4', 1000)
  expect(await failure(cut)).toMatch(/This picture is broken/)
  expect(await failure(huge)).toMatch(/268 million pixels|broken/)
  expect(await failure(playlist)).toMatch(/This film is broken or of an unknown kind/)
  expect(await failure(concat)).toMatch(/This film is broken or of an unknown kind/)
  await thumbs(await add(whole, 'photo', 'image/jpeg'))
  await service?.stop()
  const failures = agent.ops('derivative.failed').length
  start()
  await thumbs(await add(Buffer.concat([whole, Buffer.from('x')]), 'photo', 'image/jpeg'))
  expect(agent.ops('derivative.failed')).toHaveLength(failures)
  expect(status()).toMatchObject({ failed: 8 })
})

test('work goes on where it was after a kill, is not done twice, and waits for sources and ffmpeg that are away', async () => {
  const film = ffmpeg('a.mp4', '-f', 'lavfi', '-i', 'testsrc=s=64x64:d=1', '-pix_fmt', 'yuv420p')
  const source = await add(film, 'video', 'video/mp4', 1000)
  const elsewhere = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  agent.add([ingested(sha(elsewhere), 'photo', 'image/png')])
  start(null)
  await waitFor(hasSaid(/until ffmpeg is installed/))
  await waitFor(() => status()?.waiting === 4)
  await service?.kill()
  start()
  await thumbs(source)
  await store.put(elsewhere)
  agent.add([{ kind: 'blob.stored', sha256: sha(elsewhere), sizeBytes: elsewhere.length, nodeId: agent.nodeId }])
  await thumbs(sha(elsewhere))
  await waitFor(() => status()?.state === 'idle')
  await service?.kill()
  agent.feedId = 'rebuilt'
  start()
  const last = await sharp({ create: { width: 8, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  await thumbs(await add(last, 'photo', 'image/png'))
  expect(agent.ops('derivative.made')).toHaveLength(6)
  expect(agent.ops('derivative.made').map((op) => op.recipeHash)).toContain(recipeHash('thumb-320'))
})

test('pause holds, resume goes on', async () => {
  start()
  await waitFor(() => status())
  await service?.command('pause')
  const source = await add(
    await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
      .png()
      .toBuffer(),
    'photo',
    'image/png',
  )
  await waitFor(() => status()?.state === 'paused' && status()?.waiting === 2)
  expect(agent.ops('derivative.made')).toEqual([])
  await service?.command('resume')
  await thumbs(source)
})

const OTHERS = { kind: 'photo', mimeType: 'image/jpeg', durationMs: null } as const
const FILM = { kind: 'video', mimeType: 'video/mp4' } as const
const READING = { recipe: 'media-info', recipeHash: recipeHash('media-info') }
const RECIPES = ['thumb-320', 'thumb-1280'].map((recipe) => ({ recipe, recipeHash: recipeHash(recipe as 'thumb-320') }))

function jobFor(source: string, sizeBytes: number, count: number): JobsOrder['jobs'][number] {
  const jobId = `derive/${source}/${'0'.repeat(16)}`
  return { ...OTHERS, holders: ['win11-editor'], jobId, fence: { term: 1, count }, source, sizeBytes, recipes: RECIPES }
}

/** As the leader orders; gives how each job stands. */
async function ordered(jobs: JobsOrder['jobs'], leaseMs = 60_000): Promise<Record<string, string>> {
  // Until it is up it takes no commands.
  const answer = await waitFor(async () => {
    const given = await service?.command('jobs', { leaseMs, jobs })
    return given?.ok === true ? given : null
  })
  const told = JobsAnswer.parse(answer.value)
  return Object.fromEntries(told.jobs.map(({ jobId, state }) => [jobId.split('/')[1] ?? '', state]))
}

const photo = (background: string) =>
  sharp({ create: { width: 900, height: 600, channels: 3, background } })
    .jpeg()
    .toBuffer()

test('a picture that only another machine has is fetched, also over a line that breaks, and its previews are made here', async () => {
  const bytes = await photo('blue')
  const source = sha(bytes)
  agent.sources.set(source, bytes)
  agent.brittle.add(source)
  start()
  const job = jobFor(source, bytes.length, 1)
  await ordered([job])
  const made = await thumbs(source)
  expect(await sharp(made['thumb-320']).metadata()).toMatchObject({ width: 320 })
  expect(await waitFor(async () => (await ordered([job]))[source] === 'done')).toBe(true)
  expect(readdirSync(join(folder.path, 'state', 'deriver-scratch'))).toEqual([])
  expect(await store.has(source)).toBe(false)
  // Given once more, by another leader: it is done already, and nothing is told twice.
  await ordered([])
  expect(await waitFor(async () => (await ordered([{ ...job, fence: { term: 2, count: 1 } }]))[source] === 'done')).toBe(true)
  expect(agent.ops('derivative.made')).toHaveLength(2)
})

test('what cannot be had, is broken, or is given to another meanwhile ends as it should', async () => {
  const broken = Buffer.from('\u00ff\u00d8\u00ff not a picture', 'latin1')
  agent.sources.set(sha(broken), broken)
  const nowhere = sha(Buffer.from('nowhere'))
  start()
  const jobs = [jobFor(sha(broken), broken.length, 1), jobFor(nowhere, 10, 2), jobFor(sha(Buffer.from('huge')), 9e9, 3)]
  expect(
    await waitFor(async () => {
      const told = await ordered(jobs)
      return Object.values(told).every((state) => state === 'failed' || state === 'cannot') ? told : null
    }),
  ).toEqual({ [sha(broken)]: 'failed', [nowhere]: 'cannot', [sha(Buffer.from('huge'))]: 'cannot' })
  expect(await failure(sha(broken))).not.toBe('')
  expect(agent.ops('derivative.failed').every(({ sourceSha256 }) => sourceSha256 === sha(broken))).toBe(true)
  // Under a later fence it is tried again; what the leader names no more is forgotten.
  const bytes = await photo('red')
  const [, second] = jobs
  if (!second) throw new Error('two')
  const had = { ...second, source: sha(bytes), jobId: `derive/${sha(bytes)}/${'0'.repeat(16)}`, sizeBytes: bytes.length }
  await waitFor(async () => (await ordered([had]))[sha(bytes)] === 'cannot')
  agent.sources.set(sha(bytes), bytes)
  expect(await ordered([had])).toEqual({ [sha(bytes)]: 'cannot' })
  await ordered([{ ...had, fence: { term: 1, count: 9 } }])
  await thumbs(sha(bytes))
  expect(await ordered([])).toEqual({})
})

test('own pictures and those of others take turns', async () => {
  const own = await Promise.all(['#100000', '#200000', '#300000', '#400000'].map(photo))
  for (const bytes of own) await add(bytes, 'photo', 'image/jpeg')
  const others = await Promise.all(['#000010', '#000020'].map(photo))
  for (const bytes of others) agent.sources.set(sha(bytes), bytes)
  start()
  await ordered(others.map((bytes, n) => jobFor(sha(bytes), bytes.length, n + 1)))
  for (const bytes of [...own, ...others]) await thumbs(sha(bytes))
})

test('a film that nobody could read is read where ffmpeg is installed later, and its picture is chosen by its length', async () => {
  const source = await addUnread(lateFilm('late.mp4'), 'video', 'video/mp4')
  start(null)
  await waitFor(hasSaid(/until ffmpeg is installed, or another machine/))
  expect([agent.ops('asset.probed'), await waitFor(() => status()?.waiting === 3)]).toEqual([[], true])
  await service?.stop()
  start()
  expect(await probed(source)).toMatchObject({
    assetKind: 'video',
    recipeHash: recipeHash('media-info'),
    problem: null,
    media: { mimeType: 'video/mp4', durationMs: 8_000, fps: 10, videoCodec: 'h264', width: 320, height: 180 },
  })
  expect(await isBlack((await thumbs(source))['thumb-320'])).toBe(false)
  await waitFor(() => status()?.state === 'idle')
  await service?.kill()
  agent.feedId = 'rebuilt'
  start()
  await thumbs(await add(await photo('green'), 'photo', 'image/jpeg'))
  expect([agent.ops('asset.probed').length, status()?.failed]).toEqual([1, 0])
})

test('what was taken in before there was a reader is read by the first version that has one', async () => {
  const source = await addUnread(lateFilm('late.mp4'), 'video', 'video/mp4')
  const before = openIndexDb(join(folder.path, 'state'))
  setMeta(before, 'deriver.feed', agent.feedId)
  setMeta(before, 'deriver.position', String(agent.entries.length))
  before.close()
  start()
  expect(await probed(source)).toMatchObject({ media: { durationMs: 8_000 } })
})

test('a film without a picture turns out to be a sound, and one that is wanted for its length alone gets no preview', async () => {
  const sound = await addUnread(ffmpeg('sound.mp4', '-f', 'lavfi', '-i', 'sine=d=1'), 'video', 'video/mp4')
  start()
  expect(await probed(sound)).toMatchObject({ assetKind: 'audio', media: { mimeType: 'audio/mp4', durationMs: 1_000, audioCodec: 'aac' } })
  expect(await sharp((await thumbs(sound))['thumb-320']).metadata()).toMatchObject({ width: 320, height: 180 })
  const film = ffmpeg('film.mkv', '-f', 'lavfi', '-i', 'testsrc=s=64x64:r=10:d=2')
  agent.sources.set(sha(film), film)
  await ordered([{ ...jobFor(sha(film), film.length, 1), ...FILM, mimeType: 'video/x-matroska', recipes: [READING] }])
  expect(await probed(sha(film))).toMatchObject({ media: { durationMs: 2_000, container: 'matroska,webm' } })
  expect(agent.ops('derivative.made').filter(({ sourceSha256 }) => sourceSha256 === sha(film))).toEqual([])
})

test('a file that only its name calls a film is told to be broken, once, by whoever finds out', async () => {
  const text = Buffer.from('This is no film at all.\n'.repeat(40))
  const source = await addUnread(text, 'video', 'video/mp4')
  const empty = Buffer.from('another one')
  agent.sources.set(sha(empty), empty)
  start()
  const { problem, media } = await probed(source)
  expect([problem, media.container]).toEqual([expect.stringMatching(/is broken/), null])
  expect(await failure(source)).toMatch(/This film is broken/)
  const job = { ...jobFor(sha(empty), empty.length, 1), ...FILM, recipes: [...RECIPES, READING] }
  expect(await waitFor(async () => (await ordered([job]))[sha(empty)] === 'failed')).toBe(true)
  expect(await probed(sha(empty))).toMatchObject({ problem: expect.stringMatching(/is broken/) })
  await service?.kill()
  start()
  await thumbs(await add(await photo('green'), 'photo', 'image/jpeg'))
  expect([agent.ops('asset.probed').length, agent.ops('derivative.failed').map(({ recipe }) => recipe)]).toEqual([
    2,
    [...RECIPES, ...RECIPES].map(({ recipe }) => recipe),
  ])
})

/** 100 MB and more, with what says where everything is at its end, as cameras write it. */
const longFilm = (name: string): Buffer =>
  ffmpeg(name, '-f', 'lavfi', '-i', 'testsrc2=s=960x540:r=25:d=16,noise=alls=40', '-c:v', 'mjpeg', '-q:v', '3', '-pix_fmt', 'yuvj420p')

test('of a film of another machine only some parts are read; where ffmpeg is missing, nothing is asked for', async () => {
  const film = longFilm('theirs.mov')
  agent.sources.set(sha(film), film)
  const job = { ...jobFor(sha(film), film.length, 1), ...FILM, mimeType: 'video/quicktime', recipes: [...RECIPES, READING] }
  start(null)
  expect(await waitFor(async () => (await ordered([job]))[sha(film)] === 'cannot')).toBe(true)
  expect(agent.askedSources).toEqual([])
  await service?.stop()
  start()
  expect(await waitFor(async () => (await ordered([job]))[sha(film)] === 'done')).toBe(true)
  expect((await probed(sha(film))).media).toMatchObject({ durationMs: 16_000, videoCodec: 'mjpeg', width: 960 })
  expect(await isBlack((await thumbs(sha(film)))['thumb-320'])).toBe(false)
  expect(film.length).toBeGreaterThan(100e6)
  expect(agent.sentBytes).toBeLessThan(film.length / 2)
  expect(readdirSync(join(folder.path, 'state', 'deriver-scratch'))).toEqual([])
})

test('a line that breaks while a film is read says nothing about the film: it is tried again', async () => {
  const film = lateFilm('theirs.mp4')
  agent.sources.set(sha(film), film)
  agent.brittle.add(sha(film))
  start()
  const job = { ...jobFor(sha(film), film.length, 1), ...FILM, recipes: [...RECIPES, READING] }
  expect(await waitFor(async () => (await ordered([job]))[sha(film)] === 'cannot')).toBe(true)
  expect([agent.ops('asset.probed'), agent.ops('derivative.failed'), agent.ops('derivative.made')]).toEqual([[], [], []])
  await ordered([{ ...job, fence: { term: 1, count: 2 } }])
  await thumbs(sha(film))
  expect((await probed(sha(film))).media.durationMs).toBe(8_000)
})

test('where exiftool does not run, pictures get their previews all the same, and are read when it does', async () => {
  const source = await addUnread(
    await sharp(await photo('blue'))
      .png()
      .toBuffer(),
    'photo',
    'image/png',
  )
  vi.stubEnv('PATH', folder.path) // no Perl there
  start()
  vi.unstubAllEnvs()
  await thumbs(source)
  await waitFor(hasSaid(/until exiftool runs here/))
  expect([agent.ops('asset.probed'), agent.ops('derivative.failed'), await waitFor(() => status()?.waiting === 1)]).toEqual([[], [], true])
  await service?.stop()
  start()
  expect(await probed(source)).toMatchObject({ problem: null, media: { width: 900, height: 600 } })
})
