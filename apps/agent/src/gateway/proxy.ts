import {
  Agent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream'
import { ThatdamError } from '@thatdam/protocol/errors'
import { LOCAL_TOKEN_HEADER, SERVICE_IDLE_MS, SESSION_HEADER, type Session } from '@thatdam/protocol/local'

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Goes along also where the sender's `Connection` names it: without the length, a body would be read as the next request on its connection. */
const NOT_OF_THE_HOP = new Set(['content-length', 'host', 'cookie'])
/** What every answer carries, whoever made it. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}
const FRAME_ANCESTORS = "frame-ancestors 'none'"

export interface Target {
  readonly url: string
  readonly localToken: string
  readonly session: Session | null
  /** Other than the request's own path and query. */
  readonly path?: string
  /** Takes the request over when the service has nothing there; the answer has not begun. */
  readonly onMissing?: () => void
}

const sockets = new Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 16, timeout: SERVICE_IDLE_MS })

/** Passes a request on and streams both ways, at the pace of the slower side. */
export function passOn(request: IncomingMessage, response: ServerResponse, target: Target): void {
  const { hostname, port } = new URL(target.url)
  const onward = httpRequest({
    host: hostname,
    port,
    method: request.method,
    path: target.path ?? request.url,
    headers: onwardHeaders(request, target, false),
    agent: sockets,
  })
  onward.on('response', (answer) => {
    if (answer.statusCode === 404 && target.onMissing) {
      answer.resume()
      target.onMissing()
      return
    }
    handBack(answer, response)
  })
  onward.on('error', (error) => {
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    const body = JSON.stringify(
      new ThatdamError('UNAVAILABLE', 'This part of the machine is starting again. Try again in a few seconds.', { cause: error }).toBody(),
    )
    response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '2', ...SECURITY_HEADERS }).end(body)
  })
  response.on('close', () => onward.destroy())
  pipeline(request, onward, () => {})
}

/** Streams an answer to whoever asked, with the headers that every answer carries. */
export function handBack(answer: IncomingMessage, response: ServerResponse, more: OutgoingHttpHeaders = {}): void {
  // Whoever asked may leave in the moment before the answer begins, and pipeline() throws at once for a stream that is destroyed.
  if (response.destroyed) {
    answer.destroy()
    return
  }
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', { ...backwardHeaders(answer.headers), ...more })
  response.flushHeaders()
  pipeline(answer, response, () => {})
}

/** A WebSocket, handed through byte by byte after the other side agreed. Resolves with both ends so that the gateway can cut them. */
export function passOnUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, target: Target): void {
  const { hostname, port } = new URL(target.url)
  const onward = httpRequest({ host: hostname, port, method: 'GET', path: request.url, headers: onwardHeaders(request, target, true) })
  socket.on('error', () => onward.destroy())
  socket.on('close', () => onward.destroy())
  onward.on('upgrade', (answer, inner, innerHead) => {
    const lines = Object.entries(answer.headers).flatMap(([name, value]) => [value].flat().map((one) => `${name}: ${one}`))
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
    socket.write(innerHead)
    inner.write(head)
    inner.on('error', () => socket.destroy())
    socket.on('close', () => inner.destroy())
    inner.on('close', () => socket.destroy())
    inner.pipe(socket)
    socket.pipe(inner)
  })
  onward.on('response', (answer) => {
    socket.end(`HTTP/1.1 ${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    answer.resume()
  })
  onward.on('error', () => socket.destroy())
  onward.end()
}

function onwardHeaders(request: IncomingMessage, target: Target, isUpgrade: boolean): OutgoingHttpHeaders {
  const named = new Set(
    (request.headers.connection ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim())
      .filter((name) => !NOT_OF_THE_HOP.has(name)),
  )
  const headers: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(request.headers)) {
    const dropped =
      HOP_BY_HOP.has(name) ||
      named.has(name) ||
      name.startsWith('x-thatdam-') ||
      name.startsWith('x-forwarded-') ||
      name === 'forwarded' ||
      name === 'expect'
    // Next trusts this one to skip its checks (THREATS 11).
    if (!dropped && name !== 'x-middleware-subrequest') headers[name] = value
  }
  headers['x-forwarded-for'] = request.socket.remoteAddress ?? ''
  headers['x-forwarded-host'] = request.headers.host ?? ''
  headers['x-forwarded-proto'] = 'http'
  headers[LOCAL_TOKEN_HEADER] = target.localToken
  if (target.session) headers[SESSION_HEADER] = Buffer.from(JSON.stringify(target.session)).toString('base64url')
  if (isUpgrade) {
    headers['connection'] = 'Upgrade'
    headers['upgrade'] = request.headers.upgrade ?? 'websocket'
    // No body goes along: a service that refuses would read the next request on this connection as the one that was promised.
    delete headers['content-length']
  } else if (request.headers['transfer-encoding'] !== undefined) {
    headers['transfer-encoding'] = 'chunked'
  }
  return headers
}

function backwardHeaders(answer: IncomingHttpHeaders): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ...SECURITY_HEADERS }
  for (const [name, value] of Object.entries(answer)) if (!HOP_BY_HOP.has(name) && !name.startsWith('x-thatdam-')) headers[name] = value
  const given = answer['content-security-policy']
  const policy = given === undefined ? undefined : String(given)
  headers['content-security-policy'] =
    policy === undefined ? FRAME_ANCESTORS : policy.includes('frame-ancestors') ? policy : `${policy}; ${FRAME_ANCESTORS}`
  return headers
}
