const FIRST_MS = 1_000
/** Short, so that what a cut parted is together again within seconds of its end. */
const LONGEST_MS = 8_000
const PEERS_MAX = 1024

/** Peers that failed are left alone for a while, twice as long each time. */
export class Backoff {
  readonly #failed = new Map<string, { failures: number; untilMs: number }>()
  readonly #monotonicMs: () => number
  readonly #random: () => number

  constructor(ports: { monotonicMs: () => number; random: () => number }) {
    this.#monotonicMs = ports.monotonicMs
    this.#random = ports.random
  }

  isOpen(peer: string): boolean {
    const failed = this.#failed.get(peer)
    return failed === undefined || this.#monotonicMs() >= failed.untilMs
  }

  failed(peer: string): void {
    const failures = (this.#failed.get(peer)?.failures ?? 0) + 1
    const waitMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 10)) * (0.75 + this.#random() / 2)
    if (this.#failed.size >= PEERS_MAX) this.#failed.clear()
    this.#failed.set(peer, { failures, untilMs: this.#monotonicMs() + waitMs })
  }

  /** It answered, or asked us something. */
  worked(peer: string): void {
    this.#failed.delete(peer)
  }

  /** Who was out of reach and is back is asked at once. */
  keepOnly(inReach: ReadonlySet<string>): void {
    for (const peer of this.#failed.keys()) if (!inReach.has(peer)) this.#failed.delete(peer)
  }
}
