import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ErrorBody } from '@thatdam/protocol/errors'

/** What came by: a route of the agent's protocol, its status, and the error's code where it is one. */
export interface Passed {
  readonly path: string
  readonly status: number
  readonly code: string
}

/** When a renewal is disturbed: before the cloud hears of it, when it has answered, or when the answer is on its way to the disk. */
export type Moment = 'asked' | 'answered' | 'delivered'

/** Stands between an agent and its cloud: sees what passes, and can act at a chosen moment of the next renewal. */
export class Between {
  readonly url: string
  readonly passed: Passed[] = []
  /** Called once, at this moment of the next renewal. What was not passed on by then is lost. */
  disturb: { readonly moment: Moment; readonly act: () => void } | null = null
  private readonly server: ReturnType<typeof createServer>
  private readonly target: string

  static async to(target: string): Promise<Between> {
    // As the cloud: a machine that takes its time between two requests finds its connection still open.
    const server = createServer({ keepAliveTimeout: 65_000 })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Between(server, target)
  }

  private constructor(server: ReturnType<typeof createServer>, target: string) {
    this.server = server
    this.target = target
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (request, response) => void this.pass(request, response).catch(() => response.destroy()))
  }

  async close(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const isRenewal = path === '/agent/v1/token'
    if (isRenewal && this.strikes('asked')) return void response.destroy()
    const answer = await this.forward({ request, response }, Buffer.concat(chunks))
    this.passed.push({ path, status: answer.status, code: codeOf(answer) })
    if (isRenewal && this.strikes('answered')) return void response.destroy()
    const { connection: _connection, 'transfer-encoding': _encoding, ...headers } = answer.headers
    response.writeHead(answer.status, headers)
    response.end(answer.body)
    if (isRenewal) this.strikes('delivered')
  }

  private strikes(moment: Moment): boolean {
    const { disturb } = this
    if (disturb?.moment !== moment) return false
    this.disturb = null
    disturb.act()
    return true
  }

  private forward(
    { request, response }: { request: IncomingMessage; response: ServerResponse },
    body: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
    const { method = 'GET', url = '/' } = request
    const headers = { ...request.headers, host: new URL(this.target).host }
    return new Promise((resolve, reject) => {
      const onward = httpRequest(this.target + url, { method, headers, agent: false }, (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: Buffer.concat(chunks) }))
        answer.on('error', reject)
      })
      onward.on('error', reject)
      onward.end(body)
      // An agent that was killed holds no poll any more.
      response.once('close', () => onward.destroy())
    })
  }
}

function codeOf({ status, body }: { status: number; body: Buffer }): string {
  if (status < 400) return ''
  const error = ErrorBody.safeParse(JSON.parse(body.toString()))
  return error.success ? error.data.error.code : ''
}
