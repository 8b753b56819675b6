import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import * as z from 'zod/mini'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeId } from '@thatdam/protocol/ids'
import { requestSignal } from './http.ts'

export type SourcePort = (
  sha256: string,
  asked: { readonly hints: readonly string[]; readonly from: number | null },
  signal: AbortSignal,
) => Promise<{ readonly sizeBytes: number; readonly bytes: AsyncIterable<Buffer> }>

const Holders = z.array(NodeId).check(z.maxLength(8))

/**
 * GET /local/sources/<sha256>?holders=<node id>,…: bytes that others have. An answer that ends as it should is the source; one with wrong bytes is cut
 * before its end. With `range: bytes=<from>-` the bytes from there on, which nobody has checked. @returns whether this was asked.
 */
export async function handleSourceRoute(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  source: SourcePort,
): Promise<boolean> {
  const [, sha256] = /^\/local\/sources\/([0-9a-f]{64})$/.exec(url.pathname) ?? []
  if (sha256 === undefined || request.method !== 'GET') return false
  const given = url.searchParams.get('holders') ?? ''
  const hints = Holders.safeParse(given === '' ? [] : given.split(','))
  if (!hints.success) throw new ThatdamError('BAD_REQUEST', 'holders are ids of machines, at most 8.')
  const from = fromOf(request.headers.range)
  const { sizeBytes, bytes } = await source(sha256, { hints: hints.data, from }, requestSignal(response))
  response.writeHead(from === null ? 200 : 206, {
    'content-type': 'application/octet-stream',
    'content-length': sizeBytes - (from ?? 0),
    'cache-control': 'no-store',
    ...(from === null ? {} : { 'content-range': `bytes ${from}-${sizeBytes - 1}/${sizeBytes}` }),
  })
  // The one who asked sees the cut, and asks again.
  await pipeline(bytes, response).catch(() => response.destroy())
  return true
}

function fromOf(range: string | undefined): number | null {
  if (range === undefined) return null
  const [, from] = /^bytes=(\d{1,15})-$/.exec(range) ?? []
  if (from === undefined) throw new ThatdamError('BAD_REQUEST', 'A range of a source begins somewhere and has no end: bytes=1000-')
  return Number(from)
}
