import type { RenewResponse } from '@thatdam/protocol/join'

/** Life of an access token; a node renews when a third of it has passed. */
export const ACCESS_TOKEN_LIFE_MS = 3_600_000
export const ACCESS_TOKEN_RENEW_AFTER_MS = ACCESS_TOKEN_LIFE_MS / 3
/** How far a renewal's `sentAtMs` may lie from the server's clock: bounds how long a recorded request can be shown again. */
export const RENEW_SKEW_MS_MAX = 600_000
/** A sequence further ahead than this cannot come from a database restored from a backup. */
const SEQUENCE_AHEAD_MAX = 1_000_000

/** What the control plane remembers of a node's renewals. */
export type RenewalRow = {
  /** Of the last access token given; 0 before the first. */
  sequence: number
  lastRequestNonce: string | null
  /** `sentAtMs` of the newest renewal that was granted; 0 before the first. */
  lastSentAtMs: number
  /** Locked out of the cloud on suspicion of a cloned disk. */
  lockedAtMs: number | null
  revokedAtMs: number | null
}

export type RenewalAsk = { requestNonce: string; sequence: number; sentAtMs: number }

export type RenewalDecision =
  /** A new token with this sequence. `ahead`: the node knew a higher sequence than the row (a restored database), which is audited. */
  | { kind: 'grant'; sequence: number; requestNonce: string; sentAtMs: number; ahead: boolean }
  /** The answer to this nonce once more: same sequence, the row stays as it is. */
  | { kind: 'repeat'; sequence: number }
  /** Two machines present one node: lock the row, so that both are refused until the owner says which one is real. */
  | { kind: 'lock'; atMs: number; detail: string }
  | { kind: 'refuse'; code: 'NODE_REVOKED' | 'NODE_LOCKED' | 'CLOCK_SKEW' | 'CONFLICT' }

/**
 * What to answer a node that proved its key and asks for a new access token (THREATS 5).
 *
 * An honest node keeps its nonce on disk until it has the answer on disk, so whatever crashes or gets lost, it asks with the sequence of the
 * row or with the nonce of the row. A copy of its disk falls behind with the first token that the other one gets, and asks with an older
 * sequence under a nonce of its own. A recorded request shown again has an old sequence too, but also an old `sentAtMs`: it locks nobody out.
 */
export function decideRenewal(row: RenewalRow, ask: RenewalAsk, nowMs: number): RenewalDecision {
  if (row.revokedAtMs !== null) return { kind: 'refuse', code: 'NODE_REVOKED' }
  if (row.lockedAtMs !== null) return { kind: 'refuse', code: 'NODE_LOCKED' }
  if (Math.abs(ask.sentAtMs - nowMs) > RENEW_SKEW_MS_MAX) return { kind: 'refuse', code: 'CLOCK_SKEW' }
  if (ask.requestNonce === row.lastRequestNonce) return { kind: 'repeat', sequence: row.sequence }
  if (ask.sequence < row.sequence) {
    if (ask.sentAtMs <= row.lastSentAtMs) return { kind: 'refuse', code: 'CONFLICT' }
    return { kind: 'lock', atMs: nowMs, detail: `asked with sequence ${ask.sequence}, but ${row.sequence} was already given out` }
  }
  if (ask.sequence > row.sequence + SEQUENCE_AHEAD_MAX) {
    return { kind: 'lock', atMs: nowMs, detail: `asked with sequence ${ask.sequence}, far above ${row.sequence}` }
  }
  return {
    kind: 'grant',
    sequence: ask.sequence + 1,
    requestNonce: ask.requestNonce,
    sentAtMs: Math.max(ask.sentAtMs, row.lastSentAtMs),
    ahead: ask.sequence > row.sequence,
  }
}

/** The client's side, kept in `STATE_DIR/credential.json`. Times by the node's own clock. */
export type CredentialState = {
  /** Of the last answer; 0 before the first. */
  sequence: number
  /** Written to disk *before* a request goes out, and kept until its answer is on disk. */
  pendingNonce: string | null
  accessToken: string | null
  renewAtMs: number
  expiresAtMs: number
}

export const NO_CREDENTIAL: CredentialState = { sequence: 0, pendingNonce: null, accessToken: null, renewAtMs: 0, expiresAtMs: 0 }

/** Persist the result, fsynced, before `buildRenewRequest` is sent. A nonce that is still pending is used again. */
export function beginRenewal(state: CredentialState, freshNonce: string): CredentialState & { pendingNonce: string } {
  return { ...state, pendingNonce: state.pendingNonce ?? freshNonce }
}

/** Persist the result before the next renewal begins. An answer that is not newer than what is known is ignored. */
export function finishRenewal(state: CredentialState, answer: RenewResponse, nowMs: number): CredentialState {
  if (answer.sequence <= state.sequence) return state
  const lifeMs = answer.expiresInSeconds * 1000
  return {
    sequence: answer.sequence,
    pendingNonce: null,
    accessToken: answer.accessToken,
    renewAtMs: nowMs + Math.floor(lifeMs / 3),
    expiresAtMs: nowMs + lifeMs,
  }
}
