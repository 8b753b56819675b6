import type { RosterDesk } from '@thatdam/control/roster-edit'
import { RosterKeeper } from '@thatdam/control/roster-keeper'
import type { Merged } from '@thatdam/control/roster-sync'
import type { Signer } from '@thatdam/control/keys'
import { recordHash, type Member, type Roster } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { writeFileDurable } from '@thatdam/store/durable'

/** A ring as `roster.jsonl` holds it. */
export interface RingRecords {
  readonly genesis: GenesisRecord
  /** Every record but the genesis. */
  readonly later: readonly RosterRecord[]
}

/** The ring's records on disk and folded, and who wants to hear of changes. */
export class RosterStore {
  readonly keeper: RosterKeeper
  readonly founding: GenesisRecord
  private readonly listeners = new Set<() => void>()
  private isLeft = false

  /** @param path of `roster.jsonl`, whose content `ring` is. */
  constructor(path: string, { genesis, later }: RingRecords) {
    this.founding = genesis
    this.keeper = new RosterKeeper({
      fingerprint: recordHash(genesis.body),
      records: [genesis, ...later],
      save: (records) =>
        this.isLeft ? Promise.reject(new ThatdamError('CONFLICT', 'This machine has left that ring.')) : writeRecords(path, records),
      changed: () => {
        for (const listener of this.listeners) listener()
      },
    })
  }

  get clusterId(): string {
    return this.keeper.roster.clusterId
  }

  /** Hash of the genesis record. */
  get fingerprint(): string {
    return this.keeper.fingerprint
  }

  get roster(): Roster {
    return this.keeper.roster
  }

  /** First 16 hex digits over all that is held: what datagrams carry. */
  get digest(): string {
    return this.keeper.digest.slice(0, 16)
  }

  /** The genesis first. */
  all(): RosterRecord[] {
    return [this.founding, ...this.later()]
  }

  later(): RosterRecord[] {
    return this.keeper.records.filter(({ body }) => body.kind !== 'genesis')
  }

  member(nodeId: string): Member | null {
    return this.roster.members.get(nodeId) ?? null
  }

  /** By any of its keys that are good now. */
  memberByKey(publicKey: string): Member | null {
    return this.roster.byKey.get(publicKey) ?? null
  }

  /** By a key that is good no more because its machine was removed. One that its machine has replaced is a stranger's (THREATS 7). */
  wasMember(publicKey: string): boolean {
    return (
      this.memberByKey(publicKey) === null &&
      [...this.roster.signers].some(([nodeId, keys]) => keys.has(publicKey) && this.member(nodeId) === null)
    )
  }

  /** Whether such a key, shown where a member's other one was expected, is that member's. A key that was replaced is nobody's. */
  isSame(expected: string, shown: string): boolean {
    const member = this.memberByKey(expected)
    return member === null ? expected === shown && this.formerOwner(shown) === null : member.keys.includes(shown)
  }

  /** The member that had this key once, and replaced it; null: nobody. */
  formerOwner(publicKey: string): Member | null {
    if (this.memberByKey(publicKey) !== null) return null
    for (const [nodeId, keys] of this.roster.signers) if (keys.has(publicKey)) return this.member(nodeId)
    return null
  }

  /** Called after each change, when it is on disk. @returns how to stop. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Takes others' records in; durable when it resolves. */
  merge(records: readonly RosterRecord[]): Promise<Merged> {
    return this.keeper.add(records)
  }

  /** The file is another ring's from here on: what was on its way to it is there when this resolves, and nothing comes after. */
  async leave(): Promise<void> {
    await this.keeper.settled()
    this.isLeft = true
    await this.keeper.settled()
  }

  /** Signs one more record, by what is known when its turn comes. Null: nothing was to be changed. */
  edit(signer: Signer, make: (desk: RosterDesk) => RosterRecord | null): Promise<RosterRecord | null> {
    return this.keeper.edit(signer, make)
  }
}

/** Replaces `roster.jsonl`. */
export function writeRoster(path: string, { genesis, later }: RingRecords): Promise<void> {
  return writeRecords(path, [genesis, ...later])
}

/** The genesis record first: without it no other can be read. */
export function writeRecords(path: string, records: readonly RosterRecord[]): Promise<void> {
  const ordered = records.toSorted((a, b) => Number(b.body.kind === 'genesis') - Number(a.body.kind === 'genesis'))
  return writeFileDurable(path, ordered.map((record) => `${JSON.stringify(record)}\n`).join(''))
}
