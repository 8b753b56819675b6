import type { OpFeedEntry } from '@thatdam/protocol/local'
import { DEFAULT_POLICY, POLICY_FIELDS, RingPolicy } from '@thatdam/protocol/settings'
import { EMPTY_REGISTER, type FieldEdit, readRegister } from './fields.ts'
import { addToRegisters, type Registers } from './registers.ts'

type Field = (typeof POLICY_FIELDS)[number]

/** Edits of the ring's policy, by field. One whose value is not well formed counts for nothing. */
export function addPolicy(before: Registers, entries: Iterable<OpFeedEntry>): Registers {
  const edits: [Field, FieldEdit][] = []
  for (const { op } of entries) {
    const { body } = op
    if (body.kind !== 'policy.set' || !RingPolicy.shape[body.field].safeParse(body.value).success) continue
    edits.push([body.field, { id: op.id, hlc: op.hlc, value: body.value, replaces: body.replaces }])
  }
  return edits.length === 0 ? before : addToRegisters(before, edits)
}

/** @returns the policy, with the id of the edit behind each field (what the next edit replaces; null: none yet) and what lost against it. */
export function readPolicy(registers: Registers): {
  policy: RingPolicy
  edits: Record<Field, string | null>
  conflicts: Partial<Record<Field, FieldEdit[]>>
} {
  const policy: Record<string, unknown> = { ...DEFAULT_POLICY }
  const edits: Record<Field, string | null> = { replicas: null, pinnedLeader: null, goesOn: null }
  const conflicts: Partial<Record<Field, FieldEdit[]>> = {}
  for (const field of POLICY_FIELDS) {
    const state = readRegister(registers.get(field) ?? EMPTY_REGISTER)
    if (state.winner === null) continue
    policy[field] = state.winner.value
    edits[field] = state.winner.id
    if (state.conflicts.length > 0) conflicts[field] = state.conflicts
  }
  return { policy: RingPolicy.parse(policy), edits, conflicts }
}
