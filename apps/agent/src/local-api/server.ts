import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as z from 'zod/mini'
import type { OpLog } from '@thatdam/oplog/disk/log'
import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import {
  AppendOpsRequest,
  NewSessionRequest,
  OwnerCredential,
  ServiceCommand,
  type AppendOpsResponse,
  type FolderListing,
  type LocalEndpoint,
  type LocalState,
  type NewSessionResponse,
  type OpFeed,
  SERVICE_KEEP_ALIVE_MS,
} from '@thatdam/protocol/local'
import { ServiceName } from '@thatdam/protocol/plan'
import { writeFileDurable } from '@thatdam/store/durable'
import { listFolders } from './folders.ts'
import { readBody, requestSignal, sendError, sendJson } from './http.ts'
import { isPatient } from '../pipelining.ts'
import { handleRingRoute, type RingRoutePorts } from './ring-routes.ts'
import { handleSourceRoute, type SourcePort } from './source-route.ts'
import type { Version } from '../state/version.ts'

const HOLD_MS = 25_000
/** Changes within this time are told together. */
const SETTLE_MS = 50
const FEED_LIMIT_MAX = 2000

export interface LocalApiPorts {
  readonly version: Version
  readonly state: () => LocalState
  readonly oplog: OpLog
  /** After ops were appended: settings may be among them. */
  readonly onAppended: () => void
  /** Of this machine, or of the member that `nodeId` names. */
  readonly command: (service: ServiceName, command: ServiceCommand) => Promise<Json>
  /** Of another member. */
  readonly folders: (nodeId: string, path: string | null) => Promise<FolderListing>
  readonly ring: RingRoutePorts
  /** Of other machines: for a service that makes something of it. */
  readonly source: SourcePort
  /** Whether a second machine has these entries on its disk, as soon as that is known. Left out: there is nobody to have them. */
  readonly saved?: (positions: readonly number[], signal: AbortSignal) => Promise<AppendOpsResponse['durability']>
  readonly owner: () => OwnerCredential
  readonly setOwner: (owner: OwnerCredential) => Promise<void>
  readonly newSession: (request: NewSessionRequest) => NewSessionResponse
  readonly endSession: (sessionId: string) => void
  readonly log: (message: string, error: unknown) => void
}

export interface LocalApi {
  readonly url: string
  readonly token: string
  close(): Promise<void>
}

/** Serves on a random port of 127.0.0.1 and tells it, with a fresh token, in `local.json`. */
export async function startLocalApi(path: string, ports: LocalApiPorts): Promise<LocalApi> {
  const token = randomBytes(32).toString('base64url')
  const expected = Buffer.from(`Bearer ${token}`)
  const server = createServer((request, response) => {
    if (!isPatient(request, response)) return
    handle(request, response, expected, ports).catch((error: unknown) => sendError(response, error, ports.log))
  })
  server.maxConnections = 1024
  server.keepAliveTimeout = SERVICE_KEEP_ALIVE_MS
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const endpoint: LocalEndpoint = { version: 1, pid: process.pid, url, token }
  await writeFileDurable(path, `${JSON.stringify(endpoint)}\n`, { mode: 0o600 })
  return { url, token, close: () => close(server) }
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function handle(request: IncomingMessage, response: ServerResponse, expected: Buffer, ports: LocalApiPorts): Promise<void> {
  const given = Buffer.from(request.headers.authorization ?? '')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const { method = 'GET' } = request
  switch (`${method} ${url.pathname}`) {
    case 'GET /local/state':
      sendJson(response, 200, await heldState(url, response, ports))
      return
    case 'GET /local/ops':
      sendJson(response, 200, await heldOps(url, response, ports.oplog))
      return
    case 'POST /local/ops':
      sendJson(response, 200, await append(await readBody(request, AppendOpsRequest), response, ports))
      return
    case 'GET /local/folders':
      sendJson(response, 200, await folders(url, ports))
      return
    case 'GET /local/owner':
      sendJson(response, 200, ports.owner())
      return
    case 'PUT /local/owner':
      await ports.setOwner(await readBody(request, OwnerCredential))
      sendJson(response, 200, ports.owner())
      return
    case 'POST /local/sessions':
      sendJson(response, 201, ports.newSession(await readBody(request, NewSessionRequest)))
      return
    default:
      await handleNamed(request, response, url, ports)
  }
}

async function handleNamed(request: IncomingMessage, response: ServerResponse, url: URL, ports: LocalApiPorts): Promise<void> {
  const command = /^\/local\/services\/([a-z-]+)\/command$/.exec(url.pathname)
  const name = ServiceName.safeParse(command?.[1])
  if (request.method === 'POST' && name.success) {
    const body = await readBody(request, ServiceCommand)
    sendJson(response, 200, JSON.stringify(await ports.command(name.data, body)))
    return
  }
  const session = /^\/local\/sessions\/([0-9a-f]{16})$/.exec(url.pathname)
  if (request.method === 'DELETE' && session?.[1]) {
    ports.endSession(session[1])
    response.writeHead(204).end()
    return
  }
  if (await handleSourceRoute(request, response, url, ports.source)) return
  if (await handleRingRoute(request, response, { path: url.pathname, ports: ports.ring })) return
  throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
}

/** Of another machine, that one is asked: here, a folder of the same name may be something else. */
async function folders(url: URL, ports: LocalApiPorts): Promise<FolderListing> {
  const path = url.searchParams.get('path')
  const nodeId = url.searchParams.get('nodeId')
  return nodeId === null ? await listFolders(path) : await ports.folders(nodeId, path)
}

async function heldState(url: URL, response: ServerResponse, ports: LocalApiPorts): Promise<LocalState> {
  const after = numberOf(url, 'after', -1, Number.MAX_SAFE_INTEGER)
  if (ports.version.value <= after) {
    await ports.version.waitNewer(after, HOLD_MS, requestSignal(response))
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  }
  return ports.state()
}

async function heldOps(url: URL, response: ServerResponse, oplog: OpLog): Promise<OpFeed> {
  const after = numberOf(url, 'after', 0, Number.MAX_SAFE_INTEGER)
  const limit = Math.max(1, numberOf(url, 'limit', 500, FEED_LIMIT_MAX))
  const waitMs = numberOf(url, 'waitMs', 0, HOLD_MS)
  // Above the feed's end is who read another feed: it is told so at once, by the id.
  if (waitMs > 0 && oplog.position === after) {
    await oplog.waitFor(after, AbortSignal.any([requestSignal(response), AbortSignal.timeout(waitMs)]))
  }
  const entries = oplog.read(after, limit)
  return { feedId: oplog.feedId, entries, position: entries.at(-1)?.position ?? after }
}

async function append(request: AppendOpsRequest, response: ServerResponse, ports: LocalApiPorts): Promise<AppendOpsResponse> {
  const ops = ports.oplog.append(request.ops)
  ports.onAppended()
  const positions = ops.map(({ position }) => position)
  return { ops, durability: (await ports.saved?.(positions, requestSignal(response))) ?? 'here' }
}

const Whole = z.coerce.number().check(z.int())

function numberOf(url: URL, name: string, otherwise: number, most: number): number {
  const text = url.searchParams.get(name)
  if (text === null) return otherwise
  const parsed = Whole.safeParse(text)
  if (!parsed.success || parsed.data < -1) throw new ThatdamError('BAD_REQUEST', `${name} is a whole number.`)
  return Math.min(parsed.data, most)
}
