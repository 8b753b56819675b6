import { readFileSync } from 'node:fs'

/*
 * Every namespace of ours is called thatdam-hosts-<pid>-<start time of that process>-<set>-<what>. The start time (clock ticks since boot)
 * tells a process from a later one of the same number.
 */

const PATTERN = /^thatdam-hosts-(\d+)-(\d+)-(\d+)-(host\d+|router|bridge)$/

export interface Maker {
  readonly pid: number
  readonly startTicks: number
}

/** Start time of a process in clock ticks; null when there is none of this number, or only its remains. */
export function startTicks(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may hold blanks and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? null : Number(fields[19])
  } catch {
    return null
  }
}

export const namespaceName = (maker: Maker, set: number, what: string): string =>
  `thatdam-hosts-${maker.pid}-${maker.startTicks}-${set}-${what}`

/** Null: not ours, never touched. */
export function makerOf(namespace: string): Maker | null {
  const match = PATTERN.exec(namespace)
  return match ? { pid: Number(match[1]), startTicks: Number(match[2]) } : null
}

/** Ours, and whoever made it is gone. */
export function isStale(namespace: string): boolean {
  const maker = makerOf(namespace)
  return maker !== null && startTicks(maker.pid) !== maker.startTicks
}
