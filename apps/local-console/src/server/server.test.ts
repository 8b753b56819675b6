import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { httpAgent } from '@thatdam/api/http-agent'
import { stateHub, type StateHub } from '@thatdam/api/state-hub'
import { follow, type Follower } from '@thatdam/catalog/follow'
import { migrate } from '@thatdam/db/migrate'
import { ensureDatabase, startPostgres, type Postgres } from '@thatdam/db/postgres'
import { LOCAL_TOKEN_HEADER, SESSION_HEADER, type FromService, type ServiceConfig, type Session } from '@thatdam/protocol/local'
import { startFakeAgent, type FakeAgent } from '@thatdam/testkit/fake-agent'
import { libraryOps } from '@thatdam/testkit/fake-library'
import { fakeState } from '@thatdam/testkit/fake-state'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { listen } from './listen.ts'
import { passwords } from './passwords.ts'
import type { ApiParts } from './trpc.ts'

let dir: string
let postgres: Postgres
let pool: pg.Pool
let agent: FakeAgent
let follower: Follower
let hub: StateHub
let parts: () => ApiParts
let server: { url: string; close: () => Promise<void> }
let nowMs = Date.now()
const pagesSeen: { url: string; headers: Record<string, unknown> }[] = []
const owner = passwords(() => nowMs)
const ignore = (): void => undefined

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'thatdam-console-'))
  postgres = await startPostgres({ dataDir: path.join(dir, 'pg') })
  const url = await ensureDatabase(postgres, 'thatdam_console')
  await migrate(url)
  pool = new pg.Pool({ connectionString: url, max: 4 })
  // pool.end() resolves before its sockets are closed; the server's farewell may still come.
  pool.on('error', ignore)
  agent = await startFakeAgent(fakeState())
  agent.append(libraryOps(12))
  const port = httpAgent(agent.url, agent.token)
  follower = follow(pool, (after, limit, waitMs, signal) => port.readOps(after, limit, waitMs, signal), ignore)
  hub = stateHub(port, follower, ignore)
  await follower.waitFor(agent.entries.length, 20_000)
  const pages = {
    handle(request: { url?: string; headers: Record<string, unknown> }, response: { end: (text: string) => void }) {
      pagesSeen.push({ url: request.url ?? '', headers: { ...request.headers } })
      response.end('page')
      return Promise.resolve()
    },
    upgrade: () => false,
    close: () => Promise.resolve(),
  }
  parts = () => ({ agent: port, pool, follower, hub, passwords: owner })
  server = await listen({
    localToken: agent.token,
    parts: parts(),
    pages: pages as never,
    dev: false,
  })
})
afterAll(async () => {
  await server.close()
  await hub.stop()
  await follower.stop()
  await agent.close()
  await pool.end()
  await postgres.stop()
  await rm(dir, { recursive: true, force: true })
})
beforeEach(async () => {
  agent.owner = { passwordHash: await owner.hash('the right password') }
  agent.sessions.clear()
  pagesSeen.length = 0
  nowMs += 3_600_000
})

const session = (kind: Session['kind']): Record<string, string> => ({
  [SESSION_HEADER]: Buffer.from(JSON.stringify({ sessionId: '0123456789abcdef', kind, displayName: 'x' })).toString('base64url'),
})
const call = (target: string, init: RequestInit = {}, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(server.url + target, { redirect: 'manual', ...init, headers: { [LOCAL_TOKEN_HEADER]: agent.token, ...headers } })
const post = (target: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  call(target, { method: 'POST', body: JSON.stringify(body) }, { 'content-type': 'application/json', ...headers })
/** The request line as given: fetch would tidy it up. */
async function raw(requestLine: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.end(`${requestLine}\r\nhost: x\r\n${LOCAL_TOKEN_HEADER}: ${agent.token}\r\nconnection: close\r\n\r\n`)
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString()))
  await once(socket, 'close')
  return text.split('\r\n', 1)[0] ?? ''
}

test('without the gateway’s token everything is one and the same 401', async () => {
  const bodies = new Set<string>()
  for (const target of ['/', '/-/health', '/auth/signin', '/trpc/session.get', '/_next/static/x.js', '/trpc/asset.list?input={}']) {
    for (const token of [undefined, '', 'x', agent.token.slice(0, -1), `${agent.token}x`]) {
      const headers = { ...session('password'), ...(token === undefined ? {} : { [LOCAL_TOKEN_HEADER]: token }) }
      const response = await fetch(server.url + target, { headers })
      expect(response.status).toBe(401)
      bodies.add(await response.text())
    }
  }
  expect(bodies.size).toBe(1)
  expect(pagesSeen).toEqual([])
})

