import { readRegister, type Register, replacedBy } from './fields.ts'

/** How far each log has come, by `<nodeId>/<epoch>`: the sequence of its newest batch that is held without a gap. */
export type LogHeights = ReadonlyMap<string, number>

/**
 * The height of each log that *every* non-retired member has acknowledged: what lies at or below it, nobody will send or miss again. A member
 * that never acknowledged anything, however long it is away, holds all logs at 0, until the owner retires it.
 * @returns the common heights, and for each log that stays behind the members that hold it back, for the console to name.
 */
export function acknowledgedHeights(
  members: readonly string[],
  acknowledged: ReadonlyMap<string, LogHeights>,
): { heights: Map<string, number>; heldBackBy: Map<string, string[]> } {
  const logs = new Set<string>()
  for (const member of members) for (const log of acknowledged.get(member)?.keys() ?? []) logs.add(log)
  const heights = new Map<string, number>()
  const heldBackBy = new Map<string, string[]>()
  for (const log of [...logs].toSorted()) {
    const byMember = members.map((member) => ({ member, height: acknowledged.get(member)?.get(log) ?? 0 }))
    const lowest = Math.min(...byMember.map((one) => one.height))
    const highest = Math.max(...byMember.map((one) => one.height))
    if (lowest > 0) heights.set(log, lowest)
    if (lowest < highest)
      heldBackBy.set(
        log,
        byMember.filter((one) => one.height === lowest).map((one) => one.member),
      )
  }
  return { heights, heldBackBy }
}

/**
 * A register after compaction. `gone`: ids that were left out and that a kept edit still names as replaced; it tells them from edits that have
 * not arrived yet. At most as many as kept edits name.
 */
export type CompactRegister = { readonly register: Register; readonly gone: ReadonlySet<string> }
export const NOTHING_GONE: ReadonlySet<string> = new Set()

/**
 * Leaves out edits of a field that can never matter again: replaced by another, not the winner, both acknowledged by everybody, and all that
 * they replaced left out before them. Whatever edit arrives later, the winner and the conflicts are the same as without compaction.
 * An edit that was left out must not be added again: a log's batches at or below an acknowledged height do not come twice.
 */
export function compactRegister(before: CompactRegister, isAcknowledged: (editId: string) => boolean): CompactRegister {
  const winner = readRegister(before.register).winner?.id
  const replacers = new Map<string, string[]>()
  for (const edit of before.register.values()) {
    for (const id of replacedBy(edit)) replacers.set(id, [...(replacers.get(id) ?? []), edit.id])
  }
  const kept = new Map(before.register)
  const gone = new Set(before.gone)
  const mayGo = (id: string): boolean => {
    const edit = kept.get(id)
    if (edit === undefined || id === winner || !isAcknowledged(id)) return false
    if (!replacedBy(edit).every((one) => gone.has(one))) return false
    return (replacers.get(id) ?? []).some((replacer) => isAcknowledged(replacer))
  }
  // Oldest first: what goes may free what replaced it.
  const queue = [...kept.keys()].filter(mayGo)
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (!mayGo(id)) continue
    kept.delete(id)
    gone.add(id)
    queue.push(...(replacers.get(id) ?? []).filter(mayGo))
  }
  const named = new Set([...kept.values()].flatMap(replacedBy))
  return { register: kept, gone: gone.intersection(named) }
}
