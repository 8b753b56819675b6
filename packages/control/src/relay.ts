import type { RosterRecord } from '@thatdam/protocol/roster'
import { sha256, verifySignature } from './keys.ts'
import { mergeRecords } from './roster-sync.ts'
import { foldRoster, recordHash, type Roster } from './roster.ts'

/** Most records that the cloud keeps of one ring: hundreds of machines with their changes. */
export const RELAY_RECORDS_MAX = 1_000

/** Digest of a row of records, from that of the row without the last one. */
const relayDigest = (before: string, id: string): string => sha256(`${before} ${id}`).toString('hex')

export interface RelayCursor {
  /** How many of the records, in the order in which they are kept. */
  readonly position: number
  /** Of all of these. */
  readonly digest: string
}

/** No records. */
export const RELAY_START: RelayCursor = { position: 0, digest: '0'.repeat(64) }

/** After how many records a machine's next page begins; null: it has them all. Whoever has others than these begins anew. */
export function relayAfter(has: RelayCursor, kept: RelayCursor): number | null {
  if (has.position === kept.position && has.digest === kept.digest) return null
  return has.position < kept.position ? has.position : 0
}

/** The cursor after these as well. */
export function relayOn(from: RelayCursor, ids: readonly string[]): RelayCursor {
  return { position: from.position + ids.length, digest: ids.reduce(relayDigest, from.digest) }
}

/** Who belongs to the ring by the records that are kept, the genesis record among them. Their signatures were looked at when they came. */
export function keptRoster(kept: readonly RosterRecord[]): Roster {
  const genesis = kept.find((record) => record.body.kind === 'genesis')
  if (genesis === undefined) throw new RangeError('a ring is kept with its genesis record')
  return foldRoster(kept, recordHash(genesis.body), () => true)
}

/**
 * Which of the records that came are kept: by the same door as each machine's own (`mergeRecords`), so that what the cloud relays they take. Those whose
 * signer is not known *yet* are refused too: whoever brought them brings them again.
 *
 * @param kept what is kept of this ring already, the genesis record among them.
 * @returns what to keep, each after those that it stands on, and the roster with it.
 */
export function takeRecords(kept: readonly RosterRecord[], came: readonly RosterRecord[]): { taken: RosterRecord[]; roster: Roster } {
  const roster = keptRoster(kept)
  const { added, roster: after } = mergeRecords(kept, came, { roster, verify: verifySignature })
  const taken = added.slice(0, Math.max(0, RELAY_RECORDS_MAX - kept.length))
  return { taken, roster: taken.length === added.length ? after : keptRoster([...kept, ...taken]) }
}
