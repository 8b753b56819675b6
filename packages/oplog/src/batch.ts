import { canonicalJson } from '@thatdam/protocol/canonical'
import type { BatchHeader, CarriedOp, Op, OpScope, SignedBatch } from '@thatdam/protocol/ops'
import { jsonHash } from './hash.ts'
import { leafHash, merkleRoot } from './merkle.ts'
import { knownScopeOf } from './scopes.ts'
import type { BatchSigner, VerifyBatchSignature } from './signing.ts'

export const BATCH_OPS_MAX = 1024
const ZEROS = '0'.repeat(64)

/** The newest batch of a log: what the next one is chained to. Null: the log is empty. */
export type LogHead = { readonly sequence: number; readonly hash: string } | null

/** What the next batch names as `previous`: SHA-256 of the header's canonical JSON (which holds the Merkle root of its ops). */
export function batchHash(header: BatchHeader): string {
  return jsonHash(header)
}

/**
 * The next batch of a log, signed.
 * @param texts canonical JSON of each op, when the caller has it already.
 * @throws RangeError for no ops or more than BATCH_OPS_MAX.
 */
export function makeBatch(
  log: { nodeId: string; scope: OpScope; epoch: string; head: LogHead },
  ops: readonly Op[],
  signer: BatchSigner,
  texts: readonly string[] = ops.map((op) => canonicalJson(op)),
): { batch: SignedBatch; head: NonNullable<LogHead> } {
  if (ops.length === 0 || ops.length > BATCH_OPS_MAX) throw new RangeError(`a batch holds 1–${BATCH_OPS_MAX} ops, not ${ops.length}`)
  const header: BatchHeader = {
    version: 1,
    nodeId: log.nodeId,
    scope: log.scope,
    epoch: log.epoch,
    sequence: (log.head?.sequence ?? 0) + 1,
    previous: log.head?.hash ?? ZEROS,
    opCount: ops.length,
    merkleRoot: merkleRoot(texts.map(leafHash)),
  }
  const signature = signer.sign('thatdam-op-batch-v1', header)
  return {
    batch: { header, signer: signer.publicKey, signature, ops: [...ops] },
    head: { sequence: header.sequence, hash: batchHash(header) },
  }
}

/**
 * `wrong-scope`: an op of a kind that belongs in its author's other log, or a chain that goes over into the other scope. `gap`: batches between
 * the head and this one are missing. `fork`: it is at a position that the log has passed, or on another chain.
 */
export type BatchFault = 'wrong-key' | 'bad-signature' | 'bad-count' | 'bad-root' | 'foreign-stamp' | 'wrong-scope' | 'gap' | 'fork'
export type BatchVerdict = { ok: true; head: NonNullable<LogHead> } | { ok: false; fault: BatchFault }

/**
 * Does this batch, of the node that owns `publicKey`, come next after `head`? `foreign-stamp`: an op carries another node's clock stamp.
 * The shape was checked by the schema before.
 */
export function verifyBatch(
  batch: SignedBatch,
  expected: { publicKey: string; head: LogHead },
  verify: VerifyBatchSignature,
): BatchVerdict {
  const fault = contentFault(batch, expected.publicKey, verify)
  if (fault !== null) return { ok: false, fault }
  const sequence = expected.head?.sequence ?? 0
  if (batch.header.sequence > sequence + 1) return { ok: false, fault: 'gap' }
  if (batch.header.sequence <= sequence || batch.header.previous !== (expected.head?.hash ?? ZEROS)) return { ok: false, fault: 'fork' }
  return { ok: true, head: { sequence: batch.header.sequence, hash: batchHash(batch.header) } }
}

/** What is wrong with a batch by itself, whatever its place in the chain; null when nothing is. */
export function contentFault(batch: SignedBatch, publicKey: string, verify: VerifyBatchSignature): BatchFault | null {
  if (batch.signer !== publicKey) return 'wrong-key'
  if (!verify('thatdam-op-batch-v1', batch.header, batch.signature, batch.signer)) return 'bad-signature'
  if (batch.header.opCount !== batch.ops.length) return 'bad-count'
  if (rootOf(batch.ops) !== batch.header.merkleRoot) return 'bad-root'
  if (batch.ops.some((op) => op.hlc.slice(21) !== batch.header.nodeId)) return 'foreign-stamp'
  const { scope } = batch.header
  if (batch.ops.some((op) => (knownScopeOf(op.body.kind) ?? scope) !== scope)) return 'wrong-scope'
  return null
}

/** Null where an op has no canonical text (too deep, half a character): then nobody can have signed it. */
function rootOf(ops: readonly CarriedOp[]): string | null {
  try {
    return merkleRoot(ops.map((op) => leafHash(canonicalJson(op))))
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}
