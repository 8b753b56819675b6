import { canonicalJson } from '@thatdam/protocol/canonical'
import type { Op, SignedBatch } from '@thatdam/protocol/ops'
import { type BatchFault, batchHash, contentFault } from '../batch.ts'
import { formatHlc, FUTURE_MS_MAX, type HlcState, isFuture, receive } from '../hlc.ts'
import { maySign } from '../rights.ts'
import type { VerifyBatchSignature } from '../signing.ts'
import type { Statements } from './statements.ts'

/** The signer as the roster knows it. */
export type BatchAuthor = { publicKey: string; admitter: boolean }

/**
 * What became of a batch from another machine.
 * `stored`: kept whole, so that its chain stays provable, with how many of its ops are in the feed now. `fork`: another batch was at its place
 * already; both are kept, and the owner should hear of it. `own-epoch`: a part of this node's own log that it does not have, so its disk was
 * restored or copied: begin a new epoch, then import it again.
 */
export type ImportOutcome =
  | { kind: 'stored'; applied: number; refused: number; held: number; fork: boolean }
  | { kind: 'known' }
  | { kind: 'gap' }
  | { kind: 'own-epoch' }
  | { kind: 'faulty'; fault: BatchFault }

/** The moving parts of a log while a transaction runs. */
export type Cursor = { clock: HlcState; position: number }
const ZEROS = '0'.repeat(64)

/** What to do with the batch before anything is written: `null` means store it. Its shape was checked by the schema. */
export function judge(
  statements: Statements,
  batch: SignedBatch,
  context: { author: BatchAuthor; verify: VerifyBatchSignature; ownLog: { nodeId: string; epoch: string } },
): Exclude<ImportOutcome, { kind: 'stored' }> | null {
  const fault = contentFault(batch, context.author.publicKey, context.verify)
  if (fault !== null) return { kind: 'faulty', fault }
  const { nodeId, epoch, sequence, previous } = batch.header
  if (hashesAt(statements, nodeId, epoch, sequence).includes(batchHash(batch.header))) return { kind: 'known' }
  if (nodeId === context.ownLog.nodeId && epoch === context.ownLog.epoch) return { kind: 'own-epoch' }
  if (sequence === 1) return previous === ZEROS ? null : { kind: 'faulty', fault: 'fork' }
  return hashesAt(statements, nodeId, epoch, sequence - 1).includes(previous) ? null : { kind: 'gap' }
}

function hashesAt(statements: Statements, nodeId: string, epoch: string, sequence: number): string[] {
  return statements.hashesAt.all(nodeId, epoch, sequence).map((row) => String(row['hash']))
}

/** Writes the batch and applies the ops that its author had a right to and that are not from the future. Inside a transaction. */
export function store(
  statements: Statements,
  batch: SignedBatch,
  context: { author: BatchAuthor; nowMs: number; cursor: Cursor },
): Extract<ImportOutcome, { kind: 'stored' }> {
  const { header } = batch
  const { cursor } = context
  const fork = hashesAt(statements, header.nodeId, header.epoch, header.sequence).length > 0
  const key = [header.nodeId, header.epoch, header.sequence, batchHash(header)] as const
  const { lastInsertRowid } = statements.insertBatch.run(...key, canonicalJson(header), batch.signer, batch.signature)
  const counts = { applied: 0, refused: 0, held: 0 }
  for (const [place, op] of batch.ops.entries()) {
    const right = maySign(op.body, { nodeId: header.nodeId, admitter: context.author.admitter })
    const state = right.ok ? stateOf(statements, op, context.nowMs) : 'refused'
    if (state === 'applied') apply(cursor, op, context.nowMs)
    if (state !== 'double') counts[state] += 1
    statements.insertOp.run(lastInsertRowid, place, op.id, state, state === 'applied' ? cursor.position : null, canonicalJson(op))
  }
  return { kind: 'stored', ...counts, fork }
}

/** Held ops whose time has come: never those of a far future, which would stand in the way of the others. */
export function due(statements: Statements, nowMs: number, limit: number): Record<string, unknown>[] {
  const after = formatHlc({ ms: Math.floor(nowMs) + FUTURE_MS_MAX + 1, counter: 0, nodeId: '' })
  return statements.due.all(after, limit)
}

/** Applies held ops whose time has come; at most `limit`. An op that its author issued again meanwhile stays out. Inside a transaction. */
export function releaseHeld(statements: Statements, context: { nowMs: number; cursor: Cursor; limit: number }): number {
  let released = 0
  for (const row of due(statements, context.nowMs, context.limit)) {
    const op = JSON.parse(String(row['text'])) as Op
    const state = stateOf(statements, op, context.nowMs)
    if (state === 'applied') {
      apply(context.cursor, op, context.nowMs)
      released += 1
    }
    const at = [Number(row['batch']), Number(row['place'])] as const
    statements.settle.run(state, state === 'applied' ? context.cursor.position : null, ...at)
  }
  return released
}

function stateOf(statements: Statements, op: Op, nowMs: number): 'applied' | 'held' | 'double' {
  if (isFuture(op.hlc, nowMs)) return 'held'
  return statements.applied.get(op.id) === undefined ? 'applied' : 'double'
}

function apply(cursor: Cursor, op: Op, nowMs: number): void {
  cursor.position += 1
  cursor.clock = receive(cursor.clock, op.hlc, nowMs).state
}
