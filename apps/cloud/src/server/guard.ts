import type { IncomingMessage } from 'node:http'
import { ThatdamError } from '@thatdam/protocol/errors'
import { HOST_PATTERN, isLoopbackPeer } from './addresses.ts'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface Proxying {
  /** Addresses of proxies that overwrite X-Forwarded-*; from anyone else, what is written there is thrown away. */
  trustedProxies: readonly string[]
  publicUrl: string | undefined
}

export const isTrusted = (proxies: readonly string[], address: string | undefined): boolean =>
  proxies.includes((address ?? '').replace(/^::ffff:/, ''))

/** Headers that only a proxy may set. They are removed or overwritten on every request (THREATS 15). */
const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-real-ip',
  'x-middleware-subrequest',
]

/**
 * Puts a request's headers right before anything reads them: `x-forwarded-*` say who really asks and by which address,
 * `x-thatdam-peer` the address that limits are counted by.
 * @throws ThatdamError BAD_REQUEST for a request line or Host that no browser or agent sends, BAD_PATH for a path that climbs.
 */
export function sanitise(request: IncomingMessage, proxying: Proxying): void {
  const { headers } = request
  const url = request.url ?? ''
  if (!url.startsWith('/') || url.startsWith('//')) throw new ThatdamError('BAD_REQUEST', 'The request line must hold a path.')
  checkPath(url)
  const host = headers.host ?? ''
  if (!HOST_PATTERN.test(host)) throw new ThatdamError('BAD_REQUEST', 'The Host header is not a host name or address.')
  const viaProxy = isTrusted(proxying.trustedProxies, request.socket.remoteAddress)
  const forwardedFor = viaProxy ? String(headers['x-forwarded-for'] ?? '') : ''
  const forwardedProto = viaProxy ? String(headers['x-forwarded-proto'] ?? '') : ''
  for (const name of FORWARDED) delete headers[name]
  const peer = forwardedFor.split(',').at(-1)?.trim() || request.socket.remoteAddress || 'unknown'
  // A PUBLIC_URL of https means that something before us ends TLS for that name.
  const publicUrl = proxying.publicUrl === undefined ? null : new URL(proxying.publicUrl)
  const https = forwardedProto === 'https' || (publicUrl?.protocol === 'https:' && publicUrl.host === host)
  headers['x-forwarded-host'] = host
  headers['x-forwarded-proto'] = https ? 'https' : 'http'
  headers['x-forwarded-for'] = peer
  headers['x-thatdam-peer'] = peer
  headers['x-thatdam-loopback'] = isLoopbackPeer(request.socket.remoteAddress) && !viaProxy ? '1' : '0'
}

const refuse = () => new ThatdamError('BAD_PATH', 'The path leaves its root or holds characters that no address of this server has.')
const foreign = () =>
  new ThatdamError('FOREIGN_ORIGIN', 'This request came from another site’s page. Open ThatDAM itself and try again there.')

/** @throws ThatdamError BAD_PATH: no route of ours has dots that climb, NUL, backslashes or hidden separators (THREATS 17). */
export function checkPath(url: string): void {
  const raw = url.split(/[?#]/, 1)[0] ?? ''
  if (/%2f|%5c|%00/i.test(raw)) throw refuse()
  let decoded: string
  try {
    decoded = decodeURIComponent(raw)
  } catch {
    throw refuse()
  }
  if (/[\p{Cc}\\]/u.test(decoded) || decoded.split('/').some((segment) => segment === '..' || segment === '.' || /%2e|%2f/i.test(segment)))
    throw refuse()
}

/**
 * Refuses what another site's page could make a browser send (THREATS 12): unsafe methods need our own Origin; without that header, a type
 * that no form can send.
 * @throws ThatdamError FOREIGN_ORIGIN.
 */
export function checkOrigin(request: IncomingMessage, publicUrl: string | undefined): void {
  if (SAFE_METHODS.has(request.method ?? 'GET')) return
  const { origin, host, 'sec-fetch-site': site, 'content-type': type = '' } = request.headers
  if (origin !== undefined) {
    const own = [`http://${host}`, `https://${host}`, publicUrl]
    if (!own.includes(origin)) throw foreign()
    return
  }
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign()
  if (!/^application\/json\b/i.test(type)) throw foreign()
}
