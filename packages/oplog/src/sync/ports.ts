import type { LogId, SyncRequest } from '@thatdam/protocol/op-sync'
import type { OpScope } from '@thatdam/protocol/ops'
import type { BatchFault } from '../batch.ts'
import type { BatchAuthor } from '../disk/import.ts'
import type { OpLog } from '../disk/log.ts'

/** A member in reach. `scopes`: what it carries, by its plan: a catalog or store node both, everybody else `ring`. */
export type SyncPeer = { readonly nodeId: string; readonly scopes: readonly OpScope[] }

/** What the owner, or whoever looks after the ring, should hear of. At most one a batch. */
export type SyncNews =
  /** `by`: who sent it, which need not be its author. */
  | { readonly kind: 'faulty-batch'; readonly logId: LogId; readonly by: string; readonly fault: BatchFault | 'wrong-log' }
  /** Signed by a member that had no right to them; kept for the chain, applied nowhere. */
  | { readonly kind: 'refused-ops'; readonly nodeId: string; readonly count: number }
  /** Its agent is newer, and wrote what is not understood here: kept, and read once this machine is updated. */
  | { readonly kind: 'newer-ops'; readonly nodeId: string }
  /** Stamped more than a minute ahead; they wait, or are written again by their author. */
  | { readonly kind: 'held-ops'; readonly nodeId: string; readonly count: number }
  /** Two batches at one place: a copied disk, or a key in other hands. */
  | { readonly kind: 'fork'; readonly logId: LogId; readonly sequence: number }
  /** This node's disk is older than what it had written: it goes on under a new epoch. */
  | { readonly kind: 'restored'; readonly scope: OpScope }
  /** This node's clock was far ahead: so many of its entries were taken back, to be written again with right stamps. */
  | { readonly kind: 'clock-was-ahead'; readonly withdrawn: number }

export type OpSyncPorts = {
  readonly log: OpLog
  /** What this node carries itself now. */
  readonly scopes: () => readonly OpScope[]
  /** Who is in reach now, without this node; first those that a copy should go to first (leader, standbys). */
  readonly peers: () => readonly SyncPeer[]
  /** Asks a peer and gives its answer's JSON as it came. Rejects when it is away, refuses or does not answer before the signal aborts. */
  readonly call: (nodeId: string, request: SyncRequest, signal: AbortSignal) => Promise<unknown>
  /**
   * A member by the roster as it is now, removed ones and those of rings that came over included. `signer` left out: is it known at all?
   * Null: its batches are neither asked for nor taken, until the roster knows it.
   */
  readonly author: (nodeId: string, signer?: string) => BatchAuthor | null
  /** Some clock behind ring time follows a time server. */
  readonly clockTrusted: () => boolean
  /** A clock that only goes forward, ms. */
  readonly monotonicMs: () => number
  /** 0 ≤ x < 1. */
  readonly random: () => number
  /** What `status()` says has changed. */
  readonly changed: () => void
  readonly news: (news: SyncNews) => void
  /** Something went wrong that will be tried again. */
  readonly warn: (message: string, error: unknown) => void
}
