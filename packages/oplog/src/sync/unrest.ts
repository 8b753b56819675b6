/** For so long after the last sign of unrest every round compares. */
const RESTLESS_MS = 10_000
/** At rest, one round in so many does. */
const CALM_ROUNDS = 3

/**
 * How often it is worth comparing: machines that hold the same, and see the same others, ask each other seldom. What is new is pushed at once, and
 * whoever is restless asks at random, so that it spreads through those at rest as well.
 */
export class Unrest {
  readonly #monotonicMs: () => number
  #seen = ''
  #restlessUntilMs = -Infinity
  #skipped = 0

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** A sign of it. */
  note(): void {
    this.#restlessUntilMs = this.#monotonicMs() + RESTLESS_MS
  }

  /** @param picture what this machine holds and whom it can ask: another one than before is a sign of unrest. @returns whether this round compares. */
  isDue(picture: string): boolean {
    if (picture !== this.#seen) this.note()
    this.#seen = picture
    this.#skipped += 1
    if (this.#monotonicMs() >= this.#restlessUntilMs && this.#skipped < CALM_ROUNDS) return false
    this.#skipped = 0
    return true
  }
}
