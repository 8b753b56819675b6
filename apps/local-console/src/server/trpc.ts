import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ApiContext } from '@thatdam/api/context'
import { appRouter } from '@thatdam/api/router'
import type { Session } from '@thatdam/protocol/local'
import { TRPCError } from '@trpc/server'
import { nodeHTTPRequestHandler } from '@trpc/server/adapters/node-http'
import { clearSessionCookie, requireOwnPage, setSessionCookie } from './http.ts'
import { TooManyGuesses } from './passwords.ts'

const BODY_BYTES_MAX = 512 * 1024
const BATCH_MAX = 16

export type ApiParts = Omit<ApiContext, 'session' | 'signal' | 'setSessionCookie' | 'clearSessionCookie'>

/** The tRPC routes below /trpc. */
export async function handleTrpc(
  parts: ApiParts,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  session: Session | null,
): Promise<void> {
  if (request.method !== 'GET') requireOwnPage(request)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  response.setHeader('cache-control', 'no-store')
  await nodeHTTPRequestHandler({
    router: appRouter,
    req: request,
    res: response,
    path: url.pathname.slice('/trpc/'.length),
    maxBodySize: BODY_BYTES_MAX,
    allowMethodOverride: false,
    createContext: ({ info }) => {
      if (info.calls.length > BATCH_MAX) throw new TRPCError({ code: 'BAD_REQUEST', message: `at most ${BATCH_MAX} calls in one request` })
      return Promise.resolve({
        ...parts,
        session,
        signal: gone.signal,
        setSessionCookie: (value: string, expiresAtMs: number) => setSessionCookie(response, value, expiresAtMs),
        clearSessionCookie: () => clearSessionCookie(response),
      })
    },
    onError({ error }) {
      if (error.cause instanceof TooManyGuesses) response.setHeader('retry-after', String(error.cause.retryAfterSeconds))
      if (error.code === 'INTERNAL_SERVER_ERROR') console.error(error)
    },
  })
}
