import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { createConnection } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { LOCAL_TOKEN_HEADER } from '@thatdam/protocol/local'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import { Derivatives } from '@thatdam/store/derivatives'
import { openIndexDb } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import { recipeHash } from '@thatdam/store/recipe-hash'
import { FakeAgent, hostService, temporaryFolder, waitFor, type HostedService } from '@thatdam/testkit/service-host'
import { identityOf } from '../indexer/walk.ts'

// Real processes on a machine that may be busy: deadlines, not expectations.
vi.setConfig({ testTimeout: 120_000 })

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let agent: FakeAgent
let service: HostedService
let store: BlobStore
let locations: Locations
let derivatives: Derivatives
let media = ''

const sha = (data: Uint8Array | string): string => createHash('sha256').update(data).digest('hex')

beforeAll(async () => {
  folder = await temporaryFolder('media-api')
  agent = await FakeAgent.start()
  media = join(folder.path, 'media')
  mkdirSync(media)
  const stateDir = join(folder.path, 'state')
  const casRoot = join(folder.path, 'cas')
  store = await openBlobStore(casRoot, { reserveBytes: 0 })
  const db = openIndexDb(stateDir)
  locations = new Locations(db)
  derivatives = new Derivatives(db)
  locations.setRootActive(locations.rootId(media), true)
  service = hostService(join(import.meta.dirname, 'process.ts'), agent, { service: 'media-api', stateDir, casRoot, indexPaths: [media] })
  await service.url()
})
afterAll(async () => {
  await service.stop()
  await agent.close()
  await folder.remove()
})
beforeEach(() => rmSync(join(media, 'moved'), { recursive: true, force: true }))

/** A file below the root as the indexer would have written it down. */
function index(path: string, data: Uint8Array | string, mimeType: string): string {
  const absolute = join(media, path)
  mkdirSync(dirname(absolute), { recursive: true })
  writeFileSync(absolute, data)
  const sub = dirname(path) === '.' ? '' : dirname(path)
  const at = locations.folder(locations.rootId(media), Buffer.from(sub))
  const name = Buffer.from(path.slice(sub === '' ? 0 : sub.length + 1))
  locations.putFile(at.id, { name, ...identityOf(statSync(absolute, { bigint: true })), sha256: sha(data), state: 'done', reason: null })
  locations.rememberAsset(sha(data), mimeType, null)
  return sha(data)
}

test('a blob is given whole, in ranges and by HEAD, with names and caching that hold', async () => {
  const data = randomBytes(5_000_000)
  const { sha256 } = await store.put(data)
  const whole = await service.request(`/media/blobs/${sha256}`)
  expect(whole.status).toBe(200)
  expect(Buffer.from(await whole.arrayBuffer()).equals(data)).toBe(true)
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    etag: `"${sha256}"`,
    'content-length': '5000000',
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'content-disposition': expect.stringMatching(/^attachment/),
  })
  const part = await service.request(`/media/blobs/${sha256}`, { headers: { range: 'bytes=1048570-3145740', 'if-range': `"${sha256}"` } })
  expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1048570-3145740/5000000'])
  expect(Buffer.from(await part.arrayBuffer()).equals(data.subarray(1_048_570, 3_145_741))).toBe(true)
  const stale = await service.request(`/media/blobs/${sha256}`, { headers: { range: 'bytes=0-9', 'if-range': '"other"' } })
  expect([stale.status, (await stale.arrayBuffer()).byteLength]).toEqual([200, 5_000_000])
  const outside = await service.request(`/media/blobs/${sha256}`, { headers: { range: 'bytes=5000000-' } })
  expect([outside.status, outside.headers.get('content-range')]).toEqual([416, 'bytes */5000000'])
  const same = await service.request(`/media/blobs/${sha256}`, { headers: { 'if-none-match': `"${sha256}"` } })
  expect([same.status, await same.text()]).toEqual([304, ''])
  const head = await service.request(`/media/blobs/${sha256}`, { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '5000000', ''])
  expect((await service.request(`/media/blobs/${sha256}`, { method: 'POST', body: 'x' })).status).toBe(405)
})

