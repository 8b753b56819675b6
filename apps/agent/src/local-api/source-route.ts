import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import * as z from 'zod/mini'
import { ThatdamError } from '@thatdam/protocol/errors'
import { NodeId } from '@thatdam/protocol/ids'
import { requestSignal } from './http.ts'

export type SourcePort = (
  sha256: string,
  holders: readonly string[],
  signal: AbortSignal,
) => Promise<{ readonly sizeBytes: number; readonly bytes: AsyncIterable<Buffer> }>

const Holders = z.array(NodeId).check(z.maxLength(8))

/**
 * GET /local/sources/<sha256>?holders=<node id>,…: bytes that others have. An answer that ends as it should is the source; one with wrong bytes is cut
 * before its end. @returns whether this was asked.
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
  const holders = Holders.safeParse(given === '' ? [] : given.split(','))
  if (!holders.success) throw new ThatdamError('BAD_REQUEST', 'holders are ids of machines, at most 8.')
  const { sizeBytes, bytes } = await source(sha256, holders.data, requestSignal(response))
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': sizeBytes, 'cache-control': 'no-store' })
  // The one who asked sees the cut, and asks again.
  await pipeline(bytes, response).catch(() => response.destroy())
  return true
}
