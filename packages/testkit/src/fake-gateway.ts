import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Discovery } from '@thatdam/protocol/cluster'
import { LOCAL_TOKEN_HEADER, SESSION_HEADER, type Session } from '@thatdam/protocol/local'
import type { FakeAgent } from './fake-agent.ts'
import { paint } from './paint.ts'

/*
 * The door for browsers, as thin as a test of the console needs it: the session's cookie becomes a header, pages go to the console,
 * pictures are painted. The real one is the agent's.
 */

export interface FakeGateway {
  readonly url: string
  close(): Promise<void>
}

/** `discovery`: what it says about itself and who leads; left out: what the agent's state says. */
export async function startFakeGateway(
  agent: FakeAgent,
  consoleUrl: string,
  discovery: () => Discovery = () => discoveryOf(agent),
): Promise<FakeGateway> {
  const server = createServer((request, response) => {
    if (request.url === '/discovery') {
      response.writeHead(200, { 'content-type': 'application/json', 'access-control-allow-origin': '*' }).end(JSON.stringify(discovery()))
      return
    }
    route(agent, consoleUrl, request, response).catch((error: unknown) => {
      console.error(error)
      response.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function discoveryOf({ state: { node, ring } }: FakeAgent): Discovery {
  return {
    version: 1,
    node_id: node.nodeId,
    cluster_id: node.clusterId,
    fingerprint: node.fingerprint,
    leader_url: ring.leader?.consoleUrl ?? null,
    leader_node_id: ring.leader?.nodeId ?? null,
    api_version: 1,
  }
}

function sessionOf(agent: FakeAgent, request: IncomingMessage): Session | null {
  const cookie = /(?:^|; )thatdam-session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
  const session = cookie === undefined ? undefined : agent.sessions.get(cookie)
  if (session !== undefined) return session
  return agent.owner.passwordHash === null ? { sessionId: 'first-run', kind: 'first-run', displayName: 'First run' } : null
}

async function route(agent: FakeAgent, consoleUrl: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  const thumb = /^\/media\/thumbs\/([0-9a-f]{64})\/(thumb-320|thumb-1280)$/.exec(path)
  if (thumb?.[1] !== undefined) return picture(agent, thumb[1], thumb[2] === 'thumb-320' ? 320 : 1280, response)
  const camera = /^\/live\/(?:nodes\/[a-z0-9-]+\/)?cameras\/([^/]+)\/(mjpeg|snapshot\.jpg|whep)$/.exec(path)
  if (camera?.[2] === 'mjpeg') return mjpeg(decodeURIComponent(camera[1] ?? ''), response)
  if (camera?.[2] === 'snapshot.jpg') {
    response.writeHead(200, { 'content-type': 'image/jpeg' }).end(await paint(camera[1] ?? '', 1280, 720, 'jpeg'))
    return
  }
  if (camera !== null || path.startsWith('/media/') || path.startsWith('/live/')) {
    response.writeHead(503, { 'content-type': 'application/json' }).end('{"error":{"code":"UNAVAILABLE","message":"Not in this test."}}')
    return
  }
  const session = sessionOf(agent, request)
  const headers = { ...request.headers, [LOCAL_TOKEN_HEADER]: agent.token }
  if (session) Object.assign(headers, { [SESSION_HEADER]: Buffer.from(JSON.stringify(session)).toString('base64url') })
  const upstream = httpRequest(consoleUrl + (request.url ?? '/'), { method: request.method ?? 'GET', headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  upstream.on('error', () => response.destroy())
  response.on('close', () => upstream.destroy())
  request.pipe(upstream)
}

async function picture(agent: FakeAgent, assetId: string, long: number, response: ServerResponse): Promise<void> {
  const found = agent.entries.find((entry) => entry.op.body.kind === 'asset.ingested' && entry.op.body.assetId === assetId)
  const media = found?.op.body.kind === 'asset.ingested' ? found.op.body.media : null
  if (!media?.width || !media.height) {
    response.writeHead(404).end()
    return
  }
  const scale = long / Math.max(media.width, media.height)
  const bytes = await paint(assetId, Math.round(media.width * scale), Math.round(media.height * scale))
  response.writeHead(200, { 'content-type': 'image/webp', 'cache-control': 'private, max-age=31536000, immutable' }).end(bytes)
}

async function mjpeg(seed: string, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=frame' })
  const jpeg = await paint(seed, 1280, 720, 'jpeg')
  const send = (): void => {
    response.write(`--frame\r\ncontent-type: image/jpeg\r\ncontent-length: ${jpeg.length}\r\n\r\n`)
    response.write(jpeg)
    response.write('\r\n')
  }
  send()
  const timer = setInterval(send, 500)
  response.on('close', () => clearInterval(timer))
}
