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
const stranger = 'k'.repeat(43)
const CALLS: Record<string, (caller: ReturnType<typeof createCaller>) => Promise<unknown>> = {
  'asset.list': (c) => c.asset.list({}),
  'asset.count': (c) => c.asset.count({}),
  'asset.get': (c) => c.asset.get({ id: asset }),
  'asset.rename': (c) => c.asset.rename({ id: asset, title: 'New' }),
  'asset.trash': (c) => c.asset.trash({ ids: [asset] }),
  'asset.restore': (c) => c.asset.restore({ ids: [asset] }),
  'asset.setRating': (c) => c.asset.setRating({ ids: [asset], rating: 3 }),
  'asset.cameraModels': (c) => c.asset.cameraModels(),
  'asset.conflicts': (c) => c.asset.conflicts({ id: asset }),
  'asset.resolve': (c) => c.asset.resolve({ id: asset, field: 'title', opId: '0'.repeat(32) }),
  'camera.list': (c) => c.camera.list(),
  'camera.conflicts': (c) => c.camera.conflicts({ cameraId: 'cam' }),
  'camera.resolve': (c) => c.camera.resolve({ cameraId: 'cam', opId: '0'.repeat(32) }),
  'node.conflicts': (c) => c.node.conflicts({ nodeId: 'pi5-server-91be02' }),
  'node.resolve name': (c) => c.node.resolve({ nodeId: 'pi5-server-91be02', field: 'name', opId: '0'.repeat(32) }),
  'node.resolve quotas': (c) => c.node.resolve({ nodeId: 'pi5-server-91be02', field: 'quotas', opId: '0'.repeat(32) }),
  'camera.rename': (c) => c.camera.rename({ cameraId: 'cam', name: 'Door' }),
  'capture.start': (c) => c.capture.start({ cameraId: 'cam' }),
  'capture.stop': (c) => c.capture.stop({ captureId: 'c1' }),
  'capture.start elsewhere': (c) => c.capture.start({ cameraId: 'cam', nodeId: 'pi5-server-91be02' }),
  'node.list': (c) => c.node.list(),
  'node.settings.get': (c) => c.node.settings.get(),
  'node.settings.patch name': (c) => c.node.settings.patch({ name: 'studio' }),
  'node.settings.patch indexPaths': (c) => c.node.settings.patch({ indexPaths: ['/home/anna/Pictures'] }),
  'node.settings.patch excludeServices': (c) => c.node.settings.patch({ excludeServices: [] }),
  'node.settings.patch name elsewhere': (c) => c.node.settings.patch({ nodeId: 'pi5-server-91be02', name: 'cellar' }),
  'node.settings.patch quotas elsewhere': (c) => c.node.settings.patch({ nodeId: 'pi5-server-91be02', quotas: { maxDerives: 1 } }),
  'node.remove': (c) => c.node.remove({ nodeId: 'macbook-5510aa' }),
  'ring.adopt': (c) => c.ring.adopt({ publicKey: stranger }),
  'ring.answerAdoption': (c) => c.ring.answerAdoption({ id: agent.state.adoptions[0]?.id ?? 'x', answer: 'confirm' }),
  'ring.goOver': (c) => c.ring.goOver({ fingerprint: agent.state.ring.others[0]?.fingerprint ?? 'f'.repeat(64) }),
  'ring.tokens': (c) => c.ring.tokens(),
  'ring.makeToken': (c) => c.ring.makeToken({ machines: 1, lifeMinutes: 15 }),
  'ring.revokeToken': (c) => c.ring.revokeToken({ id: 'token-1' }),
  'ring.setPolicy': (c) => c.ring.setPolicy({ replicas: 1 }),
  'index.pause': (c) => c.index.pause(),
  'index.resume': (c) => c.index.resume(),
  'index.rescan': (c) => c.index.rescan(),
  'index.retryErrors': (c) => c.index.retryErrors(),
  'folders.list': (c) => c.folders.list({ path: null }),
  'owner.setPassword': (c) => c.owner.setPassword({ next: 'a long password' }),
  'owner.makeRecoveryKey': (c) => c.owner.makeRecoveryKey(),
  'owner.claimByRecoveryKey': (c) => c.owner.claimByRecoveryKey({ words: 'ABCD' }),
  'session.ticket': (c) => c.session.ticket(),
  'state.get': (c) => c.state.get({ after: null }),
  'session.end': (c) => c.session.end(),
}
const NOT_FROM_CLOUD = new Set([
  'capture.stop',
  'node.settings.patch indexPaths',
  'node.settings.patch excludeServices',
  'node.settings.patch quotas elsewhere',
  'node.remove',
  'node.resolve quotas',
  'ring.adopt',
  'ring.answerAdoption',
  'ring.goOver',
  'ring.tokens',
  'ring.makeToken',
  'ring.revokeToken',
  'ring.setPolicy',
  'owner.makeRecoveryKey',
  'owner.claimByRecoveryKey',
  'index.pause',
  'folders.list',
  'owner.setPassword',
])

