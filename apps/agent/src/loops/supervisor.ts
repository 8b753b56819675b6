import { Backoff, sleep } from '../backoff.ts'
import type { Log } from '../log.ts'

/** Starts loops, starts them again when they throw (1 s → 60 s), and on `stop` cancels and awaits them all. */
export class Loops {
  private readonly log: Log
  private readonly stopping = new AbortController()
  private readonly running: Promise<void>[] = []

  constructor(log: Log) {
    this.log = log
  }

  get signal(): AbortSignal {
    return this.stopping.signal
  }

  start(name: string, run: (signal: AbortSignal) => Promise<void>): void {
    this.running.push(this.keep(name, run))
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await Promise.all(this.running)
  }

  private async keep(name: string, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this
    const backoff = new Backoff()
    while (!signal.aborted) {
      try {
        await run(signal)
        return
      } catch (error) {
        if (signal.aborted) return
        const waitMs = backoff.nextMs()
        this.log.error(`the ${name} loop failed and starts again in ${Math.ceil(waitMs / 1000)} s`, error)
        await sleep(waitMs, signal)
      }
    }
  }
}
