/** What is still to happen, soonest first; what is due at one instant happens in the order it was planned. A binary heap. */
export class Schedule<T> {
  private readonly heap: { atMs: number; order: number; item: T }[] = []
  private order = 0

  plan(atMs: number, item: T): void {
    const { heap } = this
    const entry = { atMs, order: this.order++, item }
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!this.isSooner(index, parent)) break
      this.swap(index, parent)
      index = parent
    }
  }

  next(): { atMs: number; item: T } | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    heap[0] = last
    for (let index = 0; ;) {
      const left = 2 * index + 1
      if (left >= heap.length) break
      const sooner = left + 1 < heap.length && this.isSooner(left + 1, left) ? left + 1 : left
      if (!this.isSooner(sooner, index)) break
      this.swap(sooner, index)
      index = sooner
    }
    return first
  }

  private isSooner(a: number, b: number): boolean {
    const one = this.heap[a]
    const other = this.heap[b]
    if (one === undefined || other === undefined) return false
    return one.atMs === other.atMs ? one.order < other.order : one.atMs < other.atMs
  }

  private swap(a: number, b: number): void {
    const held = this.heap[a]
    const other = this.heap[b]
    if (held === undefined || other === undefined) return
    this.heap[a] = other
    this.heap[b] = held
  }
}
