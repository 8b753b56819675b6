import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeDocker } from '@thatdam/testkit/fake-docker'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { ServiceName } from '@thatdam/protocol/plan'
import type { Json } from '@thatdam/protocol/canonical'
import { configOf, FACTS, fixtureSpec, planned, planOf } from '../../testing/plans.ts'
import { isRunning, until } from '../../testing/until.ts'
import { SupervisedService } from '../supervised.ts'
import type { Runtime } from '../runtime.ts'
import { dockerRuntime } from './runtime.ts'
import { ContainerStreams } from './streams.ts'

let directory: string
let docker: FakeDocker
let runtime: Runtime
let running: SupervisedService[]

const socketPath = () => join(directory, 'docker.sock')
const REAL_SOCKET = '/var/run/docker.sock'
const makeRuntime = (socket = socketPath()) =>
  dockerRuntime({
    socketPath: socket,
    image: 'thatdam-runtime',
    agentLabel: '0123abcd',
    environment: { ...process.env, TZ: 'Asia/Tokyo' },
    log: () => {},
  })

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-docker-'))
  docker = await FakeDocker.start(socketPath(), ['thatdam-runtime'])
  runtime = makeRuntime()
  running = []
})
afterEach(async () => {
  await Promise.all(running.map(async (service) => await service.stop(500)))
  await runtime.close()
  await docker.end()
  rmSync(directory, { recursive: true, force: true })
})

function start(name: ServiceName, params: Record<string, Json> = {}, config: Partial<ServiceConfig> = {}): SupervisedService {
  const one = planned(name, params)
  const context = { planned: one, plan: planOf(one).body, config: configOf(one, config), facts: FACTS }
  const service = new SupervisedService({ runtime, context, spec: fixtureSpec, logsDir: join(directory, 'logs'), changed: () => {} })
  running.push(service)
  return service
}
interface Status {
  readonly pid: number
  readonly peers?: Record<string, string>
}
const statusOf = (service: SupervisedService) => service.view().status as Status | null
const runs = (service: SupervisedService) => until('it runs', () => service.view().state === 'running' && statusOf(service))

test('a service runs in a container and speaks with the agent over its streams; it stops in order and leaves nothing', async () => {
  const service = start('media-api')
  const { pid } = await runs(service)
  expect(docker.made).toHaveLength(1)
  expect(docker.made[0]?.process?.pid).toBe(pid)
  expect(await service.command('echo', { text: 'ä\u001E\n' })).toEqual({ text: 'ä\u001E\n' })
  await expect(service.command('nonsense', {})).rejects.toMatchObject({ code: 'NOT_FOUND' })
  service.setPeers({ indexer: 'http://127.0.0.1:1' })
  await until('it knows its sibling', () => statusOf(service)?.peers?.['indexer'])
  const answer = await fetch(`${service.view().url ?? ''}/x`, { headers: { 'x-thatdam-local': 'local-token' } })
  expect(answer.status).toBe(200)
  expect(readFileSync(join(directory, 'logs', 'media-api.log'), 'utf8')).toContain('\nthe fixture is ready\n')
  await service.stop()
  expect(isRunning(pid)).toBe(false)
  expect(docker.containers.size).toBe(0)
  expect(docker.made[0]?.exitCode).toBe(0)
})

