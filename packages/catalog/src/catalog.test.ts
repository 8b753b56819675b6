import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { migrate } from '@thatdam/db/migrate'
import { ensureDatabase, startPostgres, type Postgres } from '@thatdam/db/postgres'
import type { OpFeed, OpFeedEntry } from '@thatdam/protocol/local'
import type { MediaInfo, OpBody } from '@thatdam/protocol/ops'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { fieldEdit } from './conflicts.ts'
import { type FeedSource, follow, type Follower } from './follow.ts'
import { ingest, readCursor } from './ingest.ts'
import { countAssets, getAsset, listAssets, listCameraModels, listKnownCameras } from './search.ts'

let postgres: Postgres
let dir: string
let pool: pg.Pool
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'thatdam-catalog-'))
  postgres = await startPostgres({ dataDir: dir })
})
afterAll(async () => {
  await postgres.stop()
  await rm(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  const url = await ensureDatabase(postgres, `c${randomUUID().replaceAll('-', '')}`)
  await migrate(url)
  pool = new pg.Pool({ connectionString: url, max: 4 })
  pool.on('error', () => undefined)
})
afterEach(() => pool.end())

const hex = (n: number, length = 64): string => n.toString(16).padStart(length, '0')
const hlc = (ms: number, node = 'pi5'): string => `${String(1_700_000_000_000 + ms).padStart(13, '0')}-000000-${node}`
let opCounter = 0
const entry = (position: number, body: OpBody, at: string = hlc(position)): OpFeedEntry => ({
  position,
  nodeId: 'pi5',
  op: { id: hex(++opCounter, 32), hlc: at, body },
})
const feed = (entries: OpFeedEntry[], feedId = 'a'): OpFeed => ({ feedId, entries, position: entries.at(-1)?.position ?? 0 })
const media = (extra: Partial<MediaInfo> = {}): MediaInfo => ({
  mimeType: 'image/jpeg',
  width: 4000,
  height: 3000,
  durationMs: null,
  fps: null,
  container: null,
  videoCodec: null,
  audioCodec: null,
  bitRate: null,
  orientation: 1,
  takenAtMs: null,
  takenAtZone: null,
  cameraMake: null,
  cameraModel: null,
  lens: null,
  timecode: null,
  latitude: null,
  longitude: null,
  ...extra,
})
const ingested = (n: number, title: string, extra: Partial<MediaInfo> = {}): OpBody => ({
  kind: 'asset.ingested',
  assetId: hex(n),
  sizeBytes: 1000 + n,
  assetKind: extra.durationMs === undefined ? 'photo' : 'video',
  title,
  origin: 'indexed',
  media: media(extra),
  capture: null,
})
const seen = (n: number, name: string, modifiedAtMs = 5): OpBody => ({
  kind: 'location.seen',
  assetId: hex(n),
  nodeId: 'pi5',
  root: '/media',
  path: { encoding: 'utf8', value: name },
  sizeBytes: 1,
  modifiedAtMs,
})
const set = (n: number, field: 'title' | 'note' | 'rating' | 'trashed', value: string | number | boolean): OpBody => ({
  kind: 'asset.set',
  subject: hex(n),
  field,
  value,
  replaces: null,
})
const titles = async (text: string, more: object = {}): Promise<string[]> =>
  (await listAssets(pool, { text, trashed: false, limit: 50, ...more })).assets.map((asset) => asset.title)

/** Everything the catalog holds, for comparing two of them. */
async function dump(): Promise<unknown> {
  const tables = ['assets', 'probes', 'locations', 'blobs', 'derivatives', 'fields', 'conflicts', 'cameras', 'captures', 'capture_gaps']
  const all = await Promise.all(
    tables.map((table) => pool.query(`SELECT to_jsonb(t) AS row FROM catalog_${table} t ORDER BY to_jsonb(t)::text`)),
  )
  return all.map((result) => result.rows)
}

test('the same batch again changes nothing, and an older one neither', async () => {
  const first = feed([entry(1, ingested(1, 'a.jpg')), entry(2, seen(1, 'x/a.jpg')), entry(3, set(1, 'title', 'Sunrise'))])
  const second = feed([entry(4, set(1, 'rating', 4)), entry(5, ingested(2, 'b.jpg'))])
  await ingest(pool, first)
  await ingest(pool, second)
  const before = await dump()
  await ingest(pool, first)
  await ingest(pool, second)
  expect(await dump()).toEqual(before)
  expect(await readCursor(pool)).toEqual({ feedId: 'a', position: 5 })
})

test('the catalog is the same whatever order the ops arrive in', async () => {
  const bodies: [OpBody, string][] = [
    [ingested(1, 'from-pi.jpg'), hlc(10, 'pi5')],
    [ingested(1, 'from-mac.jpg'), hlc(20, 'mac')],
    [set(1, 'title', 'early'), hlc(30, 'pi5')],
    [set(1, 'title', 'late'), hlc(40, 'mac')],
    [seen(1, 'a.jpg'), hlc(50)],
    [{ kind: 'location.gone', nodeId: 'pi5', root: '/media', path: { encoding: 'utf8', value: 'a.jpg' } }, hlc(60)],
    [seen(1, 'b.jpg'), hlc(55)],
  ]
  const shows = async () => {
    const asset = await getAsset(pool, hex(1))
    return { title: asset?.title, locations: asset?.locations.map((place) => place.path) }
  }
  for (const [round, order] of [bodies, bodies.toReversed()].entries()) {
    const feedId = `order-${round}`
    // One op a batch: between batches only what is stored decides.
    for (const [index, [body, at]] of order.entries()) await ingest(pool, feed([entry(index + 1, body, at)], feedId))
    expect(await shows()).toEqual({ title: 'late', locations: ['b.jpg'] })
  }
  await pool.query(`UPDATE catalog_fields SET field = 'x' WHERE field = 'title'`)
  await ingest(pool, feed([entry(8, set(1, 'rating', 2))], 'order-1'))
  expect(await shows()).toMatchObject({ title: 'from-pi.jpg' })
})

const probed = (n: number, extra: Partial<MediaInfo>, assetKind: 'video' | 'audio' = 'video'): OpBody => ({
  kind: 'asset.probed',
  assetId: hex(n),
  recipeHash: hex(90),
  assetKind,
  media: media({ mimeType: 'video/quicktime', width: null, height: null, orientation: null, ...extra }),
  problem: null,
})

test('what was read later fills a film’s length, date and kind, in whatever order it is told; what a person entered stays', async () => {
  const bodies: [OpBody, string][] = [
    [ingested(1, 'film.mov', { durationMs: null, lens: 'FE 35mm' }), hlc(10)],
    [set(1, 'title', 'Harbour'), hlc(20)],
    [set(1, 'trashed', true), hlc(21)],
    [probed(1, { durationMs: 1_000, container: 'old' }, 'audio'), hlc(30)],
    [probed(1, { durationMs: 9_000, container: 'mov', videoCodec: 'hevc', takenAtMs: 77, cameraMake: 'Sony' }), hlc(40, 'mac')],
    [ingested(1, 'copy.mov', { durationMs: null, lens: 'other' }), hlc(50, 'mac')],
  ]
  const dumps: unknown[] = []
  for (const [round, order] of [bodies, bodies.toReversed(), [...bodies.slice(3), ...bodies.slice(0, 3)]].entries()) {
    for (const [index, [body, at]] of order.entries()) await ingest(pool, feed([entry(index + 1, body, at)], `probed-${round}`))
    const asset = await getAsset(pool, hex(1))
    expect(asset).toMatchObject({ title: 'Harbour', trashed: true, kind: 'video', durationMs: 9_000, sortMs: 77, sizeBytes: 1_001 })
    expect(asset?.media).toMatchObject({ container: 'mov', videoCodec: 'hevc', lens: 'FE 35mm', width: 4_000 })
    expect(await titles('hevc sony 35mm', { trashed: true })).toEqual(['Harbour'])
    dumps.push(await pool.query('SELECT media, "ingestedMedia" FROM catalog_assets').then(({ rows }) => rows))
  }
  expect(dumps[1]).toEqual(dumps[0])
  expect(dumps[2]).toEqual(dumps[0])
})

test('an edit whose author issued it again with an earlier stamp no longer wins', async () => {
  const future = entry(2, set(1, 'title', 'from the future'), hlc(9_000_000))
  await ingest(pool, feed([entry(1, ingested(1, 'a.jpg')), future, entry(3, set(1, 'title', 'later'), hlc(5_000))]))
  expect((await getAsset(pool, hex(1)))?.title).toBe('from the future')
  await ingest(pool, feed([{ ...future, position: 4, op: { ...future.op, hlc: hlc(4_000) } }]))
  expect((await getAsset(pool, hex(1)))?.title).toBe('later')
  expect((await fieldEdit(pool, { noun: 'asset', subject: hex(1), field: 'title' })).replaces).not.toBe(future.op.id)
})

test('an edit that arrives before its asset is not lost', async () => {
  await ingest(pool, feed([entry(1, set(7, 'trashed', true)), entry(2, set(7, 'note', 'drone'))]))
  await ingest(pool, feed([entry(3, ingested(7, 'late.mov', { durationMs: 4000 }))]))
  expect((await getAsset(pool, hex(7)))?.trashed).toBe(true)
  expect(await titles('drone', { trashed: true })).toEqual(['late.mov'])
  expect((await fieldEdit(pool, { noun: 'asset', subject: hex(7), field: 'trashed' })).replaces).toMatch(/^[0-9a-f]{32}$/)
})

const camera = (name: string): OpBody => ({ kind: 'camera.seen', cameraId: 'cam', nodeId: 'pi5', name, cameraKind: 'v4l2' })

test('a recording is found by its camera’s name, also when the camera is heard of later, or by another name', async () => {
  const recorded: OpBody = {
    ...ingested(1, 'clip.mp4', { durationMs: 1 }),
    capture: { captureId: 'c', cameraId: 'cam', startedAtMs: 1, endedAtMs: 2 },
  } as OpBody
  await ingest(pool, feed([entry(1, recorded)]))
  await ingest(pool, feed([entry(2, camera('Garage'))]))
  expect(await titles('garage')).toEqual(['clip.mp4'])
  await ingest(pool, feed([entry(3, camera('Stable'))]))
  expect([await titles('garage'), await titles('stable')]).toEqual([[], ['clip.mp4']])
})

test('a new feed id rebuilds the catalog from nothing', async () => {
  await ingest(pool, feed([entry(1, ingested(1, 'old.jpg')), entry(2, ingested(2, 'both.jpg'))]))
  expect(await ingest(pool, feed([entry(3, ingested(3, 'x.jpg'))], 'b'))).toEqual({ feedId: 'b', position: 0 })
  await ingest(pool, feed([entry(1, ingested(2, 'both.jpg')), entry(2, ingested(3, 'new.jpg'))], 'b'))
  expect((await titles('')).toSorted()).toEqual(['both.jpg', 'new.jpg'])
})

test('names with umlauts, emoji, line feeds, NUL and half surrogates are stored and found', async () => {
  const names = ['Grünes Tal.jpg', 'party🎉.jpg', 'two\nlines.jpg', 'nul\0byte.jpg', 'half\uD800.jpg', 'IMG_1234.CR3', `quote'":*\\.jpg`]
  await ingest(pool, feed(names.map((name, index) => entry(index + 1, ingested(index + 1, name)))))
  expect(await titles('grun')).toEqual(['Grünes Tal.jpg'])
  expect(await titles('GRÜNES tal')).toEqual(['Grünes Tal.jpg'])
  expect(await titles('🎉')).toEqual(['party🎉.jpg'])
  expect(await titles('lines')).toEqual(['two\nlines.jpg'])
  expect(await titles('123')).toEqual(['IMG_1234.CR3'])
  expect(await titles(`quote'":* \\ ' & | !`)).toEqual([`quote'":*\\.jpg`])
  expect(await titles('byte')).toEqual(['nul\uFFFDbyte.jpg'])
})

test('search finds camera, lens, codec, folder; filters by kind, date, rating and camera', async () => {
  await ingest(
    pool,
    feed([
      entry(1, ingested(1, 'a.jpg', { cameraMake: 'Sony', cameraModel: 'ILCE-7M4', lens: 'FE 35mm F1.8', takenAtMs: 1000 })),
      entry(2, ingested(2, 'b.mov', { durationMs: 9000, videoCodec: 'hevc', takenAtMs: 2000 })),
      entry(3, seen(2, 'Holiday 2024/b.mov')),
      entry(4, set(2, 'rating', 5)),
    ]),
  )
  expect(await titles('sony 35mm')).toEqual(['a.jpg'])
  expect(await titles('hevc')).toEqual(['b.mov'])
  expect(await titles('holid')).toEqual(['b.mov'])
  expect(await titles('', { kinds: ['video'] })).toEqual(['b.mov'])
  expect(await titles('', { rating: 3 })).toEqual(['b.mov'])
  expect(await titles('', { fromMs: 500, toMs: 2000 })).toEqual(['a.jpg'])
  expect(await listCameraModels(pool)).toEqual([{ cameraModel: 'Sony ILCE-7M4', count: 1 }])
  expect(await titles('', { cameraModel: 'Sony ILCE-7M4' })).toEqual(['a.jpg'])
})

test('pages by time are whole and without repeats, also where times are equal', async () => {
  const entries = Array.from({ length: 57 }, (_, index) =>
    entry(index + 1, ingested(index + 1, `p${index}.jpg`, { takenAtMs: Math.floor(index / 10) })),
  )
  await ingest(pool, feed(entries))
  const ids: string[] = []
  let after: { sortMs: number; id: string } | undefined
  for (let page = 0; page < 20; page++) {
    const answer = await listAssets(pool, { trashed: false, limit: 10, after })
    ids.push(...answer.assets.map((asset) => asset.id))
    if (answer.next === null) break
    after = answer.next
  }
  expect(ids).toHaveLength(57)
  expect(new Set(ids).size).toBe(57)
  expect(ids[0]).toBe(hex(57))
  expect(await countAssets(pool, { trashed: false, limit: 1 })).toEqual({ count: 57, more: false })
})

test('thumbnails, stored copies, cameras and their names', async () => {
  const derivative = { sourceSha256: hex(1), recipe: 'thumb-320', recipeHash: hex(9) }
  const made: OpBody = {
    kind: 'derivative.made',
    ...derivative,
    sha256: hex(5),
    sizeBytes: 9,
    mimeType: 'image/webp',
    width: 320,
    height: 240,
  }
  await ingest(
    pool,
    feed([
      entry(1, ingested(1, 'a.jpg')),
      entry(2, made),
      entry(3, { kind: 'derivative.failed', ...derivative, reason: 'broken' }),
      entry(4, { kind: 'blob.stored', sha256: hex(1), sizeBytes: 1001, nodeId: 'pi5' }),
      entry(5, { kind: 'camera.seen', cameraId: 'cam-1', nodeId: 'pi5', name: 'USB Camera', cameraKind: 'v4l2' }),
      entry(6, { kind: 'camera.set', subject: 'cam-1', field: 'name', value: 'Door', replaces: null }),
    ]),
  )
  expect(await getAsset(pool, hex(1))).toMatchObject({ thumb: 'made', places: 1, storedOn: ['pi5'] })
  expect(await listKnownCameras(pool)).toEqual([{ id: 'cam-1', nodeId: 'pi5', name: 'Door', kind: 'v4l2' }])
})

type Held = { entries: readonly OpFeedEntry[]; feedId: string; down: boolean }

/** A feed held in memory behind the same interface as the agent's: whoever waits hears of every change at once. */
class MemoryFeed {
  #held: Held = { entries: [], feedId: 'm1', down: false }
  readonly #changes = new EventEmitter()

  set(next: Partial<Held>): void {
    this.#held = { ...this.#held, ...next }
    this.#changes.emit('change')
  }

  readonly source: FeedSource = async (after, limit, waitMs, signal) => {
    const end = AbortSignal.any([signal, AbortSignal.timeout(waitMs)])
    const asked = this.#held.feedId
    for (;;) {
      const { entries: all, feedId, down } = this.#held
      if (down) throw new Error('connection refused')
      const entries = all.filter((one) => one.position > after).slice(0, limit)
      if (entries.length > 0 || end.aborted || feedId !== asked) return { feedId, entries, position: entries.at(-1)?.position ?? after }
      await once(this.#changes, 'change', { signal: end }).catch(() => undefined)
    }
  }
}

test('following catches up, survives an agent that is away, resumes after a restart and rebuilds', async () => {
  const held = new MemoryFeed()
  const entries = Array.from({ length: 2500 }, (_, index) => entry(index + 1, ingested(index + 1, `f${index}.jpg`)))
  held.set({ entries })
  let follower: Follower = follow(pool, held.source, () => undefined)
  expect(await follower.waitFor(2500, 15_000)).toBe(true)
  held.set({ down: true })
  await expect.poll(() => follower.status().problem, { timeout: 10_000 }).toContain('does not answer')
  held.set({ down: false, entries: [...entries, entry(2501, set(1, 'title', 'again'))] })
  expect(await follower.waitFor(2501, 15_000)).toBe(true)
  await follower.stop()

  follower = follow(pool, held.source, () => undefined)
  await expect.poll(() => follower.status(), { timeout: 10_000 }).toMatchObject({ position: 2501, caughtUp: true })
  held.set({ feedId: 'm2', entries: [entry(1, ingested(4, 'only.jpg'))] })
  await expect.poll(() => follower.status(), { timeout: 40_000 }).toMatchObject({ feedId: 'm2', position: 1 })
  expect(await titles('')).toEqual(['only.jpg'])
  await follower.stop()
}, 60_000)
