import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import type { Member } from '@thatdam/control/roster'
import type { PlanBody, ServiceName } from '@thatdam/protocol/plan'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import { openIndexDb } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { NodeServer } from '../link/server.ts'
import { BlobDisk } from './disk.ts'
import { PeerBlobs } from './peer-blobs.ts'
import { blobRoutes } from './routes.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const MiB = 1024 * 1024
const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const NEVER = new AbortController().signal

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'thatdam-blobs-'))
  closing.push(() => rmSync(made, { recursive: true, force: true }))
  return made
}

interface Holder {
  readonly nodeId: string
  readonly key: KeyPair
  readonly port: number
  readonly store: BlobStore
  readonly stateDir: string
  readonly requests: string[]
}

const reader = generateKey()
const member: Member = {
  nodeId: 'reader',
  publicKey: reader.publicKey,
  bootCounter: 0,
  admitter: false,
  record: '',
  keys: [reader.publicKey],
}

/** A real node API over a real store. `plan`: what the reader runs, in its eyes. */
async function holder(nodeId: string, plan: readonly ServiceName[] = ['blob-store']): Promise<Holder> {
  const stateDir = folder()
  const disk = new BlobDisk({ stateDir, casRoot: join(stateDir, 'store') })
  closing.push(() => disk.close())
  const store = await disk.store()
  const key = generateKey()
  const requests: string[] = []
  const routes = blobRoutes({
    disk: async () => disk,
    indexPaths: () => [join(stateDir, 'folder')],
    planOf: () => ({ services: plan.map((name) => ({ name })) }) as PlanBody,
    isLeader: () => false,
  })
  const server = await NodeServer.open({
    key,
    nodeId,
    port: 0,
    bindAddress: '127.0.0.1',
    memberOf: () => member,
    wasMember: () => false,
    routes: () =>
      routes.map((route) => ({
        ...route,
        run: (call) => {
          requests.push(`${call.request.method} ${call.path.split('/')[2]} ${call.request.headers.range ?? 'whole'}`)
          return route.run(call)
        },
      })),
    onProved: () => {},
    log: () => {},
  })
  closing.push(() => server.close())
  return { nodeId, key, port: server.port, store, stateDir, requests }
}

