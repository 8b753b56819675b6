import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { BatchHeader, Op, SignedBatch } from '@thatdam/protocol/ops'
import { SYNC_BATCHES_MAX, SYNC_BYTES_MAX } from '@thatdam/protocol/op-sync'
import type { Statements } from './statements.ts'

type Row = Record<string, unknown>

export const entryOf = (row: Row): OpFeedEntry => ({
  position: Number(row['position']),
  nodeId: String(row['node']),
  op: JSON.parse(String(row['text'])) as Op,
})

export function batchOf(statements: Statements, row: Row): SignedBatch {
  return read(statements, row).batch
}

/** A header, a key and a signature around the ops, generously. */
const FRAME_BYTES = 1024

function read(statements: Statements, row: Row): { batch: SignedBatch; sizeBytes: number } {
  let sizeBytes = FRAME_BYTES
  const ops = statements.opsOf.all(row['batch'] as number).map((op) => {
    const text = String(op['text'])
    sizeBytes += Buffer.byteLength(text) + 1
    return JSON.parse(text) as Op
  })
  const header = JSON.parse(String(row['header'])) as BatchHeader
  return { batch: { header, signer: String(row['signer']), signature: String(row['signature']), ops }, sizeBytes }
}

/**
 * Signed batches of one log from a sequence on, oldest first: at most `limit` (≤ 64), and 1 MiB as JSON, but always the first. A page never
 * ends between two batches of one sequence (a fork), so the next page begins at the last sequence + 1.
 */
export function pageOf(statements: Statements, logId: string, page: { from: number; limit: number }): SignedBatch[] {
  const [node = '', epoch = ''] = logId.split('/')
  const count = Math.min(Math.max(1, page.limit), SYNC_BATCHES_MAX)
  const rows = statements.batches.all(node, epoch, page.from, count + 1)
  const bySequence = [...Map.groupBy(rows, (row) => Number(row['sequence'])).values()]
  // One more row than asked for came: the last sequence may have more batches than are here.
  const whole = rows.length > count && bySequence.length > 1 ? bySequence.slice(0, -1) : bySequence
  const batches: SignedBatch[] = []
  let sizeBytes = 0
  for (const beside of whole) {
    const group = beside.slice(0, count).map((row) => read(statements, row))
    sizeBytes += group.reduce((sum, one) => sum + one.sizeBytes, 0)
    if (batches.length > 0 && sizeBytes > SYNC_BYTES_MAX) break
    batches.push(...group.map(({ batch }) => batch))
  }
  return batches
}
