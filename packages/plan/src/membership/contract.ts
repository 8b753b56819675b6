import type { NodeId } from '@thatdam/protocol/ids'

/** `suspect` still counts as awake: it has a few seconds to answer for itself. `away` is never forgotten, only not awake. */
export type Liveness = 'alive' | 'suspect' | 'away'

/** Word of one member. A greater incarnation is newer; only the member itself may raise its own. */
export interface Rumour {
  readonly nodeId: NodeId
  readonly incarnation: number
  readonly liveness: Liveness
  /** Who suspects it; independent accusers shorten the time to answer. Only with `suspect`. */
  readonly by?: NodeId | undefined
}

interface Envelope {
  /** The sender's own incarnation: whoever speaks is alive. */
  readonly incarnation: number
  readonly rumours: readonly Rumour[]
}

/** Between members. Any of them may be lost, doubled, late or out of order. Small ones fit a datagram; `sync` may be large and goes by stream. */
export type MembershipMessage =
  | ({ readonly kind: 'ping'; readonly sequence: number } & Envelope)
  | ({ readonly kind: 'ack'; readonly sequence: number } & Envelope)
  /** “Ping `target` for me.” Answered by `ack` when it answers, else by `nack` (“I live, it did not answer me either”). */
  | ({ readonly kind: 'ping-request'; readonly sequence: number; readonly target: NodeId } & Envelope)
  | ({ readonly kind: 'nack'; readonly sequence: number } & Envelope)
  /** Everything that the sender knows, away members too. `wantsReply` on the first half of the exchange. */
  | ({ readonly kind: 'sync'; readonly wantsReply: boolean } & Envelope)

export type MembershipEvent =
  /** When `tickDueMs` of the state has come; a sooner one does nothing. */
  | { readonly kind: 'tick' }
  /** The roster's members, self among them. Given at start and at every change. */
  | { readonly kind: 'roster'; readonly members: readonly NodeId[] }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: MembershipMessage }

export type MembershipAction =
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: MembershipMessage }
  /** The set of awake members is another one; `awake` of the state tells it. */
  | { readonly kind: 'changed' }
