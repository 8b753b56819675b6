import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { LiveCamera } from '@thatdam/media/camera'
import { takeSnapshot, type MjpegFeed } from '@thatdam/media/mjpeg/mjpeg'
import type { RingFragment } from '@thatdam/media/ring'
import type { WhepHub } from '@thatdam/media/webrtc/hub'
import { OFFER_LIMIT_BYTES } from '@thatdam/media/webrtc/sdp'
import type { CameraStatus } from '@thatdam/protocol/capture'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { ServiceRequest } from '../child.ts'
import { streamMjpeg } from './mjpeg-response.ts'

/** How long a request for the next fragment is held. */
const HOLD_MS = 10_000
/** How long a viewer waits for a camera that is just starting. */
const STARTING_MS = 5_000
const STARTING_POLL_MS = 100

export interface ProxiedCamera {
  readonly live: LiveCamera
  /** Null without ffmpeg. */
  readonly mjpeg: MjpegFeed | null
}

interface LiveRoutes {
  readonly cameras: ReadonlyMap<string, ProxiedCamera>
  readonly hub: WhepHub
  readonly ffmpegPath: string | null
  readonly localToken: string
  readonly signal: AbortSignal
  statusOf(camera: ProxiedCamera, hub: WhepHub): CameraStatus
}

/**
 * The routes below /live (ARCHITECTURE). All need a session; lists, init segments and fragments are also for sibling services,
 * which prove themselves by `authorization: Bearer <local token>`: no browser knows it, and the gateway cannot be made to add it.
 */
export function liveRoutes(live: LiveRoutes): (request: ServiceRequest) => Promise<void> {
  return async (asked) => {
    const { request, response, session } = asked
    const path = asked.url.pathname.replace(/^\/live(?=\/)/, '')
    const match = /^\/cameras(?:\/([A-Za-z0-9._:@-]{1,128})(?:\/([a-z.]{1,16})(?:\/([0-9a-f]{1,32}))?)?)?$/.exec(decodePath(path))
    if (!match) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    const [, cameraId, leaf, tail] = match
    const forSiblings = request.method === 'GET' && (leaf === undefined || leaf === 'init' || leaf === 'fragments')
    if (!session && !(forSiblings && isSibling(request, live.localToken))) throw new ThatdamError('UNAUTHENTICATED', 'Not signed in.')
    if (cameraId === undefined) {
      if (request.method !== 'GET') throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
      return answerJson(response, { cameras: [...live.cameras.values()].map((camera) => live.statusOf(camera, live.hub)) })
    }
    const camera = live.cameras.get(cameraId)
    if (!camera) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    return oneCamera(live, camera, { asked, leaf: leaf ?? '', tail })
  }
}

interface CameraRequest {
  readonly asked: ServiceRequest
  readonly leaf: string
  readonly tail: string | undefined
}

async function oneCamera(live: LiveRoutes, camera: ProxiedCamera, { asked, leaf, tail }: CameraRequest): Promise<void> {
  const { request, response } = asked
  const call = `${request.method} ${leaf}${tail === undefined ? '' : '/'}`
  switch (call) {
    case 'GET ':
      return answerJson(response, live.statusOf(camera, live.hub))
    case 'POST whep':
      return joinWhep(live, camera, asked)
    case 'DELETE whep/':
      if (!live.hub.leave(tail ?? '')) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
      response.writeHead(200).end()
      return
    case 'GET mjpeg':
      await untilLive(live, camera)
      return streamMjpeg(camera, response)
    case 'GET snapshot.jpg':
      return answerSnapshot(live, camera, response)
    case 'GET init':
      return answerInit(camera, asked)
    case 'GET fragments':
      return answerJson(response, fragmentIndex(camera))
    case 'GET fragments/':
      return answerFragment(live, camera, { asked, number: Number(tail) })
    default:
      throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new ThatdamError('BAD_PATH', 'The address is not well formed.')
  }
}

function isSibling(request: IncomingMessage, localToken: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '')
  const expected = Buffer.from(`Bearer ${localToken}`)
  return given.length === expected.length && timingSafeEqual(given, expected)
}

function answerJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
}

/** @throws UNAVAILABLE with the camera's own sentence when it is not live and does not become so in a few seconds. */
async function untilLive(live: LiveRoutes, camera: ProxiedCamera): Promise<void> {
  const until = performance.now() + STARTING_MS
  while (camera.live.state === 'starting' && performance.now() < until) await delay(STARTING_POLL_MS, undefined, { signal: live.signal })
  if (camera.live.state === 'live') return
  throw new ThatdamError(
    'UNAVAILABLE',
    camera.live.reason || `The camera "${camera.live.facts.name}" is still starting. Try again in a moment.`,
  )
}

