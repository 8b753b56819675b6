import type { ServerResponse } from 'node:http'
import type { FileHandle } from 'node:fs/promises'
import type { ByteRange } from './http-range.ts'

const PIECE_BYTES = 1024 * 1024
/** Pairs kept for the next request; more requests at once allocate their own. */
const SPARE_MAX = 8
const spare: (readonly [Buffer, Buffer])[] = []

/**
 * Sends [start, end) of an open file through two buffers that are used in turn: one is filled while the other is on its way, and neither
 * is touched before the socket has taken it (back-pressure). A client that goes ends it at once. The caller closes the handle.
 */
export async function sendRange(response: ServerResponse, handle: FileHandle, range: ByteRange): Promise<void> {
  const length = range.end - range.start
  const small = length <= 64 * 1024
  const pair = small ? ([Buffer.allocUnsafe(length), Buffer.alloc(0)] as const) : (spare.pop() ?? newPair())
  const written: [Promise<boolean>, Promise<boolean>] = [Promise.resolve(true), Promise.resolve(true)]
  try {
    let position = range.start
    for (let turn: 0 | 1 = 0; position < range.end; turn = small ? 0 : turn === 0 ? 1 : 0) {
      if (!(await written[turn]) || response.destroyed) return
      const { bytesRead } = await handle.read(pair[turn], 0, Math.min(pair[turn].length, range.end - position), position)
      if (bytesRead === 0) {
        response.destroy() // the file became shorter: the promised length cannot be kept
        return
      }
      position += bytesRead
      written[turn] = write(response, pair[turn].subarray(0, bytesRead))
    }
    const all = await Promise.all(written)
    if (all.every(Boolean)) response.end()
  } finally {
    await Promise.all(written)
    if (!small && spare.length < SPARE_MAX) spare.push(pair)
  }
}

function newPair(): readonly [Buffer, Buffer] {
  return [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)]
}

/** Resolves when the bytes left our hands: true; false when the client went. */
function write(response: ServerResponse, piece: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) {
      resolve(false)
      return
    }
    const gone = (): void => resolve(false)
    response.once('close', gone)
    response.write(piece, (error) => {
      response.off('close', gone)
      resolve(!error)
    })
  })
}
