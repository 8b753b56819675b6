import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeDocker } from '@thatdam/testkit/fake-docker'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ServiceConfig } from '@thatdam/protocol/local'
import { PlanApplier, type Plan, type RejectedPlan } from './plan-applier.ts'
import { runtimePort } from './runtimes/choose.ts'
import { dockerRuntime } from './runtimes/docker/runtime.ts'
import { execRuntime } from './runtimes/exec/runtime.ts'
import { nsRuntime } from './runtimes/ns/runtime.ts'
import type { Runtime } from './runtimes/runtime.ts'
import { askHealth } from './self-test.ts'
import { inProcessService, type Service } from './services/service.ts'
import { configOf, FACTS, fixtureService, planned, planOf } from './testing/plans.ts'
import { isRunning, until } from './testing/until.ts'

let directory: string
let docker: FakeDocker
let applier: PlanApplier
let goods: Plan[]
let noted: (RejectedPlan | null)[]
let more: Partial<ServiceConfig>

const services: Service[] = [
  inProcessService('supervisor', () => 'fine'),
  fixtureService('media-api'),
  fixtureService('indexer', ['indexPaths']),
  fixtureService('deriver', [], 150),
  { ...fixtureService('camera-proxy'), assess: () => ({ waiting: 'ffmpeg is missing. Install it.' }) },
]

type RuntimeName = Runtime['name']
const groups = { add: () => {}, remove: () => {} }
const RUNTIMES: readonly RuntimeName[] = process.platform === 'linux' ? ['exec', 'ns', 'docker'] : ['exec']

function runtimeOf(name: RuntimeName): Runtime {
  const exec = { environment: process.env, groups, cgroups: null, log: () => {} }
  if (name === 'exec') return execRuntime(exec)
  if (name === 'ns') return nsRuntime(exec, directory)
  return dockerRuntime({ ...exec, socketPath: join(directory, 'docker.sock'), image: 'thatdam-runtime', agentLabel: '0123abcd' })
}

function make(good: Plan | null, rejected: RejectedPlan | null = null, runtime: Runtime = runtimeOf('exec')): PlanApplier {
  return new PlanApplier(
    {
      services: new Map(services.map((service) => [service.name, service])),
      ...runtimePort(runtime, join(directory, 'logs')),
      bundles: { open: () => Promise.reject(new Error('no bundles here')) },
      config: (one) => configOf(one, more),
      facts: () => FACTS,
      health: (url) => askHealth(url, 'local-token'),
      changed: () => {},
      onGood: (plan) => goods.push(plan),
      onRejected: (plan) => noted.push(plan),
      log: () => {},
    },
    { good, rejected },
  )
}

const stateOf = (name: string) => applier.state().services.find((service) => service.name === name)
const statusOf = (name: 'indexer' | 'media-api' | 'deriver') =>
  applier.view(name)?.status as { pid: number; grandchild: number | null; indexPaths: string[]; peers?: Record<string, string> } | null

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-applier-'))
  docker = await FakeDocker.start(join(directory, 'docker.sock'), ['thatdam-runtime'])
  goods = []
  noted = []
  more = {}
})
afterEach(async () => {
  await applier.stop()
  await docker.end()
  rmSync(directory, { recursive: true, force: true })
})

test('a plan is applied whole: services run, what is missing or not in this version is said', async () => {
  applier = make(null)
  const plan = planOf(planned('supervisor'), planned('media-api'), planned('camera-proxy'), planned('transcoder'))
  await applier.apply(plan)
  await until('media-api runs', () => stateOf('media-api')?.state === 'running')
  expect(stateOf('supervisor')).toMatchObject({ state: 'running', reason: 'fine', why: 'A test asks for it.' })
  expect(stateOf('camera-proxy')).toMatchObject({ state: 'waiting', reason: 'ffmpeg is missing. Install it.' })
  expect(stateOf('transcoder')).toMatchObject({ state: 'not-in-this-version' })
  expect(applier.state()).toMatchObject({ desiredHash: plan.hash, appliedHash: plan.hash, rejected: null })
  await until('it passed its self-test', () => applier.state().selfTest?.ok)
  expect(applier.state().selfTest).toMatchObject({ tries: 1, failures: [] })
  expect(goods).toEqual([plan])
  const answer = await fetch(`${applier.view('media-api')?.url}/x`, { headers: { 'x-thatdam-local': 'local-token' } })
  expect(answer.status).toBe(200)
})