test('the agent’s question for its health is answered by the database, without a session', async () => {
  expect(await (await call('/-/health')).json()).toEqual({ ok: true, reason: '' })
  const dead = new pg.Pool({ connectionString: 'postgres://127.0.0.1:1/none' })
  const broken = await listen({
    localToken: agent.token,
    parts: { ...parts(), pool: dead },
    pages: { close: () => Promise.resolve() } as never,
    dev: false,
  })
  const answer = await fetch(`${broken.url}/-/health`, { headers: { [LOCAL_TOKEN_HEADER]: agent.token } })
  expect(await answer.json()).toEqual({ ok: false, reason: 'Its database does not answer; the log of local-console says why.' })
  await broken.close()
  await dead.end()
})

test('pages need a session in every form of their address; the sign-in page does not', async () => {
  for (const target of ['/', '/settings', '/settings?_rsc=1', '/settings.rsc', '/monitor', '/nodes/', '/_nextx']) {
    const forms: Record<string, string>[] = [
      {},
      { rsc: '1' },
      { 'next-router-prefetch': '1' },
      { 'x-middleware-subrequest': 'middleware:middleware' },
    ]
    for (const headers of forms) {
      const response = await call(target, {}, headers)
      expect([target, response.status, response.headers.get('location')?.startsWith('/auth/signin')]).toEqual([target, 303, true])
    }
  }
  expect(pagesSeen).toEqual([])
  expect((await call('/auth/signin')).status).toBe(200)
  const page = await call('/settings', {}, { ...session('password'), cookie: 'thatdam-session=secret' })
  expect([page.status, page.headers.get('x-content-type-options')]).toEqual([200, 'nosniff'])
  expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
  // What the pages' framework gets holds neither the local token nor the cookie.
  expect(JSON.stringify(pagesSeen.at(-1)?.headers)).not.toMatch(new RegExp(`${agent.token}|secret`))
})

test('a page may ask any machine who leads, and nobody anything else', async () => {
  const page = await call('/', {}, session('password'))
  const policy = /connect-src [^;]*/.exec(page.headers.get('content-security-policy') ?? '')?.[0]
  expect(policy).toBe("connect-src 'self' http://*:*/discovery https://*:*/discovery")
})

test('a session header that is not the gateway’s is nobody', async () => {
  for (const value of ['', 'x', Buffer.from('{}').toString('base64url'), Buffer.from('{"kind":"root"}').toString('base64url')]) {
    expect((await call('/trpc/state.get?input=%7B%22after%22%3Anull%7D', {}, { [SESSION_HEADER]: value })).status).toBe(401)
  }
})

test('paths that leave their root, absolute addresses and encoded separators are refused', async () => {
  const bad = [
    '/../etc/passwd',
    '/a/../../b',
    '/%2e%2e/x',
    '/_next/static/..%2f..%2fserver.mjs',
    '/a%00b',
    '/a%5c..%5cb',
    '/a\\b',
    '//evil.example/',
    'http://evil.example/',
  ]
  for (const target of bad) expect([target, await raw(`GET ${target} HTTP/1.1`)]).toEqual([target, 'HTTP/1.1 400 Bad Request'])
  expect(pagesSeen).toEqual([])
})

test('a form, a text post or a request from another site changes nothing', async () => {
  const entries = agent.entries.length
  const body = JSON.stringify({ password: 'the right password' })
  for (const headers of [
    { 'content-type': 'text/plain' },
    { 'content-type': 'application/x-www-form-urlencoded' },
    { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' },
    { 'content-type': 'application/json', 'sec-fetch-site': 'same-site' },
  ]) {
    const sent = headers as Record<string, string>
    expect((await call('/auth/signin', { method: 'POST', body }, sent)).status).toBe(403)
    expect((await call('/trpc/index.rescan', { method: 'POST', body: '{}' }, { ...sent, ...session('password') })).status).toBe(403)
  }
  expect((await call('/trpc/index.rescan', {}, session('password'))).status).toBe(405)
  expect(agent.commands).toEqual([])
  expect(agent.entries).toHaveLength(entries)
})

test('the right password opens a session, a wrong one says so', async () => {
  const wrong = await post('/auth/signin', { password: 'wrong' })
  expect([wrong.status, wrong.headers.get('set-cookie')]).toEqual([403, null])
  const right = await post('/auth/signin', { password: 'the right password' })
  expect(right.status).toBe(204)
  expect(right.headers.get('set-cookie')).toMatch(/^thatdam-session=[\w-]+; HttpOnly; SameSite=Lax; Path=\/; Max-Age=\d+$/)
  expect([...agent.sessions.values()]).toMatchObject([{ kind: 'password' }])
})

test('guessing ends in 429 with Retry-After, whatever addresses are claimed, also all at once; later the right one works', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      post('/auth/signin', { password: `guess ${index}` }, { 'x-forwarded-for': `10.0.0.${index}` }),
    ),
  )
  expect(answers.filter((answer) => answer.status === 403).length).toBeLessThanOrEqual(10)
  const blocked = await post('/auth/signin', { password: 'the right password' }, { 'x-forwarded-for': '10.9.9.9' })
  expect(blocked.status).toBe(429)
  expect(Number(blocked.headers.get('retry-after'))).toBeGreaterThan(500)
  const change = await post('/trpc/owner.setPassword', { current: 'guess', next: 'another password' }, session('password'))
  expect([change.status, change.headers.get('retry-after') !== null]).toEqual([429, true])
  nowMs += 601_000
  expect((await post('/auth/signin', { password: 'the right password' })).status).toBe(204)
})

