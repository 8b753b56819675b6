import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { migrate } from '@thatdam/db/migrate'
import { ensureDatabase, startPostgres, type Postgres } from '@thatdam/db/postgres'
import { cleanUp, Machine } from '@thatdam/oplog/disk/testing/machine'
import type { OpFeed } from '@thatdam/protocol/local'
import type { MediaInfo, OpBody } from '@thatdam/protocol/ops'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { listConflicts } from './conflicts.ts'
import { follow } from './follow.ts'
import { ingest } from './ingest.ts'
import { getAsset } from './search.ts'

/* Real logs of real machines, and a database for each: what the catalog shows after a heal depends on the ops alone. */

let postgres: Postgres
let dir: string
const pools: pg.Pool[] = []
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'thatdam-both-sides-'))
  postgres = await startPostgres({ dataDir: dir })
})
afterAll(async () => {
  await postgres.stop()
  await rm(dir, { recursive: true, force: true })
})
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.end()
  cleanUp()
})

/** Kept from seed to seed: another machine's feed makes the catalog anew. */
const urls: string[] = []
async function kept(index: number): Promise<pg.Pool> {
  urls[index] ??= await freshDatabase()
  return connect(urls[index])
}

async function freshDatabase(): Promise<string> {
  const url = await ensureDatabase(postgres, `b${randomUUID().replaceAll('-', '')}`)
  await migrate(url)
  return url
}
const database = async (): Promise<pg.Pool> => connect(await freshDatabase())

function connect(url: string): pg.Pool {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined)
  pools.push(pool)
  return pool
}

/** Everything a catalog holds but its place in the feed. */
async function dump(pool: pg.Pool): Promise<Record<string, unknown[]>> {
  const tables = ['assets', 'probes', 'locations', 'blobs', 'derivatives', 'fields', 'conflicts', 'cameras', 'captures', 'capture_gaps']
  const all = await Promise.all(
    tables.map(async (table) => {
      const { rows } = await pool.query<{ row: unknown }>(`SELECT to_jsonb(t) AS row FROM catalog_${table} t ORDER BY to_jsonb(t)::text`)
      return [table, rows.map(({ row }) => row)] as const
    }),
  )
  return Object.fromEntries(all)
}

/** mulberry32: a seed replays a failure. */
function draws(seed: number): (below: number) => number {
  let a = seed
  return (below) => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * below)
  }
}

const hex = (n: number): string => n.toString(16).padStart(64, '0')
const media: MediaInfo = {
  mimeType: 'video/mp4',
  width: null,
  height: null,
  durationMs: 1000,
  fps: null,
  container: null,
  videoCodec: null,
  audioCodec: null,
  bitRate: null,
  orientation: null,
  takenAtMs: null,
  takenAtZone: null,
  cameraMake: null,
  cameraModel: null,
  lens: null,
  timecode: null,
  latitude: null,
  longitude: null,
}

type Draw = ReturnType<typeof draws>

const ingested = (n: number, title: string, draw: Draw): OpBody => ({
  kind: 'asset.ingested',
  assetId: hex(n),
  sizeBytes: n,
  assetKind: 'video',
  title,
  origin: 'recorded',
  media: { ...media, lens: `lens ${draw(3)}` },
  capture: draw(2) === 0 ? null : { captureId: `c${n}`, cameraId: `cam${draw(2)}`, startedAtMs: 5, endedAtMs: 9 },
})

const plain = (body: OpBody) => ({ key: null, body })

