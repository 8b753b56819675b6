import type { IncomingMessage, ServerResponse } from 'node:http'
import type * as z from 'zod/mini'
import { NOT_FOUND_BODY, ThatdamError, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'

const BODY_MAX_BYTES = 32 * 1024 * 1024

/** @throws ThatdamError BAD_REQUEST or TOO_LARGE. */
export async function readBody<S extends z.ZodMiniType>(request: IncomingMessage, schema: S): Promise<z.output<S>> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > BODY_MAX_BYTES) throw new ThatdamError('TOO_LARGE', 'The request is larger than 32 MiB: send it in parts.')
    chunks.push(chunk)
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new ThatdamError('BAD_REQUEST', 'The request’s body is not JSON.', { cause: error })
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new ThatdamError('BAD_REQUEST', `The request is not as expected at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? ''}`)
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length, 'cache-control': 'no-store' }).end(body)
}

/** The error's own code and sentence; a stranger and a missing thing always get the same bytes. */
export function sendError(response: ServerResponse, error: unknown, log: (message: string, error: unknown) => void): void {
  const known =
    error instanceof ThatdamError ? error : new ThatdamError('INTERNAL', 'Something failed on our side; the agent’s log says what.')
  if (known !== error) log('a request failed', error)
  if (response.headersSent) {
    response.destroy()
    return
  }
  if (known.code === 'UNAUTHENTICATED') sendJson(response, 401, UNAUTHENTICATED_BODY)
  else if (known.code === 'NOT_FOUND') sendJson(response, 404, NOT_FOUND_BODY)
  else sendJson(response, known.status, known.toBody())
}

/** Aborts when the one who asked went away. */
export function requestSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => controller.abort())
  return controller.signal
}
