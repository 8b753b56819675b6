import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { answerError, answerJson, send, STRANGER, type Answer } from '@thatdam/control/http-io'
import type { KeyPair } from '@thatdam/control/keys'
import type { Member } from '@thatdam/control/roster'
import { Bucket, Buckets } from '@thatdam/discovery/rates'
import { NOT_FOUND_BODY, ThatdamError } from '@thatdam/protocol/errors'
import { FairSockets, holderOf } from '../fair-sockets.ts'
import { HEADERS_MAX, isPatient } from '../pipelining.ts'
import { makeCertificate } from './certificate.ts'
import { peerKeyOf, TLS_OPTIONS } from './tls.ts'

export interface NodePeer {
  /** Proved by the handshake. */
  readonly publicKey: string
  /** Null: a key that is not in the roster now. */
  readonly member: Member | null
}

export interface NodeCall {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  readonly query: URLSearchParams
  readonly peer: NodePeer | null
  /** Of the socket's other end. */
  readonly address: string
}

/** A route for members has a member as its peer when it runs. */
export interface NodeRoute {
  /** `any`: it looks itself. */
  readonly method: 'GET' | 'POST' | 'DELETE' | 'any'
  /** Whole; one that ends in `/` takes all below it. */
  readonly path: string
  /** Answered to anybody: it judges what it is given by itself. */
  readonly open?: boolean
  /** Answered also to who once was a member, under any of its keys. */
  readonly former?: boolean
  /** Null: it has answered itself. */
  readonly run: (call: NodeCall) => Promise<Answer | null>
}

export interface NodeServerOptions {
  readonly key: KeyPair
  readonly nodeId: string
  /** 0: any free one. */
  readonly port: number
  /** Null: every address of this machine. */
  readonly bindAddress: string | null
  readonly memberOf: (publicKey: string) => Member | null
  /** A key that is good no more. */
  readonly wasMember: (publicKey: string) => boolean
  readonly routes: () => readonly NodeRoute[]
  /** A key that is nobody's now was shown at a route for members. */
  readonly onStranger?: (publicKey: string, address: string) => void
  /** A member's key was proved over a connection from this address. */
  readonly onProved: (publicKey: string, address: string) => void
  readonly log: (message: string, error?: unknown) => void
}

/** Held polls of a ring of the largest size, and room for others. */
const CONNECTIONS_MAX = 2_048
/** A handshake costs a signature: strangers get so many a second from one address. */
const HANDSHAKES = { perSecond: 20, burst: 60, keysMax: 512 }
/** And all strangers together, so that many addresses are no way around that; those whose members were proved are no strangers. */
const STRANGERS = { perSecond: 100, burst: 200 }
const PROVED_MAX = 2_048
const HANDSHAKE_MS_MAX = 5_000
const HEADERS_MS_MAX = 10_000
const IDLE_MS_MAX = 65_000

/**
 * The node API: one TLS port on which members of the ring prove their keys, and strangers get no further than the open routes. The roster is
 * asked at each request, so that a removed machine is out at once, whatever connection it still holds; what runs already ends by `dropFormer`.
 */
export class NodeServer {
  private readonly options: NodeServerOptions
  private readonly server: Server
  private readonly handshakes = new Buckets(HANDSHAKES)
  private readonly strangers = new Bucket(STRANGERS.perSecond, STRANGERS.burst, performance.now())
  /** Addresses from which a member's key was proved, the longest silent first. */
  private readonly proved = new Set<string>()
  private known: readonly NodeRoute[] | null = null
  private readonly keys = new WeakMap<TLSSocket, string | null>()
  /** Answers for members alone that are not over, and the key that each was asked with. */
  private readonly running = new Map<ServerResponse, string>()
  /** Those still shaking hands too, which the server itself would wait for. */
  private readonly sockets = new FairSockets(CONNECTIONS_MAX)

  private constructor(options: NodeServerOptions) {
    this.options = options
    this.server = createServer(
      {
        ...TLS_OPTIONS,
        ...makeCertificate(options.key, options.nodeId),
        requestCert: true,
        handshakeTimeout: HANDSHAKE_MS_MAX,
        headersTimeout: HEADERS_MS_MAX,
        // Polls are held; bodies have a time limit of their own.
        requestTimeout: 0,
        keepAliveTimeout: IDLE_MS_MAX,
        connectionsCheckingInterval: 5_000,
        maxHeaderSize: 8_192,
      },
      (request, response) => void this.answer(request, response),
    )
    this.server.maxHeadersCount = HEADERS_MAX
    this.server.on('connection', (socket) => {
      this.sockets.add(socket)
      if (!this.mayShake(holderOf(socket.remoteAddress ?? ''))) socket.destroy()
    })
    this.server.on('tlsClientError', (_error, socket) => socket.destroy())
    this.server.on('clientError', (_error, socket) => socket.destroy())
  }

