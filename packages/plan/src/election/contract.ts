import type { ClusterId, NodeId } from '@thatdam/protocol/ids'
import type { Term } from '@thatdam/protocol/plan'

/** Both clocks, in milliseconds. The monotonic one may stand still while a machine sleeps; the wall clock may jump. */
export interface Now {
  readonly monotonicMs: number
  readonly wallMs: number
}

/** What a node says of the leadership it knows: of the latest term it ever saw, and of the leader it hears at present. */
export interface LeadershipSeen {
  readonly highest: Term | null
  /** Null when no lease runs. `ageMs`: since the leader's own heartbeat, however many nodes passed the word on. */
  readonly leader: { readonly term: Term; readonly ageMs: number; readonly uptimeMs: number } | null
}

/** A candidate that was away and is held back: awake again for this long in the teller's eyes, 0 where it is away still. */
export interface Returning {
  readonly nodeId: NodeId
  readonly awakeMs: number
}

/** Between nodes. Any of them may be lost, doubled, late or out of order. */
export type ElectionMessage =
  /** `returning`: whom the leader holds back, the best RETURNING_MAX of them. Whoever hears it does so too, and leads no sooner itself. */
  | { readonly kind: 'heartbeat'; readonly term: Term; readonly uptimeMs: number; readonly returning: readonly Returning[] }
  /** “I hear no leader. Do you?” before a takeover. */
  | { readonly kind: 'ask' }
  /** Answer to `ask`, and to a heartbeat of a term that is past. `returning`: of a leader that yields to the one it tells, as in its heartbeats. */
  | { readonly kind: 'seen'; readonly seen: LeadershipSeen; readonly returning: readonly Returning[] }
  /**
   * The leader asks a better-ranked node to lead, which then counts as up for as long as it. `resigning`: it stops in any case. `holdDownMs`: how
   * long the asked one must have been up; its restart may have gone unnoticed. `returning`: who of those ranked better than the asked one is held
   * back, the best RETURNING_MAX of them; or whoever came home would get the lead at once through a leader that never saw it leave.
   */
  | {
      readonly kind: 'handover'
      readonly term: Term
      readonly resigning: boolean
      readonly uptimeMs: number
      readonly holdDownMs: number
      readonly returning: readonly Returning[]
    }

export type ElectionEvent =
  /** When `tickDueMs` has come; a sooner one does no harm. */
  | { readonly kind: 'tick' }
  /** All members that may lead, best first, awake or not; and who of all members answers. Given at every change. */
  | { readonly kind: 'roster'; readonly ranking: readonly NodeId[]; readonly alive: ReadonlySet<NodeId> }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: ElectionMessage }
  /** An order of a leader came (a plan, a job): its term is noted, so that a past leader is refused from now on. */
  | { readonly kind: 'order'; readonly term: Term }
  /** The agent is about to end. */
  | { readonly kind: 'stop' }

/**
 * In the order given, one after the other, and all before the next event: after `persist` returned, the term is on disk for good.
 * Nothing is repeated by the shell.
 */
export type ElectionAction =
  | { readonly kind: 'persist'; readonly term: Term }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: ElectionMessage }
  /** To every other member of the roster that may be reachable. */
  | { readonly kind: 'broadcast'; readonly message: ElectionMessage }
  /** Role changed: start to act as leader of this term, or stop acting. */
  | { readonly kind: 'lead'; readonly term: Term }
  | { readonly kind: 'follow' }

export interface Step<State> {
  readonly state: State
  readonly actions: readonly ElectionAction[]
}

/** What the agent asks of an election. Another rule, Raft for one, can stand here. No part of it reads a clock or draws a number. */
export interface Election<State> {
  /**
   * `highest` is the latest term on this node's disk. `firstTermSkip`, a whole number drawn at random at each start (0 to TERM_SKIP_MAX), is added to
   * the first number it leads under: a disk that was restored from an old image then does not lead under a number again that it used before.
   */
  initial(self: { clusterId: ClusterId; nodeId: NodeId; highest: Term | null; firstTermSkip?: number }, now: Now): State
  /** `random` is one draw of [0, 1). */
  step(state: State, event: ElectionEvent, now: Now, random: number): Step<State>
  /** The term under which an order may be given at this instant; null when this node may not give any. Asked before each order. */
  mayOrder(state: State, now: Now): Term | null
  /** Whether an order of this term may be carried out here: of one that may lead, and no earlier than any seen. Ask before the `order` event. */
  accepts(state: State, term: Term): boolean
  /** When the next tick is due, by the monotonic clock: also without anything to do, or the machine could not tell that it stood still. */
  tickDueMs(state: State): number
  /** Whom this node takes for the leader now. */
  leader(state: State, now: Now): Term | null
}
