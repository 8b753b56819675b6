const WAITERS_MAX = 1024

/** A number that grows with each change, and those who wait for it to grow. It begins at the wall clock, so that no restart repeats one. */
export class Version {
  private current = Date.now()
  private readonly waiters = new Set<() => void>()

  get value(): number {
    return this.current
  }

  bump(): void {
    this.current += 1
    const woken = [...this.waiters]
    this.waiters.clear()
    for (const wake of woken) wake()
  }

  /** Resolves when the value is above `after`, the time is over, or the signal aborts; with more than 1,024 waiting, at once. */
  async waitNewer(after: number, limitMs: number, signal: AbortSignal): Promise<void> {
    if (this.current > after || limitMs <= 0 || signal.aborted || this.waiters.size >= WAITERS_MAX) return
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.waiters.delete(done)
        resolve()
      }
      const timer = setTimeout(done, limitMs)
      signal.addEventListener('abort', done)
      this.waiters.add(done)
    })
  }
}
