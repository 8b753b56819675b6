import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { getMeta, openIndexDb, setMeta } from './index-db.ts'
import { Locations, type FileIdentity } from './locations.ts'
import { Outbox } from './outbox.ts'

let folder = ''
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'thatdam-index-'))))
afterEach(() => rm(folder, { recursive: true }))

const identity = (inode: bigint): FileIdentity => ({ size: 10n, mtimeNs: 1_700_000_000_123_456_789n, inode, device: '2049' })
const SHA = 'ab'.repeat(32)

test('names are bytes, times are exact, and two processes see the same', () => {
  const writing = openIndexDb(folder)
  const reading = openIndexDb(folder)
  const locations = new Locations(writing)
  const root = locations.rootId('/media')
  locations.setRootActive(root, true)
  const at = locations.folder(root, Buffer.from('a/b'))
  const name = Buffer.from('62c328', 'hex')
  locations.putFile(at.id, { name, ...identity(-5n), sha256: SHA, state: 'done', reason: null })
  expect(new Locations(reading).find(SHA)).toEqual([
    { root: '/media', path: Buffer.concat([Buffer.from('a/b/'), name]), sizeBytes: 10, mtimeNs: 1_700_000_000_123_456_789n },
  ])
  expect(locations.findSame(identity(-5n))?.sha256).toBe(SHA)
  expect(locations.findSame({ ...identity(-5n), device: '7' })).toBeNull()
  locations.setMissing(at.id, name, 3)
  expect(new Locations(reading).find(SHA)).toEqual([])
  locations.setMissing(at.id, name, 0)
  locations.setRootActive(root, false)
  expect(new Locations(reading).find(SHA)).toEqual([])
  writing.close()
  reading.close()
})

test('pending files come in one order, a chunk at a time', () => {
  const db = openIndexDb(folder)
  const locations = new Locations(db)
  const root = locations.rootId('/media')
  locations.setRootActive(root, true)
  for (const path of ['', 'x', 'y']) {
    const at = locations.folder(root, Buffer.from(path))
    for (const name of ['1', '2', '3'])
      locations.putFile(at.id, { name: Buffer.from(name), ...identity(1n), sha256: null, state: 'pending', reason: null })
  }
  expect(locations.pendingTotals()).toEqual({ files: 9, bytes: 90 })
  const seen: string[] = []
  for (let after: ReturnType<Locations['pending']>[number] | null = null; ;) {
    const chunk = locations.pending(after, 4)
    seen.push(...chunk.map((file) => `${file.folderPath.toString()}/${file.name.toString()}`))
    after = chunk.at(-1) ?? null
    if (after === null) break
  }
  expect(seen).toEqual(['', 'x', 'y'].flatMap((path) => ['1', '2', '3'].map((name) => `${path}/${name}`)))
  db.close()
})

test('the outbox keeps its order and forgets only what was acknowledged', () => {
  const db = openIndexDb(folder)
  const outbox = new Outbox(db)
  for (const size of [1, 2, 3]) outbox.add({ kind: 'blob.stored', sha256: SHA, sizeBytes: size, nodeId: 'a' })
  const first = outbox.peek(2)
  expect(first.bodies).toMatchObject([{ sizeBytes: 1 }, { sizeBytes: 2 }])
  outbox.acknowledge(first.lastId)
  db.close()
  const again = openIndexDb(folder)
  expect(new Outbox(again).peek(10).bodies).toMatchObject([{ sizeBytes: 3 }])
  again.close()
})

test('a damaged index is set aside and begun anew; a newer one is left alone', async () => {
  await writeFile(join(folder, 'index.db'), 'this is no database, this is no database, this is no database'.repeat(20))
  const db = openIndexDb(folder)
  setMeta(db, 'a', 'b')
  expect(getMeta(db, 'a')).toBe('b')
  expect((await readdir(folder)).filter((name) => name.startsWith('index.db.damaged-'))).toHaveLength(1)
  db.exec('PRAGMA user_version=99')
  db.close()
  expect(() => openIndexDb(folder)).toThrow(/newer ThatDAM. Update this one/)
})

test('a transaction that fails leaves nothing', () => {
  const db = openIndexDb(folder)
  const locations = new Locations(db)
  expect(() =>
    locations.transaction(() => {
      setMeta(db, 'half', 'done')
      throw new Error('stop')
    }),
  ).toThrow('stop')
  expect(getMeta(db, 'half')).toBeNull()
  db.close()
})

test('many processes may begin a new index in the same moment', async () => {
  const script = `import { openIndexDb } from ${JSON.stringify(join(import.meta.dirname, 'index-db.ts'))}; openIndexDb(process.argv[1]).close()`
  const run = promisify(execFile)
  const starts = Array.from({ length: 4 }, () => run(process.execPath, ['--input-type=module', '-e', script, folder]))
  expect(await Promise.all(starts)).toHaveLength(4)
}, 90_000)
