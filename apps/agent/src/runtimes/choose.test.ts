import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeDocker } from '@thatdam/testkit/fake-docker'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LocalEndpoint, LocalState } from '@thatdam/protocol/local'
import { ALONE } from '../testing/alone.ts'
import { isRunning, until } from '../testing/until.ts'

/** The agent as it is installed: parts that are loaded later are files of their own there. */
const bundle = join(import.meta.dirname, '../../dist/thatdam.cjs')

let directory: string
let docker: FakeDocker
let agent: ChildProcess | null = null

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-runtime-'))
  mkdirSync(join(directory, 'Pictures'))
  docker = await FakeDocker.start(join(directory, 'docker.sock'), ['thatdam-runtime'])
})
afterEach(async () => {
  agent?.kill('SIGTERM')
  await until('the agent ended', () => !agent || agent.exitCode !== null || agent.signalCode !== null, 16_000)
  await docker.end()
  rmSync(directory, { recursive: true, force: true })
})

function run(runtime: string): ChildProcess {
  const variables = {
    PATH: process.env['PATH'],
    HOME: directory,
    STATE_DIR: join(directory, 'state'),
    INDEX_PATHS: join(directory, 'Pictures'),
    SERVICE_PORT: '0',
    TEST_CAMERAS: 'clock',
    RUNTIME: runtime,
    DOCKER_SOCKET: docker.socketPath,
    ...ALONE,
  }
  const env = variables as Record<string, string | undefined> as NodeJS.ProcessEnv
  return spawn(process.execPath, [bundle, 'run'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Null while the agent does not answer. */
async function stateNow(): Promise<LocalState | null> {
  const file = join(directory, 'state', 'local.json')
  if (!existsSync(file)) return null
  const { url, token } = LocalEndpoint.parse(JSON.parse(readFileSync(file, 'utf8')))
  return await new Promise((resolve) => {
    const asked = request(`${url}/local/state`, { headers: { authorization: `Bearer ${token}` } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve(LocalState.parse(JSON.parse(text))))
    })
    asked.on('error', () => resolve(null))
    asked.end()
  })
}

const PROCESSES = ['media-api', 'indexer', 'deriver', 'camera-proxy'] as const

test.skipIf(process.platform !== 'linux').each(['exec', 'ns', 'docker'])(
  'the built agent runs its services by RUNTIME=%s, and they pass their self-test',
  async (runtime) => {
    if (!existsSync(bundle)) throw new Error('The agent is not built: run npm run build first.')
    agent = run(runtime)
    const state = await until(
      'its services run',
      async () => {
        const now = await stateNow()
        const running = now?.plan.services.filter(({ state: one }) => one === 'running').map(({ name }) => name) ?? []
        return now?.plan.selfTest?.ok && PROCESSES.every((name) => running.includes(name)) && now
      },
      40_000,
    )
    expect(state.plan.rejected).toBeNull()
    const containers = [...docker.containers.values()].map(({ request: made }) => made.Labels['thatdam.service'])
    expect(PROCESSES.every((name) => containers.includes(name))).toBe(runtime === 'docker')
    const pids = docker.made.flatMap((container) => container.process?.pid ?? [])
    agent.kill('SIGTERM')
    await until('the agent ended', () => agent?.exitCode === 0, 16_000)
    expect(pids.filter(isRunning)).toEqual([])
    expect(docker.containers.size).toBe(0)
  },
  70_000,
)
