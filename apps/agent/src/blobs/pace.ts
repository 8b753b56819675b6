import { sleep } from '../backoff.ts'

/** Bytes that may be moved ahead of time. */
const BURST_MS = 250

/** At most so many bytes a second, over all that share it. */
export class Pace {
  private readonly bytesPerSecond: number
  private freeAtMs = 0

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond
  }

  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = performance.now()
    this.freeAtMs = Math.max(this.freeAtMs, nowMs - BURST_MS) + (bytes / this.bytesPerSecond) * 1_000
    if (this.freeAtMs > nowMs) await sleep(this.freeAtMs - nowMs, signal)
  }
}
