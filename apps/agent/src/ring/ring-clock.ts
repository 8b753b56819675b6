import type { ClockWord, RingTimeEvent } from '@thatdam/plan/ring-time/contract'
import { initialRingTime, ringTimeMs, stepRingTime, type RingTimeState } from '@thatdam/plan/ring-time/machine'
import type { Now } from '@thatdam/plan/election/contract'
import type { NodeId } from '@thatdam/protocol/ids'

export interface RingClockOptions {
  readonly nodeId: NodeId
  readonly send: (to: NodeId, word: ClockWord) => void
  /** The system's clock follows a time server. */
  readonly isSynchronised: () => boolean
  readonly clock?: () => Now
  readonly random?: () => number
}

const systemClock = (): Now => ({ monotonicMs: performance.now(), wallMs: Date.now() })

/** The shell of packages/plan/src/ring-time: what this machine takes for the time, together with the others of its ring. */
export class RingClock {
  private readonly options: RingClockOptions
  private readonly clock: () => Now
  private state: RingTimeState

  constructor(options: RingClockOptions) {
    this.options = options
    this.clock = options.clock ?? systemClock
    this.state = initialRingTime(options.nodeId, this.clock())
  }

  /** Whole Unix milliseconds. */
  nowMs(): number {
    return Math.max(0, Math.round(ringTimeMs(this.state, this.clock())))
  }

  /** This machine’s clock or that of a member in reach follows a time server. */
  get isTrusted(): boolean {
    return this.state.isSynchronised || [...this.state.clocks.values()].some(({ isSynchronised }) => isSynchronised)
  }

  alive(alive: ReadonlySet<NodeId>): void {
    this.give({ kind: 'alive', alive })
  }

  receive(from: NodeId, message: ClockWord): void {
    this.give({ kind: 'message', from, message })
  }

  /** About once a second. */
  tick(): void {
    this.give({ kind: 'tick', isSynchronised: this.options.isSynchronised() })
  }

  private give(event: RingTimeEvent): void {
    const { state, actions } = stepRingTime(this.state, event, this.clock(), (this.options.random ?? Math.random)())
    this.state = state
    for (const { to, message } of actions) this.options.send(to, { ...message, wallMs: Math.round(message.wallMs) })
  }
}
