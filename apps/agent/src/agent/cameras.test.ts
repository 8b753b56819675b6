import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { CameraFacts, NodeFacts } from '@thatdam/protocol/facts'
import { LocalEndpoint, LocalState } from '@thatdam/protocol/local'
import { readEnv } from '../env.ts'
import { makeLog } from '../log.ts'
import { SERVICES } from '../services/registry.ts'
import { inProcessService } from '../services/service.ts'
import { FACTS, fixtureService } from '../testing/plans.ts'
import { ALONE } from '../testing/alone.ts'
import { until } from '../testing/until.ts'
import { Agent } from './agent.ts'

let directory: string
let agent: Agent | null
let plugged: string[]
/** Gathering waits for it. */
let gate: Promise<void>
let release = (): void => {}
let gathered = 0

const services = new Map(
  [...SERVICES.keys()].map((name) => [
    name,
    name === 'camera-proxy' ? fixtureService('camera-proxy', ['cameras']) : inProcessService(name, () => ''),
  ]),
)
const camera = (cameraId: string): CameraFacts => ({
  cameraId,
  kind: 'v4l2',
  name: `Device ${cameraId}`,
  locator: `/dev/v4l/by-path/${cameraId}`,
  modes: [{ codec: 'mjpeg', width: 1280, height: 720, fps: 30 }],
})
const gather = async (): Promise<NodeFacts> => {
  await gate
  gathered += 1
  return { ...FACTS, hasFfmpeg: true, cameras: plugged.map(camera) }
}

async function start(): Promise<void> {
  const env = readEnv({ PATH: process.env['PATH'], STATE_DIR: join(directory, 'state'), SERVICE_PORT: '0', ...ALONE })
  agent = await Agent.start({ env, log: makeLog({ level: 'error', format: 'text', write: () => {}, file: null }), services, gather })
}

async function local(path: string, method = 'GET', body?: unknown): Promise<unknown> {
  const endpoint = LocalEndpoint.parse(JSON.parse(readFileSync(join(directory, 'state/local.json'), 'utf8')))
  const headers = { authorization: `Bearer ${endpoint.token}` }
  const answer = await fetch(endpoint.url + path, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
  return await answer.json()
}
const state = async (): Promise<LocalState> => LocalState.parse(await local('/local/state'))
const names = async (): Promise<string[]> => (await state()).facts.cameras.map(({ name }) => name)

interface Told {
  pid: number
  told: { command: string; params: Record<string, unknown> }[]
}
/** What the camera service's process says of itself. */
async function cameraService(): Promise<Told> {
  const { pid } = JSON.parse(readFileSync(join(directory, 'state/children.json'), 'utf8')).groups[0] as { pid: number }
  const told = (await local('/local/services/camera-proxy/command', 'POST', { command: 'told', params: {} })) as Told['told']
  return { pid, told }
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-agent-cameras-'))
  agent = null
  plugged = ['one', 'two']
  gate = Promise.resolve()
})
afterEach(async () => {
  release()
  await agent?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('an unplugged camera stays known, a new one is added, a name travels, and only a new camera restarts the service', async () => {
  await start()
  const { pid } = await until('the service runs and knows the names', async () => {
    const service = await cameraService().catch(() => null)
    return service !== null && service.told.length > 0 ? service : null
  })

  plugged = ['two']
  const before = gathered
  // Each change of the password has facts gathered anew, and ends every session.
  await local('/local/owner', 'PUT', { passwordHash: '$argon2id$test' })
  await until('facts were gathered since', () => gathered > before)
  await until('live pictures ended', async () => (await cameraService()).told.some(({ command }) => command === 'end-session'))
  expect((await cameraService()).told.find(({ command }) => command === 'end-session')?.params).toEqual({ sessionId: null })
  expect(await names()).toEqual(['Device one', 'Device two'])

  const body = { kind: 'camera.set', subject: 'two', field: 'name', value: 'Front door', replaces: null }
  await local('/local/ops', 'POST', { ops: [{ body }] })
  expect(await names()).toEqual(['Device one', 'Front door'])
  await until('the service is told', async () =>
    (await cameraService()).told.some(({ params }) => (params['names'] as Record<string, string> | undefined)?.['two'] === 'Front door'),
  )
  expect((await cameraService()).pid).toBe(pid)

  plugged = ['two', 'three']
  await local('/local/owner', 'PUT', { passwordHash: null })
  await until('the third camera', async () => (await names()).length === 3)
  await until('the service is a new one', async () => (await cameraService().catch(() => null))?.pid !== pid)
  expect(await names()).toEqual(['Device one', 'Front door', 'Device three'])
})

test('with facts of the last run the agent starts at once, and gathers afterwards', async () => {
  await start()
  await agent?.stop()
  gate = new Promise((resolve) => (release = resolve))
  plugged = ['one', 'two', 'three']
  await start()
  expect(await names()).toEqual(['Device one', 'Device two'])
  await until('the service runs', async () => (await cameraService().catch(() => null)) !== null)
  expect(await names()).toEqual(['Device one', 'Device two'])
  release()
  await until('fresh facts', async () => (await names()).length === 3)
})