test('a container sees its state and store to write, its media and program to read, no secrets, and is limited', async () => {
  const stateDir = join(directory, 'state')
  const [casRoot, pictures] = [join(directory, 'store'), join(directory, 'Pictures')]
  for (const path of [stateDir, casRoot, pictures]) mkdirSync(path)
  writeFileSync(join(stateDir, 'identity.json'), 'the key')
  const indexPaths = [pictures, join(directory, 'a drive that is away')]
  const service = start('indexer', {}, { stateDir, casRoot, indexPaths })
  await runs(service)
  const request = docker.made[0]?.request
  const mounts = Object.fromEntries((request?.HostConfig.Mounts ?? []).map((mount) => [mount.Target, mount]))
  expect(mounts[stateDir]).toMatchObject({ Source: stateDir, ReadOnly: false })
  expect(mounts[casRoot]).toMatchObject({ ReadOnly: false })
  expect(mounts[pictures]).toMatchObject({ Source: pictures, ReadOnly: true })
  expect(mounts[join(stateDir, 'identity.json')]).toMatchObject({ Source: '/dev/null', ReadOnly: true })
  expect(mounts[process.execPath]).toMatchObject({ ReadOnly: true })
  expect(Object.keys(mounts)).not.toContain(indexPaths[1])
  expect(Object.keys(mounts)).not.toContain('/')
  expect(request?.Env).toContain('TZ=Asia/Tokyo')
  expect(request?.Env.some((line) => line.startsWith('PATH='))).toBe(false)
  const host = request?.HostConfig
  expect(host).toMatchObject({ NetworkMode: 'host', ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'] })
  expect(host?.['Memory']).toBe(fixtureSpec.rssMaxBytes + 2 ** 30)
  expect(host?.['NanoCpus']).toBeGreaterThan(0)
  runtime.quotas({ maxDerives: 1, maxTranscodes: 0, maxIntel: 0, cpuReservePercent: 65, quietHours: null })
  const update = await until('the share is changed', () => docker.made[0]?.updates[0])
  expect(update['NanoCpus']).toBe(Math.round((host?.['NanoCpus'] as number) / 2))
  const capture = start('capture-daemon')
  await runs(capture)
  expect(docker.made[1]?.request.HostConfig['NanoCpus']).toBeUndefined()
})

test('a container that ends is started again with its reason; a deaf one is ended hard', async () => {
  const service = start('indexer', { deaf: true })
  const { pid } = await runs(service)
  await expect(service.command('exit', {})).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(service.view().reason).toMatch(/^It ended with code 7.* It starts again in 1 s\.$/)
  const again = await until('it runs again', () => statusOf(service)?.pid !== pid && statusOf(service))
  await service.stop(200)
  expect(isRunning(again.pid)).toBe(false)
  const crash = start('deriver', { crash: true })
  await until('it failed twice', () => crash.view().failedStarts >= 2)
  expect(crash.view().reason).toContain('this service was told to crash')
  await crash.stop()
  expect(docker.containers.size).toBe(0)
})

test('memory that the container may not have is told as such', async () => {
  const service = start('indexer')
  await runs(service)
  const [container] = docker.made
  if (container) container.oomKilled = true
  container?.signal('SIGKILL')
  await until('it says so', () => service.view().reason.startsWith('It used more memory than the 512 MiB it may'))
})

test('without an engine or an image a service waits and says why, and that is no failed start', async () => {
  await docker.stop()
  const service = start('media-api')
  await until('it waits', () => service.view().state === 'waiting')
  expect(service.view()).toMatchObject({ failedStarts: 0, restarts: 0 })
  expect(service.view().reason).toBe(`The Docker engine does not answer at ${socketPath()} (ENOENT). Start it, or set RUNTIME to exec.`)
  docker = await FakeDocker.start(socketPath(), [])
  await until('it misses the image', () => service.view().reason.includes('The container image thatdam-runtime is not on this machine'))
  expect(service.view()).toMatchObject({ state: 'waiting', failedStarts: 0 })
  docker.registry.add('thatdam-runtime:latest')
  await runs(service)
  expect(service.view().reason).toBe('')
})

test('an engine that goes away while a service runs', async () => {
  const service = start('media-api')
  const { pid } = await runs(service)
  const [lost] = docker.made
  await docker.stop()
  await until('the service ends by itself', () => !isRunning(pid))
  await until('it waits for the engine', () => service.view().state === 'waiting' && service.view().reason.includes('does not answer'))
  const after = await FakeDocker.start(socketPath(), ['thatdam-runtime'])
  // What the engine still knows by the same name is in the way.
  if (lost) after.containers.set(lost.id, lost)
  docker = after
  const again = await runs(service)
  expect(again.pid).not.toBe(pid)
  expect(after.find(lost?.id ?? '')).toBeNull()
})

test('what a killed agent left is ended by the next one', async () => {
  // An agent of its own, that is killed while its container runs and does not see that its input ended.
  const agent = spawn(process.execPath, [join(import.meta.dirname, '../../testing/docker-agent.ts'), socketPath(), directory], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const log = join(directory, 'killed', 'indexer.log')
  const left = await until('its container runs', () => docker.made[0]?.process?.pid)
  await until('it is up', () => existsSync(log) && readFileSync(log, 'utf8').includes('the fixture is ready'))
  agent.kill('SIGKILL')
  await new Promise((resolve) => agent.once('exit', resolve))
  expect([docker.containers.size, isRunning(left)]).toEqual([1, true])
  await runs(start('media-api'))
  expect(isRunning(left)).toBe(false)
  expect(docker.containers.size).toBe(1)
})

function frame(stream: number, text: string): Buffer {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

/** A real engine with the image of docs/runtimes.md, where this machine has one. */
const real = await realEngine()
test.skipIf(real === null)(
  'in a real engine',
  async () => {
    await runtime.close()
    runtime = makeRuntime(REAL_SOCKET)
    const service = start('media-api')
    await until('it runs', () => service.view().state === 'running' && statusOf(service), 60_000)
    expect(await service.command('echo', { text: 'ä' })).toEqual({ text: 'ä' })
    const { id = '' } = (await containersOf(REAL_SOCKET))[0] ?? {}
    expect(id).not.toBe('')
    await service.stop()
    expect(await containersOf(REAL_SOCKET)).toEqual([])
  },
  90_000,
)

function ask(socket: string, path: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    get({ socketPath: socket, path, timeout: 5_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
    }).on('error', reject)
  })
}

async function containersOf(socket: string): Promise<{ id: string }[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: ['thatdam.agent=0123abcd'] }))
  const { body } = await ask(socket, `/containers/json?all=1&filters=${filters}`)
  return (body as { Id: string }[]).map(({ Id }) => ({ id: Id }))
}

async function realEngine(): Promise<true | null> {
  const found = await ask(REAL_SOCKET, '/images/thatdam-runtime:latest/json').catch(() => null)
  if (found?.status === 200) return true
  const why = found ? 'has no image thatdam-runtime (docs/runtimes.md)' : `does not answer at ${REAL_SOCKET}`
  console.log(`a Docker engine ${why}: containers are tried here only against the test's engine`)
  return null
}

test('frames and messages survive any cut; a message is never log and log never a message', () => {
  const bytes = Buffer.concat([
    frame(1, 'log ä\n\u001E{"type":"running","re'),
    frame(2, '\u001Eerror output is log\n'),
    frame(1, ''),
    frame(1, 'ason":"ü"}\nmore\n\u001E{}\n'),
  ])
  for (let size = 1; size <= bytes.length; size++) {
    const messages: string[] = []
    const log: Buffer[] = []
    const streams = new ContainerStreams({ onLog: (data) => log.push(Buffer.from(data)), onMessage: (text) => messages.push(text) })
    for (let at = 0; at < bytes.length; at += size) streams.push(bytes.subarray(at, at + size))
    expect(messages).toEqual(['{"type":"running","reason":"ü"}', '{}'])
    expect(Buffer.concat(log).toString()).toBe('log ä\n\u001Eerror output is log\nmore\n')
  }
})
