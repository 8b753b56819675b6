import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import type { GenesisRecord, RosterBody, RosterRecord } from '@thatdam/protocol/roster'

/** Verification is passed in: this file imports nothing of Node, so that the simulator runs it too. */
export type VerifyRoster = (domain: 'thatdam-roster-v1', value: Json, signature: string, publicKey: string) => boolean

export type Member = {
  nodeId: string
  publicKey: string
  bootCounter: number
  admitter: boolean
  /** Hash of the record that admitted it: the genesis record for the founder. */
  record: string
}
/** Why a record has no effect. `no-right`: its signer was not an admitter; `void`: signed by an admitter since removed, unseen by the remover. */
export type IgnoredRecord = { hash: string; reason: 'bad-signature' | 'wrong-ring' | 'no-right' | 'void' | 'taken' }
export type Roster = {
  clusterId: string
  /** Hash of the genesis record: the ring's fingerprint. */
  fingerprint: string
  ownerRecoveryKey: string | null
  /** By node id. */
  members: ReadonlyMap<string, Member>
  /** `admitter`: it was one, so that what it signed as one stays judged by that. */
  removed: ReadonlyMap<string, { by: string; record: string; admitter: boolean }>
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

type Held = { hash: string; record: RosterRecord }
type Admitted = Member & { depth: number }
type EffectiveRemoval = { hash: string; nodeId: string; seen: ReadonlySet<string>; by: string }

/**
 * Who belongs to the ring: a function of the *set* of records, whatever their order and however often each arrived.
 *
 * - The ring is named by its genesis record; its founder is the first admitter.
 * - A record counts when its signer is the owner's recovery key, or an admitter whose own admission counts.
 * - A removal wins over every admission that does not have it among its ancestors (`previous`, followed back): taking a node back is an
 *   admission made in sight of the removal. A member may remove itself.
 * - What a removed admitter signed counts only as far as the remover had seen it.
 * - Where removals speak against each other, the owner's key goes first, then the signer nearer to the founder, then the smaller hash.
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
  const state = new Fold(fingerprint, body, sound)
  state.removeAll()
  return state.result(ignored)
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

const onceEach = (ignored: readonly IgnoredRecord[]): IgnoredRecord[] =>
  [...new Map(ignored.map((one) => [`${one.hash} ${one.reason}`, one]))].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)

function genesisOf({ hash, record }: Held, fingerprint: string, verify: VerifyRoster): GenesisRecord['body'] | null {
  const { body } = record
  if (hash !== fingerprint || body.kind !== 'genesis') return null
  return verifyGenesis({ ...record, body }, verify) ? body : null
}

class Fold {
  readonly #fingerprint: string
  readonly #genesis: GenesisRecord['body']
  readonly #sound: readonly Held[]
  readonly #byHash: ReadonlyMap<string, RosterRecord>
  #removals: EffectiveRemoval[] = []
  /** By public key; removed members too, because what the remover had seen of them still counts. */
  #admitted = new Map<string, Admitted>()
  /** The same by node id: two keys may claim one. */
  #byNodeId = new Map<string, Set<Admitted>>()
  #counted = new Set<string>()

  constructor(fingerprint: string, genesis: GenesisRecord['body'], sound: readonly Held[]) {
    this.#fingerprint = fingerprint
    this.#genesis = genesis
    this.#sound = sound
    this.#byHash = new Map(sound.map((one) => [one.hash, one.record]))
    this.#admit()
  }

  /** Takes the removals that count, in order of their signers' rank; each may void what the next stand on. */
  removeAll(): void {
    const waiting = this.#sound.filter((one) => one.record.body.kind === 'removal')
    for (;;) {
      const next = waiting
        .filter(({ hash, record }) => !this.#counted.has(hash) && this.#mayRemove(hash, record))
        .toSorted((a, b) => this.#rank(a.record) - this.#rank(b.record) || (a.hash < b.hash ? -1 : 1))[0]
      if (next?.record.body.kind !== 'removal') return
      const { nodeId, seen } = next.record.body
      this.#removals.push({ hash: next.hash, nodeId, seen: new Set(seen), by: next.record.signer })
      this.#admit()
    }
  }

  result(ignored: IgnoredRecord[]): Roster {
    const members = new Map<string, Member>()
    for (const { depth: _, ...member } of this.#admitted.values()) if (!this.#isRemoved(member)) members.set(member.nodeId, member)
    const removed = new Map<string, { by: string; record: string; admitter: boolean }>()
    for (const { nodeId, by, hash } of this.#removals) {
      if (!members.has(nodeId)) removed.set(nodeId, { by, record: hash, admitter: this.#wasAdmitter(nodeId) })
    }
    const forward = this.#forward()
    for (const { hash, record } of this.#sound) {
      if (!this.#counted.has(hash)) ignored.push({ hash, reason: this.#reason(record) })
    }
    return {
      clusterId: this.#genesis.clusterId,
      fingerprint: this.#fingerprint,
      ownerRecoveryKey: this.#genesis.ownerRecoveryKey,
      members: new Map([...members].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      removed,
      forward,
      ignored: onceEach(ignored).filter(({ hash }) => !this.#counted.has(hash)),
    }
  }

  #wasAdmitter(nodeId: string): boolean {
    return [...(this.#byNodeId.get(nodeId) ?? [])].some((one) => one.admitter)
  }

  #forward(): Roster['forward'] {
    for (const { hash, record } of this.#sound) {
      if (record.body.kind !== 'forwarding' || !this.#hasRight(hash, record.signer)) continue
      this.#counted.add(hash)
      return { clusterId: record.body.toClusterId, fingerprint: record.body.toFingerprint }
    }
    return null
  }

  /** All admissions that count under the removals so far, round by round from the founder, so that each member's depth is the least. */
  #admit(): void {
    const { founder } = this.#genesis
    this.#admitted = new Map()
    this.#byNodeId = new Map()
    this.#keep({ ...founder, admitter: true, record: this.#fingerprint, depth: 0 })
    this.#counted = new Set(this.#removals.map((removal) => removal.hash))
    for (let depth = 1; ; depth += 1) {
      const round = this.#sound.filter(({ hash, record }) => !this.#counted.has(hash) && this.#mayAdmit(hash, record))
      if (round.length === 0) return
      for (const { hash, record } of round) this.#add(hash, record, depth)
    }
  }

  #add(hash: string, record: RosterRecord, depth: number): void {
    if (record.body.kind !== 'admission') return
    const { nodeId, publicKey, bootCounter, admitter } = record.body
    const member = { nodeId, publicKey, bootCounter, admitter, record: hash, depth }
    const rival = this.#rivals(nodeId, publicKey).find((one) => !this.#isRemoved(one))
    if (rival !== undefined && !this.#isRemoved(member)) return
    this.#counted.add(hash)
    const known = this.#admitted.get(publicKey)
    if (known === undefined || (this.#isRemoved(known) && !this.#isRemoved(member))) this.#keep(member)
  }

  #keep(member: Admitted): void {
    const before = this.#admitted.get(member.publicKey)
    if (before !== undefined) this.#byNodeId.get(before.nodeId)?.delete(before)
    this.#admitted.set(member.publicKey, member)
    const sameId = this.#byNodeId.get(member.nodeId) ?? new Set()
    this.#byNodeId.set(member.nodeId, sameId.add(member))
  }

  #rivals(nodeId: string, publicKey: string): Admitted[] {
    return [...(this.#byNodeId.get(nodeId) ?? [])].filter((one) => one.publicKey !== publicKey)
  }

  #mayAdmit(hash: string, record: RosterRecord): boolean {
    if (record.body.kind !== 'admission' || !this.#hasRight(hash, record.signer)) return false
    const { nodeId, publicKey } = record.body
    return this.#rivals(nodeId, publicKey).every((rival) => this.#isRemoved(rival)) || this.#isRemoved({ nodeId, record: hash })
  }

  #mayRemove(hash: string, record: RosterRecord): boolean {
    if (record.body.kind !== 'removal') return false
    if (this.#hasRight(hash, record.signer)) return true
    return this.#admitted.get(record.signer)?.nodeId === record.body.nodeId
  }

  #hasRight(hash: string, signer: string): boolean {
    if (signer === this.#genesis.ownerRecoveryKey) return true
    const member = this.#admitted.get(signer)
    if (member === undefined || !member.admitter) return false
    return this.#removalsOf(member).every((removal) => removal.seen.has(hash))
  }

  #removalsOf(member: { nodeId: string; record: string }): EffectiveRemoval[] {
    return this.#removals.filter((removal) => removal.nodeId === member.nodeId && !this.#descends(member.record, removal.hash))
  }

  #isRemoved(member: { nodeId: string; record: string }): boolean {
    return this.#removalsOf(member).length > 0
  }

  /** Was the record made in sight of the other? A hash chain has no cycles. */
  #descends(hash: string, ancestor: string): boolean {
    for (let at: string | undefined = hash; at !== undefined;) {
      if (at === ancestor) return true
      const body: RosterBody | undefined = this.#byHash.get(at)?.body
      at = body === undefined || body.kind === 'genesis' ? undefined : body.previous
    }
    return false
  }

  #rank(record: RosterRecord): number {
    return record.signer === this.#genesis.ownerRecoveryKey ? -1 : (this.#admitted.get(record.signer)?.depth ?? Number.MAX_SAFE_INTEGER)
  }

  #reason(record: RosterRecord): IgnoredRecord['reason'] {
    const signer = this.#admitted.get(record.signer)
    if (signer === undefined || !signer.admitter) return 'no-right'
    return this.#isRemoved(signer) ? 'void' : 'taken'
  }
}
