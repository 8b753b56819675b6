import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync, readdirSync, chmodSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import sharp from 'sharp'
import type { IndexStatus } from '@thatdam/protocol/index-status'
import { isUnread } from '@thatdam/protocol/ops'
import { openIndexDb } from '@thatdam/store/index-db'
import { Outbox } from '@thatdam/store/outbox'
import { FakeAgent, hostService, temporaryFolder, waitFor, type HostedService } from '@thatdam/testkit/service-host'

const ENTRY = join(import.meta.dirname, 'process.ts')
// Real processes on a machine that may be busy: deadlines, not expectations.
vi.setConfig({ testTimeout: 120_000 })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let agent: FakeAgent
let service: HostedService | null = null
let media = ''

beforeEach(async () => {
  folder = await temporaryFolder('indexer')
  agent = await FakeAgent.start()
  media = join(folder.path, 'media')
  mkdirSync(media)
})
afterEach(async () => {
  await service?.stop()
  service = null
  await agent.close()
  await folder.remove()
})

function start(indexPaths: string[] = [media]): HostedService {
  service = hostService(ENTRY, agent, {
    service: 'indexer',
    indexPaths,
    stateDir: join(folder.path, 'state'),
    casRoot: join(folder.path, 'cas'),
  })
  return service
}
const status = (): IndexStatus | null => (service?.status() ?? null) as IndexStatus | null

/** The next round that finishes, which may be under way already; after the first one they have to be asked for. */
async function finished(): Promise<IndexStatus> {
  const before = status()?.lastFinishedAtMs ?? 0
  if (before > 0) await service?.command('rescan')
  return waitFor(() => {
    const now = status()
    return now?.state === 'idle' && (now.lastFinishedAtMs ?? 0) > before ? now : null
  })
}

/** What the next finished round says; by then one that began after this call has finished as well, and everything of it is appended. */
async function settled(): Promise<IndexStatus> {
  const isFirst = (status()?.lastFinishedAtMs ?? 0) === 0
  const found = await finished()
  // A round that the watcher began may have been past what was changed just before this call; the one after it was not.
  if (!isFirst) await finished()
  // What a round has to tell is in the outbox before it finishes, and leaves it when the agent has it.
  const db = openIndexDb(join(folder.path, 'state'))
  const outbox = new Outbox(db)
  await waitFor(() => outbox.size() === 0).finally(() => db.close())
  return found
}

/** Written a minute ago: not taken for a file that is still being copied. */
function put(name: string | Buffer, data: Uint8Array | string): void {
  const path = Buffer.concat([Buffer.from(`${media}/`), Buffer.from(name)])
  writeFileSync(path, data)
  old(path)
}
function old(path: string | Buffer): void {
  const minuteAgo = new Date(Date.now() - 60_000)
  utimesSync(path, minuteAgo, minuteAgo)
}
const sha = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')
async function picture(color: string): Promise<Buffer> {
  return sharp({ create: { width: 64, height: 48, channels: 3, background: color } })
    .withExif({
      IFD0: { Make: 'Acme', Model: 'Nine' },
      IFD2: { DateTimeOriginal: '2022:01:02 03:04:05', OffsetTimeOriginal: '+02:00' },
    })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
}

test('pictures, films and sounds become assets with what the files tell, once each, in batches', async () => {
  const red = await picture('red')
  put('red.jpg', red)
  mkdirSync(join(media, 'deep/er'), { recursive: true })
  put('deep/er/copy of red.jpg', red)
  execFileSync('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc=s=320x180:r=25:d=2',
    '-f',
    'lavfi',
    '-i',
    'sine=d=2',
    '-pix_fmt',
    'yuv420p',
    join(media, 'film.mp4'),
  ])
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=d=1', join(media, 'sound.flac')])
  old(join(media, 'film.mp4'))
  old(join(media, 'sound.flac'))
  put('notes.txt', 'not media')
  start()
  const done = await settled()
  expect(done).toMatchObject({ errorCount: 0, roots: [{ path: media, problem: null, filesSeen: 4 }], filesDone: 4, filesTotal: 4 })
  const assets = agent.ops('asset.ingested')
  expect(assets.map((asset) => asset.assetKind).toSorted()).toEqual(['audio', 'photo', 'video'])
  expect(assets.find((asset) => asset.assetKind === 'photo')).toMatchObject({
    assetId: sha(red),
    sizeBytes: red.length,
    origin: 'indexed',
    media: {
      mimeType: 'image/jpeg',
      width: 48,
      height: 64,
      orientation: 6,
      cameraMake: 'Acme',
      cameraModel: 'Nine',
      takenAtMs: Date.UTC(2022, 0, 2, 1, 4, 5),
      takenAtZone: '+02:00',
    },
  })
  expect(assets.find((asset) => asset.assetKind === 'video')?.media).toMatchObject({
    mimeType: 'video/mp4',
    width: 320,
    height: 180,
    fps: 25,
    durationMs: 2000,
    videoCodec: 'h264',
    audioCodec: 'aac',
  })
  expect(
    agent
      .ops('location.seen')
      .map((seen) => `${seen.root}|${seen.path.value}`)
      .toSorted(),
  ).toEqual(['deep/er/copy of red.jpg', 'film.mp4', 'red.jpg', 'sound.flac'].map((path) => `${media}|${path}`))
  expect(Math.max(...agent.appendSizes)).toBeLessThanOrEqual(200)
})

