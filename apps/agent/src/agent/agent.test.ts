import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { issueHandoffToken } from '@thatdam/control/access-node'
import { sampleToken } from '@thatdam/control/testing/samples'
import { TestControl } from '@thatdam/control/testing/server'
import { parseToken } from '@thatdam/control/token'
import { ClusterFile } from '@thatdam/protocol/cluster'
import { LocalEndpoint, LocalState, NewSessionResponse, OpFeed } from '@thatdam/protocol/local'
import type { ServiceName } from '@thatdam/protocol/plan'
import { SupervisedNodes, SupervisedPlans } from '@thatdam/protocol/supervisor'
import type { NodeSettings } from '@thatdam/protocol/settings'
import { readEnv } from '../env.ts'
import { makeLog } from '../log.ts'
import { register } from '../register/register.ts'
import { inProcessService, type Service } from '../services/service.ts'
import { readCredential } from '../state/credential.ts'
import { ALONE } from '../testing/alone.ts'
import { FACTS, fixtureService } from '../testing/plans.ts'
import { until } from '../testing/until.ts'
import { Agent } from './agent.ts'

let directory: string
let control: TestControl
let agent: Agent | null
let lines: string

const inside: ServiceName[] = [
  'supervisor',
  'discovery',
  'api-gateway',
  'live-hub',
  'local-console',
  'catalog',
  'media-api',
  'capture-daemon',
  'blob-store',
  'deriver',
]
const services: ReadonlyMap<ServiceName, Service> = new Map(
  [...inside.map((name) => inProcessService(name, () => '')), fixtureService('indexer', ['indexPaths'])].map((service) => [
    service.name,
    service,
  ]),
)
const at = (name: string) => join(directory, name)
const env = (more: Record<string, string> = {}) =>
  readEnv({ PATH: process.env['PATH'], STATE_DIR: at('state'), SERVICE_PORT: '0', ...ALONE, ...more })
const gather = (options: { consolePort: number; consoleBind: 'loopback' | 'lan'; bootCounter: number; indexPaths: readonly string[] }) =>
  Promise.resolve({
    ...FACTS,
    indexPaths: [...options.indexPaths],
    bootCounter: options.bootCounter,
    reachability: { ...FACTS.reachability, consolePort: options.consolePort, consoleBind: options.consoleBind },
  })

async function start(more: Record<string, string> = {}): Promise<Agent> {
  const log = makeLog({ level: 'debug', format: 'text', write: (line) => (lines += line), file: null })
  agent = await Agent.start({ env: env(more), log, services, gather })
  return agent
}

const freshToken = (changes: Parameters<typeof sampleToken>[2] = {}) => {
  const { text, stored } = sampleToken(control.instance.publicKey, control.now(), changes)
  control.store.addToken(stored)
  return text
}
const joinWith = (token: string, allowedRoots: readonly string[] | null = null, url = control.url) =>
  register({ env: env(), url, token: parseToken(token), allowedRoots, gather })

