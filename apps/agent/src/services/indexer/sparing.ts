/** Looking takes at most a twentieth of the time. */
const SHARE = 20

/** A figure for the page that costs a query: looked up again only when something changed, and seldom when it is slow. */
export class Sparing<T> {
  private readonly look: () => T
  private value: T
  private changed = false
  private nextAtMs = 0

  constructor(look: () => T) {
    this.look = look
    this.value = look()
  }

  touch(): void {
    this.changed = true
  }

  get(): T {
    const now = performance.now()
    if (!this.changed || now < this.nextAtMs) return this.value
    this.changed = false
    this.value = this.look()
    this.nextAtMs = performance.now() + (performance.now() - now) * SHARE
    return this.value
  }

  /** Looks now, whatever it costs: at the end of a piece of work. */
  fresh(): T {
    this.changed = true
    this.nextAtMs = 0
    return this.get()
  }
}
