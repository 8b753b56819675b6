import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { timingSafeEqual } from 'node:crypto'
import type { Json } from '@thatdam/protocol/canonical'
import { NOT_FOUND_BODY, ThatdamError, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import {
  AppendOpsResponse,
  LOCAL_TOKEN_HEADER,
  OpFeed,
  SERVICE_HEALTH_PATH,
  SESSION_HEADER,
  Session,
  ToService,
  SERVICE_KEEP_ALIVE_MS,
} from '@thatdam/protocol/local'
import type { FromService, ServiceConfig, ServiceHealth } from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'
import { outliveReaders } from '@thatdam/protocol/output'

/*
 * The child's side of a service with a process of its own.
 *
 *   agent ── start{config} ─▶ child ── ready{url} ─▶ agent
 *         ── peers / command ─▶      ── status (≤ 4/s) / result / waiting / running ─▶
 *         ── stop ─▶ child ends after its onStop handlers (agent waits 10 s, then kills the group)
 *
 * The channel's closing means that the agent is gone: the same ordered stop, and exit code 0.
 */

const STATUS_INTERVAL_MS = 250
const STOP_LIMIT_MS = 9_000

export interface ServiceRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Path and query below 127.0.0.1; already free of the gateway's prefix handling. */
  readonly url: URL
  /** Null: nobody is signed in. */
  readonly session: Session | null
}

export interface ChildContext {
  readonly config: ServiceConfig
  /** Base URLs of siblings that are up, by service name; changes over time. */
  peers(): Readonly<Record<string, string>>
  onPeers(handler: () => void): void
  /** Replaces the status before; sent at most four times a second, the last one always. */
  status(value: Json): void
  /** Something outside is missing (ffmpeg, a folder): one sentence for the person. Stays until running(). */
  waiting(reason: string): void
  running(reason?: string): void
  onCommand(handler: (command: string, params: Readonly<Record<string, Json>>) => Promise<Json>): void
  /** Handlers run last-registered first, each awaited. */
  onStop(handler: () => Promise<void> | void): void
  /** Aborted as soon as stopping begins. */
  readonly signal: AbortSignal
  /** Serves on 127.0.0.1; requests without the local token get 401, the question for its health is answered. Returns the base URL. */
  listen(handler: (request: ServiceRequest) => Promise<void>): Promise<string>
  /** Signed and fsynced when it resolves. At most 1,000 bodies a call; retry is the caller's. */
  appendOps(bodies: readonly OpBody[]): Promise<AppendOpsResponse>
  /** The op feed after a position; waits up to `waitMs` for news. */
  readOps(after: number, waitMs: number, limit?: number): Promise<OpFeed>
  /**
   * Bytes that other machines of the ring have. @throws ThatdamError UNAVAILABLE when nobody in reach gives it.
   */
  openSource(sha256: string, asked: SourcePart, signal: AbortSignal): Promise<SourceBytes>
}

export interface SourcePart {
  /** Who may have it. */
  readonly holders: readonly string[]
  /** Null: all of it, verified by the agent: a stream that ends without an error was the source. Else from there on, as the holder sends it. */
  readonly from: number | null
}

export interface SourceBytes {
  /** Of the whole. */
  readonly sizeBytes: number
  readonly bytes: AsyncIterable<Uint8Array>
}

/** Runs `main` once the agent has sent the configuration. Call it once, at the bottom of a service's process.ts. */
export function runChild(main: (context: ChildContext) => Promise<void>): void {
  if (!process.send) {
    process.stderr.write('This program is a part of the ThatDAM agent and is started by it: use `thatdam run`.\n')
    process.exit(64)
  }
  const channel = new Channel()
  outliveReaders(process.stdout, process.stderr)
  process.on('message', (raw) => {
    const message = ToService.safeParse(raw)
    if (message.success) channel.receive(message.data, main)
    else console.error('a message of the agent does not match its schema', message.error)
  })
  process.on('disconnect', () => void channel.stop())
  process.on('SIGTERM', () => void channel.stop())
  process.on('SIGINT', () => {}) // a terminal's Ctrl-C reaches the whole group: the agent stops us in order
}

function fail(error: unknown): never {
  console.error(error)
  process.exit(1)
}

class Channel {
  private readonly stopping = new AbortController()
  private readonly stopHandlers: (() => Promise<void> | void)[] = []
  private peersNow: Record<string, string> = {}
  private readonly peersHandlers: (() => void)[] = []
  private commandHandler: ((command: string, params: Readonly<Record<string, Json>>) => Promise<Json>) | null = null
  private pendingStatus: Json | undefined
  private statusTimer: NodeJS.Timeout | null = null
  private started = false

  receive(message: ToService, main: (context: ChildContext) => Promise<void>): void {
    switch (message.type) {
      case 'start':
        if (this.started) return
        this.started = true
        this.peersNow = message.config.peers
        main(this.context(message.config)).catch(fail)
        return
      case 'peers':
        this.peersNow = message.peers
        for (const handler of this.peersHandlers) handler()
        return
      case 'command':
        void this.answer(message.id, message.command, message.params)
        return
      case 'stop':
        void this.stop()
        return
    }
  }

  async stop(): Promise<void> {
    if (this.stopping.signal.aborted) return
    this.stopping.abort()
    setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref()
    for (const handler of this.stopHandlers.toReversed()) {
      try {
        await handler()
      } catch (error) {
        console.error(error)
      }
    }
    process.exit(0)
  }