/** Allowed, but there is no conflict there. */
const NOTHING_TO_CHOOSE = new Set(['asset.resolve', 'camera.resolve', 'node.resolve name'])

test('nobody signed in reaches nothing but whether somebody is', async () => {
  const entries = agent.entries.length
  for (const [name, call] of Object.entries(CALLS)) expect([name, await codeOf(call(as(null)))]).toEqual([name, 'UNAUTHORIZED'])
  expect(await as(null).session.get()).toBeNull()
  expect(agent.entries).toHaveLength(entries)
  expect(agent.commands).toEqual([])
})

test('a hand-off from the cloud can look and move to trash, and nothing that stops, spies or changes who owns the machine', async () => {
  for (const [name, call] of Object.entries(CALLS)) {
    const allowed = NOTHING_TO_CHOOSE.has(name) ? 'CONFLICT' : 'ok'
    expect([name, await codeOf(call(as('handoff')))]).toEqual([name, NOT_FROM_CLOUD.has(name) ? 'FORBIDDEN' : allowed])
  }
  expect(agent.commands.map(({ service, command }) => `${service} ${command}`)).toEqual([
    'capture-daemon start',
    'capture-daemon start',
    'indexer resume',
    'indexer rescan',
    'indexer retry',
  ])
  expect(agent.owner.passwordHash).toBeNull()
  expect([agent.state.adoptions, agent.door.tokens.size, agent.state.members.length, agent.state.ring.policy.replicas]).toEqual([
    [],
    0,
    5,
    null,
  ])
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
    owner.node.settings.patch({ nodeId: 'pi5-server-91be02' }),
    owner.ring.setPolicy({}),
    owner.ring.setPolicy({ goesOn: 'this one' }),
    owner.ring.makeToken({ machines: 1000, lifeMinutes: 15 }),
    owner.ring.adopt({ publicKey: 'x' }),
    owner.folders.list({ path: 'a\0b' }),
    owner.owner.setPassword({ next: 'short' }),
  ]
  for (const call of bad) expect(await codeOf(call)).toBe('BAD_REQUEST')
  expect(await codeOf(owner.asset.rename({ id: sha('nothing'), title: 'x' }))).toBe('NOT_FOUND')
  expect(await codeOf(owner.asset.get({ id: sha('nothing') }))).toBe('NOT_FOUND')
  expect(await codeOf(owner.node.settings.patch({ nodeId: 'stranger', name: 'x' }))).toBe('NOT_FOUND')
  expect(await codeOf(owner.node.remove({ nodeId: 'stranger' }))).toBe('NOT_FOUND')
  expect(await codeOf(owner.ring.setPolicy({ pinnedLeader: 'stranger' }))).toBe('NOT_FOUND')
  expect(await codeOf(owner.ring.setPolicy({ goesOn: '00000000-0000-4000-8000-00000000000f' }))).toBe('CONFLICT')
  expect(await codeOf(owner.capture.start({ cameraId: 'cam', nodeId: 'stranger' }))).toBe('NOT_FOUND')
  expect(agent.commands).toEqual([])
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

const named = (value: string) => ({ kind: 'camera.set', subject: 'cam-cut', field: 'name', value, replaces: null }) as const

test('edited on both sides of a cut: both values are told, one is chosen for all, and choosing again says that it is settled', async () => {
  const owner = as('password')
  const other = sha('asset 1')
  const edit = (value: string) => ({ kind: 'asset.set', subject: other, field: 'title', value, replaces: null }) as const
  agent.append([edit('Crete'), named('Door'), edit('Greece'), named('Gate'), edit('Greece')])
  const [crete, door, , gate, greece] = agent.entries.slice(-5).map(({ op }) => op.id)
  await follower.waitFor(agent.entries.length, 10_000)
  const [found] = await owner.asset.conflicts({ id: other })
  expect(found).toMatchObject({ field: 'title', shown: { opId: greece, value: 'Greece' }, others: [{ opId: crete, value: 'Crete' }] })
  // An ordinary edit is no choice, but takes the place of what says the same.
  await owner.asset.rename({ id: other, title: 'Hellas' })
  expect(await owner.asset.conflicts({ id: other })).toMatchObject([{ shown: { value: 'Hellas' }, others: [{ value: 'Crete' }] }])
  expect(await owner.asset.resolve({ id: other, field: 'title', opId: crete ?? '' })).toMatchObject({ durability: 'here' })
  expect((await owner.asset.get({ id: other })).title).toBe('Crete')
  expect(await owner.asset.conflicts({ id: other })).toEqual([])
  expect(await codeOf(owner.asset.resolve({ id: other, field: 'title', opId: crete ?? '' }))).toBe('CONFLICT')
  expect(await owner.camera.conflicts({ cameraId: 'cam-cut' })).toMatchObject([{ shown: { opId: gate }, others: [{ opId: door }] }])
  await owner.camera.resolve({ cameraId: 'cam-cut', opId: gate ?? '' })
  expect(agent.entries.at(-1)?.op.body).toMatchObject({ value: 'Gate', replaces: gate, alsoReplaces: [door] })
  expect(await owner.camera.conflicts({ cameraId: 'cam-cut' })).toEqual([])
})

test('wishes for another machine and for the ring are ops about them, and a camera there is recorded there', async () => {
  const owner = as('password')
  await owner.node.settings.patch({ nodeId: 'pi5-server-91be02', quotas: { maxDerives: 2 } })
  expect(agent.entries.at(-1)?.op.body).toMatchObject({ kind: 'node.set', subject: 'pi5-server-91be02', field: 'quotas' })
  const saved = await owner.ring.setPolicy({ pinnedLeader: 'pi5-server-91be02' })
  await vi.waitFor(() => expect(hub.current().agent?.ring.policy.pinnedLeader).toBe('pi5-server-91be02'))
  await owner.ring.setPolicy({ pinnedLeader: null })
  const [first, second] = agent.entries.slice(-2)
  expect(saved).toEqual({ durability: 'here', position: first?.position })
  expect(second?.op.body).toMatchObject({ kind: 'policy.set', field: 'pinnedLeader', value: null, replaces: first?.op.id })
  const { clusterId } = agent.state.node
  await owner.ring.setPolicy({ goesOn: clusterId })
  expect(agent.entries.at(-1)?.op.body).toMatchObject({ kind: 'policy.set', field: 'goesOn', value: clusterId })
  await owner.capture.stop({ captureId: 'c', nodeId: 'pi5-server-91be02' })
  await owner.capture.stop({ captureId: 'c', nodeId: agent.state.node.nodeId })
  const stop = { service: 'capture-daemon', command: 'stop', params: { captureId: 'c' } }
  expect(agent.commands).toEqual([{ ...stop, nodeId: 'pi5-server-91be02' }, stop])
})

test('a machine is let in by six digits that both sides say yes to, and can be put out again', async () => {
  const owner = as('password')
  agent.update(({ ring }) =>
    ring.waiting.push({ nodeId: 'nas-0a1b2c', publicKey: stranger, address: '192.168.1.30', heardAtMs: Date.now() }),
  )
  const { id, code } = await owner.ring.adopt({ publicKey: stranger })
  expect(code).toMatch(/^\d{6}$/)
  expect((await owner.ring.adopt({ publicKey: stranger })).id).toBe(id)
  expect((await owner.ring.answerAdoption({ id, answer: 'confirm' })).state).toBe('confirmed')
  expect(await codeOf(owner.ring.answerAdoption({ id, answer: 'confirm' }))).toBe('CONFLICT')
  agent.door.otherSide(id, 'confirm')
  await vi.waitFor(() => expect(hub.current().agent?.members.map(({ nodeId }) => nodeId)).toContain('nas-0a1b2c'))
  await owner.node.remove({ nodeId: 'nas-0a1b2c' })
  await vi.waitFor(() => expect(hub.current().agent?.members.map(({ nodeId }) => nodeId)).not.toContain('nas-0a1b2c'))
})

test('a token’s text and a recovery key are told once', async () => {
  const owner = as('password')
  const made = await owner.ring.makeToken({ machines: 2, lifeMinutes: 15 })
  expect(made.text).toMatch(/^td1\./)
  const open = await owner.ring.tokens()
  expect(open).toMatchObject([{ id: made.id, machines: 2, used: 0 }])
  expect(JSON.stringify(open)).not.toContain(made.text)
  await owner.ring.revokeToken({ id: made.id })
  expect(await owner.ring.tokens()).toEqual([])
  expect(await codeOf(owner.ring.revokeToken({ id: made.id }))).toBe('NOT_FOUND')
  const { words } = await owner.owner.makeRecoveryKey()
  expect(words.split('-')).toHaveLength(14)
  expect(await codeOf(owner.owner.makeRecoveryKey())).toBe('CONFLICT')
  expect(await owner.owner.claimByRecoveryKey({ words: words.replaceAll('-', ' ') })).toEqual({ outcome: 'known' })
  expect(await codeOf(owner.owner.claimByRecoveryKey({ words: words.slice(5) }))).toBe('BAD_REQUEST')
  expect(await codeOf(owner.owner.claimByRecoveryKey({ words: words.toLowerCase() }))).toBe('CONFLICT')
})

test('the ring goes over to another one of the same owner only where that waits for a yes', async () => {
  const owner = as('password')
  const fingerprint = 'e'.repeat(64)
  const other = { clusterId: '00000000-0000-4000-8000-000000000009', fingerprint, nodeId: 'attic-0a1b2c', address: '192.168.1.40' }
  agent.update(({ ring }) => ring.others.push({ ...other, fate: 'apart', reason: '' }))
  expect(await codeOf(owner.ring.goOver({ fingerprint }))).toBe('CONFLICT')
  agent.update(({ ring }) => ring.others.forEach((one) => (one.fate = 'asks')))
  await owner.ring.goOver({ fingerprint })
  await vi.waitFor(() => expect(hub.current().agent?.ring.others).toMatchObject([{ fingerprint, fate: 'goes-over' }]))
})

test('a ticket takes a session along once; before there is a password there is none to take', async () => {
  agent.door.tickets.clear()
  expect(await as('first-run').session.ticket()).toBeNull()
  expect(agent.door.tickets.size).toBe(0)
  agent.sessions.set('cookie', { sessionId: 's1', kind: 'handoff', displayName: 'From the cloud' })
  const given = await as('handoff').session.ticket()
  const request = { kind: 'roam' as const, displayName: '', ticket: given?.ticket ?? '' }
  const port = httpAgent(agent.url, agent.token)
  const { cookieValue } = await port.createSession(request)
  expect(agent.sessions.get(cookieValue)).toMatchObject({ kind: 'handoff', displayName: 'From the cloud' })
  expect(await codeOf(port.createSession(request))).toBe('UNAUTHENTICATED')
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