async function joinWhep(live: LiveRoutes, camera: ProxiedCamera, { request, response, session }: ServiceRequest): Promise<void> {
  if (request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() !== 'application/sdp')
    throw new ThatdamError('BAD_REQUEST', 'Send the offer as application/sdp.')
  const offer = await readBody(request, OFFER_LIMIT_BYTES)
  await untilLive(live, camera)
  const answer = await live.hub.join(camera.live.feed, offer, session?.sessionId ?? '')
  const path = `/live/cameras/${encodeURIComponent(camera.live.facts.cameraId)}/whep/${answer.viewerId}`
  if (response.destroyed) {
    live.hub.leave(answer.viewerId)
    return
  }
  response.writeHead(201, { 'content-type': 'application/sdp', location: path, 'cache-control': 'no-store' }).end(answer.sdp)
}

async function readBody(request: IncomingMessage, limitBytes: number): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > limitBytes) throw new ThatdamError('TOO_LARGE', `An offer may have at most ${limitBytes >> 10} KiB.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

async function answerSnapshot(live: LiveRoutes, camera: ProxiedCamera, response: ServerResponse): Promise<void> {
  await untilLive(live, camera)
  const picture = camera.mjpeg?.picture ?? (live.ffmpegPath ? await snapshotOnce(live.ffmpegPath, camera) : null)
  if (!picture) throw new ThatdamError('UNAVAILABLE', 'There is no picture yet. Try again in a moment.')
  response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': picture.length, 'cache-control': 'no-store' }).end(picture)
}

const snapshots = new WeakMap<ProxiedCamera, { fragment: number; picture: Promise<Buffer | null> }>()

/** One decoder a key frame, however many ask. */
function snapshotOnce(ffmpegPath: string, camera: ProxiedCamera): Promise<Buffer | null> {
  const fragment = camera.live.ring.newestGroup()[0]?.number ?? 0
  const known = snapshots.get(camera)
  if (known?.fragment === fragment) return known.picture
  const picture = takeSnapshot(ffmpegPath, camera.live.ring)
  snapshots.set(camera, { fragment, picture })
  return picture
}

function answerInit(camera: ProxiedCamera, { url, request, response }: ServiceRequest): void {
  const wanted = url.searchParams.get('generation')
  const init = wanted === null ? camera.live.ring.init : camera.live.ring.initOf(wanted)
  if (!init) {
    if (wanted !== null) return answerGone(camera, response)
    throw new ThatdamError('UNAVAILABLE', camera.live.reason || 'The camera is still starting. Try again in a moment.')
  }
  const etag = `"${init.generation}"`
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, { etag }).end()
    return
  }
  response
    .writeHead(200, { 'content-type': 'video/mp4', etag, 'content-length': init.segment.bytes.length, 'cache-control': 'no-store' })
    .end(init.segment.bytes)
}

/** Where each fragment of the ring begins in time: to find the place of a pre-roll. */
function fragmentIndex(camera: ProxiedCamera): unknown {
  const { ring } = camera.live
  return {
    generation: ring.init?.generation ?? null,
    first: ring.first,
    next: ring.next,
    fragments: ring.all().map(({ number, generation, key, timeMs, durationMs }) => ({ number, generation, key, timeMs, durationMs })),
  }
}

async function answerFragment(
  live: LiveRoutes,
  camera: ProxiedCamera,
  { asked, number }: { asked: ServiceRequest; number: number },
): Promise<void> {
  const { request, response } = asked
  const { ring } = camera.live
  if (!Number.isSafeInteger(number)) throw new ThatdamError('BAD_REQUEST', 'Fragments are named by whole numbers.')
  if (number < ring.first || number > ring.next) return answerGone(camera, response)
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const signal = AbortSignal.any([gone.signal, live.signal])
  if (!(await ring.waitFor(number, HOLD_MS, signal))) {
    response.writeHead(204, { 'cache-control': 'no-store' }).end()
    return
  }
  const fragment = ring.get(number)
  if (!fragment) return answerGone(camera, response)
  response.writeHead(200, fragmentHeaders(fragment)).end(request.method === 'HEAD' ? undefined : fragment.bytes)
}

/** 410: it left the ring, or belongs to an earlier process. The headers tell where to go on. */
function answerGone(camera: ProxiedCamera, response: ServerResponse): void {
  const { ring } = camera.live
  const error = { code: 'NOT_FOUND', message: 'That part of the picture has left the memory. Go on with the next one.' }
  response
    .writeHead(410, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-thatdam-first': String(ring.first),
      'x-thatdam-next': String(ring.next),
    })
    .end(JSON.stringify({ error }))
}

function fragmentHeaders(fragment: RingFragment): Record<string, string> {
  return {
    'content-type': 'video/mp4',
    'content-length': String(fragment.bytes.length),
    'cache-control': 'no-store',
    'x-thatdam-generation': fragment.generation,
    'x-thatdam-key': fragment.key ? '1' : '0',
    'x-thatdam-time-ms': String(fragment.timeMs),
    'x-thatdam-duration-ms': String(fragment.durationMs),
  }
}
