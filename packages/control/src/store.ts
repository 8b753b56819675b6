import type { NodeFacts } from '@thatdam/protocol/facts'
import type { PollResponse, ReportRequest } from '@thatdam/protocol/poll'
import type { GenesisRecord } from '@thatdam/protocol/roster'
import type { RenewalDecision, RenewalRow } from './credentials.ts'

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
  facts: NodeFacts
  allowedIndexRoots: readonly string[]
  nowMs: number
}

/** `node-id-taken`: another key of this organisation has that node id. `other-organisation`: this key belongs elsewhere, and was not removed there. */
export type RedeemRefusal = 'used' | 'expired' | 'revoked' | 'node-id-taken' | 'other-organisation'
export type RedeemOutcome =
  | { kind: 'joined'; nodeId: string; organisation: Organisation; repeated: boolean }
  | { kind: RedeemRefusal | 'unknown' }

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
   * this node key redeemed this token before (`joined`, repeated, even when the token has expired or been revoked since: its answer was lost),
   * revoked, expired (`nowMs >= expiresAtMs`), used, other-organisation, node-id-taken. A node that its owner had removed and who comes
   * with a fresh token is taken back (its revocation and lock end); with one of another organisation it begins anew there.
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
  /** True when the node was removed or locked: asked again each time a held poll wakes. */
  isRevoked(id: string): Promise<boolean>
  saveReport(node: NodeRecord, report: ReportRequest, nowMs: number): Promise<void>
  /** Null while the row's revision equals the cursor. A cursor ahead of the row (a database restored from a backup) gets the row too. */
  loadPoll(node: NodeRecord, cursor: number): Promise<PollResponse | null>
}