  private send(message: FromService): void {
    if (process.connected) process.send?.(message)
  }

  private async answer(id: number, command: string, params: Readonly<Record<string, Json>>): Promise<void> {
    try {
      if (!this.commandHandler) throw new ThatdamError('NOT_FOUND', `This service takes no command "${command}".`)
      this.send({ type: 'result', id, ok: true, value: await this.commandHandler(command, params) })
    } catch (error) {
      if (!(error instanceof ThatdamError)) console.error(error)
      const known =
        error instanceof ThatdamError ? error : new ThatdamError('INTERNAL', 'The service failed; its log says why.', { cause: error })
      this.send({ type: 'result', id, ok: false, value: { code: known.code, message: known.message } })
    }
  }

  private status(value: Json): void {
    this.pendingStatus = value
    if (this.statusTimer) return
    this.flushStatus()
    this.statusTimer = setInterval(() => this.flushStatus(), STATUS_INTERVAL_MS)
  }

  private flushStatus(): void {
    if (this.pendingStatus !== undefined) {
      this.send({ type: 'status', status: this.pendingStatus })
      this.pendingStatus = undefined
      return
    }
    if (this.statusTimer) clearInterval(this.statusTimer)
    this.statusTimer = null
  }

  private context(config: ServiceConfig): ChildContext {
    return {
      config,
      peers: () => this.peersNow,
      onPeers: (handler) => void this.peersHandlers.push(handler),
      status: (value) => this.status(value),
      waiting: (reason) => this.send({ type: 'waiting', reason }),
      running: (reason = '') => this.send({ type: 'running', reason }),
      onCommand: (handler) => void (this.commandHandler = handler),
      onStop: (handler) => void this.stopHandlers.push(handler),
      signal: this.stopping.signal,
      listen: async (handler) => {
        const url = await this.listen(config, handler)
        this.send({ type: 'ready', url })
        return url
      },
      appendOps: async (bodies) => {
        const ops = bodies.map((body) => ({ body }))
        return AppendOpsResponse.parse(await callLocal(config, 'POST', '/local/ops', { ops }))
      },
      readOps: async (after, waitMs, limit = 500) =>
        OpFeed.parse(
          await callLocal(config, 'GET', `/local/ops?after=${after}&limit=${limit}&waitMs=${waitMs}`, undefined, this.stopping.signal),
        ),
      openSource: (sha256, asked, signal) => openSource(config, sha256, { ...asked, signal }),
    }
  }

  private async listen(config: ServiceConfig, handler: (request: ServiceRequest) => Promise<void>): Promise<string> {
    const token = Buffer.from(config.localToken)
    const server = createServer((request, response) => {
      const given = Buffer.from(String(request.headers[LOCAL_TOKEN_HEADER] ?? ''))
      if (given.length !== token.length || !timingSafeEqual(given, token)) {
        response.writeHead(401, { 'content-type': 'application/json' }).end(UNAUTHENTICATED_BODY)
        return
      }
      if (request.url === SERVICE_HEALTH_PATH) {
        const health: ServiceHealth = { ok: true, reason: '' }
        response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(health))
        return
      }
      handler({ request, response, url: new URL(request.url ?? '/', 'http://127.0.0.1'), session: readSession(request) }).catch(
        (error: unknown) => answerError(response, error),
      )
    })
    server.keepAliveTimeout = SERVICE_KEEP_ALIVE_MS
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    this.stopHandlers.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
}

function readSession(request: IncomingMessage): Session | null {
  const header = request.headers[SESSION_HEADER]
  if (typeof header !== 'string') return null
  return Session.parse(JSON.parse(Buffer.from(header, 'base64url').toString('utf8')))
}

/** Answers a request with an error's own code and sentence; a stack goes to the log only. */
export function answerError(response: ServerResponse, error: unknown): void {
  if (!(error instanceof ThatdamError)) console.error(error)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const known = error instanceof ThatdamError ? error : new ThatdamError('INTERNAL', 'Something failed on our side; the log says what.')
  const body = known.code === 'NOT_FOUND' ? NOT_FOUND_BODY : JSON.stringify(known.toBody())
  response.writeHead(known.status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body)
}

async function callLocal(config: ServiceConfig, method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<unknown> {
  const response = await fetch(config.localUrl + path, {
    method,
    headers: { authorization: `Bearer ${config.localToken}`, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  })
  const answer: unknown = await response.json()
  if (response.ok) return answer
  const error = (answer as { error?: { code?: string; message?: string } }).error
  throw new ThatdamError(response.status >= 500 ? 'UNAVAILABLE' : 'CONFLICT', error?.message ?? `The agent answered ${response.status}.`)
}

async function openSource(
  config: ServiceConfig,
  sha256: string,
  { holders, from, signal }: SourcePart & { readonly signal: AbortSignal },
): Promise<SourceBytes> {
  const url = `${config.localUrl}/local/sources/${sha256}?holders=${holders.join()}`
  const range = from === null ? {} : { range: `bytes=${from}-` }
  const response = await fetch(url, { headers: { authorization: `Bearer ${config.localToken}`, ...range }, signal })
  const { body } = response
  if (!response.ok || body === null) {
    await body?.cancel()
    throw new ThatdamError('UNAVAILABLE', `No machine in reach gives the source ${sha256} now.`)
  }
  return { sizeBytes: (from ?? 0) + Number(response.headers.get('content-length') ?? Number.NaN), bytes: body }
}
