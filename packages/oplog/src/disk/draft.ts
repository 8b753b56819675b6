import { canonicalJson } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { Op, OpBody, OpScope } from '@thatdam/protocol/ops'
import { type HlcState, tick } from '../hlc.ts'
import { maySign, type OpAuthor } from '../rights.ts'
import { scopeOf } from '../scopes.ts'

export type AppendedOp = { id: string; hlc: string; position: number }
export type DraftOp = { op: Op; text: string; position: number }

/** An op's canonical JSON is at most this long, and the ops of one batch together: a page of batches always has room for one. Bytes. */
export const OP_BYTES_MAX = 262_144
export const BATCH_BYTES_MAX = 786_432

export type Drafting = {
  author: OpAuthor
  clock: HlcState
  /** Of the feed's newest entry. */
  position: number
  nowMs: () => number
  freshId: () => string
  /** The entry that this node's feed has under an id already. */
  applied: (id: string) => { result: AppendedOp; body: string } | null
}

/**
 * Stamps ops and finds those that are in the log already.
 * @throws ThatdamError CONFLICT when an id is there with another body, FORBIDDEN for what this node may not sign, TOO_LARGE.
 */
export function draft(
  ops: readonly { id?: string | undefined; body: OpBody }[],
  { author, nowMs, freshId, applied, ...start }: Drafting,
): { results: AppendedOp[]; fresh: DraftOp[]; clock: HlcState } {
  let { clock, position } = start
  const results: AppendedOp[] = []
  const fresh: DraftOp[] = []
  const byId = new Map<string, { result: AppendedOp; body: string }>()
  for (const { id = freshId(), body } of ops) {
    const bodyText = canonicalJson(body)
    const known = byId.get(id) ?? applied(id)
    if (known !== null) {
      if (known.body !== bodyText) {
        throw new ThatdamError('CONFLICT', `The op id ${id} is taken by another op. Give each op an id of its own.`)
      }
      results.push(known.result)
      continue
    }
    requireRight(body, author)
    const ticked = tick(clock, nowMs(), author.nodeId)
    clock = ticked.state
    position += 1
    const result = { id, hlc: ticked.stamp, position }
    const op: Op = { id, hlc: ticked.stamp, body }
    // The canonical JSON of the op: keys in order, and neither stamp nor id holds what must be escaped.
    const text = `{"body":${bodyText},"hlc":"${op.hlc}","id":"${id}"}`
    if (Buffer.byteLength(text) > OP_BYTES_MAX) {
      throw new ThatdamError('TOO_LARGE', `An op holds at most ${OP_BYTES_MAX / 1024} KiB, this ${body.kind} is larger. Make it shorter.`)
    }
    byId.set(id, { result, body: bodyText })
    results.push(result)
    fresh.push({ op, text, position })
  }
  return { results, fresh, clock }
}

function requireRight(body: OpBody, author: OpAuthor): void {
  const right = maySign(body, author)
  if (right.ok) return
  const sentence =
    right.reason === 'needs-admitter'
      ? 'This machine may not change what belongs to the ring’s owner. Open the ring’s console, on the machine that leads.'
      : `This machine may not speak for another one (${body.kind}).`
  throw new ThatdamError('FORBIDDEN', sentence)
}

/** The ops as batches: those of each scope together, in order, and no batch larger than BATCH_BYTES_MAX. */
export function inBatches(fresh: readonly DraftOp[]): { scope: OpScope; ops: DraftOp[] }[] {
  const batches: { scope: OpScope; ops: DraftOp[] }[] = []
  const open = new Map<OpScope, { ops: DraftOp[]; sizeBytes: number }>()
  for (const one of fresh) {
    const scope = scopeOf(one.op.body.kind)
    const sizeBytes = Buffer.byteLength(one.text)
    const current = open.get(scope)
    if (current !== undefined && current.sizeBytes + sizeBytes <= BATCH_BYTES_MAX) {
      current.ops.push(one)
      current.sizeBytes += sizeBytes
      continue
    }
    const ops = [one]
    open.set(scope, { ops, sizeBytes })
    batches.push({ scope, ops })
  }
  return batches
}
