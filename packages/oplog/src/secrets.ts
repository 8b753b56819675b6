import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { SealedBox } from '@thatdam/protocol/ops'
import { EMPTY_REGISTER, type FieldEdit, readRegister } from './fields.ts'
import { addToRegisters, type Registers } from './registers.ts'

/** The ring's secrets as they were set, by name; still sealed. */
export function addSecrets(before: Registers, entries: Iterable<OpFeedEntry>): Registers {
  const edits: [string, FieldEdit][] = []
  for (const { op } of entries) {
    const { body } = op
    if (body.kind !== 'secret.set') continue
    edits.push([body.name, { id: op.id, hlc: op.hlc, value: body.sealedFor, replaces: body.replaces }])
  }
  return edits.length === 0 ? before : addToRegisters(before, edits)
}

/**
 * The secret that counts: the last one set. `opId` is what the next one replaces. No boxes: it was taken back. Null: it was never set.
 * Sealing it to further nodes is setting it again.
 */
export function readSecret(registers: Registers, name: string): { opId: string; hlc: string; sealedFor: readonly SealedBox[] } | null {
  const { winner } = readRegister(registers.get(name) ?? EMPTY_REGISTER)
  return winner === null ? null : { opId: winner.id, hlc: winner.hlc, sealedFor: winner.value as SealedBox[] }
}
