import { addEdits, EMPTY_REGISTER, type FieldEdit, type Register } from './fields.ts'

/** Many fields, by a name of the caller. */
export type Registers = ReadonlyMap<string, Register>
export const NO_REGISTERS: Registers = new Map()

/** Takes edits in, as `addEdits` does for one field: order, repeats and parts make no difference. */
export function addToRegisters(before: Registers, edits: Iterable<readonly [key: string, edit: FieldEdit]>): Registers {
  const next = new Map(before)
  for (const [key, edit] of edits) next.set(key, addEdits(next.get(key) ?? EMPTY_REGISTER, [edit]))
  return next
}
