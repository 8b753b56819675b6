import type { CarriedOp, OpScope } from '@thatdam/protocol/ops'
import { type Cursor, settle } from './import.ts'
import type { Statements } from './statements.ts'

/** What an older agent on this machine kept and did not understand. */
export const hasUnknown = (statements: Statements): boolean => statements.unknown.all(1).length > 0

/** Ops that this agent understands now come to the end of the feed, if their authors had a right to them. Inside a transaction. @returns how many. */
export function understandNow(statements: Statements, context: { nowMs: number; cursor: Cursor }): number {
  let applied = 0
  for (const row of statements.unknown.all(-1)) {
    const by = row['standing'] === 'unknown' ? null : { nodeId: String(row['node']), admitter: row['standing'] === 'admitter' }
    const op = JSON.parse(String(row['text'])) as CarriedOp
    const state = settle(statements, { op, scope: row['scope'] as OpScope, by }, context)
    if (state === 'applied') applied += 1
    const position = state === 'applied' ? context.cursor.position : null
    if (state !== 'unknown') statements.settle.run(state, position, Number(row['batch']), Number(row['place']))
  }
  return applied
}
