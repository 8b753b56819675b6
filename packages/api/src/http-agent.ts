import type { Json } from '@thatdam/protocol/canonical'
import { ERRORS, ErrorBody, ThatdamError, type ErrorCode } from '@thatdam/protocol/errors'
import { AppendOpsResponse, FolderListing, LocalState, NewSessionResponse, OpFeed, OwnerCredential } from '@thatdam/protocol/local'
import { JsonValue } from '@thatdam/protocol/plan'
import * as z from 'zod/mini'
import type { AgentPort } from './agent-port.ts'

/** Longer than the agent holds a state request (25 s). */
const HELD_LIMIT_MS = 40_000
const CALL_LIMIT_MS = 15_000
/** Stopping a recording seals it first. */
const COMMAND_LIMIT_MS = 60_000

interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  body?: unknown
  limitMs?: number
  signal?: AbortSignal
}

/** The agent's local API over loopback HTTP (packages/protocol/src/local.ts). */
export function httpAgent(baseUrl: string, token: string): AgentPort {
  async function call(request: Call): Promise<unknown> {
    const limit = AbortSignal.timeout(request.limitMs ?? CALL_LIMIT_MS)
    let response: Response
    try {
      response = await fetch(baseUrl + request.path, {
        method: request.method,
        headers: { authorization: `Bearer ${token}`, ...(request.body === undefined ? {} : { 'content-type': 'application/json' }) },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal: request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]),
      })
    } catch (error) {
      throw new ThatdamError('UNAVAILABLE', 'The ThatDAM agent on this machine does not answer. Try again in a moment.', { cause: error })
    }
    const text = await response.text()
    const answer: unknown = text === '' ? null : JSON.parse(text)
    if (response.ok) return answer
    throw agentError(response.status, answer)
  }
  async function get<T>(schema: z.ZodMiniType<T>, path: string, more: Partial<Call> = {}): Promise<T> {
    return z.parse(schema, await call({ method: 'GET', path, ...more }))
  }
  return {
    state: (after, signal) =>
      get(LocalState, after === null ? '/local/state' : `/local/state?after=${after}`, { limitMs: HELD_LIMIT_MS, signal }),
    readOps: (after, limit, waitMs, signal) =>
      get(OpFeed, `/local/ops?after=${after}&limit=${limit}&waitMs=${waitMs}`, { limitMs: CALL_LIMIT_MS + waitMs, signal }),
    async appendOps(body) {
      return AppendOpsResponse.parse(await call({ method: 'POST', path: '/local/ops', body }))
    },
    async command(service, command, params) {
      const path = `/local/services/${service}/command`
      const body: { command: string; params: Readonly<Record<string, Json>> } = { command, params }
      return z.parse(JsonValue, await call({ method: 'POST', path, body, limitMs: COMMAND_LIMIT_MS }))
    },
    folders: (path) => get(FolderListing, path === null ? '/local/folders' : `/local/folders?path=${encodeURIComponent(path)}`),
    ownerCredential: () => get(OwnerCredential, '/local/owner'),
    async setOwnerCredential(body) {
      await call({ method: 'PUT', path: '/local/owner', body })
    },
    async createSession(body) {
      return NewSessionResponse.parse(await call({ method: 'POST', path: '/local/sessions', body }))
    },
    async endSession(sessionId) {
      await call({ method: 'DELETE', path: `/local/sessions/${encodeURIComponent(sessionId)}` })
    },
  }
}

function agentError(status: number, answer: unknown): ThatdamError {
  const body = ErrorBody.safeParse(answer)
  if (body.success && body.data.error.code in ERRORS) return new ThatdamError(body.data.error.code as ErrorCode, body.data.error.message)
  return new ThatdamError('UNAVAILABLE', `The ThatDAM agent on this machine answered ${status}. Its log says why.`)
}