  /** @throws ThatdamError CONFLICT when the port is taken. */
  static async open(options: NodeServerOptions): Promise<NodeServer> {
    const made = new NodeServer(options)
    await new Promise<void>((resolve, reject) => {
      made.server.once('error', (error: NodeJS.ErrnoException) => reject(portError(error, options.port)))
      made.server.listen({ port: options.port, ...(options.bindAddress === null ? {} : { host: options.bindAddress }) }, resolve)
    })
    made.server.on('error', (error) => options.log('the node API had a problem', error))
    return made
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /**
   * After each change of the roster: whoever is no member any more loses the answers that still run, for some have no end (events, live pictures).
   * A connection at rest stays: its next request is judged anew, and so it learns of its removal.
   */
  dropFormer(): void {
    for (const [response, publicKey] of this.running) if (this.options.memberOf(publicKey) === null) response.destroy()
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve())
      this.sockets.destroyAll()
    })
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isPatient(request, response)) return
    let answer: Answer | null
    try {
      answer = await this.route(request, response)
    } catch (error) {
      answer = this.refusal(error)
    }
    if (answer === null) return
    if (!request.complete) answer = { ...answer, headers: { ...answer.headers, connection: 'close' } }
    send(response, answer)
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<Answer | null> {
    const [path = '/', search = ''] = (request.url ?? '/').split('?', 2)
    const peer = this.peerOf(request.socket as TLSSocket)
    const route = this.routes().find((one) => (one.path.endsWith('/') ? path.startsWith(one.path) : path === one.path))
    const isMember = peer !== null && peer.member !== null
    const isHeard = isMember || route?.open === true || (route?.former === true && peer !== null && this.options.wasMember(peer.publicKey))
    if (!isHeard) {
      if (peer !== null) this.options.onStranger?.(peer.publicKey, request.socket.remoteAddress ?? 'unknown')
      return STRANGER
    }
    if (route === undefined || (route.method !== 'any' && route.method !== request.method)) return { status: 404, body: NOT_FOUND_BODY }
    const address = request.socket.remoteAddress ?? 'unknown'
    if (isMember) {
      if (route.open !== true && route.former !== true) this.follow(response, peer.publicKey)
      this.remember(holderOf(address))
      this.options.onProved(peer.publicKey, address)
    }
    return await route.run({ request, response, path, query: new URLSearchParams(search), peer, address })
  }

  private mayShake(holder: string): boolean {
    const nowMs = performance.now()
    return this.handshakes.take(holder, nowMs) && (this.proved.has(holder) || this.strangers.take(nowMs))
  }

  private follow(response: ServerResponse, publicKey: string): void {
    this.running.set(response, publicKey)
    response.once('close', () => this.running.delete(response))
  }

  private remember(holder: string): void {
    this.proved.delete(holder)
    this.proved.add(holder)
    const longest = this.proved.values().next()
    if (this.proved.size > PROVED_MAX && !longest.done) this.proved.delete(longest.value)
  }

  private routes(): readonly NodeRoute[] {
    this.known ??= this.options.routes()
    return this.known
  }

  private peerOf(socket: TLSSocket): NodePeer | null {
    const known = this.keys.get(socket)
    const publicKey = known === undefined ? peerKeyOf(socket) : known
    if (known === undefined) this.keys.set(socket, publicKey)
    return publicKey === null ? null : { publicKey, member: this.options.memberOf(publicKey) }
  }

  private refusal(error: unknown): Answer | null {
    if (error instanceof ThatdamError) return error.code === 'UNAUTHENTICATED' ? STRANGER : answerError(error)
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return null
    this.options.log('a request of the node API failed', error)
    return answerError(new ThatdamError('INTERNAL', 'The machine had a problem with this request. Its log says what; try again later.'))
  }
}

/** For routes of members. */
export function memberOf(call: NodeCall): Member {
  const member = call.peer?.member
  if (!member) throw new ThatdamError('UNAUTHENTICATED', 'Not a member of this ring.')
  return member
}

export const json = (value: object, status = 200): Answer => answerJson(status, value)

function portError(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error
  return new ThatdamError(
    'CONFLICT',
    `Port ${port} is taken by another program, so the other machines of the ring cannot reach this one. End that program, or set NODE_API_PORT to a free port.`,
    { cause: error },
  )
}
