import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { NOT_FOUND_BODY, ThatdamError, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import { LOCAL_TOKEN_HEADER, SESSION_HEADER, Session } from '@thatdam/protocol/local'
import { TooManyGuesses } from './passwords.ts'

export const SESSION_COOKIE = 'thatdam-session'

/** True when the request carries the token that only the gateway knows. */
export function fromGateway(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(String(request.headers[LOCAL_TOKEN_HEADER] ?? ''))
  const expected = Buffer.from(token)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** Whom the gateway found behind the request; null: nobody signed in, or a header that is not the gateway's. */
export function sessionOf(request: IncomingMessage): Session | null {
  const header = request.headers[SESSION_HEADER]
  if (typeof header !== 'string') return null
  try {
    const session = Session.safeParse(JSON.parse(Buffer.from(header, 'base64url').toString('utf8')))
    return session.success ? session.data : null
  } catch {
    return null
  }
}

/**
 * The path of a request that is a plain one: absolute URIs, NUL, backslashes, encoded separators and dot segments are refused.
 * @throws ThatdamError BAD_PATH
 */
export function plainUrl(request: IncomingMessage): URL {
  const raw = request.url ?? ''
  const path = raw.split('?', 1)[0] ?? ''
  const bad =
    !raw.startsWith('/') ||
    raw.startsWith('//') ||
    /%00|%2e|%2f|%5c|\\/i.test(path) ||
    path.split('/').some((segment) => segment === '.' || segment === '..')
  if (bad) throw new ThatdamError('BAD_PATH', 'This address is not one of the console’s.')
  return new URL(raw, 'http://127.0.0.1')
}

/**
 * A request that changes something comes from our own pages: JSON, which no form of another site can send unasked, and not marked as
 * coming from another site. The gateway has checked Host and Origin before.
 * @throws ThatdamError FOREIGN_ORIGIN
 */
export function requireOwnPage(request: IncomingMessage): void {
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]
  const site = request.headers['sec-fetch-site']
  const foreign = site !== undefined && site !== 'same-origin' && site !== 'none'
  if (type?.trim().toLowerCase() !== 'application/json' || foreign) {
    throw new ThatdamError('FOREIGN_ORIGIN', 'This request did not come from the console’s own page. Open the console and try again.')
  }
}

/** @throws ThatdamError TOO_LARGE, BAD_REQUEST */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new ThatdamError('TOO_LARGE', `The request is larger than ${bytesMax} bytes.`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new ThatdamError('BAD_REQUEST', 'The request is not JSON.', { cause: error })
  }
}

/** Answers with the error's own code and sentence; a stack goes to the log only. */
export function answerError(response: ServerResponse, error: unknown): void {
  if (!(error instanceof ThatdamError)) console.error(error)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const known = error instanceof ThatdamError ? error : new ThatdamError('INTERNAL', 'Something failed on our side; the log says what.')
  if (known instanceof TooManyGuesses) response.setHeader('retry-after', String(known.retryAfterSeconds))
  const body =
    known.code === 'NOT_FOUND' ? NOT_FOUND_BODY : known.code === 'UNAUTHENTICATED' ? UNAUTHENTICATED_BODY : JSON.stringify(known.toBody())
  response.writeHead(known.status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body)
}

/**
 * Set on every answer. Pages run our own scripts only, in no frame, and talk to nobody but this console; when it falls silent they ask the
 * ring's other machines who leads. Those may have joined after the page was given, so this one path is open at any host.
 */
export function setSafetyHeaders(response: ServerResponse, dev: boolean): void {
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'unsafe-inline'${dev ? " 'unsafe-eval'" : ''}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    `connect-src 'self' http://*:*/discovery https://*:*/discovery${dev ? ' ws:' : ''}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')
  response.setHeader('content-security-policy', policy)
  response.setHeader('x-content-type-options', 'nosniff')
  response.setHeader('referrer-policy', 'no-referrer')
  response.setHeader('permissions-policy', 'camera=(), microphone=(), geolocation=()')
}

const cookie = (value: string, maxAgeSeconds: number): string =>
  `${SESSION_COOKIE}=${value}; HttpOnly; SameSite=Lax; Path=/; Max-Age=${maxAgeSeconds}`

export function setSessionCookie(response: ServerResponse, value: string, expiresAtMs: number): void {
  if (!/^[A-Za-z0-9._~-]+$/.test(value)) throw new Error('the agent gave a session that does not fit into a cookie')
  response.setHeader('set-cookie', cookie(value, Math.max(0, Math.floor((expiresAtMs - Date.now()) / 1000))))
}
export function clearSessionCookie(response: ServerResponse): void {
  response.setHeader('set-cookie', cookie('', 0))
}
