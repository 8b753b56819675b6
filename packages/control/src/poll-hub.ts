/**
 * Why a wait ended. `elapsed`: the asked time passed. `closed`: the node may not go on (removed, locked) or the hub shuts down.
 * `replaced`: a newer poll of the same node took its place. `aborted`: released by the caller (the client hung up).
 */
export type WaitOutcome = 'woken' | 'elapsed' | 'closed' | 'replaced' | 'aborted'

/** Resolution of all waits: one timer for the whole hub, so that a poll costs no timer of its own. */
const TICK_MS = 250
/** 256 slots of 250 ms: a wait lasts at most 64 s. */
const SLOTS = 256

/** A held poll, and the revision that its node has. */
export interface HeldCursor {
  readonly key: string
  readonly cursor: number
}

/** Asks the rows again, for wakes that were lost on their way: one question for all held polls. */
export interface Requery {
  readonly everyMs: number
  /** @returns the keys of those that are to query. */
  readonly changed: (held: readonly HeldCursor[]) => Promise<readonly string[]>
  readonly onError: (error: unknown) => void
}

/** One held poll. Subscribed from `hub.open` on: a wake between the query and `changed` is not lost. */
export interface HeldPoll {
  /** Waits for a wake since the last call, at most `holdMs` (≤ 60,000). One wait at a time. */
  changed(holdMs: number): Promise<WaitOutcome>
  /** Frees the place and ends a wait. Always call it, in `finally` and when the client hangs up; twice is harmless. */
  release(): void
}

class Held implements HeldPoll, HeldCursor {
  /** What happened while nobody waited. Anything but `woken` stays. */
  pending: WaitOutcome | null = null
  resolve: ((outcome: WaitOutcome) => void) | null = null
  slot = -1
  readonly key: string
  readonly cursor: number
  readonly hub: PollHub
  constructor(hub: PollHub, key: string, cursor: number) {
    this.hub = hub
    this.key = key
    this.cursor = cursor
  }

  changed(holdMs: number): Promise<WaitOutcome> {
    const { pending } = this
    if (pending !== null) {
      if (pending === 'woken') this.pending = null
      return Promise.resolve(pending)
    }
    return new Promise((resolve) => {
      this.resolve = resolve
      this.hub.schedule(this, holdMs)
    })
  }

  end(outcome: WaitOutcome): void {
    const { resolve } = this
    if (resolve === null) {
      if (this.pending === null || this.pending === 'woken') this.pending = outcome
      return
    }
    this.resolve = null
    this.hub.unschedule(this)
    if (outcome !== 'woken' && outcome !== 'elapsed') this.pending = outcome
    resolve(outcome)
  }

  release(): void {
    this.hub.forget(this)
    this.end('aborted')
  }
}

/**
 * The long polls that a process holds, by the store's id of the node. In memory only: the row is the truth, a wake is a hint.
 * It knows no HTTP. Bounds: `heldMax` polls, one per node (a node that lost its connection comes again before we notice).
 */
export class PollHub {
  readonly #held = new Map<string, Held>()
  readonly #wheel: (Set<Held> | undefined)[] = []
  readonly #heldMax: number
  #hand = 0
  #waiting = 0
  #timer: NodeJS.Timeout | null = null
  #shut = false
  readonly #requery: Requery | null
  #requeryTimer: NodeJS.Timeout | null = null
  #asking = false

  constructor(options: { heldMax: number; requery?: Requery }) {
    this.#heldMax = options.heldMax
    this.#requery = options.requery ?? null
  }

  get size(): number {
    return this.#held.size
  }

  /** Takes a place for this node, ending an older poll of it. Null: all places are taken, or the hub is shut. */
  open(key: string, cursor = 0): HeldPoll | null {
    if (this.#shut) return null
    const older = this.#held.get(key)
    if (older === undefined && this.#held.size >= this.#heldMax) return null
    const held = new Held(this, key, cursor)
    this.#held.set(key, held)
    if (this.#requery !== null) this.#requeryTimer ??= setInterval(() => void this.#askAgain(), this.#requery.everyMs)
    older?.end('replaced')
    return held
  }

  /** The node's row changed: its poll queries again. @returns whether it is held here. */
  wake(key: string): boolean {
    const held = this.#held.get(key)
    held?.end('woken')
    return held !== undefined
  }

  /** The node was removed or locked: its poll ends at once. */
  close(key: string): boolean {
    const held = this.#held.get(key)
    held?.end('closed')
    return held !== undefined
  }

  /** Ends all polls and takes no more: the process stops. */
  shut(): void {
    this.#shut = true
    this.#stopAsking()
    for (const held of this.#held.values()) held.end('closed')
  }

  /** @internal for Held. */
  schedule(held: Held, holdMs: number): void {
    const ticks = Math.min(SLOTS - 1, Math.max(1, Math.ceil(holdMs / TICK_MS)))
    held.slot = (this.#hand + ticks) % SLOTS
    const slot = (this.#wheel[held.slot] ??= new Set())
    slot.add(held)
    this.#waiting += 1
    this.#timer ??= setInterval(() => this.#turn(), TICK_MS)
  }

  /** @internal for Held. */
  unschedule(held: Held): void {
    if (!this.#wheel[held.slot]?.delete(held)) return
    held.slot = -1
    this.#waiting -= 1
    if (this.#waiting > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  /** @internal for Held. */
  forget(held: Held): void {
    if (this.#held.get(held.key) === held) this.#held.delete(held.key)
    if (this.#held.size === 0) this.#stopAsking()
  }

  #stopAsking(): void {
    if (this.#requeryTimer !== null) clearInterval(this.#requeryTimer)
    this.#requeryTimer = null
  }

  /** A store that is slow is not asked twice at once. */
  async #askAgain(): Promise<void> {
    if (this.#requery === null || this.#asking) return
    this.#asking = true
    try {
      for (const key of await this.#requery.changed([...this.#held.values()])) this.wake(key)
    } catch (error) {
      this.#requery.onError(error)
    } finally {
      this.#asking = false
    }
  }

  #turn(): void {
    this.#hand = (this.#hand + 1) % SLOTS
    const due = this.#wheel[this.#hand]
    if (due === undefined) return
    this.#wheel[this.#hand] = undefined
    for (const held of due) {
      due.delete(held)
      held.slot = -1
      this.#waiting -= 1
      held.end('elapsed')
    }
    if (this.#waiting === 0 && this.#timer !== null) {
      clearInterval(this.#timer)
      this.#timer = null
    }
  }
}
