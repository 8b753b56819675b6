import { ThatdamError } from '@thatdam/protocol/errors'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { type Signer, verifySignature } from './keys.ts'
import type { RosterDesk } from './roster-edit.ts'
import { type Merged, mergeRecords, openRecords, rosterDigest } from './roster-sync.ts'
import type { Roster } from './roster.ts'

/** More changes than this do not wait for the disk. */
const WAITING_MAX = 1_024

/**
 * A machine's records of its ring: one change after the other, each on disk before anybody is told of it. A ring that goes over to another one
 * gets a new keeper.
 */
export class RosterKeeper {
  readonly fingerprint: string
  readonly #save: (records: readonly RosterRecord[]) => Promise<void>
  readonly #changed: (merged: Merged) => void
  #records: readonly RosterRecord[]
  #roster: Roster
  #digest: string
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /**
   * @param ring.save replaces the file, durably. When it throws, the change did not happen.
   * @param ring.changed called after each change that brought new records, not awaited by it.
   * @throws RangeError as foldRoster.
   */
  constructor(ring: {
    fingerprint: string
    records: readonly RosterRecord[]
    save: (records: readonly RosterRecord[]) => Promise<void>
    changed?: (merged: Merged) => void
  }) {
    this.fingerprint = ring.fingerprint
    this.#save = ring.save
    this.#changed = ring.changed ?? (() => {})
    const { records, roster } = openRecords(ring.records, ring.fingerprint, verifySignature)
    this.#records = records
    this.#roster = roster
    this.#digest = rosterDigest(records)
  }

  get records(): readonly RosterRecord[] {
    return this.#records
  }

  get roster(): Roster {
    return this.#roster
  }

  get digest(): string {
    return this.#digest
  }

  desk(signer: Signer): RosterDesk {
    return { records: this.#records, roster: this.#roster, signer }
  }

  /** Takes others' records, as far as they pass the door. @throws what `save` throws; ThatdamError UNAVAILABLE when too many wait. */
  add(records: readonly RosterRecord[]): Promise<Merged> {
    return this.#inTurn(async () => this.#take(this.#look(records)))
  }

  /**
   * Makes a record by what is known when its turn comes, and takes it: two machines that ask for one name get it one after the other.
   * @param make builds the record (roster-edit.ts), or returns null for no change. What it throws is thrown here, and nothing was changed.
   */
  async edit(signer: Signer, make: (desk: RosterDesk) => RosterRecord | null): Promise<RosterRecord | null> {
    const [record] = await this.editMany(signer, (desk) => [make(desk)].filter((one) => one !== null))
    return record ?? null
  }

  /** The same for several records: all of them are taken, or none. */
  editMany(signer: Signer, make: (desk: RosterDesk) => readonly RosterRecord[]): Promise<readonly RosterRecord[]> {
    return this.#inTurn(async () => {
      const records = make(this.desk(signer))
      if (records.length === 0) return records
      const merged = this.#look(records)
      if (merged.refused.length === 0) await this.#take(merged)
      else throw new ThatdamError('CONFLICT', `The ring’s roster takes no such record (${merged.refused[0]?.reason}). Nothing was changed.`)
      return records
    })
  }

  /** Resolves when every change that was asked for until now is on the disk, or has failed. */
  async settled(): Promise<void> {
    await this.#last
  }

  #look(incoming: readonly RosterRecord[]): Merged {
    return mergeRecords(this.#records, incoming, { roster: this.#roster, verify: verifySignature })
  }

  async #take(merged: Merged): Promise<Merged> {
    if (merged.added.length === 0) return merged
    await this.#save(merged.records)
    this.#records = merged.records
    this.#roster = merged.roster
    this.#digest = rosterDigest(merged.records)
    this.#changed(merged)
    return merged
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    if (this.#waiting >= WAITING_MAX) {
      return Promise.reject(
        new ThatdamError('UNAVAILABLE', 'Too many changes of the ring wait for this machine’s disk. Try again in a minute.'),
      )
    }
    this.#waiting += 1
    const run = this.#last.then(change, change).finally(() => (this.#waiting -= 1))
    this.#last = run.catch(() => {})
    return run
  }
}
