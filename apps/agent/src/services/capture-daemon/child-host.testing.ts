import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Json } from '@thatdam/protocol/canonical'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { AppendOpsRequest, FromService, LOCAL_TOKEN_HEADER, SESSION_HEADER, type ServiceConfig } from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'

/*
 * For tests: what the agent is to the camera services. Real child processes on the real channel, and a local API that keeps the ops.
 */

export const TOKEN = 'test-local-token'
const SESSION = Buffer.from(JSON.stringify({ sessionId: 's1', kind: 'password', displayName: 'Tester' })).toString('base64url')
/** As the gateway would ask for a person who is signed in. */
export const AS_PERSON = { [LOCAL_TOKEN_HEADER]: TOKEN, [SESSION_HEADER]: SESSION }

export const TEST_CAMERA: CameraFacts = { cameraId: 'test:pattern', kind: 'test', name: 'Test pattern', locator: 'testsrc2', modes: [] }

/** Tries until `look` gives something; the deadline is an error that names what was waited for. */
export async function until<T>(what: string, look: () => T | Promise<T>, limitMs = 15_000): Promise<NonNullable<T>> {
  const end = performance.now() + limitMs
  for (;;) {
    const found = await look()
    if (found !== null && found !== undefined && found !== false) return found
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`)
    await delay(25)
  }
}

export class FakeAgent {
  readonly ops: OpBody[] = []
  /** While true, ops are refused as when the disk of the log is full. */
  refuse = false
  private readonly server: Server
  private constructor(server: Server) {
    this.server = server
  }
  static async start(): Promise<FakeAgent> {
    const server = createServer()
    const agent = new FakeAgent(server)
    server.on('request', (request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (part: string) => (body += part))
      request.on('end', () => {
        if (agent.refuse || request.url !== '/local/ops' || request.headers.authorization !== `Bearer ${TOKEN}`) {
          response.writeHead(503).end(JSON.stringify({ error: { code: 'UNAVAILABLE', message: 'The agent is stopping.' } }))
          return
        }
        const bodies = AppendOpsRequest.parse(JSON.parse(body)).ops.map((op) => op.body)
        agent.ops.push(...bodies)
        const ops = bodies.map((_, at) => ({ id: '0'.repeat(32), hlc: '1795225865126-000000-node-a', position: at + 1 }))
        response.writeHead(200).end(JSON.stringify({ ops, durability: 'here' }))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return agent
  }
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }
  of<K extends OpBody['kind']>(kind: K): Extract<OpBody, { kind: K }>[] {
    return this.ops.filter((op): op is Extract<OpBody, { kind: K }> => op.kind === kind)
  }
  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }
}

export interface HostedConfig extends Partial<ServiceConfig> {
  readonly service: 'camera-proxy' | 'capture-daemon'
  readonly stateDir: string
}

export class HostedChild {
  readonly process: ChildProcess
  url: string | null = null
  status: Json = null
  waiting = ''
  private nextId = 1
  private readonly results = new Map<number, (result: { ok: boolean; value: Json }) => void>()

  private constructor(child: ChildProcess) {
    this.process = child
    child.on('message', (raw) => {
      const message = FromService.parse(raw)
      if (message.type === 'ready') this.url = message.url
      if (message.type === 'status') this.status = message.status
      if (message.type === 'waiting') this.waiting = message.reason
      if (message.type === 'running') this.waiting = ''
      if (message.type === 'result') this.results.get(message.id)?.(message)
    })
  }

  static async start(config: HostedConfig): Promise<HostedChild> {
    const entry = new URL(`../${config.service}/process.ts`, import.meta.url)
    const child = fork(entry, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const hosted = new HostedChild(child)
    const whole: ServiceConfig = {
      mode: 'full',
      params: {},
      nodeId: 'node-a',
      nodeName: 'Node A',
      casRoot: `${config.stateDir}/cas`,
      indexPaths: [],
      cameras: [],
      localUrl: 'http://127.0.0.1:9',
      localToken: TOKEN,
      ffmpegPath: 'ffmpeg',
      ffprobePath: 'ffprobe',
      maxParallel: 1,
      peers: {},
      logLevel: 'info',
      ...config,
    }
    child.send({ type: 'start', config: whole })
    await until(`${config.service} to be ready`, () => hosted.url !== null || config.service === 'capture-daemon')
    return hosted
  }

  setPeers(peers: Record<string, string>): void {
    this.process.send({ type: 'peers', peers })
  }

  async command(command: string, params: Record<string, Json>): Promise<Json> {
    const id = this.nextId++
    const result = new Promise<{ ok: boolean; value: Json }>((resolve) => this.results.set(id, resolve))
    this.process.send({ type: 'command', id, command, params })
    const { ok, value } = await result
    if (!ok) throw new Error(JSON.stringify(value))
    return value
  }

  /** In order, as the agent does. */
  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const exit = once(this.process, 'exit')
    if (this.process.connected) this.process.send({ type: 'stop' })
    await exit
  }

  async kill(): Promise<void> {
    const exit = once(this.process, 'exit')
    this.process.kill('SIGKILL')
    await exit
  }
}
