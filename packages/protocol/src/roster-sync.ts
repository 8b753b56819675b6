import * as z from 'zod/mini'
import { RosterDigest } from './node-link.ts'
import { RosterRecord } from './roster.ts'
import { Sha256Hex } from './ids.ts'

/** `<hash of the body> <signer> <signature>`: names one signed record. */
export const RosterRecordId = z
  .string()
  .check(z.regex(/^[0-9a-f]{64} [A-Za-z0-9_-]{43} [A-Za-z0-9_-]{86}$/, 'not the id of a roster record'))

/** POST /v1/roster, between members: what the asker holds and, the second time, what the answerer lacks. */
export const RosterExchange = z.object({
  fingerprint: Sha256Hex,
  digest: RosterDigest,
  /** Left out while digests are compared only. */
  ids: z.optional(z.array(RosterRecordId).check(z.maxLength(10_000))),
  records: z.array(RosterRecord).check(z.maxLength(1_000)),
})
export type RosterExchange = z.infer<typeof RosterExchange>
/** What the asker lacks, and the ids that the answerer wants. */
export const RosterExchangeAnswer = z.object({
  digest: RosterDigest,
  records: z.array(RosterRecord).check(z.maxLength(1_000)),
  wanted: z.array(RosterRecordId).check(z.maxLength(1_000)),
})
export type RosterExchangeAnswer = z.infer<typeof RosterExchangeAnswer>
