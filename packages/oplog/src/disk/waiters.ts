import { ThatdamError } from '@thatdam/protocol/errors'

/** At most this many readers wait for the next op at once. */
const WAITERS_MAX = 256

type Waiter = { after: number; done: (arrived: boolean) => void }

/** Readers that wait for the feed to grow. */
export class Waiters {
  readonly #waiting = new Set<Waiter>()

  /** @throws ThatdamError UNAVAILABLE when too many wait already. */
  wait(after: number, signal: AbortSignal): Promise<boolean> {
    if (this.#waiting.size >= WAITERS_MAX) {
      return Promise.reject(new ThatdamError('UNAVAILABLE', 'Too many readers wait for the op feed. Try again in a second.'))
    }
    return new Promise((resolve) => {
      const onAbort = (): void => waiter.done(false)
      const waiter: Waiter = {
        after,
        done: (arrived) => {
          this.#waiting.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          resolve(arrived)
        },
      }
      this.#waiting.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The feed reaches this position now. */
  wake(position: number): void {
    for (const waiter of this.#waiting) if (position > waiter.after) waiter.done(true)
  }

  endAll(): void {
    for (const waiter of this.#waiting) waiter.done(false)
  }
}
