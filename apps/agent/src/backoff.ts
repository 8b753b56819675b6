/** Waits that double from `firstMs` to `lastMs`, each drawn from its upper half so that machines do not ask in step. */
export class Backoff {
  private attempt = 0
  private readonly firstMs: number
  private readonly lastMs: number

  constructor(firstMs = 1_000, lastMs = 60_000) {
    this.firstMs = firstMs
    this.lastMs = lastMs
  }

  nextMs(random: () => number = Math.random): number {
    const wholeMs = Math.min(this.lastMs, this.firstMs * 2 ** Math.min(this.attempt, 30))
    this.attempt += 1
    return Math.round(wholeMs * (0.5 + random() / 2))
  }

  reset(): void {
    this.attempt = 0
  }
}

/** Resolves after `ms`, or at once when the signal aborts: the caller looks at the signal. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}
