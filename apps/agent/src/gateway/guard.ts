import type { IncomingHttpHeaders } from 'node:http'
import { hostname, networkInterfaces } from 'node:os'
import { ThatdamError } from '@thatdam/protocol/errors'

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])
const ADDRESSES_KEPT_MS = 5_000

/**
 * Path hygiene before anything else looks at a URL (THREATS 15, 17). Returns the path without its query.
 * @throws ThatdamError BAD_REQUEST for an absolute URI, BAD_PATH for encoded separators, NUL, control characters and dot segments.
 */
export function checkTarget(target: string): string {
  if (!target.startsWith('/') || target.startsWith('//')) {
    throw new ThatdamError('BAD_REQUEST', 'Only paths on this console are answered, not whole addresses.')
  }
  const path = target.split('?', 1)[0] ?? '/'
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch (error) {
    throw new ThatdamError('BAD_PATH', 'The address holds a broken percent escape.', { cause: error })
  }
  const encodedSeparator = /%2f|%5c|%25(2f|5c|2e|00)/i.test(path)
  const dots = decoded.split('/').some((segment) => segment === '.' || segment === '..')
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (encodedSeparator || dots || decoded.includes('\\') || /[\u0000-\u001f\u007f]/.test(decoded)) {
    throw new ThatdamError('BAD_PATH', 'The address leaves its folder, or holds characters that an address may not have.')
  }
  return path
}

/** Names by which a browser may call this machine. Anything else is somebody else's name pointing here (DNS rebinding, THREATS 18). */
export class HostNames {
  private names = new Set<string>()
  private readAtMs = 0

  /** @param localAddress where the request came in: whoever calls a machine by the very address it answers at, rebinds no name. */
  allows(host: string | undefined, localAddress?: string): boolean {
    const name = hostPart(host)
    return name !== null && (name === localAddress?.replace(/^::ffff:/, '') || this.current().has(name))
  }

  private current(): Set<string> {
    const now = Date.now()
    if (now - this.readAtMs < ADDRESSES_KEPT_MS) return this.names
    const host = hostname().toLowerCase()
    const short = host.split('.', 1)[0] ?? host
    this.names = new Set(['localhost', '127.0.0.1', '::1', 'thatdam.local', host, short, `${short}.local`])
    for (const addresses of Object.values(networkInterfaces())) {
      for (const { address } of addresses ?? []) this.names.add(address.toLowerCase())
    }
    this.readAtMs = now
    return this.names
  }
}

/** Host header without its port, lower case; null when it is no host at all. */
function hostPart(host: string | undefined): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec((host ?? '').toLowerCase())
  return match ? (match[1] ?? (match[2] as string).replace(/\.$/, '')) : null
}

/**
 * A request that changes something, or opens a socket, must come from this console's own pages. Pages of other sites may not embed
 * what is here either: on loopback before the first password there is no cookie that would keep them out.
 * @throws ThatdamError FOREIGN_ORIGIN.
 */
export function checkOrigin(method: string, isUpgrade: boolean, headers: IncomingHttpHeaders): void {
  const site = headers['sec-fetch-site']
  const foreignSite = site === 'cross-site' || site === 'same-site'
  if (SAFE_METHODS.has(method) && !isUpgrade) {
    const navigates = headers['sec-fetch-mode'] === 'navigate' && (headers['sec-fetch-dest'] ?? 'document') === 'document'
    if (foreignSite && !navigates) refuse()
    return
  }
  const { origin } = headers
  // A form of ours says `null`, as our pages send no referrer; Sec-Fetch-Site, which no page can forge, then tells.
  if (origin !== undefined && !(origin === 'null' && site === 'same-origin')) {
    if (!isOwnOrigin(origin, headers.host)) refuse()
    return
  }
  if (site === 'same-origin') return
  // A program without a browser sends neither: it is let through without a cookie only, and is then nobody.
  if (site !== undefined || headers.cookie !== undefined || isUpgrade) refuse()
}

function refuse(): never {
  throw new ThatdamError('FOREIGN_ORIGIN', 'This request came from another site’s page. Open this machine’s console itself.')
}

function isOwnOrigin(origin: string, host: string | undefined): boolean {
  try {
    const url = new URL(origin)
    return (url.protocol === 'http:' || url.protocol === 'https:') && url.host === (host ?? '').toLowerCase()
  } catch {
    return false
  }
}
