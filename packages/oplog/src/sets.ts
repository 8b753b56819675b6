import { canonicalJson } from '@thatdam/protocol/canonical'

/**
 * One edit of one element of a set: a tag on an asset, a member's right. `seen`: ids of the edits of this element that its author saw as the
 * latest (`latestEdits`); the edit takes their place.
 */
export type SetEdit = {
  readonly id: string
  readonly hlc: string
  readonly element: string
  readonly action: 'add' | 'remove'
  readonly seen: readonly string[]
}

/**
 * Where an add and a remove were made unseen by each other: tags and albums are `add-wins` (nobody's work is lost), rights, members and
 * public routes `remove-wins` (nobody keeps what was taken away).
 */
export type SetRule = 'add-wins' | 'remove-wins'

/** Of two edits with one id, the one that counts, as in a field: the earlier stamp, then the smaller text. */
function keptOf(a: SetEdit, b: SetEdit): SetEdit {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? a : b
  return textOf(a) <= textOf(b) ? a : b
}
const textOf = ({ id, hlc, element, action, seen }: SetEdit): string => canonicalJson({ id, hlc, element, action, seen })

/** Each edit once, whatever came first. */
function byIdOf(edits: Iterable<SetEdit>): Map<string, SetEdit> {
  const byId = new Map<string, SetEdit>()
  for (const edit of edits) {
    const known = byId.get(edit.id)
    byId.set(edit.id, known === undefined ? edit : keptOf(known, edit))
  }
  return byId
}

/** Edits that no other edit has seen, by element. A function of the set of edits: order and repeats make no difference. */
export function latestEdits(edits: Iterable<SetEdit>): Map<string, SetEdit[]> {
  const byId = byIdOf(edits)
  const replaced = new Set<string>()
  for (const edit of byId.values()) {
    // An edit speaks for its own element only, or a forged one could undo any other.
    for (const id of edit.seen) if (id !== edit.id && byId.get(id)?.element === edit.element) replaced.add(id)
  }
  const latest = new Map<string, SetEdit[]>()
  for (const edit of byId.values()) {
    if (replaced.has(edit.id)) continue
    const beside = latest.get(edit.element)
    if (beside === undefined) latest.set(edit.element, [edit])
    else beside.push(edit)
  }
  return latest
}

/** The elements that are in the set, sorted. */
export function readSet(edits: Iterable<SetEdit>, rule: SetRule): string[] {
  const present: string[] = []
  for (const [element, latest] of latestEdits(edits)) {
    const isIn = rule === 'add-wins' ? latest.some((edit) => edit.action === 'add') : latest.every((edit) => edit.action === 'add')
    if (isIn) present.push(element)
  }
  return present.toSorted()
}

/**
 * As `readSet` with `remove-wins`, for a set that must never be empty (a ring's owners): when merging leaves nobody, the latest removal is
 * void, and so on until somebody is in.
 * @returns the elements, and the ids of the removals that were voided (latest first). Nobody was ever added: both empty.
 */
export function readNeverEmptySet(edits: Iterable<SetEdit>): { elements: string[]; voided: string[] } {
  const left = byIdOf(edits)
  const removals = [...left.values()].filter((edit) => edit.action === 'remove').toSorted((a, b) => (isLater(a, b) ? -1 : 1))
  const voided: string[] = []
  let elements = readSet(left.values(), 'remove-wins')
  for (const removal of removals) {
    if (elements.length > 0) break
    left.delete(removal.id)
    voided.push(removal.id)
    elements = readSet(left.values(), 'remove-wins')
  }
  return { elements, voided: elements.length > 0 ? voided : [] }
}

function isLater(a: SetEdit, b: SetEdit): boolean {
  return a.hlc === b.hlc ? a.id > b.id : a.hlc > b.hlc
}
