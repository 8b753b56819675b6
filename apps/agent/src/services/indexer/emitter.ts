import type { Outbox } from '@thatdam/store/outbox'
import type { OpBody } from '@thatdam/protocol/ops'

const BATCH_MAX = 200
const FLUSH_MS = 500
const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 30_000

/**
 * Moves the outbox to the agent's log: after 200 ops or half a second, one call at a time. When the agent does not answer, it asks again
 * after 1 to 30 s (with jitter) for as long as the process lives; what waits is on disk.
 */
export class Emitter {
  private readonly outbox: Outbox
  private readonly append: (bodies: readonly OpBody[]) => Promise<unknown>
  private timer: NodeJS.Timeout | null = null
  private sending: Promise<void> | null = null
  private added = 0
  private retryMs = RETRY_FIRST_MS
  private stopped = false

  constructor(outbox: Outbox, append: (bodies: readonly OpBody[]) => Promise<unknown>) {
    this.outbox = outbox
    this.append = append
    this.schedule(0)
  }

  /** Call after each transaction that put something into the outbox. */
  note(count: number): void {
    this.added += count
    if (this.added >= BATCH_MAX) this.schedule(0)
    else this.schedule(FLUSH_MS)
  }

  /** A piece of work is done: nothing more will fill the batch. */
  hurry(): void {
    if (this.added > 0) this.schedule(0)
  }

  /** Sends what is there, once; errors stay for the next start. */
  async stop(): Promise<void> {
    this.stopped = true
    if (this.timer) clearTimeout(this.timer)
    await this.sending
    await this.send().catch(() => {})
  }

  private schedule(delayMs: number): void {
    if (this.stopped || this.sending) return
    if (this.timer && delayMs > 0) return
    if (this.timer) clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.timer = null
      this.sending = this.send().then(
        () => this.done(null),
        (error: unknown) => this.done(error),
      )
    }, delayMs)
  }

  private done(error: unknown): void {
    this.sending = null
    if (error === null) {
      this.retryMs = RETRY_FIRST_MS
      if (this.added > 0) this.schedule(FLUSH_MS)
      return
    }
    console.error('the agent took no ops; they wait in the index', error)
    this.schedule(this.retryMs * (0.75 + Math.random() / 2))
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MAX_MS)
  }

  private async send(): Promise<void> {
    this.added = 0
    for (;;) {
      const { bodies, lastId } = this.outbox.peek(BATCH_MAX)
      if (bodies.length === 0) return
      await this.append(bodies)
      this.outbox.acknowledge(lastId)
    }
  }
}
