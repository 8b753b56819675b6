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
  removed: ReadonlyMap<string, { by: string; record: string }>
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
