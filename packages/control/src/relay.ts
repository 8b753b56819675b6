import { canonicalJson } from '@thatdam/protocol/canonical'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { sha256, verifySignature } from './keys.ts'
import { foldRoster, recordHash, type Roster, verifyRecord } from './roster.ts'

/** Most records that the cloud keeps of one ring: hundreds of machines with their changes. */
export const RELAY_RECORDS_MAX = 2_000
/** Largest record that it keeps, as canonical JSON. */
export const RELAY_RECORD_BYTES_MAX = 16 * 1024

/** Names a record with its signature: two may sign one body. 64 hex digits. */
export const recordId = (record: RosterRecord): string => sha256(canonicalJson(record)).toString('hex')

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

/** A record that is kept already, so its signature was checked. */
export interface KeptRecord {
  readonly id: string
  readonly record: RosterRecord
}

/**
 * Which of the records that came are kept: new ones, not too large, signed by their signer for this ring, and by one who had the right as far as
 * is known. Those whose right is not proven *yet* are refused too: whoever brought them brings them again.
 *
 * @param kept what is kept of this ring already, with the genesis record as the first.
 * @returns what to keep, in the order in which they came, and the roster with it.
 */
export function takeRecords(kept: readonly KeptRecord[], came: readonly RosterRecord[]): { taken: KeptRecord[]; roster: Roster } {
  const [genesis] = kept
  if (genesis === undefined) throw new RangeError('the genesis record comes first')
  const known = new Set(kept.map(({ id }) => id))
  const sound = new Map<string, KeptRecord>()
  for (const record of came) {
    if (record.body.kind === 'genesis' || canonicalJson(record).length > RELAY_RECORD_BYTES_MAX) continue
    const id = recordId(record)
    if (!known.has(id) && verifyRecord(record, verifySignature)) sound.set(id, { id, record })
  }
  // Every signature was checked above or when the record was kept; the fold needs not do it again.
  const fold = (records: readonly KeptRecord[]): Roster =>
    foldRoster(
      records.map(({ record }) => record),
      recordHash(genesis.record.body),
      () => true,
    )
  const all = fold([...kept, ...sound.values()])
  const baseless = new Set(all.ignored.filter(({ reason }) => reason === 'no-right' || reason === 'wrong-ring').map(({ hash }) => hash))
  const taken = [...sound.values()].filter(({ record }) => !baseless.has(recordHash(record.body)))
  const room = Math.max(0, RELAY_RECORDS_MAX - kept.length)
  if (taken.length === sound.size && taken.length <= room) return { taken, roster: all }
  const fitting = taken.slice(0, room)
  return { taken: fitting, roster: fold([...kept, ...fitting]) }
}

/** Who belongs to the ring by the records that are kept. */
export const keptRoster = (kept: readonly KeptRecord[]): Roster => takeRecords(kept, []).roster
