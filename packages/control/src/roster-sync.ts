import { canonicalJson } from '@thatdam/protocol/canonical'
import { RECORD_BYTES_MAX, ROSTER_RECORDS_MAX, type RosterBody, type RosterRecord } from '@thatdam/protocol/roster'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import type { RosterFold } from './roster-fold.ts'
import { parentsOf } from './roster-links.ts'
import { openFold, recordHash, type Roster, verifyRecord, type VerifyRoster } from './roster.ts'

/** Of a node that is no admitter, a roster keeps so many records of its own signing: it can leave, and change its key a few times. */
const OWN_RECORDS_MAX = 8

/** Names a record and who signed it: 32 hex digits. Two admitters may sign one body. */
export function recordId(record: RosterRecord): string {
  return shortHash(`${hashOf(record.body)} ${record.signer}`)
}

/** The set of records in 32 hex digits: two machines with the same digest have the same roster. */
export function rosterDigest(records: readonly RosterRecord[]): string {
  return shortHash(idsOf(records).join(' '))
}

/** In order, each once. */
export const idsOf = (records: readonly RosterRecord[]): string[] => [...new Set(records.map(recordId))].toSorted()

/** What the other side lacks: records whose ids (`recordId`) are not among theirs. */
export function missing(records: readonly RosterRecord[], theirIds: readonly string[]): RosterRecord[] {
  const theirs = new Set(theirIds)
  return records.filter((record) => !theirs.has(recordId(record)))
}

export type Refused = {
  id: string
  reason: 'too-large' | 'wrong-ring' | 'bad-signature' | 'unknown-signer' | 'other-owner-key' | 'too-many'
}
export type Merged = {
  /** The records to keep from now on: the genesis record first, then in the order of their ids. */
  records: RosterRecord[]
  roster: Roster
  /** Those of them that are new: tell others. */
  added: RosterRecord[]
  refused: Refused[]
}

/**
 * The door of a machine's roster. Takes the records of this ring that are soundly signed by somebody of the ring (now or once), within bounds:
 * whoever keeps the same limits comes to the same set in the end, in whatever order records arrive.
 *
 * The owner's recovery key is what the first such record says that this machine saw; here, and not in the fold, another one is refused that
 * the key in force has not signed: a set of records cannot tell a key made at the same time behind a cut from one that a thief of an admitter
 * dated back. (Two honest ones, made on both sides of a cut, stay two, each on its side, until the owner signs one new key with both.)
 * @param held this machine's own: taken as they are, for they came in by this door.
 * @param at.roster the fold of `held`.
 */
export function mergeRecords(
  held: readonly RosterRecord[],
  incoming: readonly RosterRecord[],
  { roster, verify }: { roster: Roster; verify: VerifyRoster },
): Merged {
  const known = new Map(held.map((record) => [recordId(record), record]))
  const refused: Refused[] = []
  const fresh = new Map<string, RosterRecord>()
  for (const record of incoming) {
    const id = recordId(record)
    if (known.has(id) || fresh.has(id)) continue
    const reason = flawOf(record, roster.clusterId, verify)
    if (reason === null) fresh.set(id, record)
    else refused.push({ id, reason })
  }
  if (fresh.size === 0) return { records: [...held], roster, added: [], refused }
  const all = new Map([...known, ...fresh])
  const fold = foldOf(all, roster.fingerprint)
  const limited = withinLimits(all, { fold: fold.fold, held: known }, refused)
  const kept = keepOwnerKey(limited, { roster, held: known }, refused)
  const { fold: last, ignored } = kept.size === all.size ? fold : foldOf(kept, roster.fingerprint)
  const records = sorted([...kept.values()], roster.fingerprint, last)
  return { records, roster: last.result(ignored), added: records.filter((record) => !known.has(recordId(record))), refused }
}

/** Of records whose signatures were looked at. */
const foldOf = (records: RecordMap, fingerprint: string): ReturnType<typeof openFold> =>
  openFold([...records.values()], fingerprint, { verify: () => true, hashOf })

type RecordMap = Map<string, RosterRecord>

function flawOf(record: RosterRecord, clusterId: string | undefined, verify: VerifyRoster): Refused['reason'] | null {
  if (record.body.kind === 'genesis' || record.body.clusterId !== clusterId) return 'wrong-ring'
  if (canonicalJson(record).length > RECORD_BYTES_MAX) return 'too-large'
  return verifyRecord(record, verify) ? null : 'bad-signature'
}

