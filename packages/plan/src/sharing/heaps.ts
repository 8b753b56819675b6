/** Negative when `a` comes before `b`. Must be total: never 0 for two different entries. */
export type Order<T> = (a: T, b: T) => number

/**
 * A binary heap whose entries may die while they are in it. The dead are thrown away when they come to the top, or all at once when they are
 * more than half, so that they never hold more room than the living.
 */
export class LazyHeap<T> {
  private entries: T[] = []
  private dead = 0
  private readonly order: Order<T>
  private readonly isLive: (entry: T) => boolean

  constructor(order: Order<T>, isLive: (entry: T) => boolean) {
    this.order = order
    this.isLive = isLive
  }

  push(entry: T): void {
    this.entries.push(entry)
    this.up(this.entries.length - 1)
  }

  /** The first living entry, which stays. */
  first(): T | undefined {
    let top = this.entries[0]
    while (top !== undefined && !this.isLive(top)) {
      this.dead--
      this.removeTop()
      top = this.entries[0]
    }
    return top
  }

  /** Takes the first entry away while it satisfies `isDue`. */
  takeWhile(isDue: (entry: T) => boolean, use: (entry: T) => void): void {
    for (let top = this.first(); top !== undefined && isDue(top); top = this.first()) {
      this.removeTop()
      use(top)
    }
  }

  /** To be called once for each entry that died in here. */
  died(): void {
    if (++this.dead * 2 <= this.entries.length || this.entries.length < 32) return
    this.entries = this.entries.filter(this.isLive)
    this.dead = 0
    for (let index = (this.entries.length >> 1) - 1; index >= 0; index--) this.down(index)
  }

  private removeTop(): void {
    const last = this.entries.pop()
    if (this.entries.length === 0 || last === undefined) return
    this.entries[0] = last
    this.down(0)
  }

  private up(start: number): void {
    const { entries } = this
    const entry = entries[start] as T
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.order(entry, entries[parent] as T) >= 0) break
      entries[index] = entries[parent] as T
      index = parent
    }
    entries[index] = entry
  }

  private down(start: number): void {
    const { entries } = this
    const entry = entries[start] as T
    let index = start
    for (let child = 2 * index + 1; child < entries.length; child = 2 * index + 1) {
      if (child + 1 < entries.length && this.order(entries[child + 1] as T, entries[child] as T) < 0) child++
      if (this.order(entries[child] as T, entry) >= 0) break
      entries[index] = entries[child] as T
      index = child
    }
    entries[index] = entry
  }
}

/** A binary heap of entries that change their rank while they are in it. Whoever changes one says so with `put`. */
export class RankedSet<T> {
  private readonly entries: T[] = []
  private readonly places = new Map<T, number>()
  private readonly order: Order<T>

  constructor(order: Order<T>) {
    this.order = order
  }

  first(): T | undefined {
    return this.entries[0]
  }

  /** Puts it in, or into its right place if it is in already. */
  put(entry: T): void {
    const known = this.places.get(entry)
    if (known === undefined) {
      this.entries.push(entry)
      this.places.set(entry, this.entries.length - 1)
    }
    const index = known ?? this.entries.length - 1
    if (!this.up(index)) this.down(index)
  }

  remove(entry: T): void {
    const index = this.places.get(entry)
    if (index === undefined) return
    this.places.delete(entry)
    const last = this.entries.pop() as T
    if (last === entry) return
    this.set(index, last)
    if (!this.up(index)) this.down(index)
  }

  private set(index: number, entry: T): void {
    this.entries[index] = entry
    this.places.set(entry, index)
  }

  private up(start: number): boolean {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.swapIfBefore(index, parent)) break
      index = parent
    }
    return index !== start
  }

  private down(start: number): void {
    let index = start
    for (let child = 2 * index + 1; child < this.entries.length; child = 2 * index + 1) {
      if (child + 1 < this.entries.length && this.order(this.entries[child + 1] as T, this.entries[child] as T) < 0) child++
      if (!this.swapIfBefore(child, index)) break
      index = child
    }
  }

  private swapIfBefore(lower: number, upper: number): boolean {
    const [a, b] = [this.entries[lower] as T, this.entries[upper] as T]
    if (this.order(a, b) >= 0) return false
    this.set(upper, a)
    this.set(lower, b)
    return true
  }
}
