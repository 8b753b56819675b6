import type { ServerResponse } from 'node:http'
import { ThatdamError } from '@thatdam/protocol/errors'

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
    ...headers,
  })
  response.end(text)
}

/** A ThatdamError is told as it is; anything else is a defect of ours: the log has it, the answer does not. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const known =
    error instanceof ThatdamError
      ? error
      : new ThatdamError('INTERNAL', 'Something went wrong here. Try again; if it stays, look at the server’s log.')
  if (known.code === 'INTERNAL') console.error(error)
  sendJson(response, known.status, known.toBody())
}