test('the same plan again restarts nothing; a changed part of the configuration restarts only who uses it; siblings are told', async () => {
  applier = make(null)
  const plan = planOf(planned('media-api'), planned('indexer'))
  await applier.apply(plan)
  await until('both are up', () => statusOf('indexer')?.peers?.['media-api'] && statusOf('media-api')?.peers?.['indexer'])
  const before = [statusOf('media-api')?.pid, statusOf('indexer')?.pid]
  await applier.apply(plan)
  await applier.reconcile()
  expect([statusOf('media-api')?.pid, statusOf('indexer')?.pid]).toEqual(before)
  more = { indexPaths: ['/somewhere'] }
  await applier.reconcile()
  await until('the indexer has the folder', () => statusOf('indexer')?.indexPaths[0] === '/somewhere')
  expect(statusOf('media-api')?.pid).toBe(before[0])
  expect(statusOf('indexer')?.pid).not.toBe(before[1])
})

test.each(RUNTIMES)('%s: three failed starts of a new plan bring the last good one back, with the reason', async (name) => {
  const good = planOf(planned('media-api'))
  const bad = planOf(planned('media-api'), planned('indexer', { crash: true }))
  applier = make(good, null, runtimeOf(name))
  await applier.apply(good)
  await until('the good plan runs', () => applier.state().appliedHash === good.hash)
  await applier.apply(bad)
  await until('the plan is rejected', () => applier.state().rejected, 15_000)
  await until('the good plan is back', () => stateOf('indexer') === undefined && applier.state().appliedHash === good.hash)
  const state = applier.state()
  expect(state.rejected?.bodyHash).toBe(bad.hash)
  expect(state.rejected?.reason).toContain('indexer failed 3 times while starting')
  expect(state.rejected?.reason).toContain('this service was told to crash')
  expect(state.desiredHash).toBe(bad.hash)
  await applier.apply(bad)
  expect(stateOf('indexer')).toBeUndefined()
  expect(goods).toEqual([])
  expect(noted).toEqual([state.rejected])

  await applier.stop()
  applier = make(good, state.rejected, runtimeOf(name))
  await applier.apply(bad)
  await until('after a restart the good plan runs', () => applier.state().appliedHash === good.hash)
  expect(applier.state()).toMatchObject({ desiredHash: bad.hash, rejected: state.rejected })
  expect(stateOf('indexer')).toBeUndefined()
  const third = planOf(planned('media-api', { another: true }))
  await applier.apply(third)
  expect(noted.at(-1)).toBeNull()
  expect(applier.state().rejected).toBeNull()
})

test.each(RUNTIMES)('%s: a new plan that starts but fails its self-test three times is not kept', async (name) => {
  const good = planOf(planned('media-api'))
  applier = make(good, null, runtimeOf(name))
  await applier.apply(good)
  await until('the good plan passed', () => applier.state().selfTest?.ok)
  const bad = planOf(planned('media-api'), planned('indexer', { sick: true }))
  await applier.apply(bad)
  const first = await until('it failed once', () => applier.state().selfTest)
  expect(first).toMatchObject({ ok: false, failures: [{ name: 'indexer', reason: 'Its lungs are full.' }] })
  expect(applier.state()).toMatchObject({ appliedHash: bad.hash, rejected: null })
  await until('the plan is rejected', () => applier.state().rejected)
  expect(applier.state().rejected).toEqual({
    bodyHash: bad.hash,
    reason: 'The new plan was not kept: indexer failed its self-test 3 times. Its lungs are full.',
  })
  await until('the good plan is back and well', () => applier.state().appliedHash === good.hash && applier.state().selfTest?.ok)
  expect(stateOf('indexer')).toBeUndefined()
  expect(goods).toEqual([])
  // Over a restart of the agent too.
  await applier.stop()
  applier = make(good, applier.state().rejected, runtimeOf(name))
  await applier.apply(bad)
  await until('the good plan runs', () => applier.state().selfTest?.ok)
  expect(applier.state()).toMatchObject({ desiredHash: bad.hash, appliedHash: good.hash, rejected: { bodyHash: bad.hash } })
})

test.each([
  ['answers with an error', { sick: 'error' }, 'It answered the question for its health with 500.'],
  ['ends whenever it is asked', { faints: true }, 'indexer failed its self-test 3 times.'],
])('a new plan with a service that %s is not kept', async (_what, params, reason) => {
  const good = planOf(planned('media-api'))
  applier = make(good)
  await applier.apply(good)
  await until('the good plan passed', () => applier.state().selfTest?.ok)
  await applier.apply(planOf(planned('media-api'), planned('indexer', params)))
  const rejected = await until('the plan is rejected', () => applier.state().rejected, 20_000)
  expect(rejected.reason).toContain(reason)
})

