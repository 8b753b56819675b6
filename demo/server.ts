import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { listen } from './forward.ts'
import { actOf } from './live.ts'
import type { Stage } from './stage.ts'

const BODY_BYTES_MAX = 10_000

/** The live page of a ring and what it asks for. Only for browsers on this machine, and only for its own page. */
export async function servePage(stage: Stage, page: string, port: number): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    answer({ stage, page, server }, request, response).catch((error: unknown) =>
      send(response, 400, { error: error instanceof Error ? error.message : String(error) }),
    )
  })
  await listen(server, port)
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

interface Served {
  readonly stage: Stage
  readonly page: string
  readonly server: Server
}

async function answer({ stage, page, server }: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { port } = server.address() as AddressInfo
  const own = [`localhost:${port}`, `127.0.0.1:${port}`]
  // Another site's name that points here, or another site's page: neither plays with this ring.
  if (!own.includes(request.headers.host ?? '')) return send(response, 403, { error: 'This page is only for browsers on this machine.' })
  const { method = 'GET', url = '/' } = request
  if (method === 'GET' && url === '/') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(page)
  } else if (method === 'GET' && url === '/ring') send(response, 200, stage.live())
  else if (method === 'POST' && url === '/act') {
    const { origin } = request.headers
    if (!own.some((host) => origin === `http://${host}`)) return send(response, 403, { error: 'This came from another page.' })
    const act = actOf(JSON.parse(await readBody(request)), stage.names)
    if (act === null) return send(response, 400, { error: 'There is no such thing to do.' })
    await stage.act(act)
    send(response, 200, stage.live())
  } else send(response, 404, { error: 'There is nothing here.' })
  return undefined
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > BODY_BYTES_MAX) throw new Error('That is too long.')
  }
  return text
}
