import { ThatdamError } from '@thatdam/protocol/errors'
import { LocalEndpoint } from '@thatdam/protocol/local'
import { readJson } from '@thatdam/store/durable'
import { errorOf } from '../cloud/cloud.ts'
import { callJson } from '../http-client.ts'
import { statePaths } from '../state/paths.ts'

const CALL_LIMIT_MS = 10_000

/** Asks the agent that runs on this state directory. Null: none runs. @throws ThatdamError with what the agent answered. */
export async function callAgent(stateDir: string, method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<unknown> {
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