test('without a password nobody signs in; a damaged hash fits no password', async () => {
  agent.owner = { passwordHash: null }
  expect((await post('/auth/signin', { password: '' })).status).toBe(409)
  agent.owner = { passwordHash: 'damaged' }
  expect((await post('/auth/signin', { password: 'damaged' })).status).toBe(403)
})

test('a hand-off works once and then says in words why not', async () => {
  agent.handoffTokens.add('token-1')
  const first = await call('/auth/handoff?token=token-1')
  expect([first.status, first.headers.get('location')]).toEqual([303, '/'])
  expect([...agent.sessions.values()]).toMatchObject([{ kind: 'handoff' }])
  const again = await call('/auth/handoff?token=token-1')
  expect([again.status, again.headers.get('set-cookie')]).toEqual([401, null])
  expect(await again.text()).toContain('works once')
  expect((await call('/auth/handoff')).status).toBe(400)
})

test('a ticket of another machine opens the same page here once; then one signs in and comes to that page', async () => {
  agent.door.tickets.set('ticket-1', { sessionId: 's', kind: 'password', displayName: 'Owner' })
  const first = await call('/auth/roam?ticket=ticket-1&next=%2Fmonitor')
  expect([first.status, first.headers.get('location')]).toEqual([303, '/monitor'])
  expect(first.headers.get('set-cookie')).toMatch(/^thatdam-session=[\w-]+; HttpOnly/)
  const again = await call('/auth/roam?ticket=ticket-1&next=%2Fmonitor')
  expect([again.headers.get('location'), again.headers.get('set-cookie')]).toEqual(['/auth/signin?next=%2Fmonitor', null])
  for (const next of ['//evil.example', 'https://evil.example', '/\\evil.example', '/%2F/evil', '/a?b=//c']) {
    expect((await call(`/auth/roam?next=${encodeURIComponent(next)}`)).headers.get('location')).toBe('/auth/signin')
  }
})

test('signing out ends the session at the agent and takes the cookie away', async () => {
  agent.sessions.set('c', { sessionId: '0123456789abcdef', kind: 'password', displayName: 'x' })
  const response = await post('/auth/signout', {}, session('password'))
  expect(response.headers.get('set-cookie')).toContain('Max-Age=0')
  expect(agent.sessions.size).toBe(0)
})

test('bodies and batches have a bound', async () => {
  const large = await post('/trpc/asset.rename', { id: 'x', title: 'y'.repeat(600_000) }, session('password'))
  expect(large.status).toBe(413)
  const many = Array.from({ length: 40 }, () => 'session.get').join(',')
  expect((await call(`/trpc/${many}?batch=1&input=%7B%7D`, {}, session('password'))).status).toBeGreaterThanOrEqual(400)
  expect((await post('/auth/signin', { password: 'x'.repeat(5_000) })).status).toBe(413)
})

test('as a child it follows without pages for the service catalog, and ends when told or when its agent is gone', async () => {
  const config: ServiceConfig = {
    service: 'catalog',
    mode: 'follow',
    params: {},
    nodeId: agent.state.node.nodeId,
    nodeName: 'x',
    stateDir: path.join(dir, 'state'),
    casRoot: dir,
    indexPaths: [],
    cameras: [],
    localUrl: agent.url,
    localToken: agent.token,
    ffmpegPath: null,
    ffprobePath: null,
    maxParallel: 1,
    peers: {},
    logLevel: 'error',
  }
  const start = async (): Promise<ChildProcess> => {
    const child = fork(path.join(import.meta.dirname, 'main.ts'), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    const ready = new Promise<void>((resolve, reject) => {
      child.on('message', (message: FromService) => {
        if (message.type === 'ready') resolve()
      })
      child.once('exit', (code) => reject(new Error(`ended with ${code}`)))
    })
    child.send({ type: 'start', config })
    await ready
    child.removeAllListeners('exit')
    return child
  }
  const told = await start()
  told.send({ type: 'stop' })
  expect(await once(told, 'exit')).toEqual([0, null])
  const orphan = await start()
  orphan.disconnect()
  expect(await once(orphan, 'exit')).toEqual([0, null])
  // Also while its database is starting, which would outlive it.
  const early = fork(path.join(import.meta.dirname, 'main.ts'), [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
  early.send({ type: 'start', config })
  await once(early, 'message')
  early.disconnect()
  expect(await once(early, 'exit')).toEqual([0, null])
  const next = await startPostgres({ dataDir: path.join(config.stateDir, 'pg') })
  expect(next.attached).toBe(false)
  await next.stop()
}, 60_000)
