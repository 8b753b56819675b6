import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { NOT_FOUND_BODY, ThatdamError } from '@thatdam/protocol/errors'
import type { ClusterFile, Discovery, Health } from '@thatdam/protocol/cluster'
import type { Session } from '@thatdam/protocol/local'
import type { ServiceName } from '@thatdam/protocol/plan'
import { isLoopback } from '../fair-sockets.ts'
import { sendError, sendJson } from '../local-api/http.ts'
import { isPatient } from '../pipelining.ts'
import type { ServiceView } from '../services/service.ts'
import { checkOrigin, checkTarget, HostNames } from './guard.ts'
import { Listener, type Bind } from './listener.ts'
import { waitingPage } from './page.ts'
import { passOn, passOnUpgrade, SECURITY_HEADERS, type Target } from './proxy.ts'
import type { Remote } from './remote.ts'
import type { SessionStore } from './session-store.ts'

const COOKIE = 'thatdam-session'
/** A session that ended loses its streams within a second; the answer that tells of its end is still given. */
const CUT_AFTER_MS = 800
const FIRST_RUN: Session = { sessionId: 'first-run', kind: 'first-run', displayName: 'You' }

export interface GatewayPorts {
  readonly sessions: SessionStore
  readonly passwordSet: () => boolean
  readonly localToken: () => string
  readonly service: (name: ServiceName) => ServiceView | null
  /** Does the plan run the console here? */
  readonly hasConsole: () => boolean
  readonly leaderUrl: () => string | null
  /** What the leader tells of its ring. */
  readonly supervisor: (path: '/v1/nodes' | '/v1/plans' | '/v1/events', response: ServerResponse) => Promise<void>
  /** The other machines of the ring. */
  readonly remote: Remote
  readonly health: () => Health
  readonly discovery: () => Discovery
  readonly cluster: () => ClusterFile
  readonly log: (message: string, error: unknown) => void
}

/**
 * The only door for browsers. In order: path, Host, Origin, session; then `/health /discovery /cluster` here, `/media` and `/live` to their
 * services, all else to the console, or a page that says what is waited for.
 */
export class Gateway {
  readonly listener: Listener
  private readonly ports: GatewayPorts
  private readonly hostNames = new HostNames()
  /** Streams and sockets of each session, to cut them when it ends. */
  private readonly open = new Map<string, Set<{ destroy(): unknown }>>()

  constructor(ports: GatewayPorts) {
    this.ports = ports
    this.listener = new Listener({
      onRequest: (request, response) => this.request(request, response),
      onUpgrade: (request, socket, head) => this.upgrade(request, socket, head),
    })
    ports.sessions.onEnded((sessionId) => void setTimeout(() => this.cut(sessionId), CUT_AFTER_MS).unref())
  }

  async setBind(bind: Bind): Promise<void> {
    await this.listener.rebind(bind)
  }

  async close(): Promise<void> {
    this.cut(null)
    await this.listener.close()
  }

