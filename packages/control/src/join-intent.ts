import { canonicalJson } from '@thatdam/protocol/canonical'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { JoinIntent, JoinRequest, JoinTranscript } from '@thatdam/protocol/join'
import { exactBytes, sha256, type Signer, verifySignature } from './keys.ts'
import type { Roster } from './roster.ts'

/** What the control plane keeps of a machine that waits to be let into the ring. No secret: two signatures over public things. */
export interface KeptIntent {
  readonly transcript: JoinTranscript
  readonly seedSignature: string
  readonly nodeSignature: string
  readonly bootCounter: number
  readonly hostname: string
  readonly osName: string
  readonly factsHash: string
  /** The record by which it had been removed from the ring when it came. */
  readonly removal: string | null
}

/** The ring that a waiting machine is to come into. */
export interface IntendedRing {
  readonly organisationId: string
  readonly clusterId: string
  readonly genesisHash: string
}

const hashOf = (facts: NodeFacts): string => sha256(canonicalJson(facts)).toString('hex')

export function keepIntent(request: JoinRequest, removal: string | null): KeptIntent {
  const { transcript, seedSignature, nodeSignature, facts } = request
  const { bootCounter, hostname, osName } = facts
  return {
    transcript,
    seedSignature,
    nodeSignature,
    bootCounter: Math.max(0, Math.trunc(bootCounter)),
    hostname: hostname.slice(0, 255),
    osName: osName.slice(0, 255),
    factsHash: hashOf(facts),
    removal,
  }
}

/** The control plane's word for a waiting machine, for the ring's admitters to check. */
export function makeJoinIntent(instance: Signer, kept: KeptIntent, ring: IntendedRing): JoinIntent {
  const { transcript, seedSignature, nodeSignature, ...machine } = kept
  const voucher: JoinIntent['voucher'] = { ...ring, ...machine }
  const voucherSignature = instance.sign('thatdam-join-intent-v1', { transcript, voucher })
  return { version: 1, transcript, seedSignature, nodeSignature, voucher, voucherSignature }
}

/** Who an admitter expects to speak: its own registration with the cloud and its own ring. */
export interface ExpectedIntent {
  readonly instanceKey: string
  readonly organisationId: string
  /** Of the admitter's ring. */
  readonly genesisHash: string
}

/**
 * What is wrong with an intent; null: the token's seed and the machine's key signed it, towards this cloud, and the cloud says that the token was
 * this organisation's and that the machine is to come into this ring. The admitter relies on no other word of the cloud's.
 */
export function joinIntentFault(intent: JoinIntent, expected: ExpectedIntent): string | null {
  const { transcript, voucher } = intent
  if (!verifySignature('thatdam-join-intent-v1', { transcript, voucher }, intent.voucherSignature, expected.instanceKey)) {
    return 'the cloud that this ring is registered with did not sign it'
  }
  if (transcript.serverKey !== expected.instanceKey) return 'the machine proved itself to another server'
  if (voucher.organisationId !== expected.organisationId) return 'it is for another organisation'
  if (voucher.genesisHash !== expected.genesisHash) return 'it is for another ring'
  if (transcript.scope !== `new-${expected.organisationId}` && transcript.scope !== voucher.clusterId)
    return 'its token is for another ring'
  if (exactBytes(transcript.nodeKey, 32) === null || exactBytes(transcript.tokenKey, 32) === null) return 'a key in it is not a key'
  if (!verifySignature('thatdam-join-seed-v1', transcript, intent.seedSignature, transcript.tokenKey)) return 'its token did not sign it'
  if (!verifySignature('thatdam-join-node-v1', transcript, intent.nodeSignature, transcript.nodeKey)) return 'the machine did not sign it'
  return null
}

/** True when an admitter may act on it; `joinIntentFault` says why not. */
export const verifyJoinIntent = (intent: JoinIntent, expected: ExpectedIntent): boolean => joinIntentFault(intent, expected) === null

/** `admit`: sign an admission of these. `known`: it is in the ring. `refused`: say so in the log; the next change may allow it. */
export type IntentDecision =
  | { readonly kind: 'admit'; readonly nodeId: string; readonly publicKey: string; readonly bootCounter: number }
  | { readonly kind: 'known' }
  | { readonly kind: 'refused'; readonly why: string }

/**
 * What an admitter does about an intent, by its own roster. A machine that was removed comes back only by a token that it redeemed after the
 * removal was known: otherwise whoever kept an old intent could undo what the owner did.
 */
export function judgeJoinIntent(intent: JoinIntent, expected: ExpectedIntent, roster: Roster): IntentDecision {
  const { nodeId, nodeKey: publicKey } = intent.transcript
  const fault = joinIntentFault(intent, expected)
  if (fault !== null) return { kind: 'refused', why: fault }
  const isOwnName = roster.members.has(nodeId)
  // Also by a key that it has replaced since it redeemed its token.
  if (roster.byKey.has(publicKey) || (isOwnName && roster.signers.get(nodeId)?.has(publicKey) === true)) return { kind: 'known' }
  if (isOwnName) return { kind: 'refused', why: `another machine is called ${nodeId} here` }
  const removal = roster.removed.get(nodeId)
  if (removal !== undefined && removal.record !== intent.voucher.removal) {
    return { kind: 'refused', why: `${nodeId} was removed from the ring after it redeemed this token; it needs a fresh one` }
  }
  return { kind: 'admit', nodeId, publicKey, bootCounter: intent.voucher.bootCounter }
}