test('without a session, or without the local token, nothing is told', async () => {
  const { sha256 } = await store.put(Buffer.from('secret'))
  const stranger = await service.request(`/media/blobs/${sha256}`, { session: false })
  expect([stranger.status, await stranger.json()]).toEqual([401, { error: { code: 'UNAUTHENTICATED', message: 'Not signed in.' } }])
  expect((await fetch(`${await service.url()}/media/blobs/${sha256}`)).status).toBe(401)
  expect((await fetch(`${await service.url()}/-/health`)).status).toBe(401)
  expect(await (await service.request('/-/health', { session: false })).json()).toEqual({ ok: true, reason: '' })
  expect((await fetch(`${await service.url()}/media/blobs/${sha256}`, { headers: { [LOCAL_TOKEN_HEADER]: 'wrong' } })).status).toBe(401)
})

test('an original is served in place, downloads under its name, and never runs script', async () => {
  const picture = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(200_000)])
  const id = index('deep/Grüße "1".jpg', picture, 'image/jpeg')
  const shown = await service.request(`/media/originals/${id}`)
  expect([shown.status, shown.headers.get('content-type'), shown.headers.get('content-disposition')]).toEqual([200, 'image/jpeg', null])
  expect(Buffer.from(await shown.arrayBuffer()).equals(picture)).toBe(true)
  const saved = await service.request(`/media/originals/${id}?download=${encodeURIComponent('Grüße "1".jpg')}`)
  expect(saved.headers.get('content-disposition')).toBe(
    `attachment; filename="Gr__e _1_.jpg"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.jpg`,
  )
  await saved.body?.cancel()
  const svg = index('x.svg', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 'image/svg+xml')
  const drawing = await service.request(`/media/originals/${svg}`)
  expect(drawing.headers.get('content-disposition')).toMatch(/^attachment/)
  expect(drawing.headers.get('content-security-policy')).toMatch(/sandbox/)
  await drawing.body?.cancel()
})

test('an original that was changed, is away, or lies behind a link is refused in words', async () => {
  const id = index('edit.jpg', 'before', 'image/jpeg')
  writeFileSync(join(media, 'edit.jpg'), 'after!')
  const changed = await service.request(`/media/originals/${id}`)
  expect([changed.status, await changed.json()]).toMatchObject([
    409,
    { error: { code: 'SOURCE_CHANGED', message: expect.stringMatching(/reload/) } },
  ])
  const linked = index('moved/a.jpg', 'inside', 'image/jpeg')
  const outside = join(folder.path, 'outside')
  mkdirSync(outside)
  renameSync(join(media, 'moved/a.jpg'), join(outside, 'a.jpg'))
  rmSync(join(media, 'moved'), { recursive: true })
  symlinkSync(outside, join(media, 'moved'))
  expect((await service.request(`/media/originals/${linked}`)).status).toBe(409)
  const single = index('single.jpg', 'one', 'image/jpeg')
  renameSync(join(media, 'single.jpg'), join(outside, 'single.jpg'))
  symlinkSync(join(outside, 'single.jpg'), join(media, 'single.jpg'))
  expect((await service.request(`/media/originals/${single}`)).status).toBe(409)
  const gone = index('gone.jpg', 'gone', 'image/jpeg')
  rmSync(join(media, 'gone.jpg'))
  const away = await service.request(`/media/originals/${gone}`)
  expect([away.status, await away.json()]).toMatchObject([503, { error: { message: expect.stringMatching(/Connect its disk/) } }])
  const other = locations.rootId('/somewhere/else')
  locations.setRootActive(other, true)
  const notChosen = sha('not chosen')
  const at = locations.folder(other, Buffer.alloc(0))
  const identity = { size: 1n, mtimeNs: 1n, inode: 1n, device: '1' }
  locations.putFile(at.id, { name: Buffer.from('a.jpg'), ...identity, sha256: notChosen, state: 'done', reason: null })
  expect((await service.request(`/media/originals/${notChosen}`)).status).toBe(404)
})