/** Any kind of op that a catalog shows, about few things, so that they meet. `seen`: ids of earlier edits, by field. */
function anyOp(nodeId: string, seen: Map<string, string[]>, draw: Draw): { key: string | null; body: OpBody } {
  const n = 1 + draw(12)
  const place = { nodeId, root: '/media', path: { encoding: 'utf8' as const, value: `${draw(3)}.mp4` } }
  const derivative = { sourceSha256: hex(n), recipe: 'thumb-320', recipeHash: hex(90) }
  const captureId = `c${n}`
  const cameraId = `cam${draw(2)}`
  switch (draw(15)) {
    case 0:
      return plain(ingested(n, `${nodeId}-${draw(100)}.mp4`, draw))
    case 1:
      return plain({ kind: 'location.seen', assetId: hex(n), ...place, sizeBytes: draw(9), modifiedAtMs: draw(99) })
    case 2:
      return plain({ kind: 'location.gone', ...place })
    case 3:
      return plain({ kind: 'blob.stored', sha256: hex(n), sizeBytes: draw(9), nodeId })
    case 4:
      return plain({ kind: 'derivative.failed', ...derivative, reason: `broken ${draw(9)}` })
    case 5:
      return plain({
        kind: 'derivative.made',
        ...derivative,
        sha256: hex(draw(9)),
        sizeBytes: 1,
        mimeType: 'image/webp',
        width: 1,
        height: 1,
      })
    case 6:
      return plain({ kind: 'camera.seen', cameraId, nodeId, name: `Camera ${draw(9)}`, cameraKind: 'v4l2' })
    case 7:
      return plain({ kind: 'capture.started', captureId, cameraId, startedAtMs: draw(99) })
    case 8:
      return plain({ kind: 'capture.stopped', captureId, cameraId, endedAtMs: draw(99), reason: draw(2) === 0 ? 'crash' : 'person' })
    case 9:
      return plain({ kind: 'capture.gap', captureId, cameraId, fromMs: draw(9), toMs: 9 })
    case 10: {
      const told = { durationMs: draw(3) === 0 ? null : draw(9), container: `mp4-${nodeId}`, takenAtMs: draw(2) === 0 ? null : draw(9) }
      const assetKind = draw(2) === 0 ? 'audio' : 'video'
      return plain({
        kind: 'asset.probed',
        assetId: hex(n),
        recipeHash: hex(91),
        assetKind,
        media: { ...media, ...told, lens: null },
        problem: null,
      })
    }
    default: {
      const field = (['title', 'note', 'rating', 'trashed'] as const)[draw(4)] ?? 'title'
      const key = `${n} ${field}`
      const before = seen.get(key) ?? []
      const replaces = before[draw(before.length + 1)] ?? null
      const also = before[draw(4 * before.length + 1)]
      const value = field === 'rating' ? draw(6) : field === 'trashed' ? draw(2) === 0 : `${nodeId} ${draw(4)}`
      return { key, body: { kind: 'asset.set', subject: hex(n), field, value, replaces, ...(also && { alsoReplaces: [also] }) } }
    }
  }
}

/** All batches of all authors' logs, each log in its order, the logs mixed by chance. */
function mixed(authors: readonly Machine[], draw: Draw): { by: Machine; batch: ReturnType<Machine['all']>[number] }[] {
  const queues = authors.flatMap((by) => (['ring', 'library'] as const).map((scope) => by.all(scope).map((batch) => ({ by, batch }))))
  const order: { by: Machine; batch: ReturnType<Machine['all']>[number] }[] = []
  for (;;) {
    const open = queues.filter((queue) => queue.length > 0)
    const next = open[draw(open.length)]?.shift()
    if (next === undefined) return order
    order.push(next)
  }
}

function feedOf(machine: Machine, after: number, limit: number): OpFeed {
  const entries = machine.log.read(after, limit)
  return { feedId: machine.log.feedId, entries, position: entries.at(-1)?.position ?? after }
}

test.each([1, 2, 3, 4])(
  'whatever order the logs arrive in, and in whatever parts, every catalog holds the same rows (seed %i)',
  async (seed) => {
    const draw = draws(seed)
    const authors = ['pi', 'win', 'mac'].map((nodeId) => new Machine(nodeId))
    const seen = new Map<string, string[]>()
    for (let count = 0; count < 220; count += 1) {
      const by = authors[draw(3)] as Machine
      by.now += draw(40)
      const { key, body } = anyOp(by.nodeId, seen, draw)
      const [added] = by.log.append([{ body }])
      if (key !== null && added !== undefined) seen.set(key, [...(seen.get(key) ?? []), added.id])
    }
    const dumps: Record<string, unknown[]>[] = []
    for (const [index, name] of ['one', 'two', 'three'].entries()) {
      const machine = new Machine(name)
      const pool = await kept(index)
      let position = 0
      for (const { by, batch } of mixed(authors, draw)) {
        machine.log.importBatch(batch, by.author(true))
        if (draw(3) > 0) continue
        position = (await ingest(pool, feedOf(machine, position, 1 + draw(20)))).position
      }
      while (position < machine.log.position) position = (await ingest(pool, feedOf(machine, position, 1000))).position
      dumps.push(await dump(pool))
    }
    expect(dumps[0]?.['fields']?.length).toBeGreaterThan(5)
    for (const other of dumps.slice(1)) expect(other).toEqual(dumps[0])
  },
  60_000,
)

