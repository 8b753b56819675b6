import { createHash } from 'node:crypto'
import { verifySignature } from '@thatdam/control/keys'
import { foldRoster, recordHash, verifyRecord, type Member, type Roster } from '@thatdam/control/roster'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { writeFileDurable } from '@thatdam/store/durable'

/** Far above any real ring: a thousand machines that come and go ten times. */
export const ROSTER_RECORDS_MAX = 10_000

/** A ring as this node knows it: what is written in `roster.jsonl`, and its fold. */
export interface RingRecords {
  readonly genesis: GenesisRecord
  /** Every record but the genesis. */
  readonly later: readonly RosterRecord[]
}

/** Names one signed record: two admitters may sign the same words. */
const idOf = ({ body, signer, signature }: RosterRecord): string => `${recordHash(body)} ${signer} ${signature}`

/**
 * The ring's records on disk, in memory and folded. Records come from anywhere in any order; only those are kept that a member who ever could
 * has signed, so that machines which exchanged all they have hold the same set.
 */
export class RosterStore {
  private readonly path: string
  private readonly listeners = new Set<() => void>()
  private records: Map<string, RosterRecord>
  private genesis: GenesisRecord
  private folded: Roster
  private byKey: Map<string, Member>
  private digestText: string
  private writing: Promise<unknown> = Promise.resolve()

  /** @param path of `roster.jsonl`, whose content `ring` is. */
  constructor(path: string, ring: RingRecords) {
    this.path = path
    this.genesis = ring.genesis
    const state = stateOf(ring.genesis, ring.later)
    this.records = state.records
    this.folded = state.folded
    this.byKey = state.byKey
    this.digestText = state.digest
  }

  get clusterId(): string {
    return this.folded.clusterId
  }

  /** Hash of the genesis record. */
  get fingerprint(): string {
    return this.folded.fingerprint
  }

  get founding(): GenesisRecord {
    return this.genesis
  }

  get roster(): Roster {
    return this.folded
  }

  /** First 16 hex digits over all that is held: equal exactly when the same records are. */
  get digest(): string {
    return this.digestText
  }

  /** The genesis first. */
  all(): RosterRecord[] {
    return [this.genesis, ...this.records.values()]
  }

  /** Those that the other one lacks, by the ids that it has. */
  lackedBy(ids: ReadonlySet<string>): RosterRecord[] {
    return [...this.records].filter(([id]) => !ids.has(id)).map(([, record]) => record)
  }

  ids(): string[] {
    return [...this.records.keys()]
  }

  member(nodeId: string): Member | null {
    return this.folded.members.get(nodeId) ?? null
  }

  memberByKey(publicKey: string): Member | null {
    return this.byKey.get(publicKey) ?? null
  }

  /** Called after each change, when it is on disk. @returns how to stop. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** Takes records in; durable when it resolves. @returns whether anything was new. */
  async merge(records: readonly RosterRecord[]): Promise<boolean> {
    const result = this.writing.then(() => this.mergeNow(records))
    this.writing = result.catch(() => false)
    return await result
  }

  private async mergeNow(records: readonly RosterRecord[]): Promise<boolean> {
    const fresh = records.filter((record) => record.body.kind !== 'genesis' && !this.records.has(idOf(record)))
    if (fresh.length === 0) return false
    if (this.records.size + fresh.length > ROSTER_RECORDS_MAX) {
      throw new ThatdamError('TOO_LARGE', `A ring’s roster holds at most ${ROSTER_RECORDS_MAX} records.`)
    }
    const state = stateOf(this.genesis, [...this.records.values(), ...fresh])
    if (state.digest === this.digestText) return false
    await writeRoster(this.path, { genesis: this.genesis, later: [...state.records.values()] })
    this.records = state.records
    this.folded = state.folded
    this.byKey = state.byKey
    this.digestText = state.digest
    for (const listener of this.listeners) listener()
    return true
  }
}

/** Replaces `roster.jsonl`. */
export async function writeRoster(path: string, { genesis, later }: RingRecords): Promise<void> {
  await writeFileDurable(path, [genesis, ...later].map((record) => `${JSON.stringify(record)}\n`).join(''))
}

function stateOf(
  genesis: GenesisRecord,
  later: readonly RosterRecord[],
): { records: Map<string, RosterRecord>; folded: Roster; byKey: Map<string, Member>; digest: string } {
  const fingerprint = recordHash(genesis.body)
  const sound = new Map(later.filter((record) => verifyRecord(record, verifySignature)).map((record) => [idOf(record), record]))
  const folded = foldRoster([genesis, ...sound.values()], fingerprint, verifySignature)
  const baseless = new Set(folded.ignored.filter(({ reason }) => reason === 'no-right' || reason === 'wrong-ring').map(({ hash }) => hash))
  const records = new Map([...sound].filter(([, record]) => !baseless.has(recordHash(record.body))))
  const digest = createHash('sha256')
    .update([...records.keys()].toSorted().join('\n'))
    .digest('hex')
    .slice(0, 16)
  const byKey = new Map([...folded.members.values()].map((member) => [member.publicKey, member]))
  return { records, folded, byKey, digest }
}