test('paths with tricks open nothing', async () => {
  const base = new URL(await service.url())
  const session = Buffer.from(JSON.stringify({ sessionId: 't', kind: 'password', displayName: 'T' })).toString('base64url')
  const raw = (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { [LOCAL_TOKEN_HEADER]: agent.token, 'x-thatdam-session': session }
      const sent = httpRequest({ host: base.hostname, port: base.port, path, headers }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      sent.on('error', reject).end()
    })
  const id = (await store.put(Buffer.from('here'))).sha256
  expect(await raw(`/media/blobs/${id}`)).toBe(200)
  const tricks = [
    '../../etc/passwd',
    `..%2f..%2fetc%2fpasswd`,
    `${id}%00`,
    `%2e%2e/${id}`,
    `./${id}`,
    `../blobs/${id}`,
    `x\\..\\${id}`,
    `/${id}`,
  ]
  for (const trick of tricks) expect([trick, await raw(`/media/blobs/${trick}`)]).toEqual([trick, 400])
  for (const wrong of [id.toUpperCase(), id.slice(1), `${id}/`, `${id}/thumb-320`, ''])
    expect([wrong, await raw(`/media/blobs/${wrong}`)]).toEqual([wrong, 404])
})

test('a thumbnail is 404 until it is made; a damaged one is taken out and wanted again', async () => {
  const source = sha('some picture')
  const hash = recipeHash('thumb-320')
  expect((await service.request(`/media/thumbs/${source}/thumb-320`)).status).toBe(404)
  expect((await service.request(`/media/thumbs/${source}/constructor`)).status).toBe(404)
  derivatives.want({ source, kind: 'photo', mimeType: 'image/jpeg', durationMs: null }, 'thumb-320', hash)
  const { sha256 } = await store.put(Buffer.from('RIFF....WEBP pretend'))
  derivatives.made(source, 'thumb-320', hash, sha256)
  const made = await service.request(`/media/thumbs/${source}/thumb-320`)
  expect([made.status, made.headers.get('etag'), made.headers.get('content-type')]).toEqual([200, `"${sha256}"`, 'image/webp'])
  await made.body?.cancel()
  expect(await service.command('verify', { sha256 })).toMatchObject({ ok: true, value: { result: 'ok' } })
  writeFileSync((await store.localPath(sha256)) ?? '', 'flipped')
  expect(await service.command('verify', { sha256 })).toMatchObject({ ok: true, value: { result: 'damaged' } })
  expect((await service.request(`/media/thumbs/${source}/thumb-320`)).status).toBe(404)
  expect(derivatives.next(10, new Set()).map((job) => job.source)).toContain(source)
})

test('a client that goes away frees what was open for it', async () => {
  const { sha256 } = await store.put(randomBytes(40_000_000))
  const path = (await store.localPath(sha256)) ?? ''
  const { readdirSync, readlinkSync } = await import('node:fs')
  const descriptors = `/proc/${service.child.pid}/fd`
  const openCount = (): number =>
    readdirSync(descriptors).filter((name) => {
      try {
        return readlinkSync(join(descriptors, name)) === path
      } catch {
        return false
      }
    }).length
  const base = new URL(await service.url())
  const session = Buffer.from(JSON.stringify({ sessionId: 't', kind: 'password', displayName: 'T' })).toString('base64url')
  const sockets = Array.from({ length: 5 }, () => createConnection(Number(base.port), base.hostname))
  for (const socket of sockets) {
    socket.pause()
    socket.write(
      `GET /media/blobs/${sha256} HTTP/1.1\r\nhost: x\r\n${LOCAL_TOKEN_HEADER}: ${agent.token}\r\nx-thatdam-session: ${session}\r\n\r\n`,
    )
  }
  if (process.platform === 'linux') await waitFor(() => openCount() === 5)
  for (const socket of sockets) socket.destroy()
  if (process.platform === 'linux') await waitFor(() => openCount() === 0)
  expect((await service.request(`/media/blobs/${sha256}`, { method: 'HEAD' })).status).toBe(200)
})
