import type { InitSegment, ParsedFragment } from './fmp4/parser.ts'

export interface RingFragment {
  /** Grows by one with each fragment of a camera, over restarts of its ffmpeg too. */
  readonly number: number
  /** Names the init segment that the fragment belongs to. */
  readonly generation: string
  readonly key: boolean
  /** When its first frame was taken, by this machine's clock. */
  readonly timeMs: number
  readonly durationMs: number
  readonly bytes: Buffer
}

export interface RingInit {
  readonly generation: string
  readonly segment: InitSegment
}

export interface RingLimits {
  readonly maxBytes: number
  readonly maxMs: number
}

/** 10 s of pre-roll, and some more so that a reader that stumbled finds its place again. */
export const RING_LIMITS: RingLimits = { maxBytes: 32 << 20, maxMs: 20_000 }

const MAX_WAITERS = 256

/**
 * The newest fragments of one camera, in memory. It begins with a key frame, and drops whole groups from one key frame to the next.
 * Readers take references and never hold it up. When a single group is larger than the ring, the ring is emptied rather than torn.
 */
export class FragmentRing {
  private readonly limits: RingLimits
  private readonly held: RingFragment[] = []
  private heldBytes = 0
  private heldMs = 0
  private nextNumber: number
  private initNow: RingInit | null = null
  private readonly inits = new Map<string, RingInit>()
  private readonly waiters = new Set<() => void>()
  private readonly listeners = new Set<(fragment: RingFragment) => void>()

  /** `firstNumber`: from the clock, so that numbers of an earlier process are never given again. */
  constructor(firstNumber: number, limits: RingLimits = RING_LIMITS) {
    this.nextNumber = firstNumber
    this.limits = limits
  }

  get first(): number {
    return this.held[0]?.number ?? this.nextNumber
  }
  get next(): number {
    return this.nextNumber
  }
  get init(): RingInit | null {
    return this.initNow
  }
  get bytes(): number {
    return this.heldBytes
  }

  /** The init segment of a generation still in the ring. */
  initOf(generation: string): RingInit | null {
    return this.inits.get(generation) ?? null
  }

  setInit(generation: string, segment: InitSegment): void {
    this.initNow = { generation, segment }
    this.inits.set(generation, this.initNow)
    for (const known of this.inits.keys())
      if (known !== generation && !this.held.some((fragment) => fragment.generation === known)) this.inits.delete(known)
  }

  /** Null while the first key frame has not come: a reader could not begin with it. */
  push(parsed: ParsedFragment, arrivedMs: number): RingFragment | null {
    if (!this.initNow) return null
    const { timing } = parsed
    if (this.held.at(-1)?.generation !== this.initNow.generation && !timing.key) {
      this.nextNumber++ // a reader must see that something is missing
      return null
    }
    const durationMs = (timing.durationTicks * 1000) / this.initNow.segment.track.timescale
    const fragment: RingFragment = {
      number: this.nextNumber++,
      generation: this.initNow.generation,
      key: timing.key,
      timeMs: Math.round(arrivedMs - durationMs),
      durationMs,
      bytes: parsed.bytes,
    }
    this.held.push(fragment)
    this.heldBytes += fragment.bytes.length
    this.heldMs += durationMs
    this.trim()
    for (const wake of this.waiters) wake()
    for (const listener of this.listeners) listener(fragment)
    return fragment
  }

  /** Each new fragment as it comes; returns what ends it. */
  onFragment(listener: (fragment: RingFragment) => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  get(number: number): RingFragment | null {
    return this.held.find((fragment) => fragment.number === number) ?? null
  }

  all(): readonly RingFragment[] {
    return this.held
  }

  /** The newest group: from its key frame to the end. Empty when nothing is there. */
  newestGroup(): readonly RingFragment[] {
    const at = this.held.findLastIndex((fragment) => fragment.key)
    return at < 0 ? [] : this.held.slice(at)
  }

  /** Resolves true as soon as fragment `number` exists, false after `timeoutMs` or when aborted or too many wait. */
  async waitFor(number: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (number < this.nextNumber) return true
    if (this.waiters.size >= MAX_WAITERS || signal.aborted) return false
    return new Promise((resolve) => {
      const done = (found: boolean): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', gone)
        this.waiters.delete(wake)
        resolve(found)
      }
      const wake = (): void => {
        if (number < this.nextNumber) done(true)
      }
      const gone = (): void => done(false)
      const timer = setTimeout(gone, timeoutMs)
      signal.addEventListener('abort', gone)
      this.waiters.add(wake)
    })
  }

  private trim(): void {
    while (this.heldBytes > this.limits.maxBytes || this.heldMs > this.limits.maxMs) {
      const nextKey = this.held.findIndex((fragment, at) => at > 0 && fragment.key)
      const dropped = this.held.splice(0, nextKey < 0 ? this.held.length : nextKey)
      if (dropped.length === 0) return
      for (const fragment of dropped) {
        this.heldBytes -= fragment.bytes.length
        this.heldMs -= fragment.durationMs
      }
    }
  }
}
