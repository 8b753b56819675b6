import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ClusterFile, Discovery, Health } from '@thatdam/protocol/cluster'
import { Session } from '@thatdam/protocol/local'
import type { ServiceName } from '@thatdam/protocol/plan'
import type { ServiceView } from '../services/service.ts'
import { until } from '../testing/until.ts'
import { Remote } from './remote.ts'
import { Gateway } from './gateway.ts'
import { SessionStore } from './session-store.ts'

function nobody(): never {
  throw new Error('there is no other machine')
}

const HEALTH: Health = { status: 'ok', node_id: 'n', role: 'leader', version: '0', uptime_seconds: 1, failed: [] }
const DISCOVERY: Discovery = { version: 1, node_id: 'n', cluster_id: null, fingerprint: null, leader_url: null, api_version: 1 }
const CLUSTER: ClusterFile = {
  version: 1,
  node_id: 'n',
  role: 'leader',
  leader: null,
  services: { api_url: null, supervisor_url: null },
  cluster_id: null,
  term: null,
  members: [],
}

const view = (url: string | null): ServiceView => ({
  state: 'running',
  reason: 'Fetches the console: 3 of 80 MB.',
  restarts: 0,
  url,
  status: null,
  failedStarts: 0,
})

let directory: string
let gateway: Gateway
let sessions: SessionStore
let behind: Server
let behindUrl: string
let passwordSet: boolean
let consoleUp: boolean
let reached: string[]
let slow: ServerResponse[]

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-gateway-'))
  passwordSet = false
  consoleUp = true
  reached = []
  slow = []
  behind = createServer((request, response) => {
    reached.push(request.url ?? '')
    if (request.url === '/slow') {
      response.write('begun')
      slow.push(response)
      return
    }
    if (request.url === '/cut') {
      request.socket.destroy()
      return
    }
    if (request.url === '/echo') {
      response.writeHead(200, { 'x-thatdam-secret': 'inner', 'content-security-policy': "default-src 'self'" })
      request.pipe(response)
      return
    }
    response.end(JSON.stringify({ url: request.url, headers: request.headers }))
  })
  behind.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n')
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => behind.listen(0, '127.0.0.1', resolve))
  behindUrl = `http://127.0.0.1:${(behind.address() as AddressInfo).port}`
  sessions = new SessionStore(join(directory, 'sessions.db'))
  gateway = new Gateway({
    sessions,
    passwordSet: () => passwordSet,
    localToken: () => 'local-token',
    service: (name: ServiceName) => view(name === 'local-console' && !consoleUp ? null : behindUrl),
    hasConsole: () => true,
    leaderUrl: () => null,
    supervisor: () => nobody(),
    remote: new Remote({ client: () => nobody(), keyOf: () => null, others: () => [] }),
    health: () => HEALTH,
    discovery: () => DISCOVERY,
    cluster: () => CLUSTER,
    log: () => {},
  })
  await gateway.listener.open(0, 'loopback')
})
afterEach(async () => {
  await gateway.close()
  behind.closeAllConnections()
  behind.close()
  sessions.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}
/** fetch may set neither Host nor Origin, so node:http it is. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET', body?: string, host = '127.0.0.1'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host, port: gateway.listener.port, path, method, headers: { host: `localhost:${gateway.listener.port}`, ...headers } },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}
/** Exact bytes on the wire. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(gateway.listener.port, '127.0.0.1', () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => (answer += chunk.toString()))
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
    socket.setTimeout(3000, () => socket.destroy())
  })
}
const upgrade = (path: string, length: string) =>
  raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${length}\r\n`)
const begun = (count: number) => until('the streams have begun', () => reached.filter((url) => url === '/slow').length === count)
const origin = () => ({ origin: `http://localhost:${gateway.listener.port}` })
const sessionOf = (text: string) =>
  Session.parse(
    JSON.parse(
      Buffer.from(String((JSON.parse(text) as { headers: IncomingHttpHeaders }).headers['x-thatdam-session']), 'base64url').toString(),
    ),
  )

test('the first visitor on loopback is the owner; what they forge is replaced', async () => {
  const forged = {
    'x-thatdam-session': 'forged',
    'x-thatdam-local': 'forged',
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-host': 'evil',
    forwarded: 'for=1.2.3.4',
    'x-middleware-subrequest': 'middleware',
    connection: 'x-hop, keep-alive',
    'x-hop': '1',
  }
  const answer = await ask('/nodes?x=1', forged)
  expect(answer.status).toBe(200)
  const { url, headers } = JSON.parse(answer.text) as { url: string; headers: IncomingHttpHeaders }
  expect(url).toBe('/nodes?x=1')
  expect(sessionOf(answer.text)).toEqual({ sessionId: 'first-run', kind: 'first-run', displayName: 'You' })
  expect(headers).toMatchObject({ 'x-thatdam-local': 'local-token', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' })
  expect(headers['x-forwarded-host']).toBe(`localhost:${gateway.listener.port}`)
  for (const name of ['forwarded', 'x-middleware-subrequest', 'x-hop']) expect(headers[name]).toBeUndefined()
  expect(answer.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "frame-ancestors 'none'",
  })
})

test('once there is a password, a session cookie is needed for media and live, and ends with the session', async () => {
  passwordSet = true
  expect((await ask('/media/blobs/x')).status).toBe(401)
  expect((await ask('/live/cameras')).status).toBe(401)
  expect(reached).toEqual([])
  const anonymous = await ask('/signin')
  expect([anonymous.status, (JSON.parse(anonymous.text) as { headers: IncomingHttpHeaders }).headers['x-thatdam-session']]).toEqual([
    200,
    undefined,
  ])
  const { cookieValue } = sessions.create('password', 'Ada')
  const cookie = { cookie: `other=1; thatdam-session=${cookieValue}` }
  const answer = await ask('/media/blobs/x', cookie)
  expect(sessionOf(answer.text)).toMatchObject({ kind: 'password', displayName: 'Ada' })
  sessions.end(sessionOf(answer.text).sessionId)
  expect((await ask('/media/blobs/x', cookie)).status).toBe(401)
})

test('a held stream and a socket are cut within a second of the end of their session (THREATS 13)', async () => {
  passwordSet = true
  const { cookieValue } = sessions.create('password', 'Ada')
  const cookie = `thatdam-session=${cookieValue}`
  const held = ask('/slow', { cookie }).then(
    () => 'whole',
    () => 'cut',
  )
  const socket = connect(gateway.listener.port, '127.0.0.1')
  let echoed = ''
  socket.on('data', (chunk) => (echoed += chunk.toString()))
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', () => {})
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nCookie: ${cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`,
  )
  await until('the socket is open', () => echoed.includes('101'))
  socket.write('hello')
  await until('it echoes', () => echoed.endsWith('hello'))
  await until('the stream has begun', () => reached.includes('/slow'))
  const endedAtMs = Date.now()
  sessions.endAll()
  expect(await held).toBe('cut')
  await closed
  expect(Date.now() - endedAtMs).toBeLessThan(1_500)
})

test('foreign Host: 403, nothing reached (THREATS 18)', async () => {
  for (const host of ['evil.example', `localhost.evil.example:${gateway.listener.port}`, '169.254.169.254']) {
    expect((await ask('/', { host })).status).toBe(403)
    expect((await ask('/health', { host })).status).toBe(403)
  }
  expect(reached).toEqual([])
})

test('a page of a machine that fell silent may ask who leads, and nothing else', async () => {
  const foreign = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', origin: 'http://192.168.1.9:8080' }
  const answer = await ask('/discovery', foreign)
  expect(answer.status).toBe(200)
  expect(answer.headers['access-control-allow-origin']).toBe('*')
  for (const path of ['/cluster', '/health', '/']) {
    const refused = await ask(path, foreign)
    expect([path, refused.status, refused.headers['access-control-allow-origin']]).toEqual([path, 403, undefined])
  }
  expect((await ask('/discovery', foreign, 'POST', '{}')).status).toBe(403)
})

test('foreign Origin: 403 for form, text and JSON posts and for sockets (THREATS 12)', async () => {
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data', 'application/json']) {
    const answer = await ask('/api/trpc/x', { origin: 'https://evil.example', 'content-type': type }, 'POST', 'a=b')
    expect(answer.status).toBe(403)
  }
  const refused = await raw(
    'GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  )
  expect(refused).toMatch(/^HTTP\/1\.1 403 /)
  expect(reached).toEqual([])
  expect((await ask('/echo', { ...origin(), 'content-type': 'application/json' }, 'POST', '{"a":1}')).text).toBe('{"a":1}')
})

test('paths that leave their folder, absolute URIs and unclear lengths: 400 (THREATS 15, 17)', async () => {
  for (const path of ['/media/..%2f..%2fetc/passwd', '/%2e%2e/x', '/a%00b', '/media/%5c..%5cx', '/a/../b']) {
    expect([path, (await raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)).slice(0, 12)]).toEqual([
      path,
      'HTTP/1.1 400',
    ])
  }
  expect(await raw('GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
  expect(
    await raw(
      'GET http://localhost/ws HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    ),
  ).toMatch(/^HTTP\/1\.1 400/)
  expect(
    await raw(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n',
    ),
  ).toMatch(/^HTTP\/1\.1 400/)
  expect(reached).toEqual([])
})

test('how long a body is stays with it, whatever the sender’s Connection header names: one request is one request behind the door', async () => {
  const inner = 'GET /inner HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  const framed = [
    ['content-length', `Content-Length: ${inner.length}`, inner],
    ['transfer-encoding', 'Transfer-Encoding: chunked', `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`],
  ]
  for (const [named, line, body] of framed) {
    const answer = await raw(`GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close, ${named}\r\n${line}\r\n\r\n${body}`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toContain(inner)
  }
  expect(reached).toEqual(['/echo', '/echo'])
})

test('an upgrade that promises a body and is refused leaves nothing of the next one unread', async () => {
  behind.removeAllListeners('upgrade')
  expect(await upgrade('/one', 'Content-Length: 5\r\n')).toMatch(/^HTTP\/1\.1 200 /)
  expect(await upgrade('/two', '')).toMatch(/^HTTP\/1\.1 200 /)
  expect(reached).toEqual(['/one', '/two'])
})

test('bodies stream both ways, inner headers stay inside, frames are refused', async () => {
  const text = 'x'.repeat(3_000_000)
  const answer = await ask('/echo', origin(), 'POST', text)
  expect(answer.text.length).toBe(text.length)
  expect(answer.headers['x-thatdam-secret']).toBeUndefined()
  expect(answer.headers['content-security-policy']).toBe("default-src 'self'; frame-ancestors 'none'")
})

test('while the console is absent, a page says what is waited for; programs get JSON', async () => {
  consoleUp = false
  const page = await ask('/', { accept: 'text/html,*/*' })
  expect(page.status).toBe(503)
  expect(page.text).toContain('Fetches the console: 3 of 80 MB.')
  expect(page.text).toContain('http-equiv="refresh"')
  expect(page.headers['content-security-policy']).toContain("default-src 'none'")
  expect(JSON.parse((await ask('/api/x')).text)).toEqual({ error: { code: 'UNAVAILABLE', message: 'Fetches the console: 3 of 80 MB.' } })
  expect(JSON.parse((await ask('/health')).text)).toEqual(HEALTH)
  expect(JSON.parse((await ask('/discovery')).text)).toEqual(DISCOVERY)
  expect(JSON.parse((await ask('/cluster')).text)).toEqual(CLUSTER)
})

