/** Ring time is told in seconds. It is not worth a waking of its own: it goes along with what comes so much before it. */
const CLOCK_MS = 1_000
const CLOCK_EARLY_MS = 400
/** Node's timers count from when its loop woke: without this they would go off a little too early, for nothing. */
const TIMER_SLACK_MS = 5

interface Due {
  /** When `tick` is due, by the monotonic clock. */
  readonly dueMs: number
  tick(): void
}

export interface BeatPorts {
  readonly membership: Due
  readonly leadership: Due
  readonly clock: { tick(): void }
}

/** Wakes the machines of a ring when they are due, and not between: each waking costs a processor that has nothing else to do. */
export class Beat {
  private readonly ports: BeatPorts
  private timer: NodeJS.Timeout | null = null
  private timerMs = Number.POSITIVE_INFINITY
  private clockDueMs = performance.now()
  private isStopped = false

  constructor(ports: BeatPorts) {
    this.ports = ports
    this.beat()
  }

  /** After whatever may have changed when a machine is due. */
  arm(): void {
    const { membership, leadership } = this.ports
    const dueMs = Math.min(membership.dueMs, leadership.dueMs, this.clockDueMs)
    if (this.isStopped || dueMs === this.timerMs) return
    this.timerMs = dueMs
    clearTimeout(this.timer ?? undefined)
    this.timer = setTimeout(() => this.beat(), Math.max(0, dueMs - performance.now()) + TIMER_SLACK_MS)
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer ?? undefined)
  }

  private beat(): void {
    const { membership, leadership, clock } = this.ports
    const nowMs = performance.now()
    this.timerMs = Number.POSITIVE_INFINITY
    if (nowMs >= membership.dueMs) membership.tick()
    if (nowMs >= leadership.dueMs) leadership.tick()
    if (nowMs >= this.clockDueMs - CLOCK_EARLY_MS) {
      this.clockDueMs = nowMs + CLOCK_MS
      clock.tick()
    }
    this.arm()
  }
}
