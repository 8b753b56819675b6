import type { IncomingMessage, ServerResponse } from 'node:http'
import { NOT_FOUND_BODY, ThatdamError } from '@thatdam/protocol/errors'
import { SESSION_HEADER, type Session } from '@thatdam/protocol/local'
import type { NodeClient } from '../link/client.ts'
import { sendJson } from '../local-api/http.ts'
import { handBack } from './proxy.ts'

/** WebRTC offers are the only bodies. */
const BODY_BYTES_MAX = 64 * 1024
const ANSWER_MS_MAX = 15_000
/** Of which machine has an asset, what was found is remembered for so many. */
const HOLDERS_MAX = 10_000
/** What the browser says that matters to whoever serves bytes. */
const PASSED_ON = ['accept', 'content-type', 'range', 'if-range', 'if-none-match'] as const

export interface RemotePorts {
  readonly client: () => NodeClient
  /** The key of a member that is awake; null: there is none of this name, or it is away. */
  readonly keyOf: (nodeId: string) => string | null
  /** Other members that are awake, best first. */
  readonly others: () => readonly { readonly nodeId: string; readonly publicKey: string }[]
}

/** What the leader's gateway fetches from other machines of the ring for a browser: live pictures by machine, media from whoever has them. */
export class Remote {
  private readonly ports: RemotePorts
  private readonly holders = new Map<string, string>()

  constructor(ports: RemotePorts) {
    this.ports = ports
  }

  /** `/live/nodes/<node id>/…`, answered by that machine's camera service. */
  async live(request: IncomingMessage, response: ServerResponse, at: { nodeId: string; path: string; session: Session }): Promise<void> {
    const { nodeId, path, session } = at
    const publicKey = this.ports.keyOf(nodeId)
    if (publicKey === null) throw new ThatdamError('UNAVAILABLE', `${nodeId} is away, so its cameras cannot be seen now.`)
    const answer = await this.ask(request, response, { publicKey, path: `/v1/live/${path}`, session })
    const { location } = answer.headers
    const moved = location?.startsWith('/live/') === true ? { location: location.replace('/live/', `/live/nodes/${nodeId}/`) } : {}
    handBack(answer, response, moved)
  }

  /** A `/media/…` request that this machine has nothing for: the first of the others that has it. */
  async media(request: IncomingMessage, response: ServerResponse, at: { path: string; session: Session }): Promise<void> {
    const subject = at.path.split('?', 1)[0] ?? ''
    const known = this.holders.get(subject)
    const others = this.ports.others()
    for (const { nodeId, publicKey } of others.toSorted((a, b) => Number(b.nodeId === known) - Number(a.nodeId === known))) {
      const { session } = at
      const answer = await this.ask(request, response, { publicKey, path: `/v1${at.path}`, session }).catch(() => null)
      // 404: it has nothing; 403 and 5xx: it gives nothing out now. Another one may.
      const { statusCode = 0 } = answer ?? {}
      if (answer === null || statusCode === 404 || statusCode === 403 || statusCode >= 500) {
        answer?.resume()
        continue
      }
      this.remember(subject, nodeId)
      handBack(answer, response)
      return
    }
    sendJson(response, 404, NOT_FOUND_BODY)
  }

  private remember(subject: string, nodeId: string): void {
    if (this.holders.size >= HOLDERS_MAX) for (const oldest of this.holders.keys()) if (this.holders.delete(oldest)) break
    this.holders.set(subject, nodeId)
  }

  private async ask(
    request: IncomingMessage,
    response: ServerResponse,
    to: { publicKey: string; path: string; session: Session },
  ): Promise<IncomingMessage> {
    const { method = 'GET' } = request
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST' && method !== 'DELETE') {
      throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    }
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const headers: Record<string, string> = { [SESSION_HEADER]: Buffer.from(JSON.stringify(to.session)).toString('base64url') }
    for (const name of PASSED_ON) {
      const value = request.headers[name]
      if (typeof value === 'string') headers[name] = value
    }
    const payload = method === 'POST' ? { payload: await readSmall(request) } : {}
    const { publicKey, path } = to
    const how = { headers, ...payload, timeoutMs: ANSWER_MS_MAX, isBulk: true, signal: gone.signal }
    return await this.ports.client().open({ publicKey, path, method, ...how })
  }
}

async function readSmall(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > BODY_BYTES_MAX) throw new ThatdamError('TOO_LARGE', `The request’s body is larger than ${BODY_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
