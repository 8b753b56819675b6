import type { OpScope } from '@thatdam/protocol/ops'
import { batchHash, contentFault, type LogHead } from '../batch.ts'
import type { VerifyBatchSignature } from '../signing.ts'
import { batchOf } from './rows.ts'
import { damaged } from './schema.ts'
import type { Statements } from './statements.ts'

export const SCOPES: readonly OpScope[] = ['library', 'ring']
const ZEROS = '0'.repeat(64)

/** One of the two logs that this node writes. */
export type OwnLog = { readonly scope: OpScope; readonly epoch: string; readonly head: LogHead }

/** `key`: the one that signs this log. */
type Checks = { file: string; nodeId: string; key: string; verify: VerifyBatchSignature }

/** The newest batch of an own log, checked against its signature, its ops, the one before it and what the last write noted. */
export function readOwnLog(statements: Statements, scope: OpScope, checks: Checks): OwnLog {
  const { file, nodeId } = checks
  const epoch = statements.meta.get(`epoch ${scope}`)?.['value']
  if (typeof epoch !== 'string') throw damaged(file, `its entry “epoch ${scope}” is missing`)
  const noted = statements.meta.get(`head ${scope}`)?.['value']
  const newest = statements.newest.get(nodeId, epoch)
  if (newest === undefined) {
    if (noted !== undefined) throw damaged(file, 'its batches are gone')
    return { scope, epoch, head: null }
  }
  const batch = batchOf(statements, newest)
  const head = { sequence: batch.header.sequence, hash: batchHash(batch.header) }
  if (noted !== `${head.sequence} ${head.hash}`) throw damaged(file, 'it does not end with the batch that was written last')
  requireSound(batch, head.sequence, checks)
  const before = statements.batches.get(nodeId, epoch, head.sequence - 1, 1)
  const previous = head.sequence === 1 ? ZEROS : before === undefined ? '' : batchHash(batchOf(statements, before).header)
  if (batch.header.previous !== previous) throw damaged(file, `batch ${head.sequence} is not chained to the one before it`)
  return { scope, epoch, head }
}

/** Every batch of an own log against its chain and signature. @throws ThatdamError CONFLICT. */
export function verifyOwnLog(statements: Statements, log: OwnLog, checks: Checks): { batches: number; ops: number } {
  const { file, nodeId } = checks
  let previous = ZEROS
  let count = 0
  let ops = 0
  for (;;) {
    const row = statements.batches.get(nodeId, log.epoch, count + 1, 1)
    if (row === undefined) break
    const batch = batchOf(statements, row)
    count += 1
    requireSound(batch, count, checks)
    if (batch.header.previous !== previous) throw damaged(file, `batch ${count} is not chained to the one before it`)
    previous = batchHash(batch.header)
    ops += batch.ops.length
  }
  if (count !== (log.head?.sequence ?? 0)) throw damaged(file, `it ends at batch ${count}, not at ${log.head?.sequence ?? 0}`)
  return { batches: count, ops }
}

function requireSound(batch: ReturnType<typeof batchOf>, sequence: number, { file, key, verify }: Checks): void {
  const fault = batch.header.sequence === sequence ? contentFault(batch, key, verify) : 'gap'
  if (fault !== null) throw damaged(file, `batch ${sequence} does not verify (${fault})`)
}
