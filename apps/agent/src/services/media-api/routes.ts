import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { NOT_FOUND_BODY, ThatdamError, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import type { BlobStore } from '@thatdam/store/blob-store'
import type { Derivatives } from '@thatdam/store/derivatives'
import type { Locations } from '@thatdam/store/locations'
import { isPreviewName, recipeHash } from '@thatdam/store/recipe-hash'
import type { PreviewReader } from '../../blobs/preview-reader.ts'
import type { ServiceRequest } from '../child.ts'
import { typeByContent } from '../indexer/kinds.ts'
import { attachment, isNotModified, mayShowInline, parseRange, rangeApplies } from './http-range.ts'
import { openOriginal } from './originals.ts'
import { sendRange } from './send-file.ts'

export interface MediaParts {
  readonly store: BlobStore
  readonly locations: Locations
  readonly derivatives: Derivatives
  /** Previews that other machines made. */
  readonly others: Pick<PreviewReader, 'find'>
  readonly indexPaths: readonly string[]
  /** An original differs from the index: have it looked at. */
  readonly onSourceChanged: () => void
}

interface Found {
  readonly handle: FileHandle
  readonly sizeBytes: number
  readonly sha256: string
  readonly mimeType: string
  /** Null: shown in place where that is safe. */
  readonly downloadName: string | null
}

const ROUTE = /^\/media\/(blobs|originals|thumbs)\/([0-9a-f]{64})(?:\/([a-z0-9-]{1,64}))?$/

/** Answers one request below /media. */
export async function answerMedia(parts: MediaParts, incoming: ServiceRequest): Promise<void> {
  const { request, response, url, session } = incoming
  if (session === null) {
    response.writeHead(401, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(UNAUTHENTICATED_BODY)
    return
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD', 'cache-control': 'no-store' }).end()
    return
  }
  refuseTricks(request)
  const match = ROUTE.exec(url.pathname)
  const found = match ? await find(parts, match[1] ?? '', match[2] ?? '', match[3], url.searchParams.get('download')) : null
  if (!found) {
    response.writeHead(404, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(NOT_FOUND_BODY)
    return
  }
  try {
    await send(request, response, found)
  } finally {
    await found.handle.close()
  }
}

/** The raw path: URL parsing has already hidden `..` and friends from the rest (THREATS 17). */
function refuseTricks(request: IncomingMessage): void {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  if (/%|\\|\0|\/\.{1,2}(\/|$)|\/\//.test(path)) {
    throw new ThatdamError('BAD_PATH', 'This address holds a part that no address here has. Use the links of the page.')
  }
}

async function find(
  parts: MediaParts,
  what: string,
  id: string,
  recipe: string | undefined,
  download: string | null,
): Promise<Found | null> {
  if (what === 'thumbs') return recipe === undefined ? null : findThumb(parts, id, recipe)
  if (recipe !== undefined) return null
  const stored = await parts.store.open(id)
  const opened = stored ?? (what === 'originals' ? await original(parts, id) : null)
  if (!opened) return null
  try {
    const mimeType = parts.locations.asset(id)?.mimeType ?? (await sniff(opened.handle))
    return { ...opened, sha256: id, mimeType, downloadName: what === 'originals' ? download : null }
  } catch (error) {
    await opened.handle.close()
    throw error
  }
}

async function original(parts: MediaParts, id: string): Promise<{ handle: FileHandle; sizeBytes: number } | null> {
  try {
    return await openOriginal(id, parts.locations, parts.indexPaths)
  } catch (error) {
    if (error instanceof ThatdamError && error.code === 'SOURCE_CHANGED') parts.onSourceChanged()
    throw error
  }
}

async function findThumb(parts: MediaParts, id: string, recipe: string): Promise<Found | null> {
  if (!isPreviewName(recipe)) return null
  const own = parts.derivatives.find(id, recipeHash(recipe))
  const sha256 = own ?? parts.others.find(id, recipe)
  if (sha256 === null) return null
  const opened = await parts.store.open(sha256)
  if (opened) return { ...opened, sha256, mimeType: 'image/webp', downloadName: null }
  if (own !== null) parts.derivatives.lost(own)
  return null
}

/** For blobs that no index names: recordings, uploads, derivatives. */
async function sniff(handle: FileHandle): Promise<string> {
  const head = Buffer.alloc(64)
  const { bytesRead } = await handle.read(head, 0, head.length, 0)
  return typeByContent(head.subarray(0, bytesRead))?.mimeType ?? 'application/octet-stream'
}

async function send(request: IncomingMessage, response: ServerResponse, found: Found): Promise<void> {
  const etag = `"${found.sha256}"`
  const inline = found.downloadName === null && mayShowInline(found.mimeType)
  const headers: Record<string, string | number> = {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
    'cross-origin-resource-policy': 'same-origin',
  }
  if (isNotModified(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end()
    return
  }
  const wanted = rangeApplies(String(request.headers['if-range'] ?? etag), etag) ? request.headers.range : undefined
  const range = parseRange(wanted, found.sizeBytes)
  if (range === 'unsatisfiable') {
    const error = new ThatdamError('RANGE_NOT_SATISFIABLE', `The range lies outside the ${found.sizeBytes} bytes there are.`)
    const refused = { 'content-type': 'application/json', 'content-range': `bytes */${found.sizeBytes}`, 'cache-control': 'no-store' }
    response.writeHead(error.status, refused).end(JSON.stringify(error.toBody()))
    return
  }
  const bytes = range === 'whole' ? { start: 0, end: found.sizeBytes } : range
  headers['content-type'] = found.mimeType
  headers['content-length'] = bytes.end - bytes.start
  if (!inline) headers['content-disposition'] = attachment(found.downloadName ?? found.sha256)
  if (range !== 'whole') headers['content-range'] = `bytes ${bytes.start}-${bytes.end - 1}/${found.sizeBytes}`
  response.writeHead(range === 'whole' ? 200 : 206, headers)
  if (request.method === 'HEAD') response.end()
  else await sendRange(response, found.handle, bytes)
}
