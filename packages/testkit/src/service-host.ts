import { fork, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Json } from '@thatdam/protocol/canonical'
import { AppendOpsRequest, FromService, LOCAL_TOKEN_HEADER, SESSION_HEADER } from '@thatdam/protocol/local'
import type { OpFeedEntry, ServiceConfig, ToService } from '@thatdam/protocol/local'
import type { OpBody, OpKind, OpOf } from '@thatdam/protocol/ops'

/*
 * A small agent for tests of child services: a real local API on a real socket, and a real process started over IPC. What it does not
 * do: sign, keep anything on disk, supervise.
 */

const NODE_ID = 'test-node-a1b2c3'
const PIECE_BYTES = 64 * 1024

/** The agent's local API as a child service uses it: appends ops to a feed in memory and serves that feed. */
export class FakeAgent {
  readonly nodeId = NODE_ID
  readonly token = randomBytes(16).toString('hex')
  readonly entries: OpFeedEntry[] = []
  /** Sizes of the append calls, in order. */
  readonly appendSizes: number[] = []
  feedId = randomBytes(8).toString('hex')
  /** What other machines have. */
  readonly sources = new Map<string, Buffer>()
  /** What was asked of them, in order. */
  readonly askedSources: string[] = []
  /** Bytes of them that were sent. */
  sentBytes = 0
  /** Of these, the next answer breaks off half way of what was asked for. */
  readonly brittle = new Set<string>()
  /** While true, appends are answered with 503. */
  refuse = false
  private readonly server = createServer((request, response) => void this.answer(request, response))
  private readonly news = new Set<() => void>()

  static async start(): Promise<FakeAgent> {
    const agent = new FakeAgent()
    await new Promise<void>((resolve) => agent.server.listen(0, '127.0.0.1', resolve))
    return agent
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.wake()
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  add(bodies: readonly OpBody[], nodeId: string = NODE_ID): void {
    for (const body of bodies) {
      const position = this.entries.length + 1
      const hlc = `${String(Date.now()).padStart(13, '0')}-${String(position % 1_000_000).padStart(6, '0')}-${nodeId}`
      this.entries.push({ position, nodeId, op: { id: randomBytes(16).toString('hex'), hlc, body } })
    }
    this.wake()
  }

  /** Bodies of one kind, in order. */
  ops<K extends OpKind>(kind: K): OpOf<K>[] {
    return this.entries.map((entry) => entry.op.body).filter((body): body is OpOf<K> => body.kind === kind)
  }

  private wake(): void {
    for (const handler of this.news) handler()
    this.news.clear()
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (request.headers.authorization !== `Bearer ${this.token}`) return send(response, 401, {})
    const [, source] = /^\/local\/sources\/([0-9a-f]{64})$/.exec(url.pathname) ?? []
    if (source !== undefined) return this.source(source, request, response)
    if (url.pathname !== '/local/ops') return send(response, 404, {})
    if (request.method === 'POST') return this.append(request, response)
    const after = Number(url.searchParams.get('after'))
    if (this.entries.length <= after) await this.waitForNews(Number(url.searchParams.get('waitMs') ?? 0))
    const entries = this.entries.slice(after, after + Number(url.searchParams.get('limit') ?? 500))
    send(response, 200, { feedId: this.feedId, entries, position: entries.at(-1)?.position ?? after })
  }

  private async append(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (this.refuse) return send(response, 503, { error: { code: 'UNAVAILABLE', message: 'The test agent refuses.' } })
    const parsed = AppendOpsRequest.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
    const from = this.entries.length
    this.appendSizes.push(parsed.ops.length)
    this.add(parsed.ops.map((op) => op.body))
    const ops = this.entries.slice(from).map((entry) => ({ id: entry.op.id, hlc: entry.op.hlc, position: entry.position }))
    send(response, 200, { ops, durability: 'here' })
  }

  private source(sha256: string, request: IncomingMessage, response: ServerResponse): void {
    this.askedSources.push(sha256)
    const bytes = this.sources.get(sha256)
    if (bytes === undefined) return send(response, 503, { error: { code: 'UNAVAILABLE', message: 'Nobody has it.' } })
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
    const wanted = bytes.subarray(Number(from ?? 0))
    const range = from === undefined ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(from === undefined ? 200 : 206, { 'content-length': wanted.length, ...range })
    if (this.brittle.delete(sha256)) response.write(wanted.subarray(0, wanted.length >> 1), () => response.destroy())
    // What a reader leaves behind in the line when it goes has not been sent.
    else void pipeline(Readable.from(this.counted(wanted)), response).catch(() => {})
  }

  private *counted(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      const piece = bytes.subarray(at, at + PIECE_BYTES)
      this.sentBytes += piece.length
      yield piece
    }
  }

