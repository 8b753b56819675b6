import { canonicalJson, type Json } from './canonical.ts'

/**
 * What is signed, everywhere: a domain, a line feed, and the canonical JSON of the value.
 * The domain keeps a signature made for one purpose from being shown as another.
 */
export type SigningDomain =
  | 'thatdam-access-v1'
  | 'thatdam-adopt-node-v1'
  | 'thatdam-adopt-ring-v1'
  | 'thatdam-announcement-v1'
  | 'thatdam-datagram-v1'
  | 'thatdam-handoff-v1'
  | 'thatdam-hello-v1'
  | 'thatdam-join-seed-v1'
  | 'thatdam-join-node-v1'
  | 'thatdam-join-answer-v1'
  | 'thatdam-join-intent-v1'
  | 'thatdam-op-batch-v1'
  | 'thatdam-plan-v1'
  | 'thatdam-release-v1'
  | 'thatdam-roam-v1'
  | 'thatdam-renew-v1'
  | 'thatdam-ring-answer-v1'
  | 'thatdam-ring-card-v1'
  | 'thatdam-ring-merge-v1'
  | 'thatdam-ring-node-v1'
  | 'thatdam-ring-owner-v1'
  | 'thatdam-ring-place-v1'
  | 'thatdam-ring-seed-v1'
  | 'thatdam-roster-v1'

/** The exact text whose UTF-8 bytes are signed. */
export function signingText(domain: SigningDomain, value: Json): string {
  return `${domain}\n${canonicalJson(value)}`
}
