import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalEndpoint } from '@thatdam/protocol/local'
import { readJson } from '@thatdam/store/durable'
import { errorOf } from '../cloud/cloud.ts'
import { callJson } from '../http-client.ts'
import { statePaths } from '../state/paths.ts'

const CALL_LIMIT_MS = 15_000

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/** Asks the agent that runs on this state directory. Null: none runs. @throws ThatdamError with what the agent answered. */
export async function callAgent(stateDir: string, method: Method, path: string, body?: unknown): Promise<unknown> {
  const endpoint = await readJson(statePaths(stateDir).local, LocalEndpoint)
  if (!endpoint) return null
  const headers = { authorization: `Bearer ${endpoint.token}` }
  try {
    const answer = await callJson({ method, url: endpoint.url + path, headers, body, timeoutMs: CALL_LIMIT_MS })
    if (answer.status >= 400) throw errorOf(answer, 'the agent')
    return answer.body ?? {}
  } catch (error) {
    if (error instanceof ThatdamError && error.code === 'UNAVAILABLE') return null
    throw error
  }
}

/** The same, for what only a running agent can do. @throws ThatdamError UNAVAILABLE when none runs. */
export async function askAgent(stateDir: string, method: Method, path: string, body?: unknown): Promise<unknown> {
  const answer = await callAgent(stateDir, method, path, body)
  if (answer !== null) return answer
  throw new ThatdamError('UNAVAILABLE', `No agent runs with the state directory ${stateDir}. Start it with: thatdam run`)
}
