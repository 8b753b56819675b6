/** Something happened that others wait for. */
export class Bell {
  private readonly waiting = new Set<() => void>()

  ring(): void {
    for (const wake of this.waiting) wake()
  }

  /** Resolves at the next ring, after `limitMs`, or when the signal aborts. */
  next(limitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, limitMs)
      if (signal.aborted) return done()
      this.waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }
}
