import type { JoinerReveal, RingReveal } from '@thatdam/protocol/adopt'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { sha256 } from '../keys.ts'

/*
 * Six digits that two people compare (a short authentication string, as in ZRTP and Bluetooth's numeric comparison; Vaudenay, CRYPTO 2005):
 *
 *   joiner                              admitter
 *     │── hash of (key, nonce) ──────────▶│   each is bound before it sees the other's nonce,
 *     │◀── hash of (key, nonce, ring) ────│   so nobody can look for a nonce that makes the digits equal
 *     │        (the owner opens it)       │
 *     │── key, nonce ────────────────────▶│
 *     │◀── key, nonce, ring, proof ───────│
 *     │     digits = hash of all four     │
 *
 * Somebody in the middle runs two such exchanges and gets one guess in a million at their being equal; whoever would try again needs another
 * one, and there are five in ten minutes on either side.
 */
export const ATTEMPTS_MAX = 5
export const ATTEMPTS_MS = 600_000

/** SHA-256 over what will be shown, 64 hex digits. The nonce hides it. */
export function commitmentOf(side: { joiner: JoinerReveal } | { ring: RingReveal }): string {
  return sha256('thatdam-adopt-commit-v1\n', canonicalJson(side)).toString('hex')
}

/** Hash over both sides and both commitments, 64 hex digits. */
export function transcriptOf(joiner: JoinerReveal, ring: RingReveal): string {
  const commitments = [commitmentOf({ joiner }), commitmentOf({ ring })]
  return sha256('thatdam-adopt-transcript-v1\n', canonicalJson({ joiner, ring, commitments })).toString('hex')
}

/** The first 60 bits of the transcript as six decimal digits: `"042 137"`. No digits are likelier than others by more than 2⁻⁴⁰. */
export function codeOf(transcript: string): string {
  const digits = String(BigInt(`0x${transcript.slice(0, 15)}`) % 1_000_000n).padStart(6, '0')
  return `${digits.slice(0, 3)} ${digits.slice(3)}`
}

/** Of times of attempts, those that still count. */
export const recent = (attempts: readonly number[], nowMs: number): number[] => attempts.filter((atMs) => nowMs - atMs < ATTEMPTS_MS)