  private waitForNews(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.news.add(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

export interface HostedService {
  readonly child: ChildProcess
  /** Every message so far. */
  readonly messages: FromService[]
  /** The last status; null before the first one. */
  status(): Json | null
  /** Base URL of a service that listens; waits for it. */
  url(): Promise<string>
  command(command: string, params?: Record<string, Json>): Promise<{ readonly ok: boolean; readonly value: Json }>
  /** In order, as the agent does it; resolves with the exit code. */
  stop(): Promise<number | null>
  kill(): Promise<void>
  /** A request as the gateway passes it on, signed in unless `session` is false. */
  request(path: string, init?: RequestInit & { readonly session?: boolean }): Promise<Response>
}

/** Starts `entry` (a service's process.ts or its bundle) with the agent's channel and configuration. */
export function hostService(
  entry: string,
  agent: FakeAgent,
  config: Partial<ServiceConfig> & Pick<ServiceConfig, 'service'>,
): HostedService {
  const whole: ServiceConfig = {
    mode: 'full',
    params: {},
    nodeId: NODE_ID,
    nodeName: 'Test',
    stateDir: '',
    casRoot: '',
    indexPaths: [],
    cameras: [],
    localUrl: agent.url,
    localToken: agent.token,
    ffmpegPath: 'ffmpeg',
    ffprobePath: 'ffprobe',
    maxParallel: 1,
    peers: {},
    logLevel: 'info',
    ...config,
  }
  const child = fork(entry, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [] })
  const messages: FromService[] = []
  child.on('message', (raw) => void messages.push(FromService.parse(raw)))
  const tell = (message: ToService): void => void child.send(message)
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  tell({ type: 'start', config: whole })
  let commands = 0
  const url = (): Promise<string> =>
    waitFor(() => messages.flatMap((message) => (message.type === 'ready' && message.url !== null ? [message.url] : []))[0] ?? null)
  return {
    child,
    messages,
    status: () => messages.flatMap((message) => (message.type === 'status' ? [message.status] : [])).at(-1) ?? null,
    url,
    command: async (command, params = {}) => {
      const id = ++commands
      tell({ type: 'command', id, command, params })
      return waitFor(() => messages.flatMap((message) => (message.type === 'result' && message.id === id ? [message] : []))[0] ?? null)
    },
    stop: () => {
      if (child.connected) tell({ type: 'stop' })
      return ended
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
    request: async (path, init = {}) => {
      const { session = true, ...rest } = init
      const headers = new Headers(rest.headers)
      headers.set(LOCAL_TOKEN_HEADER, agent.token)
      const who = { sessionId: 'test', kind: 'password', displayName: 'Test' }
      if (session) headers.set(SESSION_HEADER, Buffer.from(JSON.stringify(who)).toString('base64url'))
      return fetch((await url()) + path, { ...rest, headers })
    },
  }
}

/** Waits until `look` gives something, asking every 20 ms. @throws after `timeoutMs`. */
export async function waitFor<T>(look: () => T | null | false | Promise<T | null | false>, timeoutMs = 30_000): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== null && found !== false) return found
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${look.toString().slice(0, 200)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A fresh folder and its removal. */
export async function temporaryFolder(name: string): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), `thatdam-${name}-`))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}