/** A line that breaks after so many bytes from the far side, each time it is used, or carries on unharmed after `times`. */
async function brittle(port: number, afterBytes: number, times = Number.POSITIVE_INFINITY): Promise<number> {
  let left = times
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    let passed = 0
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
    near.pipe(far)
    far.on('data', (bytes: Buffer) => {
      passed += bytes.length
      near.write(bytes)
      if (passed < afterBytes || left <= 0) return
      left -= 1
      far.destroy()
      near.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  return (server.address() as AddressInfo).port
}

async function peers(holders: readonly Holder[], ports: Readonly<Record<string, number>> = {}) {
  const casRoot = join(folder(), 'store')
  const store = await openBlobStore(casRoot)
  const portOf = new Map(holders.map((one) => [one.key.publicKey, ports[one.nodeId] ?? one.port]))
  const sighted = (publicKey: string) => [{ address: '127.0.0.1', port: portOf.get(publicKey) ?? 0 }]
  const client = new NodeClient(reader, 'reader', new Addresses({ sighted }))
  closing.push(() => client.close())
  const said: string[] = []
  const blobs = new PeerBlobs({
    client: () => client,
    self: { nodeId: 'reader', site: null },
    keyOf: (nodeId) => holders.find((one) => one.nodeId === nodeId)?.key.publicKey ?? null,
    siteOf: () => null,
    store: async () => store,
    log: (message) => said.push(message),
  })
  const temporary = () => readdirSync(join(casRoot, 'tmp'))
  return { blobs, store, client, said, temporary }
}

/** As a disk does that forgets. */
const tamper = (one: Holder, sha256: string) => {
  const path = join(one.stateDir, 'store', 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
  writeFileSync(path, bytes)
}

async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

test('a blob comes over whole, once, and whoever asks at the same time gets the same', async () => {
  const pi = await holder('pi')
  const bytes = randomBytes(3 * MiB + 17)
  const { sha256 } = await pi.store.put(bytes)
  const { blobs, store, temporary } = await peers([pi])
  const wanted = { sha256, holders: ['pi', 'reader', 'nobody'], sizeBytes: bytes.length }
  const both = await Promise.all([blobs.fetch(wanted, NEVER), blobs.fetch(wanted, NEVER)])
  expect(both[0]).toEqual({ sha256, sizeBytes: bytes.length, isNew: true })
  expect(both[1]).toBe(both[0])
  expect(await store.verify(sha256)).toBe('ok')
  expect([pi.requests, temporary()]).toEqual([['GET blobs whole'], []])
  expect(await blobs.fetch(wanted, NEVER)).toMatchObject({ isNew: false })
})

test('a cut connection goes on where it stopped, with the same machine', async () => {
  const pi = await holder('pi')
  const bytes = randomBytes(9 * MiB)
  const { sha256 } = await pi.store.put(bytes)
  const { blobs, store, said } = await peers([pi], { pi: await brittle(pi.port, 4 * MiB, 2) })
  await blobs.fetch({ sha256, holders: ['pi'], sizeBytes: null }, NEVER)
  expect(await store.verify(sha256)).toBe('ok')
  expect(pi.requests).toHaveLength(3)
  const starts = pi.requests.slice(1).map((line) => Number(/bytes=(\d+)-/.exec(line)?.[1]))
  expect(starts[0]).toBeGreaterThan(3 * MiB)
  expect(starts[1]).toBeGreaterThan(starts[0] ?? 0)
  expect(said.join('\n')).toContain('pi broke off at')
})

test('a line that always breaks at once is given up for another machine, and it goes on from there', async () => {
  const [bad, good] = [await holder('bad'), await holder('good')]
  const bytes = randomBytes(2 * MiB)
  const { sha256 } = await bad.store.put(bytes)
  await good.store.put(bytes)
  const { blobs, store } = await peers([bad, good], { bad: await brittle(bad.port, 300_000) })
  await blobs.fetch({ sha256, holders: ['bad', 'good'], sizeBytes: null }, NEVER)
  expect(await store.verify(sha256)).toBe('ok')
  expect(bad.requests).toHaveLength(1)
  expect(good.requests).toHaveLength(1)
  expect(good.requests[0]).toMatch(/^GET blobs bytes=[1-9]\d*-$/)

  const alone = await peers([bad], { bad: await brittle(bad.port, 300_000) })
  bad.requests.length = 0
  await expect(alone.blobs.fetch({ sha256, holders: ['bad'], sizeBytes: null }, NEVER)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(bad.requests.length).toBeLessThanOrEqual(3)
  expect([await alone.store.has(sha256), alone.temporary()]).toEqual([false, []])
})

test('a flipped bit is refused: nothing of it stays, its sender is not asked again, another one is', async () => {
  const [bad, good] = [await holder('bad'), await holder('good')]
  const bytes = randomBytes(MiB)
  const { sha256 } = await bad.store.put(bytes)
  await good.store.put(bytes)
  tamper(bad, sha256)

  const alone = await peers([bad])
  await expect(alone.blobs.fetch({ sha256, holders: ['bad'], sizeBytes: bytes.length }, NEVER)).rejects.toMatchObject({
    code: 'UNPROCESSABLE',
  })
  expect([await alone.store.has(sha256), alone.temporary()]).toEqual([false, []])

  bad.requests.length = 0
  const { blobs, store } = await peers([bad, good])
  const wanted = { sha256, holders: ['bad', 'good'], sizeBytes: bytes.length }
  await blobs.fetch(wanted, NEVER)
  expect(await store.verify(sha256)).toBe('ok')
  await collect((await blobs.open(wanted, NEVER)).bytes)
  expect(bad.requests).toEqual(['GET blobs whole'])
})

test('parts of two machines that make a wrong whole are thrown away, and each is asked for the whole', async () => {
  const [bad, good] = [await holder('bad'), await holder('good')]
  const bytes = randomBytes(4 * MiB)
  const { sha256 } = await bad.store.put(bytes)
  await good.store.put(bytes)
  const path = join(bad.stateDir, 'store', 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
  writeFileSync(path, Buffer.concat([Buffer.from('not this'), bytes.subarray(8)]))
  // It breaks before a megabyte, so that the good one sends the rest.
  const { blobs, store } = await peers([bad, good], { bad: await brittle(bad.port, 600_000, 1) })
  await blobs.fetch({ sha256, holders: ['bad', 'good'], sizeBytes: null }, NEVER)
  expect(await store.verify(sha256)).toBe('ok')
  expect(good.requests.at(-1)).toBe('GET blobs whole')
})

test('an original in its folder is read as well, and its last piece only when the whole is right', async () => {
  const mac = await holder('mac')
  const root = join(mac.stateDir, 'folder')
  mkdirSync(root)
  const bytes = randomBytes(MiB)
  writeFileSync(join(root, 'a.jpg'), bytes)
  const sha256 = sha(bytes)
  const db = openIndexDb(mac.stateDir)
  closing.push(() => db.close())
  const stats = statSync(join(root, 'a.jpg'), { bigint: true })
  const locations = new Locations(db)
  const id = locations.rootId(root)
  locations.setRootActive(id, true)
  const { id: at } = locations.folder(id, Buffer.alloc(0))
  const file = { name: Buffer.from('a.jpg'), size: stats.size, mtimeNs: stats.mtimeNs, inode: stats.ino, device: '1' }
  locations.putFile(at, { ...file, sha256, state: 'done', reason: null })

  const { blobs } = await peers([mac])
  const wanted = { sha256, holders: ['mac'], sizeBytes: bytes.length }
  const opened = await blobs.open(wanted, NEVER)
  expect(opened.sizeBytes).toBe(bytes.length)
  expect(sha(await collect(opened.bytes))).toBe(sha256)
  expect(mac.requests).toEqual(['GET blobs whole', 'GET originals whole'])

  // Changed since it was indexed, with its time set back: the machine cannot tell, the reader can.
  const other = Buffer.from(bytes)
  other[MiB - 1] = (other[MiB - 1] ?? 0) ^ 1
  writeFileSync(join(root, 'a.jpg'), other)
  utimesSync(join(root, 'a.jpg'), Number(stats.atimeNs) / 1e9, Number(stats.mtimeNs) / 1e9)
  locations.putFile(at, {
    ...file,
    mtimeNs: statSync(join(root, 'a.jpg'), { bigint: true }).mtimeNs,
    sha256,
    state: 'done',
    reason: null,
  })
  const got: Buffer[] = []
  const again = await blobs.open(wanted, NEVER)
  await expect(
    (async () => {
      for await (const piece of again.bytes) got.push(piece)
    })(),
  ).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
  expect(Buffer.concat(got).length).toBeLessThan(bytes.length)
})

test('a reader of parts begins anywhere, goes on after a cut with another machine, and leaves when it has enough', async () => {
  const [first, second] = [await holder('first'), await holder('second')]
  const bytes = randomBytes(6 * MiB)
  const { sha256 } = await first.store.put(bytes)
  await second.store.put(bytes)
  const { blobs } = await peers([first, second], {
    first: await brittle(first.port, 600_000),
    second: await brittle(second.port, 600_000, 1),
  })
  const wanted = { sha256, holders: ['first', 'second'], sizeBytes: null }
  const { sizeBytes, bytes: rest } = await blobs.openFrom(wanted, 5 * MiB, NEVER)
  expect([sizeBytes, (await collect(rest)).equals(bytes.subarray(5 * MiB))]).toEqual([bytes.length, true])
  expect([...first.requests, ...second.requests].every((line) => /^GET blobs bytes=[1-9]\d*-$/.test(line))).toBe(true)
  for await (const piece of (await blobs.openFrom(wanted, 0, NEVER)).bytes) {
    expect(piece.equals(bytes.subarray(0, piece.length))).toBe(true)
    break
  }
  await expect(blobs.openFrom(wanted, bytes.length, NEVER)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('ranges, heads and missing blobs are answered as they should be, and not to machines that keep no media', async () => {
  const pi = await holder('pi')
  const bytes = Buffer.from('0123456789')
  const { sha256 } = await pi.store.put(bytes)
  const { client } = await peers([pi])
  const ask = async (method: 'GET' | 'HEAD', path: string, range?: string) => {
    const headers = range === undefined ? {} : { range }
    const answer = await client.open({ publicKey: pi.key.publicKey, method, path, headers, timeoutMs: 2_000 })
    const text = (await collect(answer as AsyncIterable<Buffer>)).toString()
    return [answer.statusCode, answer.headers['content-range'] ?? answer.headers['content-length'], answer.statusCode === 404 ? '' : text]
  }
  expect(await ask('GET', `/v1/blobs/${sha256}`)).toEqual([200, '10', '0123456789'])
  expect(await ask('HEAD', `/v1/blobs/${sha256}`)).toEqual([200, '10', ''])
  expect(await ask('GET', `/v1/blobs/${sha256}`, 'bytes=4-5')).toEqual([206, 'bytes 4-5/10', '45'])
  expect((await ask('GET', `/v1/blobs/${sha256}`, 'bytes=10-'))[0]).toBe(416)
  for (const path of [`/v1/blobs/${sha('nothing' as never)}`, '/v1/blobs/../oplog.db', '/v1/blobs/', `/v1/originals/${sha256}`]) {
    expect((await ask('GET', path))[0]).toBe(404)
  }
  const shed = await holder('shed', ['camera-proxy'])
  await shed.store.put(bytes)
  const other = await peers([shed])
  const refused = await other.client.open({ publicKey: shed.key.publicKey, method: 'GET', path: `/v1/blobs/${sha256}`, timeoutMs: 2_000 })
  refused.resume()
  expect(refused.statusCode).toBe(403)
})
