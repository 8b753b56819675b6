import type { NodeFacts } from '@thatdam/protocol/facts'
import type { PollResponse, ReportRequest, RingNews } from '@thatdam/protocol/poll'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import type { RenewalDecision, RenewalRow } from './credentials.ts'
import type { FoundedRing } from './founding.ts'
import type { KeptIntent } from './join-intent.ts'
import type { HeldCursor } from './poll-hub.ts'
import type { RelayCursor } from './relay.ts'

/*
 * The ports behind which the cloud (PostgreSQL) and later a leader (node:sqlite) keep what the control plane knows.
 * Times are unix milliseconds of the store owner's clock; they are always passed in, so that rows and decisions agree.
 */

export type Organisation = { id: string; name: string }

/** A join token as it is kept: never its seed. */
export type StoredToken = {
  /** Public half of the seed: the token's only key. */
  tokenKey: string
  /** `new-<organisation id>` or a ring's id, as in the token's text. */
  scope: string
  organisation: Organisation
  createdAtMs: number
  expiresAtMs: number
  maxUses: number
  revokedAtMs: number | null
}

export type RedeemInput = {
  tokenKey: string
  nodeKey: string
  nodeId: string
  genesisHash: string
  genesis: GenesisRecord
  /** Of its ring after the genesis record, where it is in one with others. */
  records: readonly RosterRecord[]
  facts: NodeFacts
  allowedIndexRoots: readonly string[]
  /** For the ring's admitters, should it have to wait; `removal` is the store's to fill in. */
  intent: KeptIntent
  nowMs: number
}

/**
 * `removed`: this node key redeemed this very token before its owner removed it. `node-id-taken`: another key of this organisation has that node id. `other-organisation`: this key belongs elsewhere, and was not removed there.
 * `other-ring`: it is in a ring with others, and the organisation has another. `no-ring`: it was removed from its ring, and the organisation has none
 * to take it in. `ring-elsewhere`: its ring is another organisation's.
 */
export type RedeemRefusal =
  | 'used'
  | 'expired'
  | 'revoked'
  | 'removed'
  | 'node-id-taken'
  | 'other-organisation'
  | 'other-ring'
  | 'no-ring'
  | 'ring-elsewhere'
export type RedeemOutcome =
  | { kind: 'joined'; nodeId: string; organisation: Organisation; repeated: boolean; place: Place | null }
  | { kind: RedeemRefusal | 'unknown' }

/** A machine's place in its organisation's ring, before it is signed. */
export type Place = { role: RingNews['place']['role']; ring: FoundedRing }

export type PollNews = Omit<PollResponse, 'ring' | 'joinIntents'> & {
  ring?: Omit<RingNews, 'place'> & { place: Place }
  waiting?: readonly KeptIntent[]
}

/** What is written down for the owner to read later. `detail` is plain words, without secrets; `address` is the peer's socket address. */
export type AuditEvent = {
  atMs: number
  kind:
    | 'join.accepted'
    | 'join.repeated'
    | 'join.refused'
    | 'join.stranger'
    | 'node.clone-suspected'
    | 'node.sequence-ahead'
    | 'node.renew-refused'
    | 'node.key-replaced'
  organisationId: string | null
  nodeKey: string | null
  nodeId: string | null
  address: string
  detail: string
}

export interface JoinStore {
  findToken(tokenKey: string): Promise<StoredToken | null>
  /**
   * Atomic: of any number of calls at once at most `maxUses` distinct node keys ever get `joined`. The check order is: unknown,
   * this node key redeemed this token before (`joined`, repeated, even when the token has expired or been revoked since: its answer was lost; but
   * `removed` when it is no node of that organisation any more), revoked, expired (`nowMs >= expiresAtMs`), used, other-organisation, node-id-taken, then where it stands in the organisation's ring
   * (`placeInRing`, decided under the organisation's lock; a refusal leaves the token as it was). A node that its owner had removed and who
   * comes with a fresh token is taken back (its revocation and lock end); with one of another organisation it begins anew there.
   */
  redeemToken(input: RedeemInput): Promise<RedeemOutcome>
  audit(event: AuditEvent): Promise<void>
}

/** A node as the control plane knows it. */
export type NodeRecord = RenewalRow & {
  /** The store's own unique id; also the poll hub's key: `hub.wake(id)`. Node ids are unique only inside an organisation. */
  id: string
  nodeId: string
  nodeKey: string
  organisationId: string
}

export interface ControlStore extends JoinStore {
  getNode(nodeKey: string): Promise<NodeRecord | null>
  /**
   * Runs `decide` on the row while holding its lock (SELECT … FOR UPDATE) and writes what the decision says, in one transaction:
   * `grant` sets sequence, lastRequestNonce, lastSentAtMs; `lock` sets lockedAtMs; the others write nothing.
   * `decide` is pure and quick. @returns null when there is no such node.
   */
  renew(nodeKey: string, decide: (row: NodeRecord) => RenewalDecision): Promise<{ row: NodeRecord; decision: RenewalDecision } | null>
  /**
   * Atomic: the row of `oldKey` goes on under `newKey`, wherever the old one stood; from then on the old key is a stranger's. `records` are kept as
   * those of a report. Nothing happens when there is no such row, when it is removed or locked, or when the new key has a row already.
   */
  replaceKey(oldKey: string, newKey: string, at: { records: readonly RosterRecord[]; nowMs: number }): Promise<boolean>
  /** True when the node was removed or locked: asked again each time a held poll wakes. */
  isRevoked(id: string): Promise<boolean>
  /** Keeps the report, and of the records in it those that `takeRecords` takes; wakes whoever has to hear of them. */
  saveReport(node: NodeRecord, report: ReportRequest, nowMs: number): Promise<void>
  /**
   * Null while the row's revision equals the cursor and the machine has all records. A cursor ahead of the row (a database restored from a
   * backup) gets the row too. A machine that waits for a founder whose lease is over is appointed here.
   */
  loadPoll(node: NodeRecord, asked: { cursor: number; relay: RelayCursor; nowMs: number }): Promise<PollNews | null>
  /** Of these held polls, those that have something to hear: one question for all of them. They count as heard from. */
  changedSince(held: readonly HeldCursor[], nowMs: number): Promise<string[]>
  /** Keeps what the machine left, in place of its last, and gives what the ring's other machines left that has not expired, newest first. */
  meet(node: NodeRecord, left: LeftAnnouncement | null, nowMs: number): Promise<MeetOutcome>
}

/** `fingerprint`: of the ring that the announcement names. */
export type LeftAnnouncement = { text: string; fingerprint: string; expiresAtMs: number }
/** `off`: the owner has not allowed it. `outside`: the machine is not in the organisation's ring, or announces another. */
export type MeetOutcome = { kind: 'off' | 'outside' } | { kind: 'met'; others: readonly { text: string; leftAtMs: number }[] }
