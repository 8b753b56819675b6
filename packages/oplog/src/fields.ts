import { canonicalJson, type Json } from '@thatdam/protocol/canonical'

/**
 * One edit of one field, as an op of kind `asset.set`, `node.set` or `camera.set` carries it. `replaces` is the id of the op whose value
 * the person saw; null for a first edit. `alsoReplaces`: ids of the others that the person chose between.
 */
export type FieldEdit = {
  readonly id: string
  readonly hlc: string
  readonly value: Json
  readonly replaces: string | null
  readonly alsoReplaces?: readonly string[] | undefined
}

/** Ids of all edits that an edit takes the place of, never its own. */
export function replacedBy({ id, replaces, alsoReplaces = [] }: FieldEdit): string[] {
  const all = replaces === null ? alsoReplaces : [replaces, ...alsoReplaces]
  return all.filter((one) => one !== id)
}

/** All edits of one field that are known, by id. The order in which they arrived makes no difference. */
export type Register = ReadonlyMap<string, FieldEdit>
export const EMPTY_REGISTER: Register = new Map()

export type FieldState = {
  /** The edit that counts; null for an empty register. */
  winner: FieldEdit | null
  /** Edits that nobody has overwritten and that the winner does not descend from: both values are shown. Newest first. */
  conflicts: FieldEdit[]
}

function later(a: FieldEdit, b: FieldEdit): boolean {
  return a.hlc === b.hlc ? a.id > b.id : a.hlc > b.hlc
}

/** An empty list and none are two texts, or whichever came first would be kept. */
const textOf = ({ id, hlc, value, replaces, alsoReplaces }: FieldEdit): string => canonicalJson({ id, hlc, value, replaces, alsoReplaces })

/** Of two edits with one id, the one that counts: the earlier stamp, then (only a forger makes such) the smaller text. */
function keptOf(a: FieldEdit, b: FieldEdit): FieldEdit {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? a : b
  return textOf(a) <= textOf(b) ? a : b
}

/**
 * Takes edits in. Arriving twice or in another order changes nothing; an op that its author issued again under the same id (its first
 * stamp lay in the future) counts with the earlier stamp. Commutative, associative, idempotent.
 */
export function addEdits(register: Register, edits: Iterable<FieldEdit>): Register {
  const next = new Map(register)
  for (const edit of edits) {
    const known = next.get(edit.id)
    next.set(edit.id, known === undefined ? edit : keptOf(known, edit))
  }
  return next
}

/** Last writer by hybrid logical clock, and the losers that the winner does not descend from. */
export function readRegister(register: Register): FieldState {
  let winner: FieldEdit | null = null
  const overwritten = new Set<string>()
  for (const edit of register.values()) {
    if (winner === null || later(edit, winner)) winner = edit
    for (const id of replacedBy(edit)) overwritten.add(id)
  }
  if (winner === null) return { winner: null, conflicts: [] }
  const descent = new Set<string>([winner.id])
  // A set is walked through what is added meanwhile, and each id is in it once, so a forged circle ends.
  for (const id of descent) for (const before of replacedBy(register.get(id) ?? winner)) descent.add(before)
  const conflicts = [...register.values()].filter((edit) => !descent.has(edit.id) && !overwritten.has(edit.id))
  return { winner, conflicts: conflicts.toSorted((a, b) => (later(a, b) ? -1 : 1)) }
}