  private request(request: IncomingMessage, response: ServerResponse): void {
    if (!isPatient(request, response)) return
    try {
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
      response.setHeader('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
      this.route(request, response)
    } catch (error) {
      // A body that nobody wants may have no end.
      if (!request.complete && !response.headersSent) response.setHeader('connection', 'close')
      sendError(response, error, this.ports.log)
      request.resume()
    }
  }

  private route(request: IncomingMessage, response: ServerResponse): void {
    const { method = 'GET' } = request
    const path = checkTarget(request.url ?? '/')
    if (!this.hostNames.allows(request.headers.host, request.socket.localAddress)) throw foreignHost()
    if (path !== '/discovery' || method !== 'GET') checkOrigin(method, false, request.headers)
    if (path === '/health' || path === '/discovery' || path === '/cluster') {
      this.info(path, response)
      return
    }
    const session = this.session(request)
    const service = serviceOf(path)
    if (service !== 'local-console' && !session) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
    if (path === '/v1/nodes' || path === '/v1/plans' || path === '/v1/events') {
      if (!session) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
      this.track(session, response)
      this.ports.supervisor(path, response).catch((error: unknown) => sendError(response, error, this.ports.log))
      return
    }
    if (session && this.remoteLive(path, request, response, session)) return
    if (service === 'local-console' && this.redirect(request, response)) return
    const target = this.target(service, session)
    if (!target) {
      this.absent(service, request, response)
      return
    }
    response.removeHeader('content-security-policy')
    this.track(session, response)
    passOn(
      request,
      response,
      service === 'media-api' && session ? { ...target, onMissing: () => this.elsewhere(request, response, session) } : target,
    )
  }

  /** Where another machine leads, its console is the ring's: pages are sent there. */
  private redirect(request: IncomingMessage, response: ServerResponse): boolean {
    const leader = this.ports.hasConsole() ? null : this.ports.leaderUrl()
    const { method = 'GET' } = request
    if (leader === null || (method !== 'GET' && method !== 'HEAD')) return false
    response.writeHead(307, { location: `${leader}${request.url ?? '/'}`, 'cache-control': 'no-store' }).end()
    request.resume()
    return true
  }

  /** A live picture of another machine of the ring. */
  private remoteLive(path: string, request: IncomingMessage, response: ServerResponse, session: Session): boolean {
    const [, nodeId, rest] = /^\/live\/nodes\/([a-z0-9][a-z0-9-]{0,62})\/(.+)$/.exec(path) ?? []
    if (nodeId === undefined || rest === undefined) return false
    this.track(session, response)
    const { remote } = this.ports
    remote.live(request, response, { nodeId, path: rest, session }).catch((error: unknown) => sendError(response, error, this.ports.log))
    return true
  }

  private elsewhere(request: IncomingMessage, response: ServerResponse, session: Session): void {
    const { remote } = this.ports
    const path = request.url ?? '/'
    remote.media(request, response, { path, session }).catch((error: unknown) => sendError(response, error, this.ports.log))
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    try {
      const path = checkTarget(request.url ?? '/')
      if (!this.hostNames.allows(request.headers.host, request.socket.localAddress)) throw foreignHost()
      checkOrigin(request.method ?? 'GET', true, request.headers)
      const session = this.session(request)
      if (!session) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
      const target = this.target(serviceOf(path), session)
      if (!target) throw new ThatdamError('UNAVAILABLE', 'The console is starting. Try again in a few seconds.')
      this.track(session, socket)
      passOnUpgrade(request, socket, head, target)
    } catch (error) {
      const status = error instanceof ThatdamError ? error.status : 500
      if (status === 500) this.ports.log('an upgrade failed', error)
      socket.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    }
  }

  private info(path: '/health' | '/discovery' | '/cluster', response: ServerResponse): void {
    if (path === '/health') {
      const health = this.ports.health()
      sendJson(response, health.status === 'ok' ? 200 : 503, health)
    } else {
      // A page of a machine that fell silent asks here who leads; there is nothing in it that the LAN does not hear anyway.
      if (path === '/discovery') {
        response.setHeader('access-control-allow-origin', '*')
        response.setHeader('cross-origin-resource-policy', 'cross-origin')
      }
      sendJson(response, 200, path === '/discovery' ? this.ports.discovery() : this.ports.cluster())
    }
  }

  /** On loopback, before there is a password, whoever sits at the machine is its owner. */
  private session(request: IncomingMessage): Session | null {
    if (!this.ports.passwordSet()) return isLoopback(request.socket.remoteAddress) ? FIRST_RUN : null
    const value = cookieOf(request.headers.cookie)
    return value === null ? null : this.ports.sessions.resolve(value)
  }

  private target(service: ServiceName, session: Session | null): Target | null {
    const url = this.ports.service(service)?.url
    return url ? { url, localToken: this.ports.localToken(), session } : null
  }

  private absent(service: ServiceName, request: IncomingMessage, response: ServerResponse): void {
    const view = this.ports.service(service)
    response.setHeader('retry-after', '2')
    if (service !== 'local-console' || !(request.headers.accept ?? '').includes('text/html')) {
      throw new ThatdamError('UNAVAILABLE', view?.reason || 'This part of the machine is starting. Try again in a few seconds.')
    }
    const leader = this.ports.leaderUrl()
    const page = this.ports.hasConsole()
      ? { title: 'The console is starting', text: view?.reason || 'A few seconds; the page then opens by itself.', link: null }
      : leader
        ? {
            title: 'The console runs on another machine',
            text: 'This machine is a part of the ring.',
            link: { href: leader, label: leader },
          }
        : { title: 'This machine has no console', text: 'It waits for a machine of the ring that can carry it.', link: null }
    const body = Buffer.from(waitingPage(page))
    response
      .writeHead(503, { 'content-type': 'text/html; charset=utf-8', 'content-length': body.length, 'cache-control': 'no-store' })
      .end(body)
    request.resume()
  }

  private track(session: Session | null, stream: ServerResponse | Duplex): void {
    if (!session) return
    const streams = this.open.get(session.sessionId) ?? new Set()
    this.open.set(session.sessionId, streams)
    streams.add(stream)
    stream.once('close', () => {
      streams.delete(stream)
      if (streams.size === 0 && this.open.get(session.sessionId) === streams) this.open.delete(session.sessionId)
    })
  }

  private cut(sessionId: string | null): void {
    const ended = sessionId === null ? [...this.open.values()] : [this.open.get(sessionId) ?? new Set<{ destroy(): unknown }>()]
    // Destroying a stream removes it from its set a moment later, when it closes.
    for (const streams of ended) for (const stream of streams) stream.destroy()
  }
}

function foreignHost(): ThatdamError {
  return new ThatdamError('FOREIGN_ORIGIN', 'This machine is not known by that name. Open its console by its address or host name.')
}

function serviceOf(path: string): ServiceName {
  if (path === '/media' || path.startsWith('/media/')) return 'media-api'
  if (path === '/live' || path.startsWith('/live/')) return 'camera-proxy'
  if (path.startsWith('/local/')) throw new ThatdamError('NOT_FOUND', NOT_FOUND_BODY)
  return 'local-console'
}

function cookieOf(header: string | undefined): string | null {
  return new RegExp(`(?:^|;\\s*)${COOKIE}=([A-Za-z0-9_-]{43})(?:;|$)`).exec(header ?? '')?.[1] ?? null
}