/** Brings two machines' logs to each other. */
function heal(a: Machine, b: Machine): void {
  for (const [to, from] of [
    [a, b],
    [b, a],
  ] as const) {
    for (const scope of ['ring', 'library'] as const) {
      for (const batch of from.all(scope)) to.log.importBatch(batch, from.author(true))
    }
  }
}

test('edited on both sides of a cut: both consoles show the same value and the other to choose; chosen, it is settled on both', async () => {
  const [pi, win] = [new Machine('pi'), new Machine('win')]
  const [here, there] = [await database(), await database()]
  const catchUp = async (): Promise<void> => {
    for (const [machine, pool] of [
      [pi, here],
      [win, there],
    ] as const) {
      const { rows } = await pool.query<{ position: string }>('SELECT position FROM catalog_cursor')
      await ingest(pool, feedOf(machine, Number(rows[0]?.position ?? 0), 1000))
    }
  }
  const title = (value: string, replaces: string | null, more: { alsoReplaces?: string[] } = {}): OpBody => {
    return { kind: 'asset.set', subject: hex(1), field: 'title', value, replaces, ...more }
  }
  const [, first] = pi.log.append([{ body: ingested(1, 'a.mp4', draws(1)) }, { body: title('Holiday', null) }])
  heal(pi, win)
  await catchUp()
  pi.now += 1000
  win.now += 2000
  const [crete] = pi.log.append([{ body: title('Crete', first?.id ?? null) }])
  const [greece] = win.log.append([{ body: title('Greece', first?.id ?? null) }])
  // Both wrote the same note: there is nothing to choose.
  const note: OpBody = { kind: 'asset.set', subject: hex(1), field: 'note', value: 'same', replaces: null }
  for (const machine of [pi, win]) machine.log.append([{ body: note }])
  await catchUp()
  expect([(await getAsset(here, hex(1)))?.title, (await getAsset(there, hex(1)))?.title]).toEqual(['Crete', 'Greece'])
  expect(await listConflicts(here, 'asset', hex(1))).toEqual([])
  heal(pi, win)
  await catchUp()
  const expected = [
    {
      field: 'title',
      shown: { opId: greece?.id, value: 'Greece', nodeId: 'win', atMs: win.now },
      others: [{ opId: crete?.id, value: 'Crete', nodeId: 'pi', atMs: pi.now }],
    },
  ]
  for (const pool of [here, there]) {
    expect((await getAsset(pool, hex(1)))?.title).toBe('Greece')
    expect(await listConflicts(pool, 'asset', hex(1))).toEqual(expected)
  }
  expect(await dump(here)).toEqual(await dump(there))
  pi.log.append([{ body: title('Crete', greece?.id ?? null, { alsoReplaces: [crete?.id ?? ''] }) }])
  heal(pi, win)
  await catchUp()
  for (const pool of [here, there]) {
    expect((await getAsset(pool, hex(1)))?.title).toBe('Crete')
    expect(await listConflicts(pool, 'asset', hex(1))).toEqual([])
  }
  expect(await dump(here)).toEqual(await dump(there))
}, 60_000)

test('a roster that turns out to be another one rebuilds the feed, and the catalog makes itself anew from nothing', async () => {
  const [pi, zero] = [new Machine('pi'), new Machine('zero')]
  const pool = await database()
  pi.log.append([{ body: ingested(1, 'a.mp4', draws(1)) }])
  zero.now += 1000
  zero.log.append([{ body: { kind: 'asset.set', subject: hex(1), field: 'trashed', value: true, replaces: null } }])
  for (const batch of zero.all()) pi.log.importBatch(batch, zero.author(true))
  const source = async (after: number, limit: number, waitMs: number, signal: AbortSignal): Promise<OpFeed> => {
    if (waitMs > 0) await pi.log.waitFor(after, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]))
    return feedOf(pi, after, limit)
  }
  const follower = follow(pool, source, () => undefined)
  await follower.waitFor(2, 10_000)
  expect((await getAsset(pool, hex(1)))?.trashed).toBe(true)
  const asMember = { publicKey: zero.signer.publicKey, admitter: false }
  pi.log.rejudge((nodeId) => (nodeId === 'pi' ? pi.author(true) : asMember))
  await expect.poll(async () => (await getAsset(pool, hex(1)))?.trashed, { timeout: 10_000 }).toBe(false)
  await expect.poll(() => follower.status(), { timeout: 10_000 }).toMatchObject({ feedId: pi.log.feedId, position: 1 })
  await follower.stop()
  const fresh = await database()
  await ingest(fresh, feedOf(pi, 0, 1000))
  expect(await dump(pool)).toEqual(await dump(fresh))
}, 60_000)
