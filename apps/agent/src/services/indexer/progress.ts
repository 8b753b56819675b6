import type { IndexStatus } from '@thatdam/protocol/index-status'

const WINDOW_MS = 10_000

/** Speed over the last ten seconds; null until two samples a second apart are there. */
export class Rate {
  private samples: { readonly atMs: number; readonly bytes: number }[] = []

  sample(bytes: number, now: number = Date.now()): void {
    const last = this.samples.at(-1)
    if (last && now - last.atMs < 200) return
    this.samples.push({ atMs: now, bytes })
    this.samples = this.samples.filter((one) => now - one.atMs <= WINDOW_MS)
  }

  clear(): void {
    this.samples = []
  }

  perSecond(): number | null {
    const first = this.samples[0]
    const last = this.samples.at(-1)
    if (!first || !last || last.atMs - first.atMs < 1000) return null
    return ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs)
  }
}

export const EMPTY_STATUS: IndexStatus = {
  state: 'idle',
  roots: [],
  filesDone: 0,
  filesTotal: null,
  bytesDone: 0,
  bytesTotal: null,
  bytesPerSecond: null,
  secondsLeft: null,
  errorCount: 0,
  errors: [],
  lastFinishedAtMs: null,
}
