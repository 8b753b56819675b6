import { ERRORS, ErrorBody, ThatdamError, type ErrorCode } from '@thatdam/protocol/errors'
import { AppendOpsResponse, FolderListing, LocalState, NewSessionResponse, OpFeed, OwnerCredential } from '@thatdam/protocol/local'
import { JsonValue } from '@thatdam/protocol/plan'
import { Adoption, JoinTokenList, NewJoinToken, NewRecoveryKey, RoamTicket, UsedRecoveryKey } from '@thatdam/protocol/ring-door'
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
  async function ask<T>(schema: z.ZodMiniType<T>, request: Call): Promise<T> {
    return z.parse(schema, await call(request))
  }
  return {
    state: (after, signal) =>
      ask(LocalState, {
        method: 'GET',
        path: after === null ? '/local/state' : `/local/state?after=${after}`,
        limitMs: HELD_LIMIT_MS,
        signal,
      }),
    readOps: (after, limit, waitMs, signal) =>
      ask(OpFeed, {
        method: 'GET',
        path: `/local/ops?after=${after}&limit=${limit}&waitMs=${waitMs}`,
        limitMs: CALL_LIMIT_MS + waitMs,
        signal,
      }),
    appendOps: (body) => ask(AppendOpsResponse, { method: 'POST', path: '/local/ops', body }),
    command: (service, body) =>
      ask(JsonValue, { method: 'POST', path: `/local/services/${service}/command`, body, limitMs: COMMAND_LIMIT_MS }),
    folders: (path, nodeId) => {
      const query = new URLSearchParams({ ...(path === null ? {} : { path }), ...(nodeId === undefined ? {} : { nodeId }) })
      return ask(FolderListing, { method: 'GET', path: `/local/folders?${query}` })
    },
    ownerCredential: () => ask(OwnerCredential, { method: 'GET', path: '/local/owner' }),
    async setOwnerCredential(body) {
      await call({ method: 'PUT', path: '/local/owner', body })
    },
    createSession: (body) => ask(NewSessionResponse, { method: 'POST', path: '/local/sessions', body }),
    async endSession(sessionId) {
      await call({ method: 'DELETE', path: `/local/sessions/${encodeURIComponent(sessionId)}` })
    },
    roamTicket: (sessionId) => ask(RoamTicket, { method: 'POST', path: '/local/tickets', body: { sessionId } }),
    adopt: (body) => ask(Adoption, { method: 'POST', path: '/local/adoptions', body }),
    answerAdoption: (id, answer) =>
      ask(Adoption, { method: 'POST', path: `/local/adoptions/${encodeURIComponent(id)}/${answer}`, body: {} }),
    joinTokens: () => ask(JoinTokenList, { method: 'GET', path: '/local/join-tokens' }),
    makeJoinToken: (body) => ask(NewJoinToken, { method: 'POST', path: '/local/join-tokens', body }),
    async revokeJoinToken(id) {
      await call({ method: 'DELETE', path: `/local/join-tokens/${encodeURIComponent(id)}` })
    },
    async removeMember(nodeId) {
      await call({ method: 'POST', path: `/local/members/${encodeURIComponent(nodeId)}/remove`, body: {} })
    },
    makeRecoveryKey: () => ask(NewRecoveryKey, { method: 'POST', path: '/local/recovery-key', body: {} }),
    useRecoveryKey: (body) => ask(UsedRecoveryKey, { method: 'POST', path: '/local/recovery-key/use', body }),
    async goOver(fingerprint) {
      await call({ method: 'POST', path: `/local/rings/${encodeURIComponent(fingerprint)}/go-over`, body: {} })
    },
  }
}

function agentError(status: number, answer: unknown): ThatdamError {
  const body = ErrorBody.safeParse(answer)
  if (body.success && body.data.error.code in ERRORS) return new ThatdamError(body.data.error.code as ErrorCode, body.data.error.message)
  return new ThatdamError('UNAVAILABLE', `The ThatDAM agent on this machine answered ${status}. Its log says why.`)
}
