import { chmodSync, mkdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openIndexDb } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import { temporaryFolder } from '@thatdam/testkit/service-host'
import { folderKey, isOnlyOnline, walkRoot, type WalkOptions, type WalkResult } from './walk.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let db: DatabaseSync
let locations: Locations
let root = ''
let rootId = 0
let scan = 0

beforeEach(async () => {
  folder = await temporaryFolder('walk')
  db = openIndexDb(join(folder.path, 'state'))
  locations = new Locations(db)
  root = join(folder.path, 'root')
  mkdirSync(join(root, 'nas/2020'), { recursive: true })
  rootId = locations.rootId(root)
  locations.setRootActive(rootId, true)
  scan = 0
})
afterEach(async () => {
  db.close()
  await folder.remove()
})

function walk(more: Partial<WalkOptions> = {}): Promise<WalkResult> {
  scan++
  const signal = new AbortController().signal
  return walkRoot({ locations, rootId, root, scan, excluded: [join(root, 'cas')], signal, onEmptied: () => {}, ...more })
}
function gone(result: WalkResult): string[] {
  return result.complete ? locations.takeGone(rootId, scan, result.isKept, 1000).map((one) => one.path.toString()) : []
}
/** As if the folder had been walked on another disk. */
function otherDisk(path: string): void {
  db.prepare("UPDATE folders SET device = 'another' WHERE path = ?").run(Buffer.from(path))
}
const put = (path: string): void => writeFileSync(join(root, path), 'x')

test('what vanished from a complete walk is gone, and nothing else', async () => {
  for (const path of ['a.jpg', 'nas/b.jpg', 'nas/2020/c.jpg']) put(path)
  expect((await walk()).filesSeen).toBe(3)
  rmSync(join(root, 'nas/2020'), { recursive: true })
  rmSync(join(root, 'a.jpg'))
  expect(gone(await walk()).toSorted()).toEqual(['a.jpg', 'nas/2020/c.jpg'])
  expect(gone(await walk())).toEqual([])
})

test('our own folders, markers and hidden ones are not walked into', async () => {
  for (const path of ['cas', 'other', '.hidden']) {
    mkdirSync(join(root, path))
    put(`${path}/a.jpg`)
  }
  writeFileSync(join(root, 'other/.thatdam'), '')
  expect((await walk()).filesSeen).toBe(0)
})

const windows = (path: string): string => folderKey(Buffer.from(path), 'win32')
const linux = (path: string): string => folderKey(Buffer.from(path), 'linux')

test('our own folder is known by whatever spelling the system has for it', () => {
  expect(windows('C:\\Users\\Ann/AppData/Local')).toBe(windows('c:\\users\\ann\\AppData\\Local'))
  expect(windows('D:\\/ThatDAM')).toBe(windows('D:\\thatdam'))
  expect(windows('\\\\nas\\media/store')).toBe(windows('\\\\NAS\\media\\store'))
  expect(windows('D:\\a')).not.toBe(windows('D:\\a\\b'))
  expect(linux('//var/lib')).toBe(linux('/var/lib'))
  expect(linux('/Var')).not.toBe(linux('/var'))
  expect(linux('/a\\b')).not.toBe(linux('/a/b'))
})

test('an empty mount point in the place of a drive empties nothing, and the drive is known when it is back', async () => {
  for (const path of ['a.jpg', 'nas/b.jpg', 'nas/2020/c.jpg']) put(path)
  await walk()
  renameSync(join(root, 'nas'), join(folder.path, 'unplugged'))
  mkdirSync(join(root, 'nas'))
  otherDisk('nas')
  for (let round = 0; round < 3; round++) expect(gone(await walk())).toEqual([])
  rmSync(join(root, 'nas'), { recursive: true })
  renameSync(join(folder.path, 'unplugged'), join(root, 'nas'))
  await walk()
  rmSync(join(root, 'nas/b.jpg'))
  expect(gone(await walk())).toEqual(['nas/b.jpg'])
})

test('a root that is another disk with nothing known on it is away; one with known files is taken', async () => {
  put('nas/b.jpg')
  await walk()
  otherDisk('')
  renameSync(join(root, 'nas'), join(folder.path, 'unplugged'))
  for (let round = 0; round < 3; round++) {
    const result = await walk()
    expect([result.rootIsAway, result.complete, gone(result)]).toEqual([true, false, []])
  }
  renameSync(join(folder.path, 'unplugged'), join(root, 'nas'))
  const back = await walk()
  expect([back.rootIsAway, gone(back)]).toEqual([false, []])
  rmSync(join(root, 'nas/b.jpg'))
  expect(gone(await walk())).toEqual(['nas/b.jpg'])
})

const pending = (): number => locations.pendingTotals().files
/** As if what is pending had been read, and the disk were mounted anew. */
const readAll = (): void => db.exec("UPDATE files SET state = 'done', inode = inode + 1 WHERE state = 'pending'")
const EXT4 = 0xef53n

test.each([
  ['FAT', 0x4d44n],
  ['exFAT', 0x2011bab0n],
  ['FUSE', 0x65735546n],
  ['SMB2, as a 32-bit system tells it', BigInt.asIntN(32, 0xfe534d42n)],
])('%s: files that are numbered anew at a mount are the same files', async (_name, type) => {
  put('nas/b.jpg')
  const fileSystemType = () => type
  await walk({ fileSystemType })
  expect(pending()).toBe(1)
  readAll()
  await walk({ fileSystemType })
  expect(pending()).toBe(0)
  await walk({ fileSystemType: () => EXT4 })
  expect(pending()).toBe(1)
  readAll()
  await walk({ fileSystemType })
  expect(pending()).toBe(0)
  writeFileSync(join(root, 'nas/b.jpg'), 'other')
  await walk({ fileSystemType })
  expect(pending()).toBe(1)
})

const reason = (): string | undefined => locations.errors(1)[0]?.reason

test('a file of a cloud folder that is not here is told and left alone, until it is here', async () => {
  const path = join(root, 'nas/film.mp4')
  const date = new Date(1_700_000_000_000)
  // A hole takes no blocks, as a file does that lies only in the cloud.
  writeFileSync(path, '')
  truncateSync(path, 100_000)
  utimesSync(path, date, date)
  await walk({ platform: 'linux' })
  expect(pending()).toBe(1)
  for (let round = 0; round < 2; round++) {
    await walk({ platform: 'darwin' })
    expect([pending(), reason()]).toEqual([0, expect.stringMatching(/only in the cloud .* keep it on this device/)])
  }
  writeFileSync(path, Buffer.alloc(100_000, 'x'), { flag: 'r+' })
  utimesSync(path, date, date)
  await walk({ platform: 'darwin' })
  expect([pending(), reason()]).toEqual([1, undefined])
})

test('only a large file without a block lies elsewhere, and not on Linux', () => {
  const stats = { size: 100_000n, blocks: 0n }
  expect([isOnlyOnline(stats, 'win32'), isOnlyOnline(stats, 'darwin'), isOnlyOnline(stats, 'linux')]).toEqual([true, true, false])
  expect([isOnlyOnline({ ...stats, size: 700n }, 'win32'), isOnlyOnline({ ...stats, blocks: 8n }, 'win32')]).toEqual([false, false])
})

test.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('an unreadable folder is told and keeps what is in it', async () => {
  put('nas/b.jpg')
  await walk()
  chmodSync(join(root, 'nas'), 0)
  const result = await walk()
  chmodSync(join(root, 'nas'), 0o700)
  expect([result.problems[0], gone(result)]).toEqual([expect.stringMatching(/nas cannot be read: give this user/), []])
})