/**
 * Strangers' records are not kept, and of those who may only speak for themselves few: the ones with the smallest ids, so that all machines
 * keep the same. Whatever an admitter's record was made in sight of is kept with it, or what it had seen could not be told any more: also of one that
 * was let in by somebody since removed.
 */
function withinLimits(all: RecordMap, { fold, held }: { fold: RosterFold; held: RecordMap }, refused: Refused[]): RecordMap {
  const owners = new Set(fold.owners().map((owner) => owner.key))
  const inId = [...all].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const isAdmitter = ({ signer }: RosterRecord): boolean =>
    owners.has(signer) || fold.personOf(signer)?.grants.some((grant) => grant.admitter) === true
  const seen = ancestorsOf(
    inId.flatMap(([, record]) => (isAdmitter(record) ? [record] : [])),
    all,
  )
  const counts = new Map<string, number>()
  const kept: RecordMap = new Map()
  let room = ROSTER_RECORDS_MAX - held.size
  for (const [id, record] of inId) {
    const { signer } = record
    const count = (counts.get(signer) ?? 0) + 1
    counts.set(signer, count)
    const isKnown = owners.has(signer) || fold.personOf(signer) !== undefined
    const isWanted = isAdmitter(record) || seen.has(hashOf(record.body)) || (isKnown && count <= OWN_RECORDS_MAX)
    if (isWanted && (held.has(id) || room > 0)) {
      kept.set(id, record)
      if (!held.has(id)) room -= 1
    } else if (!held.has(id)) refused.push({ id, reason: isKnown ? 'too-many' : 'unknown-signer' })
  }
  return kept
}

/** Hashes of all that these records were made in sight of, as far as it is at hand. */
function ancestorsOf(records: readonly RosterRecord[], all: RecordMap): ReadonlySet<string> {
  const bodies = new Map([...all.values()].map(({ body }) => [hashOf(body), body]))
  const seen = new Set<string>()
  for (const stack = records.flatMap(({ body }) => parentsOf(body)); stack.length > 0;) {
    const hash = stack.pop() as string
    const body = bodies.get(hash)
    if (body === undefined || seen.has(hash)) continue
    seen.add(hash)
    stack.push(...parentsOf(body))
  }
  return seen
}

function keepOwnerKey(all: RecordMap, { roster, held }: { roster: Roster; held: RecordMap }, refused: Refused[]): RecordMap {
  const [first] = roster.ownerKeys
  if (first === undefined) return all
  const mayName = new Set(roster.ownerKeys.slice(-1))
  const namings = [...all].filter(([id, { body }]) => !held.has(id) && body.kind === 'owner-key')
  for (let size = 0; size !== mayName.size;) {
    size = mayName.size
    for (const [, { body, signer }] of namings) if (body.kind === 'owner-key' && mayName.has(signer)) mayName.add(body.ownerRecoveryKey)
  }
  const kept = new Map(all)
  for (const [id, { body, signer }] of namings) {
    if (body.kind !== 'owner-key' || body.ownerRecoveryKey === first || mayName.has(signer)) continue
    kept.delete(id)
    refused.push({ id, reason: 'other-owner-key' })
  }
  return kept
}

/** The genesis record, then each record after those that gave its signer the right to it: so that any first part of them can stand alone. */
function sorted(records: readonly RosterRecord[], fingerprint: string, fold: RosterFold): RosterRecord[] {
  return records
    .map((record) => ({ record, depth: hashOf(record.body) === fingerprint ? -1 : fold.depthOf(record.signer), id: recordId(record) }))
    .toSorted((a, b) => a.depth - b.depth || (a.id < b.id ? -1 : 1))
    .map(({ record }) => record)
}

/**
 * What a machine finds on its disk: the records whose signatures are sound, in order, and their fold.
 * @throws RangeError as foldRoster.
 */
export function openRecords(
  records: readonly RosterRecord[],
  fingerprint: string,
  verify: VerifyRoster,
): { records: RosterRecord[]; roster: Roster } {
  const sound = records.filter((record) => verifyRecord(record, verify))
  const { fold, ignored } = openFold(sound, fingerprint, { verify: () => true, hashOf })
  return { records: sorted(sound, fingerprint, fold), roster: fold.result(ignored) }
}

/* Records are never changed in place. */
const hashes = new WeakMap<RosterBody, string>()
function hashOf(body: RosterBody): string {
  const known = hashes.get(body)
  if (known !== undefined) return known
  const hash = recordHash(body)
  hashes.set(body, hash)
  return hash
}

const shortHash = (text: string): string => bytesToHex(sha256(utf8ToBytes(text))).slice(0, 32)
