import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import { SERVICE_HEALTH_PATH, SERVICE_KEEP_ALIVE_MS, type ServiceHealth } from '@thatdam/protocol/local'
import { handleAuth } from './auth.ts'
import { answerError, fromGateway, plainUrl, sessionOf, setSafetyHeaders } from './http.ts'
import type { Pages } from './pages.ts'
import { handleTrpc, type ApiParts } from './trpc.ts'

export interface ServeOptions {
  localToken: string
  parts: ApiParts
  pages: Pages
  dev: boolean
}

/** What a browser may have before it is signed in: the sign-in page and what it is made of. */
const isOpen = (path: string): boolean => path === '/auth/signin' || path.startsWith('/_next/') || path === '/icon.svg'

/** Serves on 127.0.0.1, for the gateway alone. Returns the base URL and what ends it. */
export async function listen(options: ServeOptions): Promise<{ url: string; close: () => Promise<void> }> {
  const server = createServer((request, response) => {
    if (!fromGateway(request, options.localToken)) {
      response.writeHead(401, { 'content-type': 'application/json' }).end(UNAUTHENTICATED_BODY)
      return
    }
    setSafetyHeaders(response, options.dev)
    route(options, request, response).catch((error: unknown) => answerError(response, error))
  })
  server.on('upgrade', (request, socket, head) => {
    const taken =
      fromGateway(request, options.localToken) && (request.url ?? '').startsWith('/_next/') && options.pages.upgrade(request, socket, head)
    if (!taken) socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n')
  })
  server.keepAliveTimeout = SERVICE_KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await options.pages.close()
    },
  }
}

async function route(options: ServeOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = plainUrl(request)
  const session = sessionOf(request)
  if (url.pathname === SERVICE_HEALTH_PATH) {
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(await health(options)))
    return
  }
  if (await handleAuth(options.parts, request, response, url, session)) return
  if (url.pathname.startsWith('/trpc/')) {
    await handleTrpc(options.parts, request, response, url, session)
    return
  }
  if (!isOpen(url.pathname) && session === null) {
    toSignIn(response, url)
    return
  }
  forgetSecrets(request)
  await options.pages.handle(request, response)
}

/** Pages without their database would only show errors. */
async function health({ parts }: ServeOptions): Promise<ServiceHealth> {
  try {
    await parts.pool.query('SELECT 1')
    return { ok: true, reason: '' }
  } catch (error) {
    // Anyone who reaches the gateway may ask: the details are for the log.
    console.error(error)
    return { ok: false, reason: 'Its database does not answer; the log of local-console says why.' }
  }
}

/** The same for every form of a page's address: what a page shows comes from /trpc, which asks for the session itself. */
function toSignIn(response: ServerResponse, url: URL): void {
  const back = url.pathname === '/' ? '' : `?next=${encodeURIComponent(url.pathname)}`
  response.writeHead(303, { location: `/auth/signin${back}`, 'cache-control': 'no-store' }).end()
}

/** Pages have no use for them, and Next hands headers on to whatever runs inside. */
function forgetSecrets(request: IncomingMessage): void {
  delete request.headers['x-thatdam-local']
  delete request.headers['x-middleware-subrequest']
  delete request.headers['cookie']
}
