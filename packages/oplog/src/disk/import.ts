import { canonicalJson } from '@thatdam/protocol/canonical'
import { type CarriedOp, type Op, type OpScope, type SignedBatch, understand } from '@thatdam/protocol/ops'
import { type BatchFault, batchHash, contentFault } from '../batch.ts'
import { formatHlc, FUTURE_MS_MAX, type HlcState, isFuture, receive } from '../hlc.ts'
import { maySign, type OpAuthor } from '../rights.ts'
import { scopeOf } from '../scopes.ts'
import type { VerifyBatchSignature } from '../signing.ts'
import type { Statements } from './statements.ts'

/** The signer as the roster knows it. */
export type BatchAuthor = { publicKey: string; admitter: boolean }
export type Standing = 'admitter' | 'member' | 'unknown'
export const standingOf = (author: { admitter: boolean } | null): Standing =>
  author === null ? 'unknown' : author.admitter ? 'admitter' : 'member'

/**
 * What became of a batch from another machine.
 * `stored`: kept whole, so that its chain stays provable, with how many of its ops are in the feed now. `unknown`: only a newer agent
 * understands them. `fork`: another batch was at its place
 * already; both are kept, and the owner should hear of it. `own-epoch`: a part of this node's own log that it does not have, so its disk was
 * restored or copied: begin a new epoch of that scope, then import it again.
 */
export type ImportOutcome =
  | { kind: 'stored'; applied: number; refused: number; held: number; unknown: number; fork: boolean }
  | { kind: 'known' }
  | { kind: 'gap' }
  | { kind: 'own-epoch' }
  | { kind: 'faulty'; fault: BatchFault }

/** The moving parts of a log while a transaction runs. `feedId`: set anew when entries that readers may have seen were taken out. */
export type Cursor = { clock: HlcState; position: number; feedId: string }
const ZEROS = '0'.repeat(64)

/** What to do with the batch before anything is written: `null` means store it. Its shape was checked by the schema. */
export function judge(
  statements: Statements,
  batch: SignedBatch,
  context: { author: BatchAuthor; verify: VerifyBatchSignature; own: { nodeId: string; epochs: readonly string[] } },
): Exclude<ImportOutcome, { kind: 'stored' }> | null {
  const { nodeId, epoch, sequence, previous, scope } = batch.header
  // First, as it is cheap: what comes twice was verified when it came.
  if (linksAt(statements, nodeId, epoch, sequence).some((link) => link.hash === batchHash(batch.header))) return { kind: 'known' }
  const fault = contentFault(batch, context.author.publicKey, context.verify)
  if (fault !== null) return { kind: 'faulty', fault }
  if (nodeId === context.own.nodeId && context.own.epochs.includes(epoch)) return { kind: 'own-epoch' }
  if (sequence === 1) return previous === ZEROS ? null : { kind: 'faulty', fault: 'fork' }
  const before = linksAt(statements, nodeId, epoch, sequence - 1).find((link) => link.hash === previous)
  if (before === undefined) return { kind: 'gap' }
  return before.scope === scope ? null : { kind: 'faulty', fault: 'wrong-scope' }
}

function linksAt(statements: Statements, nodeId: string, epoch: string, sequence: number): { hash: string; scope: OpScope }[] {
  return statements.links.all(nodeId, epoch, sequence) as { hash: string; scope: OpScope }[]
}

/** Writes the batch and applies the ops that its author had a right to and that are not from the future. Inside a transaction. */
export function store(
  statements: Statements,
  batch: SignedBatch,
  context: { author: BatchAuthor; nowMs: number; cursor: Cursor },
): Extract<ImportOutcome, { kind: 'stored' }> {
  const { header } = batch
  const { cursor, author } = context
  const { nodeId, scope, epoch, sequence } = header
  const fork = linksAt(statements, nodeId, epoch, sequence).length > 0
  const key = [nodeId, scope, epoch, sequence, batchHash(header)] as const
  const rest = [canonicalJson(header), batch.signer, batch.signature, standingOf(author)] as const
  const { lastInsertRowid } = statements.insertBatch.run(...key, ...rest)
  const counts = { applied: 0, refused: 0, held: 0, unknown: 0 }
  for (const [place, op] of batch.ops.entries()) {
    const state = settle(statements, { op, scope, by: { nodeId, admitter: author.admitter } }, context)
    if (state !== 'double') counts[state] += 1
    const position = state === 'applied' ? cursor.position : null
    statements.insertOp.run(lastInsertRowid, place, nodeId, scope === 'ring' ? 1 : 0, op.id, state, position, canonicalJson(op))
  }
  return { kind: 'stored', ...counts, fork }
}

/** What becomes of an op: in the feed, when it counts. Inside a transaction. */
export function settle(
  statements: Statements,
  { op: carried, scope, by }: { op: CarriedOp; scope: OpScope; by: OpAuthor | null },
  { nowMs, cursor }: { nowMs: number; cursor: Cursor },
): 'applied' | 'held' | 'double' | 'refused' | 'unknown' {
  const op = understand(carried)
  // Of a kind that was not known when its batch came: only now is it seen that it stands in the wrong log.
  if (op === null || scopeOf(op.body.kind) !== scope) return 'unknown'
  if (by === null || !maySign(op.body, by).ok) return 'refused'
  const state = stateOf(statements, { nodeId: by.nodeId, op }, nowMs)
  if (state === 'applied') apply(cursor, op, nowMs)
  return state
}

/** The first stamp that lies too far ahead; as text, all at or above it do. */
export const futureFrom = (nowMs: number): string => formatHlc({ ms: Math.floor(nowMs) + FUTURE_MS_MAX + 1, counter: 0, nodeId: '' })

/** Held ops whose time has come: never those of a far future, which would stand in the way of the others. */
export function due(statements: Statements, nowMs: number, limit: number): Record<string, unknown>[] {
  return statements.due.all(futureFrom(nowMs), limit)
}

/** Applies held ops whose time has come; at most `limit`. An op that its author issued again meanwhile stays out. Inside a transaction. */
export function releaseHeld(statements: Statements, context: { nowMs: number; cursor: Cursor; limit: number }): number {
  let released = 0
  for (const row of due(statements, context.nowMs, context.limit)) {
    const op = JSON.parse(String(row['text'])) as Op
    const state = stateOf(statements, { nodeId: String(row['node']), op }, context.nowMs)
    if (state === 'applied') {
      apply(context.cursor, op, context.nowMs)
      released += 1
    }
    const at = [Number(row['batch']), Number(row['place'])] as const
    statements.settle.run(state, state === 'applied' ? context.cursor.position : null, ...at)
  }
  return released
}

/** An op is its author's: another node that takes the id for an op of its own takes nothing away. */
export function stateOf(statements: Statements, { nodeId, op }: { nodeId: string; op: Op }, nowMs: number): 'applied' | 'held' | 'double' {
  if (isFuture(op.hlc, nowMs)) return 'held'
  return statements.applied.get(op.id, nodeId) === undefined ? 'applied' : 'double'
}

export function apply(cursor: Cursor, op: Op, nowMs: number): void {
  cursor.position += 1
  cursor.clock = receive(cursor.clock, op.hlc, nowMs).state
}
