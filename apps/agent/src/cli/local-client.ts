import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalEndpoint } from '@thatdam/protocol/local'
import { readJson } from '@thatdam/store/durable'
import { errorOf } from '../cloud/cloud.ts'
import { callJson } from '../http-client.ts'
import { statePaths } from '../state/paths.ts'

const CALL_LIMIT_MS = 15_000

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/** Asks the agent that runs on this state directory. Null: none runs. @throws ThatdamError what the agent answered, or that it does not answer. */
export async function callAgent(stateDir: string, method: Method, path: string, body?: unknown): Promise<unknown> {
  const endpoint = await readJson(statePaths(stateDir).local, LocalEndpoint)
  if (!endpoint) return null
  const headers = { authorization: `Bearer ${endpoint.token}` }
  const request = { method, url: endpoint.url + path, headers, body, timeoutMs: CALL_LIMIT_MS }
  const answer = await callJson(request).catch((error: unknown) => {
    if (isRefused(error)) return null
    throw new ThatdamError('UNAVAILABLE', 'The agent of this machine runs, but does not answer now. Try again in a moment.', {
      cause: error,
    })
  })
  if (answer === null) return null
  if (answer.status >= 400) throw errorOf(answer, 'the agent')
  return answer.body ?? {}
}

/** Nothing listens where the agent did: it has ended without cleaning up. */
const isRefused = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'ECONNREFUSED'

/** The same, for what only a running agent can do. @throws ThatdamError UNAVAILABLE when none runs. */
export async function askAgent(stateDir: string, method: Method, path: string, body?: unknown): Promise<unknown> {
  const answer = await callAgent(stateDir, method, path, body)
  if (answer !== null) return answer
  throw new ThatdamError('UNAVAILABLE', `No agent runs with the state directory ${stateDir}. Start it with: thatdam run`)
}
