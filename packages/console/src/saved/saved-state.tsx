import type { ConsoleState } from '../client.tsx'

/* Pure: is the newest edit of this page on a second machine's disk? */

/** The newest edit of this page, as it was answered. */
export interface LastEdit {
  durability: 'here' | 'saved'
  position: number
  /** Positions are of one feed: another one begins to count anew. */
  feedId: string | null
}

/** `here`: on one machine's disk alone, though the ring has others. Null: nothing was edited. */
export function savedState(edit: LastEdit | null, state: ConsoleState | null): 'saved' | 'here' | null {
  if (edit === null || state === null || state.agent === null || edit.feedId !== state.catalog.feedId) return null
  const { members, oplog } = state.agent
  // Alone, one disk is all there is.
  if (members.length < 2 || edit.durability === 'saved') return 'saved'
  return oplog !== undefined && oplog.savedPosition >= edit.position ? 'saved' : 'here'
}

/** Of two edits, the one that is saved last. */
export function newestEdit(before: LastEdit | null, edit: LastEdit): LastEdit {
  return before !== null && before.feedId === edit.feedId && before.position > edit.position ? before : edit
}

/** Why it is on one machine only. */
export function hereOnlyReason(state: ConsoleState): string {
  const { agent } = state
  const others = (agent?.members.length ?? 1) - 1
  if (agent?.oplog?.carriers === 0) return 'No other machine that keeps it is in reach. It goes there by itself when one is back.'
  return `It is on its way to ${others === 1 ? 'the other machine' : 'another machine'}.`
}