test('odd names are taken in as the disk has them', async () => {
  const names = [
    'two  spaces.jpg',
    'grüße (NFC).jpg',
    'grüße (NFD).jpg'.normalize('NFD'),
    '🦊 emoji.jpg',
    'new\nline.jpg',
    '-dash.jpg',
    '#hash%d.jpg',
    'quote\'";$(id).jpg',
  ]
  for (const [index, name] of names.entries()) put(name, Buffer.concat([await picture('blue'), Buffer.from(String(index))]))
  const broken = Buffer.from('6269c328642e6a7067', 'hex') // bi\xc3(d.jpg
  put(broken, Buffer.concat([await picture('blue'), Buffer.from('x')]))
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=s=64x64:d=1', join(media, 'plain.mp4')])
  put('-film\nline.mp4', readFileSync(join(media, 'plain.mp4')))
  rmSync(join(media, 'plain.mp4'))
  start()
  expect(await settled()).toMatchObject({ errorCount: 0, filesDone: names.length + 2 })
  const assets = agent.ops('asset.ingested')
  expect(assets).toHaveLength(names.length + 2)
  for (const asset of assets) expect([asset.title, asset.media.width]).toEqual([asset.title, asset.assetKind === 'photo' ? 48 : 64])
  const paths = agent.ops('location.seen').map((seen) => Buffer.from(seen.path.value, seen.path.encoding).toString('hex'))
  expect(paths.toSorted()).toEqual(
    [...names, '-film\nline.mp4']
      .map((name) => Buffer.from(name).toString('hex'))
      .concat(broken.toString('hex'))
      .toSorted(),
  )
  expect(readdirSync(join(folder.path, 'state/indexer-links'))).toEqual([])
})

test('broken, empty, unreadable and disguised files are told and harm nobody', async () => {
  put('empty.jpg', '')
  put('broken.jpg', 'this is no picture at all')
  put('cut.mp4', readFileSync(process.execPath).subarray(0, 5000))
  put('playlist.mp4', '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n')
  put('good.jpg', await picture('green'))
  put('locked.jpg', 'x')
  symlinkSync('/etc/hostname', join(media, 'link.jpg'))
  const root = process.getuid?.() === 0
  if (!root) chmodSync(join(media, 'locked.jpg'), 0)
  start()
  const done = await settled()
  const reasons = Object.fromEntries(done.errors.map((error) => [error.path.slice(media.length + 1), error.reason]))
  expect(Object.keys(reasons).toSorted()).toEqual(['broken.jpg', 'cut.mp4', 'empty.jpg', 'locked.jpg', 'playlist.mp4'])
  expect(reasons['empty.jpg']).toMatch(/empty/)
  expect(reasons['broken.jpg']).toMatch(/broken or has a wrong name/)
  expect(reasons['playlist.mp4']).toMatch(/broken/)
  const titles = agent.ops('asset.ingested').map((asset) => asset.title)
  expect(titles.toSorted()).toEqual(['broken.jpg', 'cut.mp4', 'good.jpg', ...(root ? ['locked.jpg'] : []), 'playlist.mp4'].toSorted())
})

test('unchanged files are not read again; a rename and a move read nothing; an edit and a removal are told', async () => {
  put('a.jpg', await picture('red'))
  put('b.jpg', await picture('blue'))
  mkdirSync(join(media, 'trip'))
  put('trip/c.jpg', await picture('green'))
  start()
  await settled()
  const before = agent.entries.length
  expect(await settled()).toMatchObject({ filesTotal: 0, bytesDone: 0 })
  expect(agent.entries.length).toBe(before)
  renameSync(join(media, 'trip'), join(media, 'voyage'))
  const renamed = await settled()
  expect(renamed).toMatchObject({ filesDone: 1, bytesDone: 0 })
  expect(agent.entries.slice(before).map((entry) => entry.op.body)).toMatchObject([
    { kind: 'location.gone', path: { value: 'trip/c.jpg' } },
    { kind: 'location.seen', path: { value: 'voyage/c.jpg' } },
  ])
  const edited = await picture('yellow')
  put('a.jpg', edited)
  rmSync(join(media, 'b.jpg'))
  await settled()
  expect(agent.ops('location.seen').at(-1)).toMatchObject({ assetId: sha(edited), path: { value: 'a.jpg' } })
  expect(agent.ops('location.gone').map((gone) => gone.path.value)).toEqual(['trip/c.jpg', 'b.jpg'])
})

