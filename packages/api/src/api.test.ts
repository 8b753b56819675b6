import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { follow, type Follower } from '@thatdam/catalog/follow'
import { migrate } from '@thatdam/db/migrate'
import { ensureDatabase, startPostgres, type Postgres } from '@thatdam/db/postgres'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { Session } from '@thatdam/protocol/local'
import { startFakeAgent, type FakeAgent } from '@thatdam/testkit/fake-agent'
import { libraryOps, sha } from '@thatdam/testkit/fake-library'
import { fakeState } from '@thatdam/testkit/fake-state'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { ApiContext } from './context.ts'
import { httpAgent } from './http-agent.ts'
import { createCaller } from './router.ts'
import { stateHub, type StateHub } from './state-hub.ts'

let dir: string
let postgres: Postgres
let pool: pg.Pool
let agent: FakeAgent
let follower: Follower
let hub: StateHub
const ignore = (): void => undefined

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'thatdam-api-'))
  postgres = await startPostgres({ dataDir: dir })
  const url = await ensureDatabase(postgres, 'api')
  await migrate(url)
  pool = new pg.Pool({ connectionString: url, max: 4 })
  // pool.end() resolves before its sockets are closed; the server's farewell may still come.
  pool.on('error', ignore)
  agent = await startFakeAgent(fakeState())
  agent.append(libraryOps(30))
  const port = httpAgent(agent.url, agent.token)
  follower = follow(pool, (after, limit, waitMs, signal) => port.readOps(after, limit, waitMs, signal), ignore)
  hub = stateHub(port, follower, ignore)
  await follower.waitFor(agent.entries.length, 20_000)
  await vi.waitFor(() => expect(hub.current().agent).not.toBeNull(), 10_000)
})
afterAll(async () => {
  await hub.stop()
  await follower.stop()
  await agent.close()
  await pool.end()
  await postgres.stop()
  await rm(dir, { recursive: true, force: true })
})
beforeEach(() => {
  agent.commands.length = 0
})

const context = (kind: Session['kind'] | null, more: Partial<ApiContext> = {}): ApiContext => ({
  session: kind === null ? null : { sessionId: 's1', kind, displayName: 'x' },
  agent: httpAgent(agent.url, agent.token),
  pool,
  follower,
  hub,
  passwords: {
    hash: (p) => Promise.resolve(`h:${p}`),
    verify: (h, p) => Promise.resolve(h === `h:${p}`),
    checkGuessAllowed: ignore,
    noteGuess: ignore,
  },
  signal: new AbortController().signal,
  setSessionCookie: ignore,
  clearSessionCookie: ignore,
  ...more,
})
const as = (kind: Session['kind'] | null, more: Partial<ApiContext> = {}) => createCaller(context(kind, more))
const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? 'no code',
  )

const asset = sha('asset 0')
const CALLS: Record<string, (caller: ReturnType<typeof createCaller>) => Promise<unknown>> = {
  'asset.list': (c) => c.asset.list({}),
  'asset.count': (c) => c.asset.count({}),
  'asset.get': (c) => c.asset.get({ id: asset }),
  'asset.rename': (c) => c.asset.rename({ id: asset, title: 'New' }),
  'asset.trash': (c) => c.asset.trash({ ids: [asset] }),
  'asset.restore': (c) => c.asset.restore({ ids: [asset] }),
  'asset.setRating': (c) => c.asset.setRating({ ids: [asset], rating: 3 }),
  'asset.cameraModels': (c) => c.asset.cameraModels(),
  'camera.list': (c) => c.camera.list(),
  'camera.rename': (c) => c.camera.rename({ cameraId: 'cam', name: 'Door' }),
  'capture.start': (c) => c.capture.start({ cameraId: 'cam' }),
  'capture.stop': (c) => c.capture.stop({ captureId: 'c1' }),
  'node.list': (c) => c.node.list(),
  'node.settings.get': (c) => c.node.settings.get(),
  'node.settings.patch name': (c) => c.node.settings.patch({ name: 'studio' }),
  'node.settings.patch indexPaths': (c) => c.node.settings.patch({ indexPaths: ['/home/anna/Pictures'] }),
  'node.settings.patch excludeServices': (c) => c.node.settings.patch({ excludeServices: [] }),
  'index.pause': (c) => c.index.pause(),
  'index.resume': (c) => c.index.resume(),
  'index.rescan': (c) => c.index.rescan(),
  'index.retryErrors': (c) => c.index.retryErrors(),
  'folders.list': (c) => c.folders.list({ path: null }),
  'owner.setPassword': (c) => c.owner.setPassword({ next: 'a long password' }),
  'state.get': (c) => c.state.get({ after: null }),
  'session.end': (c) => c.session.end(),
}
const NOT_FROM_CLOUD = new Set([
  'capture.stop',
  'node.settings.patch indexPaths',
  'node.settings.patch excludeServices',
  'index.pause',
  'folders.list',
  'owner.setPassword',
])

