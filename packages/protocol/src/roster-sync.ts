import * as z from 'zod/mini'
import { Sha256Hex } from './ids.ts'
import { ROSTER_RECORDS_MAX, RosterRecord } from './roster.ts'

/** Names a roster record and who signed it: 32 hex digits. */
const RecordId = z.string().check(z.regex(/^[0-9a-f]{32}$/, 'the id of a roster record is 32 hex digits'))
/** Records of one exchange; the rest comes with the next. */
export const SYNC_RECORDS_MAX = 1_000

/** POST /v1/roster, between members: first what the asker holds, by ids; the second time the records that the answerer lacks. */
export const RosterExchange = z.object({
  fingerprint: Sha256Hex,
  ids: z.nullable(z.array(RecordId).check(z.maxLength(ROSTER_RECORDS_MAX))),
  records: z.array(RosterRecord).check(z.maxLength(SYNC_RECORDS_MAX)),
})
export type RosterExchange = z.infer<typeof RosterExchange>
/** What the asker lacks, and which of its records the answerer wants. Both are empty when no ids were told. */
export const RosterExchangeAnswer = z.object({
  records: z.array(RosterRecord).check(z.maxLength(SYNC_RECORDS_MAX)),
  wanted: z.array(RecordId).check(z.maxLength(SYNC_RECORDS_MAX)),
})
export type RosterExchangeAnswer = z.infer<typeof RosterExchangeAnswer>
