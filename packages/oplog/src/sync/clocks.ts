import { FUTURE_MS_MAX } from '../hlc.ts'

const FORGET_MS = 30_000
const PEERS_MAX = 1024

/** How far the stamps of the others have come, as they told. */
export class HeardClocks {
  readonly #byPeer = new Map<string, { clockMs: number; atMs: number }>()
  readonly #monotonicMs: () => number

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  heard(peer: string, clockMs: number): void {
    this.#byPeer.delete(peer)
    this.#byPeer.set(peer, { clockMs, atMs: this.#monotonicMs() })
    const oldest = this.#byPeer.keys().next()
    if (this.#byPeer.size > PEERS_MAX && oldest.done !== true) this.#byPeer.delete(oldest.value)
  }

  /**
   * Most of those heard lately stamp more than a minute below this clock, so they hold what it writes as from the future. After a power cut of a
   * whole ring whose clocks woke up in the past it is not so: there all have the same stamps on their disks.
   */
  mostAreBehind(ownClockMs: number): boolean {
    const lately = this.#lately()
    const behind = lately.filter((clockMs) => clockMs + FUTURE_MS_MAX < ownClockMs)
    return behind.length * 2 > lately.length
  }

  /**
   * As far as the stamps of more than half of all have come, this node among them. Whoever is there does not take its own back
   * (`mostAreBehind`), so without a time server the others have to follow.
   */
  reachedByMost(ownClockMs: number): number {
    const all = [ownClockMs, ...this.#lately()].toSorted((a, b) => b - a)
    return all[all.length >> 1] ?? ownClockMs
  }

  #lately(): number[] {
    const now = this.#monotonicMs()
    return [...this.#byPeer.values()].filter(({ atMs }) => now - atMs < FORGET_MS).map(({ clockMs }) => clockMs)
  }
}