test('nobody signed in reaches nothing but whether somebody is', async () => {
  const entries = agent.entries.length
  for (const [name, call] of Object.entries(CALLS)) expect([name, await codeOf(call(as(null)))]).toEqual([name, 'UNAUTHORIZED'])
  expect(await as(null).session.get()).toBeNull()
  expect(agent.entries).toHaveLength(entries)
  expect(agent.commands).toEqual([])
})

test('a hand-off from the cloud can look and move to trash, and nothing that stops, spies or changes who owns the machine', async () => {
  for (const [name, call] of Object.entries(CALLS)) {
    expect([name, await codeOf(call(as('handoff')))]).toEqual([name, NOT_FROM_CLOUD.has(name) ? 'FORBIDDEN' : 'ok'])
  }
  expect(agent.commands.map(({ service, command }) => `${service} ${command}`)).toEqual([
    'capture-daemon start',
    'indexer resume',
    'indexer rescan',
    'indexer retry',
  ])
  expect(agent.owner.passwordHash).toBeNull()
})

test('the routers tested above are all there are', async () => {
  const { appRouter } = await import('./router.ts')
  const tested = new Set(Object.keys(CALLS).map((name) => name.split(' ')[0]))
  // oxlint-disable-next-line eslint/no-underscore-dangle -- tRPC's own name
  const all = Object.keys(appRouter._def.procedures)
  expect(all.filter((name) => !tested.has(name))).toEqual(['session.get'])
})

test('unknown keys, foreign ids and oversized inputs are refused before anything is written', async () => {
  const entries = agent.entries.length
  const owner = as('password')
  const bad: Promise<unknown>[] = [
    owner.asset.list({ limit: 10, orgId: 'x' } as never),
    owner.asset.list({ limit: 100_000 }),
    owner.asset.rename({ id: '../../etc/passwd', title: 'x' }),
    owner.asset.rename({ id: asset, title: '   ' }),
    owner.asset.setRating({ ids: [asset], rating: 9 }),
    owner.asset.trash({ ids: [] }),
    owner.node.settings.patch({ role: 'leader' } as never),
    owner.node.settings.patch({}),
    owner.folders.list({ path: 'a\0b' }),
    owner.owner.setPassword({ next: 'short' }),
  ]
  for (const call of bad) expect(await codeOf(call)).toBe('BAD_REQUEST')
  expect(await codeOf(owner.asset.rename({ id: sha('nothing'), title: 'x' }))).toBe('NOT_FOUND')
  expect(await codeOf(owner.asset.get({ id: sha('nothing') }))).toBe('NOT_FOUND')
  expect(agent.entries).toHaveLength(entries)
})

test('an edit is shown when it is answered, and names the op it replaces', async () => {
  const owner = as('password')
  await owner.asset.rename({ id: asset, title: 'Morning' })
  expect((await owner.asset.get({ id: asset })).title).toBe('Morning')
  await owner.asset.rename({ id: asset, title: 'Evening' })
  const [first, second] = agent.entries.slice(-2)
  expect(second?.op.body).toMatchObject({ kind: 'asset.set', value: 'Evening', replaces: first?.op.id })
  await owner.asset.trash({ ids: [asset] })
  expect((await owner.asset.list({ text: 'evening' })).assets).toEqual([])
  expect((await owner.asset.list({ text: 'evening', trashed: true })).assets.map((one) => one.title)).toEqual(['Evening'])
  await owner.asset.restore({ ids: [asset] })
})

test('a set password is asked for before it is changed, and the browser keeps a session', async () => {
  const cookies: string[] = []
  const owner = as('first-run', { setSessionCookie: (value) => cookies.push(value) })
  await owner.owner.setPassword({ next: 'first password' })
  expect(await codeOf(as('password').owner.setPassword({ next: 'second password' }))).toBe('FORBIDDEN')
  expect(await codeOf(as('password').owner.setPassword({ current: 'wrong', next: 'second password' }))).toBe('FORBIDDEN')
  expect(agent.owner.passwordHash).toBe('h:first password')
  await owner.owner.setPassword({ current: 'first password', next: 'second password' })
  expect(agent.owner.passwordHash).toBe('h:second password')
  expect([...agent.sessions.keys()]).toEqual(cookies.slice(-1))
})

test('state is held until there is news and then comes at once', async () => {
  const owner = as('password')
  let { cursor } = await owner.state.get({ after: null })
  const held = (async () => {
    for (;;) {
      const next = await owner.state.get({ after: cursor })
      if (next.agent?.derive?.waiting === 77) return next
      cursor = next.cursor
    }
  })()
  agent.update((state) => {
    if (state.derive) state.derive.waiting = 77
  })
  expect((await held).agentReachable).toBe(true)
})

test('the agent’s own sentence reaches the person', async () => {
  agent.onCommand = () => {
    throw new ThatdamError('DISK_FULL', 'Less than 5 GB are free on /data. Make room, then record again.')
  }
  await expect(as('password').capture.start({ cameraId: 'cam' })).rejects.toMatchObject({
    code: 'UNPROCESSABLE_CONTENT',
    message: 'Less than 5 GB are free on /data. Make room, then record again.',
  })
})
