import { createHash, randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, statfs, writeFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openBlobStore } from './blob-store.ts'

let root = ''
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'thatdam-store-'))))
afterEach(() => rm(root, { recursive: true }))

const sha = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')
async function* pieces(...parts: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts
}
async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(source))
}

describe('blobs', () => {
  test('bytes come back whole and in ranges, named by their hash, in two levels of folders', async () => {
    const store = await openBlobStore(root, { reserveBytes: 0 })
    const data = randomBytes(3_000_000)
    const stored = await store.put(pieces(data.subarray(0, 7), data.subarray(7)))
    expect(stored).toEqual({ sha256: sha(data), sizeBytes: data.length, isNew: true })
    expect(await readFile(join(root, 'blobs', stored.sha256.slice(0, 2), stored.sha256.slice(2, 4), stored.sha256))).toEqual(data)
    expect(await collect(store.read(stored.sha256))).toEqual(data)
    expect(await collect(store.read(stored.sha256, 1_048_570, 1_048_590))).toEqual(data.subarray(1_048_570, 1_048_590))
    expect(await store.stat(stored.sha256)).toEqual({ sizeBytes: data.length })
    expect(await store.stat(sha('nothing'))).toBeNull()
    await expect(store.stat('../../etc/passwd')).rejects.toThrow(/64 lower-case hex/)
  })

  test('the same bytes twice are written once', async () => {
    const store = await openBlobStore(root, { reserveBytes: 0 })
    const first = await store.put(Buffer.from('same'))
    const path = join(root, 'blobs', first.sha256.slice(0, 2), first.sha256.slice(2, 4), first.sha256)
    const before = await stat(path, { bigint: true })
    expect(await store.put(Buffer.from('same'))).toMatchObject({ isNew: false, sha256: first.sha256 })
    expect(await store.put(pieces(Buffer.from('same')), { expectedSha256: first.sha256 })).toMatchObject({ isNew: false })
    expect(await stat(path, { bigint: true }).then((after) => [after.ino, after.mtimeNs])).toEqual([before.ino, before.mtimeNs])
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })

  test('bytes that are not what was announced are refused and leave nothing', async () => {
    const store = await openBlobStore(root, { reserveBytes: 0 })
    await expect(store.put(pieces(Buffer.from('b')), { expectedSha256: sha('a') })).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    const controller = new AbortController()
    controller.abort()
    await expect(store.put(pieces(Buffer.from('b')), { signal: controller.signal })).rejects.toThrow(/abort/i)
    expect([await Array.fromAsync(store.list()), await readdir(join(root, 'tmp'))]).toEqual([[], []])
  })

  test('a finished file is adopted by a rename, also when its blob is there already', async () => {
    const store = await openBlobStore(root, { reserveBytes: 0 })
    const file = join(root, 'finished.mp4')
    await writeFile(file, 'recording')
    const inode = (await stat(file)).ino
    expect(await store.adopt(file, sha('recording'))).toMatchObject({ isNew: true, sizeBytes: 9 })
    const path = join(root, 'blobs', sha('recording').slice(0, 2), sha('recording').slice(2, 4), sha('recording'))
    expect((await stat(path)).ino).toBe(inode)
    await writeFile(file, 'recording')
    expect(await store.adopt(file, sha('recording'))).toMatchObject({ isNew: false })
    await expect(stat(file)).rejects.toThrow(/ENOENT/)
  })

  test('a damaged blob is taken out of service when verified, and can be stored again', async () => {
    const store = await openBlobStore(root, { reserveBytes: 0 })
    const { sha256 } = await store.put(Buffer.from('precious'))
    expect(await store.verify(sha256)).toBe('ok')
    await writeFile(join(root, 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256), 'precioux')
    expect(await store.verify(sha256)).toBe('damaged')
    expect([await store.has(sha256), await store.verify(sha256)]).toEqual([false, 'missing'])
    expect(await readFile(join(root, 'damaged', sha256), 'utf8')).toBe('precioux')
    expect(await store.put(Buffer.from('precious'))).toMatchObject({ isNew: true })
    expect(await store.verify(sha256)).toBe('ok')
  })

  test('names are listed in order and from a place on', async () => {
    const store = await openBlobStore(root, { reserveBytes: 0 })
    const names: string[] = []
    for (let index = 0; index < 40; index++) names.push((await store.put(Buffer.from(`blob ${index}`))).sha256)
    names.sort()
    expect(await Array.fromAsync(store.list())).toEqual(names)
    expect(await Array.fromAsync(store.list(names[17]))).toEqual(names.slice(18))
  })
})

describe('a full disk', () => {
  test('is refused before the first byte with what to do, and leaves nothing', async () => {
    const disk = await statfs(root)
    const store = await openBlobStore(root, { reserveBytes: disk.blocks * disk.bsize })
    await expect(store.put(Buffer.from('x'))).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/Free some space/),
    })
    expect(await readdir(join(root, 'tmp'))).toEqual([])
  })

  test('on the way stops the blob cleanly', async () => {
    const disk = await statfs(root)
    const store = await openBlobStore(root, { reserveBytes: Math.max(0, disk.bavail * disk.bsize - 100 * 1024 * 1024) })
    const chunk = Buffer.alloc(8 * 1024 * 1024)
    let given = 0
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; given < 64; given++) yield chunk
    }
    await expect(store.put(endless())).rejects.toMatchObject({ code: 'DISK_FULL' })
    expect(given).toBeLessThan(40)
    expect([await Array.fromAsync(store.list()), await readdir(join(root, 'tmp'))]).toEqual([[], []])
  })

  test('the reserve is 2 % and at least 1 GiB unless it is set', async () => {
    const { reserveBytes, diskTotalBytes } = await (await openBlobStore(root)).disk()
    expect(reserveBytes).toBe(Math.max(1024 ** 3, Math.floor(diskTotalBytes / 50)))
  })
})

test('a writer killed at any moment: every acknowledged blob is whole, nothing partial is visible, left-overs are swept', async () => {
  const script = `
    import { openBlobStore } from ${JSON.stringify(join(import.meta.dirname, 'blob-store.ts'))}
    import { randomBytes } from 'node:crypto'
    const store = await openBlobStore(process.argv[1], { reserveBytes: 0 })
    for (;;) {
      const data = randomBytes(1 + Math.floor(Math.random() * 300000))
      async function* source() { for (let at = 0; at < data.length; at += 40000) yield data.subarray(at, at + 40000) }
      process.stdout.write((await store.put(source())).sha256 + '\\n')
    }`
  const acknowledged: string[] = []
  for (let round = 0; round < 4; round++) {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script, root], { stdio: ['ignore', 'pipe', 'inherit'] })
    const wanted = acknowledged.length + 5 + round * 3
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged.push(line)
      if (acknowledged.length === wanted) writer.kill('SIGKILL')
    }
  }
  const store = await openBlobStore(root, { reserveBytes: 0 })
  expect(acknowledged.length).toBeGreaterThanOrEqual(5)
  for (const sha256 of acknowledged) expect(await store.verify(sha256)).toBe('ok')
  for await (const sha256 of store.list()) expect(await store.verify(sha256)).toBe('ok')
  expect(await readdir(join(root, 'tmp'))).toEqual([])
}, 90_000)
