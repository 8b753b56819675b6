const FIRST_MS = 500
const LIMIT_MS = 30_000
/** A run this long was a good one: the next failure starts from the first wait again. */
const GOOD_RUN_MS = 20_000

/** Waits between restarts: 0.5 s, doubled up to 30 s, with a jitter of a tenth. */
export class Backoff {
  private failures = 0

  /** After a run of `ranMs`; `draw` in [0, 1). */
  nextMs(ranMs: number, draw: number): number {
    this.failures = ranMs >= GOOD_RUN_MS ? 1 : this.failures + 1
    const wait = Math.min(LIMIT_MS, FIRST_MS * 2 ** Math.min(this.failures - 1, 10))
    return Math.round(Math.min(LIMIT_MS, wait * (0.95 + draw / 10)))
  }

  reset(): void {
    this.failures = 0
  }
}