test('a file that is still being written waits until it is quiet', async () => {
  writeFileSync(join(media, 'copying.jpg'), 'half')
  start()
  await settled()
  expect(agent.entries).toEqual([])
  const whole = await picture('red')
  put('copying.jpg', whole)
  await waitFor(() => agent.ops('location.seen').length === 1)
  expect(agent.ops('location.seen')[0]?.assetId).toBe(sha(whole))
})

test('missing, overlapping and own folders each say so, and the rest goes on; a drive that is away loses nothing', async () => {
  mkdirSync(join(media, 'inner'))
  put('inner/a.jpg', await picture('red'))
  mkdirSync(join(folder.path, 'cas/blobs'), { recursive: true })
  const drive = join(folder.path, 'drive')
  mkdirSync(drive)
  writeFileSync(join(drive, 'b.jpg'), await picture('blue'))
  old(join(drive, 'b.jpg'))
  const paths = [media, join(media, 'inner'), join(folder.path, 'nowhere'), join(folder.path, 'cas/blobs'), drive]
  start(paths)
  const done = await settled()
  expect(done.roots.map((root) => root.problem)).toEqual([
    null,
    expect.stringMatching(/lies inside .*media, which is indexed already/),
    expect.stringMatching(/is not there/),
    expect.stringMatching(/ThatDAM's own folder/),
    null,
  ])
  expect(agent.ops('location.seen')).toHaveLength(2)
  renameSync(drive, `${drive}-unplugged`)
  const away = await settled()
  expect(away.roots.at(-1)?.problem).toMatch(/What was indexed from it stays/)
  expect(agent.ops('location.gone')).toEqual([])
  renameSync(`${drive}-unplugged`, drive)
  const before = agent.entries.length
  expect(await settled()).toMatchObject({ filesTotal: 0 })
  expect(agent.entries.length).toBe(before)
})

test('pause holds the work, also over a restart; resume goes on; retry reads failed files again', async () => {
  start()
  await waitFor(() => status())
  await service?.command('pause')
  await service?.stop()
  put('a.jpg', 'broken')
  start()
  await waitFor(() => status()?.state === 'paused')
  expect(agent.entries).toEqual([])
  await service?.command('resume')
  await waitFor(() => agent.ops('location.seen').length === 1)
  await waitFor(() => status()?.state === 'idle' && status()?.errorCount === 1)
  expect(await service?.command('retry')).toMatchObject({ ok: true, value: { files: 1 } })
  await waitFor(() => agent.ops('location.seen').length === 2)
  await waitFor(() => status()?.state === 'idle' && status()?.errorCount === 1)
  expect(await service?.command('dance')).toMatchObject({ ok: false, value: { code: 'NOT_FOUND' } })
})

test('without ffmpeg, films are taken in unread, which is said; where it is there later, they are not told again', async () => {
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=s=64x64:r=10:d=2', '-pix_fmt', 'yuv420p', join(media, 'film.mkv')])
  old(join(media, 'film.mkv'))
  const stateDir = join(folder.path, 'state')
  service = hostService(ENTRY, agent, {
    service: 'indexer',
    indexPaths: [media],
    stateDir,
    casRoot: join(folder.path, 'cas'),
    ffprobePath: null,
  })
  await waitFor(() => agent.ops('asset.ingested').length === 1)
  await waitFor(() => service?.messages.some((message) => message.type === 'running' && /ffmpeg is missing/.test(message.reason)) ?? false)
  expect(agent.ops('asset.ingested').map(isUnread)).toEqual([true])
  await service.stop()
  start()
  await waitFor(() => status()?.state === 'idle' && status()?.lastFinishedAtMs !== null)
  expect(agent.ops('asset.ingested')).toHaveLength(1)
})

test('killed at any moment and started again: every file once, no duplicates, nothing lost; an agent that is away loses nothing', async () => {
  for (let index = 0; index < 300; index++) put(`${index}.jpg`, Buffer.concat([await picture('red'), Buffer.from(String(index))]))
  agent.refuse = true
  for (const wanted of [0, 40, 150]) {
    start()
    if (wanted === 0) await waitFor(() => (status()?.filesDone ?? 0) >= 1)
    else agent.refuse = false
    await waitFor(() => agent.ops('asset.ingested').length >= wanted)
    await service?.kill()
  }
  start()
  await waitFor(() => agent.ops('asset.ingested').length >= 300, 30_000)
  await settled()
  expect(new Set(agent.ops('asset.ingested').map((asset) => asset.assetId)).size).toBe(300)
  expect(new Set(agent.ops('location.seen').map((seen) => seen.path.value)).size).toBe(300)
  // Only the one batch that was under way at each kill may be told twice.
  expect(agent.ops('asset.ingested').length).toBeLessThanOrEqual(300 + 3 * 100)
  expect(agent.ops('location.gone')).toEqual([])
})
