/** Jobs of one peer that wait for one another; further ones are dropped. */
const WAITING_MAX = 32

/** One job after the other for each peer, peers side by side. A job answers for its own failures. */
export class PeerQueues {
  readonly #queues = new Map<string, { waiting: number; tail: Promise<void> }>()

  add(peer: string, job: () => Promise<void>): void {
    const queue = this.#queues.get(peer) ?? { waiting: 0, tail: Promise.resolve() }
    if (queue.waiting >= WAITING_MAX) return
    queue.waiting += 1
    this.#queues.set(peer, queue)
    queue.tail = this.#after(queue.tail, peer, job)
  }

  /** Ends of all that is under way now. */
  tails(): Promise<void>[] {
    return [...this.#queues.values()].map(({ tail }) => tail)
  }

  async #after(before: Promise<void>, peer: string, job: () => Promise<void>): Promise<void> {
    await before
    await job()
    const queue = this.#queues.get(peer)
    if (queue !== undefined && --queue.waiting === 0) this.#queues.delete(peer)
  }
}
