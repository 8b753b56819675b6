import { pipeline } from 'node:stream/promises'
import { ThatdamError } from '@thatdam/protocol/errors'
import { Sha256Hex } from '@thatdam/protocol/ids'
import type { PlanBody, ServiceName } from '@thatdam/protocol/plan'
import { memberOf, type NodeCall, type NodeRoute } from '../link/server.ts'
import { parseRange } from '../services/media-api/http-range.ts'
import type { BlobDisk, OpenBytes } from './disk.ts'
import { BLOBS_PATH, ORIGINALS_PATH } from './paths.ts'

/** Who needs others' bytes for what it does. */
const READERS: ReadonlySet<ServiceName> = new Set(['blob-store', 'deriver', 'transcoder', 'intel'])
/** Transfers to others at once; of these, to one machine. */
const SENDING_MAX = 16
const SENDING_TO_ONE_MAX = 6
/** Not the megabytes of the media service: this is the agent's own memory. */
const PIECE_BYTES = 256 * 1024

export interface BlobRoutePorts {
  readonly disk: () => Promise<BlobDisk>
  readonly indexPaths: () => readonly string[]
  /** What a member runs, as far as this node can tell. */
  readonly planOf: (nodeId: string) => PlanBody | null
  readonly isLeader: (nodeId: string) => boolean
}

/**
 * Bytes for members that keep, make or serve media, and for no others: a camera taken from a shed reads nobody's library. Ranges as RFC 9110 says;
 * a reader checks the whole by its hash.
 */
export function blobRoutes(ports: BlobRoutePorts): NodeRoute[] {
  const sending = new Map<string, number>()
  const route = (path: string, find: (disk: BlobDisk, sha256: string) => Promise<OpenBytes | null>): NodeRoute => ({
    method: 'any',
    path,
    run: async (call) => {
      const { nodeId } = requireReader(call, ports)
      const sha256 = Sha256Hex.safeParse(call.path.slice(path.length))
      if (!sha256.success || (call.request.method !== 'GET' && call.request.method !== 'HEAD')) throw nothing()
      const found = await find(await ports.disk(), sha256.data)
      if (found === null) throw nothing()
      try {
        await counted(sending, nodeId, () => sendBytes(call, found))
      } finally {
        await found.handle.close()
      }
      return null
    },
  })
  return [
    route(BLOBS_PATH, (disk, sha256) => disk.blob(sha256)),
    route(ORIGINALS_PATH, (disk, sha256) => disk.original(sha256, ports.indexPaths())),
  ]
}

function requireReader(call: NodeCall, { planOf, isLeader }: BlobRoutePorts): { nodeId: string } {
  const member = memberOf(call)
  const isReader = planOf(member.nodeId)?.services.some(({ name }) => READERS.has(name)) === true
  if (member.admitter || isLeader(member.nodeId) || isReader) return member
  throw new ThatdamError('FORBIDDEN', `${member.nodeId} keeps and makes no media in this ring.`)
}

async function counted(sending: Map<string, number>, nodeId: string, send: () => Promise<void>): Promise<void> {
  const toOne = sending.get(nodeId) ?? 0
  const inAll = [...sending.values()].reduce((sum, count) => sum + count, 0)
  if (toOne >= SENDING_TO_ONE_MAX || inAll >= SENDING_MAX) {
    throw new ThatdamError('TOO_MANY_REQUESTS', 'This machine sends as much as it can. Ask another one, or try again later.')
  }
  sending.set(nodeId, toOne + 1)
  try {
    await send()
  } finally {
    const left = (sending.get(nodeId) ?? 1) - 1
    if (left === 0) sending.delete(nodeId)
    else sending.set(nodeId, left)
  }
}

async function sendBytes({ request, response }: NodeCall, { handle, sizeBytes }: OpenBytes): Promise<void> {
  const range = parseRange(request.headers.range, sizeBytes)
  if (range === 'unsatisfiable') {
    throw new ThatdamError('RANGE_NOT_SATISFIABLE', `The range lies outside the ${sizeBytes} bytes there are.`)
  }
  const { start, end } = range === 'whole' ? { start: 0, end: sizeBytes } : range
  response.writeHead(range === 'whole' ? 200 : 206, {
    'content-type': 'application/octet-stream',
    'content-length': end - start,
    'accept-ranges': 'bytes',
    'cache-control': 'no-store',
    ...(range === 'whole' ? {} : { 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` }),
  })
  if (request.method === 'HEAD' || start === end) {
    response.end()
    return
  }
  const pieces = handle.createReadStream({ start, end: end - 1, autoClose: false, highWaterMark: PIECE_BYTES })
  // A reader that goes is no error of ours, and asks again.
  await pipeline(pieces, response, { end: false }).catch(() => response.destroy())
  // The file became shorter: the promised length cannot be kept, and the reader must not wait for it.
  if (pieces.bytesRead === end - start) response.end()
  else response.destroy()
}

const nothing = (): ThatdamError => new ThatdamError('NOT_FOUND', 'There is nothing here.')
