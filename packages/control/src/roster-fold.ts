import type { AdmissionBody, GenesisRecord, RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import type { IgnoredRecord, Member, Roster } from './roster.ts'
import { RosterLinks } from './roster-links.ts'

export type Held = { hash: string; record: RosterRecord }
type BodyOf<K extends RosterBody['kind']> = Extract<RosterBody, { kind: K }>
/** What a record of admission gives. `depth`: how many signatures away from the founder. */
export type Grant = { record: string; signer: string; nodeId: string; bootCounter: number; admitter: boolean; depth: number }
/**
 * A key of a person, and the record that introduced it (null: its admission) with the key it comes from. `rank`: of whoever introduced it; the
 * key speaks for its person, and never louder than that.
 */
type KeyOrigin = { from: string; record: string; depth: number; rank: number } | null
/** One machine, whatever its keys and its admissions. */
export type Person = { readonly rootKey: string; readonly keys: Map<string, KeyOrigin>; readonly grants: Grant[] }
/** A removal, or a first use of a new key, that counts. */
type Removal = { hash: string; by: string; body: BodyOf<'removal'> }
/** `closes`: the keys of that machine, as far as they were known when it was taken, that do not come from the used one. */
type Use = { hash: string; body: BodyOf<'key-use'>; closes: ReadonlySet<string> }
type OwnerKey = { key: string; depth: number; record: string | null; signer: string; replacedBy: string | null }
type Naming = Omit<OwnerKey, 'replacedBy'>

const FAR = Number.MAX_SAFE_INTEGER

/** The rules are told at `foldRoster`. Built anew for each fold; asked by `result`, and by roster-chain.ts. */
export class RosterFold {
  readonly #fingerprint: string
  readonly #genesis: GenesisRecord['body']
  readonly #sound: readonly Held[]
  readonly #links: RosterLinks
  readonly #bodies: ReadonlyMap<string, RosterBody>
  /** Owner keys that a signer named, by the signer's key: kept apart from whether that counts. */
  readonly #named = new Map<string, Set<string>>()
  /** By signer: the one node that all it signed are removals of; empty when it signed anything else. */
  readonly #speech = new Map<string, string>()
  /** Keys by node id, and node ids by key, in any record of admission; a rekey gives its keys one name more. */
  readonly #keysOf = new Map<string, Set<string>>()
  readonly #namesOf = new Map<string, Set<string>>()
  readonly #removals: Removal[] = []
  readonly #removalsByNodeId = new Map<string, Removal[]>()
  readonly #uses: Use[] = []
  #persons = new Map<string, Person>()
  #byNodeId = new Map<string, Set<Person>>()
  #counted = new Set<string>()
  /** The keys that the owner had one after the other; the last one is in force. */
  #owners: OwnerKey[] = []
  /** By admitters, and by the owner's keys themselves. */
  #namings: Naming[] = []
  #replacements: Naming[] = []

  constructor(fingerprint: string, genesis: GenesisRecord['body'], sound: readonly Held[]) {
    this.#fingerprint = fingerprint
    this.#genesis = genesis
    this.#sound = sound
    this.#bodies = new Map(sound.map((one) => [one.hash, one.record.body]))
    this.#links = new RosterLinks(this.#bodies)
    this.#pair(genesis.founder.nodeId, genesis.founder.publicKey)
    for (const { record } of sound) this.#index(record)
    this.#admit()
    this.#cut()
  }

  /** What is asked of all records, whether they count or not. */
  #index({ body, signer }: RosterRecord): void {
    const subject = body.kind === 'removal' ? body.nodeId : ''
    this.#speech.set(signer, (this.#speech.get(signer) ?? subject) === subject ? subject : '')
    if (body.kind === 'owner-key') this.#named.set(signer, (this.#named.get(signer) ?? new Set()).add(body.ownerRecoveryKey))
    if (body.kind === 'admission') this.#pair(body.nodeId, body.publicKey)
    if (body.kind === 'rekey') for (const key of [body.oldKey, body.newKey]) this.#pair(`${body.nodeId} rekeyed`, key)
  }

  #pair(nodeId: string, publicKey: string): void {
    this.#keysOf.set(nodeId, (this.#keysOf.get(nodeId) ?? new Set()).add(publicKey))
    this.#namesOf.set(publicKey, (this.#namesOf.get(publicKey) ?? new Set()).add(nodeId))
  }

  /* ---- what came of it ---- */

  result(ignored: readonly IgnoredRecord[]): Roster {
    const members = new Map<string, Member>()
    for (const person of new Set(this.#persons.values())) {
      const member = this.memberOf(person)
      if (member !== null) members.set(member.nodeId, member)
    }
    const removed = new Map<string, { by: string; record: string; admitter: boolean }>()
    for (const { hash, by, body } of this.#removals) {
      if (!members.has(body.nodeId)) removed.set(body.nodeId, { by, record: hash, admitter: this.#wasAdmitter(body.nodeId) })
    }
    const forward = this.#forward()
    const more = this.#sound.filter(({ hash }) => !this.#counted.has(hash)).map((one) => ({ hash: one.hash, reason: this.#reason(one) }))
    const sorted = new Map([...members].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    return {
      clusterId: this.#genesis.clusterId,
      fingerprint: this.#fingerprint,
      ownerRecoveryKey: this.#owners.at(-1)?.key ?? null,
      ownerKeys: this.#owners.map((owner) => owner.key),
      members: sorted,
      signers: this.#signers(members),
      byKey: new Map([...sorted.values()].flatMap((member) => member.keys.map((key) => [key, member] as const))),
      removed,
      forward,
      ignored: onceEach([...ignored, ...more]).filter(({ hash }) => !this.#counted.has(hash)),
    }
  }

  personOf(publicKey: string): Person | undefined {
    return this.#persons.get(publicKey)
  }

  owners(): readonly OwnerKey[] {
    return this.#owners
  }

  /** How many signatures a key is away from the founder; of one without any right, far. */
  depthOf(publicKey: string): number {
    const person = this.#persons.get(publicKey)
    const asOwner = this.#owners.findIndex((owner) => owner.key === publicKey)
    const namer = asOwner < 0 ? FAR : (this.#owners[0]?.depth ?? 0) + 1 + asOwner
    return Math.min(namer, Math.max(this.#nearest(person), person?.keys.get(publicKey)?.depth ?? 0))
  }

  /** Null when it was removed, or has no key left. */
  memberOf(person: Person): Member | null {
    const live = this.#live(person)
    const [first] = live
    const keys = [...person.keys.keys()].filter((key) => this.#closings(key).length === 0).toSorted()
    const used = keys.filter((key) => this.#uses.some((use) => use.body.publicKey === key))
    const publicKey = used[0] ?? keys.find((key) => key === person.rootKey) ?? keys[0]
    if (first === undefined || publicKey === undefined) return null
    const { nodeId, bootCounter, record } = first
    return { nodeId, publicKey, keys, bootCounter, admitter: live.some((grant) => grant.admitter), record }
  }

  #live(person: Person): Grant[] {
    return person.grants.filter((grant) => !this.#isRemoved(grant)).toSorted((a, b) => a.depth - b.depth || (a.record < b.record ? -1 : 1))
  }

  /** Who was taken back as a plain member edits nothing any more; who was removed keeps what it had signed. */
  #signers(members: ReadonlyMap<string, Member>): Roster['signers'] {
    const signers = [...this.#byNodeId].map(([nodeId, persons]) => {
      const keys = [...persons].flatMap((person) => [...person.keys.keys()]).toSorted()
      const admitter = members.get(nodeId)?.admitter ?? this.#wasAdmitter(nodeId)
      return [nodeId, new Map(keys.map((key) => [key, { admitter }]))] as const
    })
    return new Map(signers.toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }

  #wasAdmitter(nodeId: string): boolean {
    return [...(this.#byNodeId.get(nodeId) ?? [])].some((one) => one.grants.some((grant) => grant.nodeId === nodeId && grant.admitter))
  }

  #forward(): Roster['forward'] {
    for (const { hash, record } of this.#sound) {
      if (record.body.kind !== 'forwarding' || !this.#hasRight(hash, record.signer)) continue
      this.#counted.add(hash)
      return { clusterId: record.body.toClusterId, fingerprint: record.body.toFingerprint }
    }
    return null
  }

  #reason({ hash, record }: Held): IgnoredRecord['reason'] {
    if (this.#hasRight(hash, record.signer)) return 'taken'
    const signer = this.#persons.get(record.signer)
    const wasOwner = this.#owners.some((owner) => owner.key === record.signer)
    return wasOwner || signer?.grants.some((grant) => grant.admitter) === true ? 'void' : 'no-right'
  }

  /* ---- cuts ---- */

  /** Takes the cuts that count, in order of their signers' rank; each may void what the next stand on. */
  #cut(): void {
    const waiting = this.#sound.filter(({ record }) => record.body.kind === 'removal' || record.body.kind === 'key-use')
    const mayCut = (one: Held): boolean => !this.#counted.has(one.hash) && this.#mayCut(one)
    for (let isOver = false; !isOver;) {
      const ranked = waiting.filter(mayCut).map((one) => ({ one, rank: this.#rank(one.hash, one.record.signer) }))
      isOver = true
      for (const { one } of ranked.toSorted((a, b) => a.rank - b.rank || (a.one.hash < b.one.hash ? -1 : 1))) {
        if (!mayCut(one)) continue
        this.#take(one, 0)
        // Whoever signed nothing takes no other record with it: most removals, and the next in order is the next in rank still.
        if (this.#isQuiet(one.record.body)) continue
        this.#admit()
        isOver = false
        break
      }
    }
  }

  /**
   * Does this removal change nothing but that its node is removed? So when the node's one key has no other name and no successor in any record,
   * counted or not, and signed nothing but its own removal.
   */
  #isQuiet(body: RosterBody): boolean {
    if (body.kind !== 'removal') return false
    const keys = this.#keysOf.get(body.nodeId) ?? new Set()
    return [...keys].every((key) => {
      const isPlain = keys.size === 1 && this.#namesOf.get(key)?.size === 1
      return isPlain && (this.#speech.get(key) ?? body.nodeId) === body.nodeId
    })
  }

  #remove(removal: Removal): void {
    const { nodeId } = removal.body
    this.#removals.push(removal)
    this.#removalsByNodeId.set(nodeId, [...(this.#removalsByNodeId.get(nodeId) ?? []), removal])
  }

  #mayCut({ hash, record }: Held): boolean {
    const { body, signer } = record
    if (body.kind === 'removal') return this.#hasRight(hash, signer) || this.#speaksFor(body.nodeId, signer, hash)
    if (body.kind !== 'key-use' || signer !== body.publicKey || this.#closings(signer).length > 0) return false
    const origin = this.#persons.get(signer)?.keys.get(signer)
    if (origin === undefined || origin === null || !this.#links.descends(hash, origin.record)) return false
    return this.#speaksFor(body.nodeId, signer, hash)
  }

  #rank(hash: string, signer: string): number {
    const asOwner = this.#owners.find((one) => one.key === signer)?.depth ?? FAR
    const asAdmitter = this.#admitterDepth(hash, signer) ?? FAR
    if (asOwner < FAR || asAdmitter < FAR) return Math.min(asOwner - 0.5, asAdmitter)
    const person = this.#persons.get(signer)
    return Math.max(this.#nearest(person), person?.keys.get(signer)?.rank ?? 0)
  }

  #nearest(person: Person | undefined): number {
    return Math.min(FAR, ...(person?.grants ?? []).map((grant) => grant.depth))
  }

  /* ---- rounds ---- */

  /** All that counts under the cuts so far, round by round from the founder, so that each depth is the least. */
  #admit(): void {
    const { founder, ownerRecoveryKey } = this.#genesis
    this.#persons = new Map()
    this.#byNodeId = new Map()
    this.#counted = new Set([...this.#removals, ...this.#uses].map((cut) => cut.hash))
    this.#replacements = []
    this.#namings = ownerRecoveryKey === null ? [] : [{ key: ownerRecoveryKey, depth: -1, record: null, signer: founder.publicKey }]
    this.#owners = this.#ownersOf()
    const { nodeId, publicKey, bootCounter } = founder
    this.#grant(publicKey, { record: this.#fingerprint, signer: publicKey, nodeId, bootCounter, admitter: true, depth: 0 })
    for (let depth = 1; ; depth += 1) {
      const round = this.#sound.filter((one) => !this.#counted.has(one.hash) && this.#mayCount(one))
      let taken = 0
      for (const one of round) taken += this.#take(one, depth) ? 1 : 0
      if (taken === 0) return
      this.#owners = this.#ownersOf()
    }
  }

  #mayCount({ hash, record }: Held): boolean {
    const { body, signer } = record
    if (body.kind === 'admission') return this.#hasRight(hash, signer) && !this.#isTaken(hash, body)
    if (body.kind === 'owner-key') return body.by === signer && this.#hasRight(hash, signer)
    if (body.kind !== 'rekey' || this.#persons.has(body.newKey) || !this.#isKeyOf(body.nodeId, body.oldKey)) return false
    return this.#mayAsOwner(hash, signer) || (signer === body.oldKey && this.#speaksFor(body.nodeId, signer, hash))
  }

  /** Of one round: an earlier record of it may have taken the name or the key. */
  #take({ hash, record }: Held, depth: number): boolean {
    const { body, signer } = record
    if (this.#counted.has(hash)) return false
    if (body.kind === 'removal') this.#remove({ hash, by: signer, body })
    else if (body.kind === 'key-use') this.#uses.push({ hash, body, closes: this.#closedBy(signer) })
    else if (body.kind === 'admission') {
      if (this.#isTaken(hash, body)) return false
      const { nodeId, publicKey, bootCounter, admitter } = body
      this.#grant(publicKey, { record: hash, signer, nodeId, bootCounter, admitter, depth })
    } else if (body.kind === 'rekey') {
      const person = this.#persons.get(body.oldKey)
      if (person === undefined || this.#persons.has(body.newKey)) return false
      person.keys.set(body.newKey, { from: body.oldKey, record: hash, depth, rank: this.#rank(hash, signer) })
      this.#persons.set(body.newKey, person)
    } else if (body.kind === 'owner-key') {
      const naming = { key: body.ownerRecoveryKey, record: hash, signer }
      const asAdmitter = this.#admitterDepth(hash, signer)
      if (asAdmitter !== null) this.#namings.push({ ...naming, depth: asAdmitter })
      if (this.#mayAsOwner(hash, signer)) this.#replacements.push({ ...naming, depth: 0 })
    }
    this.#counted.add(hash)
    return true
  }

  #grant(publicKey: string, grant: Grant): void {
    const person = this.#persons.get(publicKey) ?? { rootKey: publicKey, keys: new Map([[publicKey, null]]), grants: [] }
    person.grants.push(grant)
    this.#persons.set(publicKey, person)
    this.#byNodeId.set(grant.nodeId, (this.#byNodeId.get(grant.nodeId) ?? new Set()).add(person))
  }

  /** Does the node id belong to another living machine, or the key to one with another id? What a removal voids anyway takes nothing. */
  #isTaken(hash: string, { nodeId, publicKey }: AdmissionBody): boolean {
    if (this.#isRemoved({ nodeId, record: hash })) return false
    const person = this.#persons.get(publicKey)
    const namesakes = [...(this.#byNodeId.get(nodeId) ?? [])].filter((one) => one !== person)
    const isLive = (grant: Grant): boolean => !this.#isRemoved(grant)
    if (namesakes.some((one) => one.grants.some((grant) => grant.nodeId === nodeId && isLive(grant)))) return true
    return person?.grants.some((grant) => grant.nodeId !== nodeId && isLive(grant)) === true
  }

  /** First the key named nearest to the founder, then those that it, and each after it, named. */
  #ownersOf(): OwnerKey[] {
    const [base] = this.#namings.toSorted(inOrder)
    if (base === undefined) return []
    const chain: OwnerKey[] = [{ ...base, replacedBy: null }]
    for (let last = chain[0]; last !== undefined;) {
      const { key, depth } = last
      const [next] = this.#replacements
        .filter((one) => one.signer === key && chain.every((before) => before.key !== one.key))
        .toSorted(inOrder)
      if (next === undefined) break
      last.replacedBy = next.record
      last = { ...next, depth, replacedBy: null }
      chain.push(last)
    }
    return chain
  }

  /* ---- who may ---- */

  #hasRight(hash: string, signer: string): boolean {
    return this.#mayAsOwner(hash, signer) || this.#admitterDepth(hash, signer) !== null
  }

  #mayAsOwner(hash: string, signer: string): boolean {
    const owner = this.#owners.find((one) => one.key === signer)
    return owner !== undefined && (owner.replacedBy === null || this.#links.descends(owner.replacedBy, hash))
  }

  /** How far from the founder the signer is as an admitter of this record; null when it may not. */
  #admitterDepth(hash: string, signer: string): number | null {
    const person = this.#persons.get(signer)
    if (person === undefined || !this.#isKeyGood(signer, hash)) return null
    const depths = person.grants.filter((grant) => grant.admitter && this.#sees(grant, hash)).map((grant) => grant.depth)
    return depths.length === 0 ? null : Math.max(Math.min(...depths), person.keys.get(signer)?.rank ?? 0)
  }

  /** Is the signer a key of that node, and was it not removed, or this seen by who removed it? */
  #speaksFor(nodeId: string, signer: string, hash: string): boolean {
    const person = this.#persons.get(signer)
    if (person === undefined || !this.#isKeyGood(signer, hash)) return false
    return person.grants.some((grant) => grant.nodeId === nodeId && this.#sees(grant, hash))
  }

  #isKeyOf(nodeId: string, publicKey: string): boolean {
    return this.#persons.get(publicKey)?.grants.some((grant) => grant.nodeId === nodeId) === true
  }

  /** Did all who removed this admission see the record? */
  #sees(grant: Grant, hash: string): boolean {
    return this.#removalsOf(grant).every((removal) => this.#sawIn(removal, hash))
  }

  #sawIn({ hash: at, by, body }: Removal, hash: string): boolean {
    if (body.voids?.includes(hash) === true) return false
    if (this.#links.descends(at, hash) || body.seen.some((seen) => this.#links.descends(seen, hash))) return true
    const naming = this.#namingIn(hash)
    const keys = [...(this.#persons.get(by)?.keys.keys() ?? [])]
    return naming !== null && keys.some((key) => this.#named.get(key)?.has(naming) === true)
  }

  #namingIn(hash: string): string | null {
    const body = this.#bodies.get(hash)
    return body?.kind === 'owner-key' ? body.ownerRecoveryKey : null
  }

  #removalsOf({ nodeId, record }: { nodeId: string; record: string }): Removal[] {
    return (this.#removalsByNodeId.get(nodeId) ?? []).filter(({ hash }) => !this.#links.descends(record, hash))
  }

  #isRemoved(grant: { nodeId: string; record: string }): boolean {
    return this.#removalsOf(grant).length > 0
  }

  #isKeyGood(publicKey: string, hash: string): boolean {
    return this.#closings(publicKey).every((use) => this.#links.descends(use.hash, hash))
  }

  #closings(publicKey: string): Use[] {
    return this.#uses.filter((use) => use.closes.has(publicKey))
  }

  #closedBy(used: string): ReadonlySet<string> {
    const person = this.#persons.get(used)
    const keys = [...(person?.keys.keys() ?? [])]
    const comesFromUsed = (key: string): boolean => {
      for (let at: string | undefined = key; at !== undefined; at = person?.keys.get(at)?.from) if (at === used) return true
      return false
    }
    return new Set(keys.filter((key) => !comesFromUsed(key)))
  }
}

const inOrder = (a: Naming, b: Naming): number => a.depth - b.depth || ((a.record ?? '') < (b.record ?? '') ? -1 : 1)
const onceEach = (ignored: readonly IgnoredRecord[]): IgnoredRecord[] =>
  [...new Map(ignored.map((one) => [`${one.hash} ${one.reason}`, one]))].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
