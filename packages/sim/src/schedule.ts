/** Far more than a run takes; bounds the shelves. */
const TIME_MS_MAX = 3_600_000

/**
 * What is still to happen, soonest first; what is due at one instant happens in the order it was planned. One shelf a millisecond: times are whole,
 * and none is before the one that was given out last.
 */
export class Schedule<T> {
  private readonly shelves: (T[] | undefined)[] = []
  private atMs = 0
  /** How many of the present shelf were given out. */
  private given = 0

  plan(atMs: number, item: T): void {
    if (!Number.isSafeInteger(atMs) || atMs < this.atMs || atMs > TIME_MS_MAX)
      throw new RangeError(`not a time to come in whole milliseconds: ${atMs}`)
    const { shelves } = this
    // Without holes: an array with holes is looked up like a dictionary.
    while (shelves.length <= atMs) shelves.push(undefined)
    const shelf = shelves[atMs]
    if (shelf === undefined) shelves[atMs] = [item]
    else shelf.push(item)
  }

  next(): { atMs: number; item: T } | undefined {
    const { shelves } = this
    for (; this.atMs < shelves.length; this.atMs++) {
      const shelf = shelves[this.atMs]
      if (shelf !== undefined && this.given < shelf.length) return { atMs: this.atMs, item: shelf[this.given++] as T }
      shelves[this.atMs] = undefined
      this.given = 0
    }
    return undefined
  }
}
