import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { sendError, sendJson } from './answers.ts'
import { checkOrigin, type Proxying, sanitise } from './guard.ts'
import type { Releases } from './releases.ts'

export interface Doors extends Proxying {
  /** Takes /agent/*: held polls, joining, reports. */
  agent: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  /** All else: Next's pages and routes. */
  pages: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  releases: Releases
}

const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}

/** One request to the part that answers it, after its headers were put right. */
export function createListener(doors: Doors): RequestListener {
  return (request, response) => {
    route(doors, request, response).catch((error: unknown) => sendError(response, error))
  }
}

async function route(doors: Doors, request: IncomingMessage, response: ServerResponse): Promise<void> {
  sanitise(request, doors)
  const pathname = (request.url ?? '/').split(/[?#]/, 1)[0] ?? '/'
  if (pathname.startsWith('/agent/')) return doors.agent(request, response)
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value)
  checkOrigin(request, doors.publicUrl)
  const download = pathname === '/install.sh' || pathname === '/install.ps1' || pathname.startsWith('/releases/')
  if (!download) return doors.pages(request, response)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendJson(response, 405, { error: { code: 'BAD_REQUEST', message: 'This address can only be read.' } }, { allow: 'GET, HEAD' })
    return undefined
  }
  if (pathname.startsWith('/releases/')) return doors.releases.serveFile(request, response, pathname.slice('/releases/'.length))
  const scheme = request.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'
  // The script names the address that it was fetched by: that one works where it runs.
  const origin = doors.publicUrl ?? `${scheme}://${request.headers.host}`
  return doors.releases.serveScript(response, pathname === '/install.sh' ? 'install.sh' : 'install.ps1', origin)
}
