import type { NodeId } from '@thatdam/protocol/ids'

/** Between members, now and then. It may be lost, doubled, late or out of order; a late one is off by as much as it is late. */
export interface ClockWord {
  /** The sender's own wall clock as it wrote this, in unix milliseconds. */
  readonly wallMs: number
  /** The sender's system says that its clock follows a time server. */
  readonly isSynchronised: boolean
  /** Clocks of others, as the sender holds them: at most CLOCKS_MAX. */
  readonly heard: readonly ClockHeard[]
}

export interface ClockHeard {
  readonly nodeId: NodeId
  /** How far that clock is before the sender's own; negative: behind. Milliseconds. */
  readonly aheadMs: number
  readonly isSynchronised: boolean
  /** Since that clock's owner told it, however many passed it on. Milliseconds. */
  readonly ageMs: number
}

export type RingTimeEvent =
  /** At least once a second. */
  | { readonly kind: 'tick'; readonly isSynchronised: boolean }
  /** Who of all members answers, self among them. Given at every change. */
  | { readonly kind: 'alive'; readonly alive: ReadonlySet<NodeId> }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: ClockWord }

export type RingTimeAction = { readonly kind: 'send'; readonly to: NodeId; readonly message: ClockWord }