async function local(path: string, method = 'GET', body?: unknown): Promise<unknown> {
  const endpoint = LocalEndpoint.parse(JSON.parse(readFileSync(at('state/local.json'), 'utf8')))
  const headers = { authorization: `Bearer ${endpoint.token}` }
  const answer = await fetch(endpoint.url + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  return await answer.json()
}
const state = async () => LocalState.parse(await local('/local/state'))
const nodeKey = () => (JSON.parse(readFileSync(at('state/identity.json'), 'utf8')) as { publicKey: string }).publicKey
const lastReport = () => control.store.reports.at(-1)

let revision = 0
async function wish(changes: Partial<NodeSettings>): Promise<void> {
  revision += 1
  const value = { ...(lastReport()?.settings.value as NodeSettings), ...changes }
  control.store.news.set(nodeKey(), { version: 1, revision, settings: { revision, value }, commands: [], plan: null })
  control.hub.wake((await control.store.getNode(nodeKey()))?.id ?? '')
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-agent-'))
  control = await new TestControl({ holdMs: [20_000, 20_000] }).start()
  agent = null
  lines = ''
  revision = 0
})
afterEach(async () => {
  await agent?.stop()
  await control.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('an unregistered machine runs at once as an unclaimed ring of one', async () => {
  await start()
  await until('the plan is applied', async () => (await state()).plan.appliedHash)
  const now = await state()
  expect(now.node).toMatchObject({ role: 'leader', term: { nodeId: now.node.nodeId } })
  expect(now.cloud.state).toBe('none')
  expect(now.plan.services.find(({ name }) => name === 'indexer')).toMatchObject({ state: 'running' })
  const port = now.owner.consoleUrls[0]
  expect(await (await fetch(`${port}/discovery`)).json()).toMatchObject({ cluster_id: null, fingerprint: null })
  expect((await fetch(`${port}/health`)).status).toBe(200)
  const cluster = ClusterFile.parse(
    await until('cluster.json', () => JSON.parse(readFileSync(at('state/cluster.json'), 'utf8')) as unknown),
  )
  expect(cluster).toMatchObject({ version: 1, node_id: now.node.nodeId })
})

test('a running agent takes a registration over, reports, and follows a settings change of the cloud in under a second', async () => {
  await start()
  mkdirSync(at('photos'))
  mkdirSync(at('private'))
  symlinkSync(at('private'), at('photos/way-out'))
  const joined = await joinWith(freshToken(), [at('photos')])
  expect(joined).toMatchObject({ kind: 'new', running: true })
  await until('a report of the whole plan', () => (lastReport()?.plan.services.length ?? 0) > 5)
  await until('connected', async () => (await state()).cloud.state === 'connected')
  await until('the poll is held', () => control.store.loads > 0)

  const changedAtMs = Date.now()
  await wish({ name: 'Cutting room', indexPaths: [at('photos')] })
  await until('it is a setting here', async () => (await state()).settings.name === 'Cutting room')
  expect(Date.now() - changedAtMs).toBeLessThan(1_000)
  await until('the indexer runs with it', async () => {
    const config = await local('/local/services/indexer/command', 'POST', { command: 'config', params: {} }).catch(() => null)
    return (config as { indexPaths?: string[] } | null)?.indexPaths?.[0] === at('photos')
  })
  await until(
    'the cloud hears it',
    () => lastReport()?.settings.cloudRevision === 1 && lastReport()?.settings.value.name === 'Cutting room',
  )

  await wish({ indexPaths: [at('photos'), at('private'), at('photos/way-out'), `${at('photos')}/../private`, '/etc'] })
  const refused = await until('the refusal is said', () => (lastReport()?.settings.cloudRevision === 2 ? lastReport() : null))
  expect(refused.settings.value.indexPaths).toEqual([at('photos')])
  expect(refused.settings.problems).toHaveLength(4)
  expect(refused.settings.problems[0]).toContain('has not allowed the cloud to choose it')
})

test('a local edit and an edit of the cloud to other fields both stay', async () => {
  await joinWith(freshToken())
  await start()
  await until('a report', lastReport)
  const { nodeId } = (await state()).node
  const body = { kind: 'node.set', subject: nodeId, field: 'labels', value: ['studio'], replaces: null }
  await local('/local/ops', 'POST', { ops: [{ body }] })
  await wish({ name: 'Studio' })
  await until('both', async () => {
    const { settings } = await state()
    return settings.name === 'Studio' && settings.labels[0] === 'studio'
  })
  const feed = OpFeed.parse(await local('/local/ops?after=0&limit=10'))
  expect(feed.entries.flatMap(({ op }) => ('field' in op.body ? [op.body.field] : []))).toEqual(['labels', 'name'])
})

test('the cloud stopped, the agent stopped and started again: it runs on by its cached plan, the same node', async () => {
  await joinWith(freshToken())
  await start({ INDEX_PATHS: at('a') })
  await until('it leads by its plan', async () => (await state()).plan.appliedHash !== null)
  const before = await state()
  await agent?.stop()
  await control.stop()
  await start({ INDEX_PATHS: at('a') })
  await until('it is said', async () => (await state()).cloud.state === 'away')
  await until('it leads again', async () => (await state()).node.term.number > before.node.term.number)
  const after = await state()
  expect(after.node).toMatchObject({
    nodeId: before.node.nodeId,
    clusterId: before.node.clusterId,
  })
  expect(after.settings.indexPaths).toEqual([at('a')])
  expect(after.plan.desiredHash).toBe(before.plan.desiredHash)
  await until('the plan is applied', async () => (await state()).plan.appliedHash === before.plan.desiredHash)
  expect(after.cloud.reason).toContain('nothing answers at that address')
})

test('what is changed while the cloud is away, also over a restart, reaches the cloud when it is back', async () => {
  await joinWith(freshToken())
  await start()
  await until('a report', lastReport)
  const port = Number(new URL(control.url).port)
  await control.unplug()
  await until('it is said', async () => (await state()).cloud.state === 'away')
  const { nodeId } = (await state()).node
  const set = (field: string, value: unknown) =>
    local('/local/ops', 'POST', { ops: [{ body: { kind: 'node.set', subject: nodeId, field, value, replaces: null } }] })
  await set('name', 'Attic')
  await until('it is a setting here', async () => (await state()).settings.name === 'Attic')
  await agent?.stop()
  await start()
  await until('the new start is away too', async () => (await state()).cloud.state === 'away')
  await set('labels', ['studio'])
  expect(lastReport()?.settings.value).not.toMatchObject({ name: 'Attic' })
  await control.start(port)
  await until(
    'the cloud has both',
    () => lastReport()?.settings.value.name === 'Attic' && lastReport()?.settings.value.labels[0] === 'studio',
    70_000,
  )
}, 90_000)

test('INDEX_PATHS counts as an edit only when it changed since the last start', async () => {
  await start({ INDEX_PATHS: `${at('a')};${at('b')}` })
  const { nodeId } = (await state()).node
  const body = { kind: 'node.set', subject: nodeId, field: 'indexPaths', value: [at('c')], replaces: null }
  await local('/local/ops', 'POST', { ops: [{ body }] })
  await agent?.stop()
  await start({ INDEX_PATHS: `${at('a')};${at('b')}` })
  expect((await state()).settings.indexPaths).toEqual([at('c')])
  await agent?.stop()
  await start({ INDEX_PATHS: at('d') })
  expect((await state()).settings.indexPaths).toEqual([at('d')])
})

test('a revoked node says so and goes on working; registered again with a fresh token it is the same node', async () => {
  const { nodeId } = await joinWith(freshToken())
  await start()
  await until('connected', async () => (await state()).cloud.state === 'connected')
  const row = control.store.nodes.get(nodeKey())
  if (row) control.store.nodes.set(nodeKey(), { ...row, revokedAtMs: Date.now() })
  control.hub.close(row?.id ?? '')
  await until('refused', async () => (await state()).cloud.state === 'refused')
  expect((await state()).cloud.reason).toContain('removed by its owner')
  await until('the indexer works', async () => (await state()).plan.services.find(({ name }) => name === 'indexer')?.state === 'running')
  expect(await joinWith(freshToken())).toMatchObject({ kind: 'same', nodeId })
  await until('connected again', async () => (await state()).cloud.state === 'connected')
})

test('tokens: each trouble has its own sentence, and nothing is written', async () => {
  await expect(joinWith(freshToken({ expiresAtMs: Date.now() - 1 }))).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
  await expect(joinWith(freshToken({ revokedAtMs: 1 }))).rejects.toMatchObject({ code: 'TOKEN_REVOKED' })
  await expect(joinWith(freshToken({ maxUses: 0 }))).rejects.toMatchObject({ code: 'TOKEN_USED' })
  const unknown = sampleToken(control.instance.publicKey, Date.now()).text
  await expect(joinWith(unknown)).rejects.toThrow('The cloud does not know this join token.')
  const mistyped = unknown.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
  expect(() => parseToken(mistyped)).toThrow('mistyped')
  const other = await new TestControl().start()
  await expect(joinWith(freshToken(), null, other.url)).rejects.toThrow('not the one that made the join token')
  await other.stop()
  await expect(joinWith(freshToken(), null, other.url)).rejects.toThrow(/cannot be reached .* the token is still good/)
  expect(await readCredential(at('state/credential.json'))).toBeNull()
  const token = freshToken()
  expect(await joinWith(token)).toMatchObject({ kind: 'new', running: false })
  expect(await joinWith(token)).toMatchObject({ kind: 'same' })
})

test('passwords, sessions and the hand-off of the cloud: each works once, for this node only', async () => {
  await joinWith(freshToken())
  await start()
  await until('connected', async () => (await state()).cloud.state === 'connected')
  const { nodeId } = (await state()).node
  const claims = { handoffId: 'one', nodeId, nodeKey: nodeKey(), userId: 'u', email: 'ada@example.org', expiresAtMs: Date.now() + 50_000 }
  const handoff = (handoffToken: string) => local('/local/sessions', 'POST', { kind: 'handoff', displayName: '', handoffToken })
  await expect(handoff(issueHandoffToken({ ...claims, nodeId: 'other-node' }, control.instance))).rejects.toThrow('403')
  await expect(handoff(issueHandoffToken({ ...claims, expiresAtMs: Date.now() - 1 }, control.instance))).rejects.toThrow('403')
  const token = issueHandoffToken(claims, control.instance)
  expect(NewSessionResponse.parse(await handoff(token)).cookieValue).toHaveLength(43)
  await expect(handoff(token)).rejects.toThrow('used already')

  await local('/local/owner', 'PUT', { passwordHash: '$argon2id$test' })
  expect((await state()).owner).toMatchObject({ passwordSet: true, consoleBind: 'lan' })
  await until('the facts tell', async () => (await state()).facts.reachability.consoleBind === 'lan')
  await local('/local/owner', 'PUT', { passwordHash: null })
  expect((await state()).owner).toMatchObject({ passwordSet: false, consoleBind: 'loopback' })
})

test('a damaged plan is kept aside and made anew; a damaged identity stops the start and stays as it is', async () => {
  await start()
  await until('a plan', async () => (await state()).plan.appliedHash)
  const { desiredHash } = (await state()).plan
  await agent?.stop()
  writeFileSync(at('state/plan.json'), '{"envelope": 1')
  await start()
  expect(lines).toContain('It was kept as')
  expect(readFileSync(at('state/plan.json.damaged'), 'utf8')).toBe('{"envelope": 1')
  await until('the same plan again', async () => (await state()).plan.desiredHash === desiredHash)
  await agent?.stop()
  agent = null
  writeFileSync(at('state/identity.json'), 'garbage')
  await expect(start()).rejects.toThrow('identity.json is damaged')
  expect(readFileSync(at('state/identity.json'), 'utf8')).toBe('garbage')
})

test('a damaged registration is a state with a sentence, stays as it is, and is healed in place; damaged sessions only sign out', async () => {
  await joinWith(freshToken())
  const path = at('state/credential.json')
  const whole = readFileSync(path, 'utf8')
  writeFileSync(path, whole.slice(0, 90))
  writeFileSync(at('state/sessions.db'), 'no database'.repeat(50))
  await start()
  await until('the sentence', async () => (await state()).cloud.state === 'refused')
  expect((await state()).cloud).toMatchObject({ url: null, reason: expect.stringContaining('Restore the file from a backup') as string })
  expect(readFileSync(path, 'utf8')).toBe(whole.slice(0, 90))
  expect(lines.split('cannot be read').length).toBe(2)
  expect(lines).toContain('everybody signs in again')
  expect(readFileSync(at('state/sessions.db.damaged'), 'utf8')).toContain('no database')
  writeFileSync(path, whole)
  await until('connected', async () => (await state()).cloud.state === 'connected')
})

test('the local API: no token, no answer; the state is held until it changes; folders one level at a time', async () => {
  await start()
  const endpoint = LocalEndpoint.parse(JSON.parse(readFileSync(at('state/local.json'), 'utf8')))
  for (const authorization of ['', 'Bearer x', `Basic ${endpoint.token}`]) {
    expect((await fetch(`${endpoint.url}/local/state`, { headers: { authorization } })).status).toBe(401)
  }
  const now = await until('it is quiet', async () => ((await state()).plan.appliedHash ? await state() : null))
  const held = local(`/local/state?after=${now.version}`)
  const body = { kind: 'node.set', subject: now.node.nodeId, field: 'name', value: 'New name', replaces: null }
  await local('/local/ops', 'POST', { ops: [{ body }] })
  expect(LocalState.parse(await held).version).toBeGreaterThan(now.version)
  mkdirSync(at('folders/sub folder é'), { recursive: true })
  writeFileSync(at('folders/file.txt'), '')
  expect(await local(`/local/folders?path=${encodeURIComponent(at('folders'))}`)).toMatchObject({
    folders: [{ name: 'sub folder é', readable: true }],
  })
  await expect(local('/local/folders?path=relative')).rejects.toThrow('400')
  await expect(local('/local/folders?path=/does/not/exist')).rejects.toThrow('404')
  const waits = local('/local/ops?after=1&waitMs=20000')
  await local('/local/ops', 'POST', { ops: [{ body: { ...body, value: 'Newer' } }] })
  expect(OpFeed.parse(await waits).entries).toHaveLength(1)
})

test('the leader tells of its ring: machines, plans, and a stream of changes', async () => {
  await start()
  await until('the plan is applied', async () => (await state()).plan.appliedHash)
  const origin = (await state()).owner.consoleUrls[0] ?? ''
  const nodes = SupervisedNodes.parse(await (await fetch(`${origin}/v1/nodes`)).json())
  expect(nodes.nodes).toMatchObject([{ role: 'leader', awake: true, admitter: true }])
  const plans = SupervisedPlans.parse(await (await fetch(`${origin}/v1/plans`)).json())
  expect(plans.plans[0]?.bodyHash).toBe(nodes.nodes[0]?.desiredHash)
  const stop = new AbortController()
  const stream = await fetch(`${origin}/v1/events`, { signal: stop.signal })
  const heard: string[] = []
  const listening = (async () => {
    for await (const chunk of stream.body ?? []) heard.push(Buffer.from(chunk).toString())
  })().catch(() => {})
  await until('the present state', () => ['term', 'nodes', 'plans'].every((event) => heard.join('').includes(`event: ${event}\n`)))
  const name = { kind: 'node.set', subject: nodes.nodes[0]?.nodeId, field: 'name', value: 'Attic', replaces: null }
  await local('/local/ops', 'POST', { ops: [{ body: name }] })
  await until('the change', () => heard.join('').includes('"name":"Attic"'))
  stop.abort()
  await listening
})
