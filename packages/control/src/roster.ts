import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import type { GenesisRecord, RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import { type Held, RosterFold } from './roster-fold.ts'

/** Verification is passed in: this file imports nothing of Node, so that the simulator runs it too. */
export type VerifyRoster = (domain: 'thatdam-roster-v1', value: Json, signature: string, publicKey: string) => boolean

export type Member = {
  nodeId: string
  /** The key that it uses. */
  publicKey: string
  /** All keys that are good now: while a new key was not used yet, the old one and the new one. */
  keys: readonly string[]
  bootCounter: number
  admitter: boolean
  /** Hash of the record that admitted it: the genesis record for the founder. */
  record: string
}
/**
 * Why a record has no effect. `no-right`: its signer had no right to it; `void`: signed by an admitter since removed, or by a key since
 * replaced, unseen by who did that; `taken`: another key has the node id, or another node the key.
 */
export type IgnoredRecord = { hash: string; reason: 'bad-signature' | 'wrong-ring' | 'no-right' | 'void' | 'taken' }
export type Roster = {
  clusterId: string
  /** Hash of the genesis record: the ring's fingerprint. */
  fingerprint: string
  /** The owner's recovery key in force. */
  ownerRecoveryKey: string | null
  /** All that were, one after the other; the last one is in force. */
  ownerKeys: readonly string[]
  /** By node id. */
  members: ReadonlyMap<string, Member>
  /** By each key that is good now: who presents another key gets a 401. */
  byKey: ReadonlyMap<string, Member>
  /** `admitter`: it was one, so that what it signed as one stays judged by that. */
  removed: ReadonlyMap<string, { by: string; record: string; admitter: boolean }>
  /** Removed ones too: by node id, each key that ever was its, and whether what it signed counts as an admitter's. Older batches need them. */
  signers: ReadonlyMap<string, ReadonlyMap<string, { admitter: boolean }>>
  /** The ring that this one has gone over to. Of several the one whose record has the smallest hash: they lead on to the same ring. */
  forward: { clusterId: string; fingerprint: string } | null
  ignored: readonly IgnoredRecord[]
}

/** SHA-256 of the canonical JSON of a record's body, 64 hex digits. Of the genesis body: the ring's fingerprint. */
export function recordHash(body: RosterBody): string {
  return bytesToHex(sha256(utf8ToBytes(canonicalJson(body))))
}

export function verifyRecord(record: RosterRecord, verify: VerifyRoster): boolean {
  return verify('thatdam-roster-v1', record.body, record.signature, record.signer)
}

/** A genesis record is good when its founder signed it. */
export function verifyGenesis(record: GenesisRecord, verify: VerifyRoster): boolean {
  return record.signer === record.body.founder.publicKey && verifyRecord(record, verify)
}

/**
 * Who belongs to the ring: a function of the *set* of records, whatever their order and however often each arrived.
 *
 * - The ring is named by its genesis record; its founder is the first admitter.
 * - A record counts when its signer is the owner's recovery key, or an admitter whose own admission counts.
 * - A later admission of the same node id and key with `admitter: true` raises a member; none lowers one.
 * - A removal wins over every admission that does not have it among its ancestors: taking a node back is an admission made in sight of the
 *   removal. A member may remove itself.
 * - What a removed admitter signed counts only as far as the remover had seen it: ancestors of the removal, and what it lists as seen.
 * - A `rekey`, signed by the old key or by the owner's, gives a member one more key (an admitter gives none, or it could speak as one nearer to
 *   the founder: for a machine that lost its key it removes the old one and admits the new one under the same name). The new key's first use (`key-use`, signed by it)
 *   closes all keys of that member that do not come from it: what they signed counts as far as the use had seen it, and whoever presents one is
 *   a stranger. So a crash at any step leaves a key that works, and of two keys that the old one introduced, the thief's and the owner's,
 *   only one lives.
 * - The owner's recovery key is the genesis record's; else the one that the admitter nearest to the founder named in an `owner-key` record.
 *   Only itself replaces it. It goes before its namers and all that are further from the founder: with every admitter naming it as soon as it
 *   knows it, before all. No removal by somebody who named it takes another's naming away. That a stolen admitter cannot name another key
 *   afterwards, dated back, is seen to at the door (`mergeRecords`): a set of records cannot tell who came first.
 * - Where cuts (removals and first uses) speak against each other, the owner's goes first, then the signer nearer to the founder, then the
 *   smaller hash.
 *
 * @param hashOf `recordHash`, or one that remembers.
 * @throws RangeError when the genesis record of this fingerprint is not among the records, or is not signed by its founder.
 */
export function foldRoster(
  records: readonly RosterRecord[],
  fingerprint: string,
  verify: VerifyRoster,
  hashOf: (body: RosterBody) => string = recordHash,
): Roster {
  const { fold, ignored } = openFold(records, fingerprint, { verify, hashOf })
  return fold.result(ignored)
}

/** The fold itself, for those who ask how it came about (roster-chain.ts). @throws RangeError as foldRoster. */
export function openFold(
  records: readonly RosterRecord[],
  fingerprint: string,
  { verify, hashOf }: { verify: VerifyRoster; hashOf: (body: RosterBody) => string },
): { fold: RosterFold; ignored: IgnoredRecord[] } {
  const held = distinct(records, hashOf)
  const body = held.map((one) => genesisOf(one, fingerprint, verify)).find((one) => one !== null)
  if (body === undefined || body === null) throw new RangeError(`no valid genesis record for the ring ${fingerprint}`)
  const ignored: IgnoredRecord[] = []
  const sound: Held[] = []
  for (const { hash, record } of held) {
    if (hash === fingerprint) continue
    if (record.body.kind === 'genesis' || record.body.clusterId !== body.clusterId) ignored.push({ hash, reason: 'wrong-ring' })
    else if (!verifyRecord(record, verify)) ignored.push({ hash, reason: 'bad-signature' })
    else sound.push({ hash, record })
  }
  return { fold: new RosterFold(fingerprint, body, sound), ignored }
}

/**
 * Each record once, in an order that is the same everywhere. Two admitters may sign one body, and anybody can write a wrong signature below
 * another's: all are kept, or whichever came last would decide.
 */
function distinct(records: readonly RosterRecord[], hashOf: (body: RosterBody) => string): Held[] {
  const byId = new Map<string, Held>()
  for (const record of records) {
    const hash = hashOf(record.body)
    byId.set(`${hash} ${record.signer} ${record.signature}`, { hash, record })
  }
  return [...byId].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

function genesisOf({ hash, record }: Held, fingerprint: string, verify: VerifyRoster): GenesisRecord['body'] | null {
  const { body } = record
  if (hash !== fingerprint || body.kind !== 'genesis') return null
  return verifyGenesis({ ...record, body }, verify) ? body : null
}