test('a service that is gone gives 503 with a sentence', async () => {
  behind.closeAllConnections()
  await new Promise((resolve) => behind.close(resolve))
  const answer = await ask('/')
  expect([answer.status, JSON.parse(answer.text)]).toMatchObject([503, { error: { code: 'UNAVAILABLE' } }])
})

test('a busy port: the next free one', async () => {
  const wanted = gateway.listener.port
  const { Listener } = await import('./listener.ts')
  const second = new Listener({ onRequest: (_request, response) => response.end('second'), onUpgrade: () => {} })
  await second.open(wanted, 'loopback')
  expect(second.port).toBeGreaterThan(wanted)
  await second.close()
})

const lanAddress = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address

test.skipIf(lanAddress === undefined)('loopback until the password is set, then the LAN, and back; requests go on meanwhile', async () => {
  const lan = lanAddress ?? ''
  const fromLan = () =>
    ask('/discovery', { host: lan }, 'GET', undefined, lan).then(
      (answer) => answer.status,
      () => 'refused',
    )
  expect(await fromLan()).toBe('refused')
  const { cookieValue } = sessions.create('password', 'Ada')
  const hold = (host: string): Promise<string> =>
    ask('/slow', { host, cookie: `thatdam-session=${cookieValue}` }, 'GET', undefined, host).then(
      () => 'whole',
      () => 'cut',
    )
  const before = hold('127.0.0.1')
  await begun(1)
  passwordSet = true
  await gateway.setBind('lan')
  const here = hold('127.0.0.1')
  const there = hold(lan)
  await begun(3)
  expect(await fromLan()).toBe(200)
  expect((await ask('/health')).status).toBe(200)
  await gateway.setBind('loopback')
  expect(await fromLan()).toBe('refused')
  expect(await there).toBe('cut')
  for (const one of slow) one.end()
  expect(await Promise.all([before, here])).toEqual(['whole', 'whole'])
  expect((await ask('/health')).status).toBe(200)
})

test('a part that ends while it is asked: an edit is answered with a sentence, and not with a connection that ends', async () => {
  const head = `POST /cut HTTP/1.1\r\nhost: localhost:${gateway.listener.port}\r\norigin: ${origin().origin}\r\n`
  const answer = await raw(`${head}content-type: application/json\r\ncontent-length: 20\r\n\r\n{"tit`)
  expect(answer).toMatch(/^HTTP\/1\.1 503 /)
  expect(answer).toContain('starting again')
})
