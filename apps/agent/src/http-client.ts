import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http'
import { ThatdamError } from '@thatdam/protocol/errors'

const ANSWER_MAX_BYTES = 2 * 1024 * 1024

export interface CallOptions {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Bounds the wait for the answer's head, each silence after it, and with `callJson` the time that its body may take. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** The request has left this process. */
  readonly onSent?: () => void
}

export interface CallAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Parsed JSON; null when there was none. */
  readonly body: unknown
}

const plainSockets = new Agent({ keepAlive: true, maxSockets: 16, maxFreeSockets: 2 })
let secureSockets: Agent | null = null

/**
 * One JSON request by node:http (the built-in fetch would cost the idle agent several MB).
 * @throws ThatdamError UNAVAILABLE when there is no answer, in time or at all; every answer of a server is returned.
 */
export async function callJson(options: CallOptions): Promise<CallAnswer> {
  const payload = options.body === undefined ? null : Buffer.from(JSON.stringify(options.body))
  const headers: Record<string, string | number> = { accept: 'application/json', ...options.headers }
  if (payload) Object.assign(headers, { 'content-type': 'application/json', 'content-length': payload.length })
  const answer = await openRequest(options, headers, payload)
  const text = await within(options.timeoutMs, answer, readText)
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: parse(text) }
}

/** The answer's stream, for downloads. The timeout bounds the wait for its head and each silence after it. */
export async function openRequest(
  options: CallOptions,
  headers: Record<string, string | number>,
  payload: Buffer | null,
): Promise<IncomingMessage> {
  const url = new URL(options.url)
  const settings: RequestOptions = { method: options.method, headers, timeout: options.timeoutMs, agent: plainSockets }
  if (options.signal) settings.signal = options.signal
  let send = httpRequest
  if (url.protocol === 'https:') {
    const https = await import('node:https')
    secureSockets ??= new https.Agent({ keepAlive: true, maxSockets: 4, maxFreeSockets: 2 })
    settings.agent = secureSockets
    send = https.request
  }
  return new Promise((resolve, reject) => {
    const request = send(url, settings, resolve)
    if (options.onSent) request.once('finish', options.onSent)
    const late = () => request.destroy(new Error(`no answer within ${Math.round(options.timeoutMs / 1000)} s`))
    // A head that drips in is no silence.
    const timer = setTimeout(late, options.timeoutMs)
    request.once('response', () => clearTimeout(timer))
    request.once('close', () => clearTimeout(timer))
    request.on('timeout', late)
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(new ThatdamError('UNAVAILABLE', `${url.origin} cannot be reached (${reasonOf(error)}).`, { cause: error })),
    )
    request.end(payload ?? undefined)
  })
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing answers at that address and port',
  ENOTFOUND: 'there is no such host name',
  EAI_AGAIN: 'the name could not be looked up',
  ETIMEDOUT: 'no answer in time',
  EHOSTUNREACH: 'no way there',
  ENETUNREACH: 'no network',
  ECONNRESET: 'the connection was cut',
}

function reasonOf(error: NodeJS.ErrnoException): string {
  return REASONS[error.code ?? ''] ?? error.message
}

/** A peer that sends a byte now and then would never be silent, nor ever done. */
export async function within<T>(limitMs: number, answer: IncomingMessage, read: (answer: IncomingMessage) => Promise<T>): Promise<T> {
  const timer = setTimeout(() => answer.destroy(new Error('it took too long')), limitMs)
  try {
    return await read(answer)
  } finally {
    clearTimeout(timer)
  }
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      sizeBytes += chunk.length
      if (sizeBytes > ANSWER_MAX_BYTES) throw new Error('the answer is too large')
      chunks.push(chunk)
    }
  } catch (error) {
    answer.destroy()
    throw new ThatdamError('UNAVAILABLE', `The server’s answer broke off (${error instanceof Error ? error.message : 'cut'}).`, {
      cause: error,
    })
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return null
  }
}
