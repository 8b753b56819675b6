import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import type { KeyPair } from '@thatdam/control/keys'
import { type ErrorCode, ErrorBody, ERRORS, ThatdamError } from '@thatdam/protocol/errors'
import type { Addresses, LinkAddress } from './addresses.ts'
import { within } from '../http-client.ts'
import { makeCertificate } from './certificate.ts'
import { peerKeyOf, TLS_OPTIONS } from './tls.ts'

export interface NodeRequest {
  /** Whom: nobody else gets a byte. Null: whoever answers at the address given, who then proves itself by what it says. */
  readonly publicKey: string | null
  readonly method: 'GET' | 'HEAD' | 'POST' | 'DELETE'
  readonly path: string
  /** As JSON. */
  readonly body?: unknown
  /** As it is; its type stands in `headers`. */
  readonly payload?: Buffer
  readonly headers?: Readonly<Record<string, string>>
  /** Bounds the wait for the answer's head, each silence after it, and with `call` the time that its body may take. */
  readonly timeoutMs: number
  /** Large or lasting (blobs, films, live pictures): over connections of its own, so that plans, reports and ops never wait behind it. */
  readonly isBulk?: boolean
  readonly signal?: AbortSignal
}

export interface NodeAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Parsed JSON; null when there was none. */
  readonly body: unknown
}

const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const CONNECT_MS_MAX = 3_000
/** Connections to one machine: what is small shares a few, whoever streams has one. */
const SOCKETS_MAX = 4
const BULK_SOCKETS_MAX = 32

interface KeyedOptions {
  readonly host: string
  readonly port: number
  readonly expectedKey: string | null
}

/** Connections are pooled by the key at their end, which is checked before the first byte of a request leaves. */
class KeyedAgent extends Agent {
  private readonly own: { cert: string; key: string }
  private readonly addresses: Addresses

  constructor(own: { cert: string; key: string }, addresses: Addresses, maxSockets: number) {
    super({ keepAlive: true, maxSockets, maxFreeSockets: 1, timeout: 60_000, maxCachedSessions: 0 })
    this.own = own
    this.addresses = addresses
  }

  override getName(options: object): string {
    return `${super.getName(options)}:${(options as KeyedOptions).expectedKey ?? 'anybody'}`
  }

  drop(publicKey: string): void {
    for (const pool of [this.sockets, this.freeSockets]) {
      const named = Object.entries(pool).filter(([name]) => name.endsWith(`:${publicKey}`))
      for (const socket of named.flatMap(([, sockets = []]) => sockets)) socket.destroy()
    }
  }

  override createConnection(options: object, callback: (error: Error | null, stream: Duplex) => void): undefined {
    const { host, port, expectedKey } = options as KeyedOptions
    const socket = connect({ ...TLS_OPTIONS, ...this.own, host, port, servername: '' })
    const timer = setTimeout(() => socket.destroy(new Error(`no handshake within ${CONNECT_MS_MAX / 1000} s`)), CONNECT_MS_MAX)
    const fail = (error: Error): void => {
      clearTimeout(timer)
      callback(error, socket)
    }
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      const shown = peerKeyOf(socket)
      if (expectedKey !== null && (shown === null || !this.addresses.isSame(expectedKey, shown))) {
        socket.destroy(new Error('another machine answers at this address'))
        return
      }
      socket.off('error', fail)
      callback(null, socket)
    })
  }
}

/**
 * Asks other nodes over the node API. An address that does not answer, or answers with another key, is passed over for the next: a request may so
 * arrive twice, and every route of the node API has to bear that.
 */
export class NodeClient {
  private readonly agent: KeyedAgent
  private readonly bulk: KeyedAgent
  private readonly addresses: Addresses

  constructor(key: KeyPair, nodeId: string, addresses: Addresses) {
    const own = makeCertificate(key, nodeId)
    this.agent = new KeyedAgent(own, addresses, SOCKETS_MAX)
    this.bulk = new KeyedAgent(own, addresses, BULK_SOCKETS_MAX)
    this.addresses = addresses
  }

  /** @throws ThatdamError UNAVAILABLE when nobody with that key answers; the node's own error when it refuses. */
  async call(request: NodeRequest, at?: readonly LinkAddress[]): Promise<NodeAnswer> {
    const answer = await this.open(request, at)
    const text = await within(request.timeoutMs, answer, readText)
    const status = answer.statusCode ?? 0
    const body = parse(text)
    if (status >= 400) throw errorOf(status, body)
    return { status, headers: answer.headers, body }
  }

  /** The answer's stream, whatever its status. */
  async open(request: NodeRequest, at?: readonly LinkAddress[]): Promise<IncomingMessage> {
    const { publicKey } = request
    const addresses = at ?? (publicKey === null ? [] : this.addresses.of(publicKey, performance.now()))
    let last: unknown = new Error('no address of it is known')
    for (const address of addresses) {
      if (request.signal?.aborted) break
      try {
        const answer = await this.openAt(request, address)
        if (publicKey !== null) this.addresses.proved(publicKey, address, performance.now())
        return answer
      } catch (error) {
        last = error
        if (publicKey !== null) this.addresses.failed(publicKey, address)
      }
    }
    const reason = last instanceof Error ? last.message : String(last)
    throw new ThatdamError('UNAVAILABLE', `The other machine cannot be reached now (${reason}).`, { cause: last })
  }

  /**
   * A machine answers nothing any more: what waits for it fails at once, and when it is back it is reached over fresh connections. The old ones would
   * try ever more seldom (RFC 6298), and be heard of seconds after the line is whole again. Bulk has silences and ranges of its own.
   */
  drop(publicKey: string): void {
    this.agent.drop(publicKey)
  }

  close(): void {
    this.agent.destroy()
    this.bulk.destroy()
  }

  private openAt(request: NodeRequest, { address, port }: LinkAddress): Promise<IncomingMessage> {
    const payload = request.body === undefined ? (request.payload ?? null) : Buffer.from(JSON.stringify(request.body))
    const headers: Record<string, string | number> = { accept: 'application/json', host: 'node', ...request.headers }
    if (request.body !== undefined) headers['content-type'] = 'application/json'
    if (payload) headers['content-length'] = payload.length
    const { method, path, timeoutMs, signal, publicKey: expectedKey } = request
    const agent = request.isBulk === true ? this.bulk : this.agent
    const options = { method, path, headers, timeout: timeoutMs, agent, host: address, port, expectedKey }
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = httpsRequest({ ...options, ...(signal ? { signal } : {}) }, resolve)
      const late = () => sent.destroy(new Error(`no answer within ${Math.round(timeoutMs / 1000)} s`))
      // A head that drips in is no silence.
      const timer = setTimeout(late, timeoutMs)
      sent.once('response', () => clearTimeout(timer))
      sent.once('close', () => clearTimeout(timer))
      sent.once('timeout', late)
      sent.once('error', reject)
      sent.end(payload ?? undefined)
    })
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > ANSWER_BYTES_MAX) throw new Error('the answer is too large')
      chunks.push(chunk)
    }
  } catch (error) {
    answer.destroy()
    throw new ThatdamError('UNAVAILABLE', `The other machine’s answer broke off (${error instanceof Error ? error.message : 'cut'}).`, {
      cause: error,
    })
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return null
  }
}

function errorOf(status: number, body: unknown): ThatdamError {
  const told = ErrorBody.safeParse(body)
  if (!told.success) return new ThatdamError('UNAVAILABLE', `The other machine answered ${status} and nothing that can be read.`)
  const { code, message } = told.data.error
  return new ThatdamError(code in ERRORS ? (code as ErrorCode) : 'INTERNAL', message)
}
