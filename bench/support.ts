import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { handleAgentRequest } from '@thatdam/control/http'
import { fingerprint, generateKey } from '@thatdam/control/keys'
import { PollHub } from '@thatdam/control/poll-hub'
import { RateLimiter } from '@thatdam/control/rate-limits'
import { MemoryStore } from '@thatdam/control/testing/memory-store'
import { makeToken, newRingScope } from '@thatdam/control/token'
import { LAUNCH } from '@thatdam/testkit/ring/program'

const root = path.resolve(import.meta.dirname, '..')
export const agentFile = path.join(root, 'apps', 'agent', 'dist', 'thatdam.cjs')
export const AGENT_FLAGS = LAUNCH.flags
export const AGENT_ENVIRONMENT = {
  ...LAUNCH.environment,
  // Nobody else of this network is looked for, but every part of it runs.
  NODE_API_PORT: '0',
  NODE_API_BIND: '127.0.0.1',
  DISCOVERY_BACKEND: 'static',
}

export function requireAgentBuild(): void {
  if (!existsSync(agentFile)) throw new Error('The agent is not built: run "npm run build" first.')
}

/** A directory of this run, removed at its end. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-bench-'))
  return { path: directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

/** A Node binary that no other process maps, so that PSS counts all of it. */
export function privateNode(directory: string): string {
  const file = path.join(directory, process.platform === 'win32' ? 'node.exe' : 'node')
  copyFileSync(process.execPath, file)
  return file
}

export interface FakeCloud {
  readonly url: string
  readonly token: string
  /** Resolves at the next request of this path, with the time (performance.now) at which its head had arrived. */
  nextRequest(path: string): Promise<number>
  close(): Promise<void>
}

/** The real control core over a real socket, with its rows in memory. */
export async function startFakeCloud(): Promise<FakeCloud> {
  const instance = generateKey()
  const organisation = { id: 'bench', name: 'Bench' }
  const scope = newRingScope(organisation.id)
  const token = makeToken(scope, fingerprint(instance.publicKey))
  const store = new MemoryStore()
  const now = Date.now()
  store.addToken({
    tokenKey: token.tokenKey,
    scope,
    organisation,
    createdAtMs: now,
    expiresAtMs: now + 3_600_000,
    maxUses: 100,
    revokedAtMs: null,
  })
  const hub = new PollHub({ heldMax: 100 })
  const waiting = new Map<string, (atMs: number) => void>()
  const deps = {
    server: { instance, nonceSecret: randomBytes(32) },
    store,
    hub,
    limiter: new RateLimiter(),
    now: Date.now,
    random: Math.random,
    onError: (error: unknown, route: string) => console.error(route, error),
  }
  const server: Server = createServer((request, response) => {
    const atMs = performance.now()
    const route = (request.url ?? '').split('?')[0] ?? ''
    const resolve = waiting.get(route)
    waiting.delete(route)
    resolve?.(atMs)
    if (route === '/bare') response.end('{}')
    else void handleAgentRequest(request, response, deps)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    token: token.text,
    nextRequest: (route) => new Promise((resolve) => waiting.set(route, resolve)),
    close: async () => {
      hub.shut()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

export function start(node: string, args: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(node, args, { env: { ...process.env, ...environment }, stdio: 'ignore' })
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  await ended
}

/** Registers a machine whose plan needs no child service; the state directory is ready for `run`. */
export async function registerIdleAgent(node: string, stateDirectory: string, cloud: FakeCloud): Promise<Readonly<Record<string, string>>> {
  const environment = {
    ...AGENT_ENVIRONMENT,
    STATE_DIR: stateDirectory,
    CLOUD_CONTROL_URL: cloud.url,
    SERVICE_PORT: '0',
    THATDAM_TOKEN: cloud.token,
    LOG_LEVEL: 'error',
  }
  const child = start(node, [agentFile, 'register', '--url', cloud.url], environment)
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`thatdam register ended with ${code}`)
  return environment
}

/**
 * Proportional and anonymous memory of one process, MB (Linux). In `pssMb` the Node binary counts whole, as if no other process (a child of the
 * agent) mapped it; in `sharedPssMb` by its share, as the kernel counts.
 */
export function memoryOf(pid: number): { pssMb: number; sharedPssMb: number; anonymousMb: number; rssMb: number } {
  const total = { pss: 0, shared: 0, anonymous: 0, rss: 0 }
  let isNode = false
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) isNode = line.endsWith('/node')
    const [, name, kB] = /^(Rss|Pss|Anonymous):\s+(\d+) kB/.exec(line) ?? []
    if (name === 'Rss') total.rss += Number(kB)
    if (name === 'Pss') total.shared += Number(kB)
    if (name === 'Anonymous') total.anonymous += Number(kB)
    if (name === (isNode ? 'Rss' : 'Pss')) total.pss += Number(kB)
  }
  return { pssMb: total.pss / 1024, sharedPssMb: total.shared / 1024, anonymousMb: total.anonymous / 1024, rssMb: total.rss / 1024 }
}

export type LocalCaller = (method: string, route: string, body?: unknown) => Promise<unknown>

/** Calls a running agent's local API; the first call waits until it is up. @throws with the answer's text when it is refused. */
export function localCaller(stateDirectory: string, nodeProcess: ChildProcess): LocalCaller {
  return async (method, route, body) => {
    const endpoint = await until(() => readEndpoint(stateDirectory, nodeProcess.pid), 30_000)
    const headers = { authorization: `Bearer ${endpoint.token}`, 'content-type': 'application/json' }
    const response = await fetch(endpoint.url + route, { method, headers, body: body === undefined ? null : JSON.stringify(body) })
    if (!response.ok) throw new Error(`${route}: ${response.status} ${await response.text()}`)
    return await response.json()
  }
}

/** Takes out of the machine's plan what an owner can, and waits until it has ended: a machine alone leads, and keeps media-api. */
export async function excludeChildServices(stateDirectory: string, nodeProcess: ChildProcess, kept: readonly string[] = []): Promise<void> {
  const call = localCaller(stateDirectory, nodeProcess)
  const state = (await call('GET', '/local/state')) as { node: { nodeId: string } }
  const excluded = [
    'local-console',
    'catalog',
    'media-api',
    'camera-proxy',
    'capture-daemon',
    'indexer',
    'deriver',
    'transcoder',
    'stream-processor',
    'intel',
  ].filter((name) => !kept.includes(name))
  const op = { kind: 'node.set', subject: state.node.nodeId, field: 'excludeServices', value: excluded, replaces: null }
  await call('POST', '/local/ops', { ops: [{ body: op }] })
  await until(() => (childrenOf(nodeProcess.pid ?? 0).length <= 1 + kept.length ? true : null), 60_000)
}

function readEndpoint(stateDirectory: string, pid: number | undefined): { url: string; token: string } | null {
  try {
    const endpoint = JSON.parse(readFileSync(path.join(stateDirectory, 'local.json'), 'utf8')) as {
      url: string
      token: string
      pid: number
    }
    return endpoint.pid === pid ? endpoint : null
  } catch {
    return null // not written yet
  }
}

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
}

/** Asks again every 100 ms until there is an answer. */
export async function until<T>(ask: () => T | null | Promise<T | null>, limitMs: number): Promise<T> {
  const deadline = Date.now() + limitMs
  for (;;) {
    const value = await ask()
    if (value !== null) return value
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms`)
    await pause(100)
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A clock tick of the kernel's accounts. */
const TICK_MS = 10

/** User and system time of one process, milliseconds (Linux). */
export function processorMs(pid: number): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const fields = rest.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}
