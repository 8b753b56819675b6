import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ErrorBody, ThatdamError, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'

/** A client that has not sent its body by then is cut off. */
const BODY_MS_MAX = 30_000

/** An answer, before it is written. */
export type Answer = { status: number; body: string | null; headers?: Record<string, string> }

export const answerJson = (status: number, value: object): Answer => ({ status, body: JSON.stringify(value) })
/** The one 401 of a stranger: the same status, headers and bytes whatever was wrong. */
export const STRANGER: Answer = { status: 401, body: UNAUTHENTICATED_BODY }

export function answerError(error: ThatdamError, retryAfterSeconds?: number): Answer {
  const body: ErrorBody = error.toBody()
  if (retryAfterSeconds === undefined) return answerJson(error.status, body)
  body.error.retryAfterSeconds = retryAfterSeconds
  return { ...answerJson(error.status, body), headers: { 'retry-after': String(retryAfterSeconds) } }
}

export const tooMany = (retryAfterSeconds: number): Answer =>
  answerError(
    new ThatdamError('TOO_MANY_REQUESTS', `Too many requests from this address. Try again in ${retryAfterSeconds} s.`),
    retryAfterSeconds,
  )

/** Writes the answer; a client that has gone is not an error. */
export function send(res: ServerResponse, answer: Answer): void {
  if (res.headersSent || res.destroyed) return
  const body = answer.body === null ? null : Buffer.from(answer.body)
  res.writeHead(answer.status, {
    ...(body === null ? {} : { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length }),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...answer.headers,
  })
  res.end(body ?? undefined)
}

/**
 * Reads a JSON body.
 * @throws ThatdamError TOO_LARGE above `bytesMax`, BAD_REQUEST for another content type or charset, bytes that are
 * not UTF-8, or no JSON.
 */
export async function readJson(req: IncomingMessage, bytesMax: number): Promise<unknown> {
  const type = (req.headers['content-type'] ?? '').toLowerCase()
  if (!/^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/.test(type)) {
    throw new ThatdamError('BAD_REQUEST', 'The body must be application/json in UTF-8. Update the agent on this machine.')
  }
  if (req.headers['content-encoding'] !== undefined) throw new ThatdamError('BAD_REQUEST', 'The body must not be compressed.')
  const deadline = setTimeout(() => req.destroy(), BODY_MS_MAX)
  try {
    return parseJson(await readBody(req, bytesMax))
  } finally {
    clearTimeout(deadline)
  }
}

/** Above `bytesMax` a little more is read and thrown away, so that the client is done sending and hears the answer. */
async function readBody(req: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const tooLarge = new ThatdamError('TOO_LARGE', `The body is larger than ${bytesMax} bytes, the most that this route takes.`)
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > 4 * bytesMax) throw tooLarge
    if (length <= bytesMax) chunks.push(chunk)
  }
  if (length > bytesMax) throw tooLarge
  return Buffer.concat(chunks)
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new ThatdamError('BAD_REQUEST', 'The body is not valid JSON in UTF-8.', { cause: error })
  }
}

/**
 * Who asks. X-Forwarded-For counts only when the socket's own peer is a proxy we were told to trust: then its last entry that is no such
 * proxy.
 */
export function peerAddress(req: IncomingMessage, isTrustedProxy: ((address: string) => boolean) | undefined): string {
  const socketAddress = req.socket.remoteAddress ?? 'unknown'
  if (isTrustedProxy === undefined || !isTrustedProxy(socketAddress)) return socketAddress
  const hops = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((hop) => hop.trim())
  return hops.findLast((hop) => hop !== '' && hop.length <= 64 && !isTrustedProxy(hop)) ?? socketAddress
}
