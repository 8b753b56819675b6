import type { RosterRecord } from '@thatdam/protocol/roster'
import { generateKey, type KeyPair, type Signer, verifySignature } from '../keys.ts'
import { admit, type RosterDesk } from '../roster-edit.ts'
import { mergeRecords, openRecords, type Refused } from '../roster-sync.ts'
import { recordHash, type Roster } from '../roster.ts'
import { sampleGenesis } from './samples.ts'

/** What one machine knows of a ring. Copies know what they are told (`take`), through the same door as a real one. */
export class TestRing {
  records: readonly RosterRecord[]
  readonly fingerprint: string
  #roster: Roster

  constructor(records: readonly RosterRecord[], fingerprint: string) {
    const { records: sound, roster } = openRecords(records, fingerprint, verifySignature)
    this.records = sound
    this.fingerprint = fingerprint
    this.#roster = roster
  }

  static found(founder: KeyPair, nodeId = 'founder', clusterId?: string): TestRing {
    const genesis = sampleGenesis(founder, nodeId, clusterId)
    return new TestRing([genesis], recordHash(genesis.body))
  }

  get roster(): Roster {
    return this.#roster
  }

  get names(): string[] {
    return [...this.#roster.members.keys()]
  }

  desk(signer: Signer): RosterDesk {
    return { records: this.records, roster: this.#roster, signer }
  }

  copy(): TestRing {
    return new TestRing(this.records, this.fingerprint)
  }

  take(...incoming: readonly RosterRecord[]): Refused[] {
    const { records, roster, refused } = mergeRecords(this.records, incoming, { roster: this.#roster, verify: verifySignature })
    this.records = records
    this.#roster = roster
    return refused
  }

  /** A new machine, admitted by this signer. */
  join(signer: Signer, nodeId: string, admitter = false): KeyPair {
    const node = generateKey()
    this.take(admit(this.desk(signer), { nodeId, publicKey: node.publicKey, bootCounter: 1, admitter }))
    return node
  }
}