test('what fails without the plan’s fault keeps the plan, and is tested until it is well', async () => {
  const plan = planOf(planned('media-api', { sick: true }))
  applier = make(plan)
  await applier.apply(plan)
  await until('it failed three times', () => applier.state().selfTest?.tries === 3)
  expect(applier.state()).toMatchObject({ appliedHash: plan.hash, rejected: null, selfTest: { ok: false } })
  expect(stateOf('media-api')?.state).toBe('running')
  // The next plan changes another service; the sick one was so before.
  const next = planOf(planned('media-api', { sick: true }), planned('indexer'))
  await applier.apply(next)
  await until('it failed three times', () => applier.state().selfTest?.tries === 3)
  expect(applier.state()).toMatchObject({ appliedHash: next.hash, rejected: null })
  expect(goods).toEqual([])
})

test('while services are still being changed, a plan is not taken for applied', async () => {
  applier = make(null)
  const first = planOf(planned('media-api', { deaf: true }), planned('indexer'))
  await applier.apply(first)
  await until('it passed', () => applier.state().selfTest?.ok)
  // The old media-api does not hear that it should stop; news of another service come meanwhile.
  const second = planOf(planned('media-api', { sick: true }), planned('indexer'))
  const applied = applier.apply(second)
  await applier.command('indexer', 'names', {})
  await until('the news came', () => (applier.view('indexer')?.status as { told: unknown[] } | null)?.told.length)
  expect(applier.state().desiredHash).toBe(second.hash)
  expect(applier.state().appliedHash).toBe(first.hash)
  await applied
  await until('the new one was tested', () => applier.state().selfTest?.ok === false)
  expect(goods).toEqual([first])
}, 30_000)

test('what comes up only later is tested then', async () => {
  applier = make(null)
  await applier.apply(planOf(planned('media-api'), planned('indexer', { late: true })))
  await until('it passed without the one that waits', () => applier.state().selfTest?.ok && stateOf('indexer')?.state === 'waiting')
  await applier.command('indexer', 'listen', { sick: true })
  await until('it is ill', () => applier.state().selfTest?.ok === false)
  expect(applier.state().selfTest?.failures).toEqual([{ name: 'indexer', reason: 'Its lungs are full.' }])
})

test('what was started anew is tested anew', async () => {
  applier = make(null)
  await applier.apply(planOf(planned('media-api'), planned('indexer')))
  const before = await until('it passed', () => applier.state().selfTest?.ok && applier.state().selfTest)
  more = { indexPaths: ['/somewhere'] }
  await applier.reconcile()
  await until('it passed again', () => (applier.state().selfTest?.atMs ?? 0) > before.atMs && applier.state().selfTest?.ok)
  expect(statusOf('indexer')?.indexPaths).toEqual(['/somewhere'])
})

test('a child that ends is started again with its reason; commands reach it and errors come back', async () => {
  applier = make(null)
  await applier.apply(planOf(planned('indexer')))
  await until('it runs', () => stateOf('indexer')?.state === 'running')
  expect(await applier.command('indexer', 'echo', { a: 1 })).toEqual({ a: 1 })
  await expect(applier.command('indexer', 'nonsense', {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(applier.command('indexer', 'exit', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(stateOf('indexer')).toMatchObject({ state: 'backing-off', restarts: 1 })
  expect(stateOf('indexer')?.reason).toMatch(/^It ended with code 7.* It starts again in 1 s\.$/)
  await until('it runs again', () => stateOf('indexer')?.state === 'running')
  expect(readFileSync(join(directory, 'logs', 'indexer.log'), 'utf8')).toContain('the fixture is ready')
  await expect(applier.command('deriver', 'echo', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('a deaf child and what it started are ended as a group', async () => {
  applier = make(null)
  await applier.apply(planOf(planned('indexer', { deaf: true, grandchild: true })))
  const { pid, grandchild } = await until('it runs', () => statusOf('indexer'))
  expect(isRunning(pid) && isRunning(grandchild ?? 0)).toBe(true)
  await applier.stop()
  expect(isRunning(pid)).toBe(false)
  await until('the grandchild is gone', () => !isRunning(grandchild ?? 0), 1_000)
})

test('a child that takes too much memory is ended and says so', async () => {
  applier = make(null)
  await applier.apply(planOf(planned('deriver', { eat: 300 })))
  await until('the watchdog ends it', () => stateOf('deriver')?.state === 'backing-off', 15_000)
  expect(stateOf('deriver')?.reason).toContain('It used more memory than the 150 MiB it may')
})
