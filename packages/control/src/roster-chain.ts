import { ThatdamError } from '@thatdam/protocol/errors'
import type { RosterRecord } from '@thatdam/protocol/roster'
import type { Person, RosterFold } from './roster-fold.ts'
import { foldRoster, openFold, recordHash, type Roster, type VerifyRoster } from './roster.ts'

/** A proof holds no more records: what a joiner reads of somebody it does not know yet. */
export const CHAIN_RECORDS_MAX = 64

/**
 * Records, from the genesis record on, by which a stranger who knows only the ring's fingerprint sees that this key was made an admitter; none of
 * them can be left out. That it was not removed since, no such proof can say: whoever joins by it gets all records with the answer, and looks
 * again.
 * @throws ThatdamError FORBIDDEN when the key is no admitter's. RangeError as foldRoster.
 */
export function chainFor(
  records: readonly RosterRecord[],
  { fingerprint, publicKey, verify }: { fingerprint: string; publicKey: string; verify: VerifyRoster },
): RosterRecord[] {
  const { fold } = openFold(records, fingerprint, { verify, hashOf: recordHash })
  const isProof = (chain: readonly RosterRecord[]): boolean =>
    foldRoster(chain, fingerprint, verify).byKey.get(publicKey)?.admitter === true
  const person = fold.personOf(publicKey)
  const isAdmitter = person !== undefined && fold.memberOf(person)?.admitter === true
  const wanted = isAdmitter ? new Reasons(fold, records).of(publicKey) : new Set<string>()
  wanted.add(fingerprint)
  let chain = onceEach(records.filter((record) => wanted.has(recordHash(record.body))))
  if (isAdmitter && chain.length <= 2 * CHAIN_RECORDS_MAX) {
    for (const one of chain) {
      const shorter = chain.filter((other) => other !== one)
      if (recordHash(one.body) !== fingerprint && isProof(shorter)) chain = shorter
    }
    if (chain.length <= CHAIN_RECORDS_MAX && isProof(chain)) return chain
  }
  throw new ThatdamError('FORBIDDEN', 'This machine may not admit others. Make a join token on another machine of the ring.')
}

/**
 * At the joiner.
 * @param pin of a token: the first 32 hex digits of the ring's fingerprint; or all 64.
 * @returns the ring as far as the proof tells it, or null when this does not prove that the key is an admitter's of the pinned ring.
 */
export function verifyChain(
  chain: readonly RosterRecord[],
  { pin, publicKey, verify }: { pin: string; publicKey: string; verify: VerifyRoster },
): Roster | null {
  if (chain.length > CHAIN_RECORDS_MAX || !/^([0-9a-f]{32}|[0-9a-f]{64})$/.test(pin)) return null
  const fingerprint = chain
    .map((record) => (record.body.kind === 'genesis' ? recordHash(record.body) : ''))
    .find((hash) => hash.startsWith(pin))
  if (fingerprint === undefined) return null
  try {
    const roster = foldRoster(chain, fingerprint, verify)
    return roster.byKey.get(publicKey)?.admitter === true ? roster : null
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** The records that a key's right stands on: its admission as admitter, the keys that came before it, and the same of whoever signed those. */
class Reasons {
  readonly #fold: RosterFold
  readonly #byHash: ReadonlyMap<string, RosterRecord>
  readonly #hashes = new Set<string>()
  readonly #asked = new Set<string>()

  constructor(fold: RosterFold, records: readonly RosterRecord[]) {
    this.#fold = fold
    this.#byHash = new Map(records.map((record) => [recordHash(record.body), record]))
  }

  of(publicKey: string): Set<string> {
    for (const waiting = [publicKey]; waiting.length > 0;) {
      const key = waiting.pop() as string
      if (this.#asked.has(key)) continue
      this.#asked.add(key)
      const person = this.#fold.personOf(key)
      if (person !== undefined) waiting.push(...this.#ofPerson(person, key))
      for (const owner of this.#fold.owners().some((one) => one.key === key) ? this.#fold.owners() : []) {
        if (owner.record !== null) this.#hashes.add(owner.record)
        waiting.push(owner.signer)
      }
    }
    return this.#hashes
  }

  /** @returns the keys to ask next: those that signed what this person has. */
  #ofPerson(person: Person, key: string): string[] {
    const signers: string[] = []
    const nearest = person.grants.toSorted((a, b) => a.depth - b.depth)
    for (const grant of [nearest.find((one) => one.admitter), nearest[0]]) {
      if (grant === undefined) continue
      this.#hashes.add(grant.record)
      signers.push(grant.signer)
      const body = this.#byHash.get(grant.record)?.body
      if (body?.kind === 'admission') signers.push(...this.#lineage(person, body.publicKey))
    }
    return [...signers, ...this.#lineage(person, key)]
  }

  #lineage(person: Person, publicKey: string): string[] {
    const signers: string[] = []
    for (let at = person.keys.get(publicKey); at !== undefined && at !== null; at = person.keys.get(at.from)) {
      this.#hashes.add(at.record)
      const signer = this.#byHash.get(at.record)?.signer
      if (signer !== undefined) signers.push(signer)
    }
    return signers
  }
}

const onceEach = (records: readonly RosterRecord[]): RosterRecord[] => [
  ...new Map(records.map((record) => [`${recordHash(record.body)} ${record.signer}`, record])).values(),
]
