import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { formerKeys } from './key-chain.ts'
import { verifySignature } from './keys.ts'
import { foldRoster, recordHash } from './roster.ts'

/*
 * One ring for each organisation. The first machine that joins is appointed its founder and has the lease's time to confirm, by a
 * report that it really is in its ring; else the next machine that joins or polls is appointed. The others wait until the ring lets them in.
 *
 *            first joiner          report names its genesis
 *   no ring ─────────────▶ appointed ─────────────────────▶ confirmed
 *      ▲                      │  ▲                             │
 *      │                      └──┘ lease over: next one        │
 *      └───── its only machine was removed ────────────────────┘
 */

/** How long an appointed founder may take to confirm. */
export const FOUNDING_LEASE_MS = 60_000

/** The organisation's ring as the control plane keeps it. */
export interface FoundedRing {
  readonly genesis: GenesisRecord
  readonly genesisHash: string
  /** Key of the machine that was appointed: its ring is the organisation's. */
  readonly founderKey: string
  readonly appointedAtMs: number
  readonly confirmedAtMs: number | null
}

/** A machine that comes with its own ring: one of its own, or one with others. */
export interface Comer {
  readonly nodeKey: string
  readonly nodeId: string
  readonly genesis: GenesisRecord
  /** Its ring's records after the genesis record. */
  readonly records: readonly RosterRecord[]
}

/** `alone`: it founded a ring of one. `removed`: it was in a ring, and is no more. `unproven`: its genesis is another's, and nothing shows that it belongs there. */
export type Standing = { readonly kind: 'alone' | 'removed' | 'unproven' } | { readonly kind: 'member'; readonly others: number }

/** It may have replaced its key since the control plane saw it last. */
const keysBefore = ({ nodeKey: publicKey, nodeId, records }: Comer): string[] =>
  formerKeys(records, { nodeId, publicKey, verify: verifySignature })

export function standingOf({ nodeKey, nodeId, genesis, records }: Comer): Standing {
  const { founder } = genesis.body
  const own = founder.nodeId === nodeId && [nodeKey, ...keysBefore({ nodeKey, nodeId, genesis, records })].includes(founder.publicKey)
  if (records.length === 0) return { kind: own ? 'alone' : 'unproven' }
  const roster = foldRoster([genesis, ...records], recordHash(genesis.body), verifySignature)
  const isMember = roster.byKey.get(nodeKey)?.nodeId === nodeId
  if (!isMember) return { kind: roster.removed.has(nodeId) ? 'removed' : 'unproven' }
  return roster.members.size === 1 && own ? { kind: 'alone' } : { kind: 'member', others: roster.members.size - 1 }
}

export const isLapsed = (ring: FoundedRing, nowMs: number): boolean =>
  ring.confirmedAtMs === null && nowMs - ring.appointedAtMs >= FOUNDING_LEASE_MS

/**
 * `appoint`: its ring becomes the organisation's, from now on. `founder`: it is already. `member`: it is in the organisation's ring, or waits for it.
 * `other-ring`: it is in a ring with others (0: nobody knows how many), and the organisation has another one. `no-ring`: it is in no ring that it
 * could bring.
 */
export type Placement =
  | { readonly kind: 'appoint' | 'founder' | 'member' | 'no-ring' }
  | { readonly kind: 'other-ring'; readonly others: number }

/** Where a machine stands that comes to an organisation. The caller holds the organisation's lock. */
export function placeInRing(ring: FoundedRing | null, comer: Comer, nowMs: number): Placement {
  const standing = standingOf(comer)
  if (ring !== null && !isLapsed(ring, nowMs)) {
    const isFounder = ring.founderKey === comer.nodeKey || keysBefore(comer).includes(ring.founderKey)
    if (ring.genesisHash === recordHash(comer.genesis.body)) return { kind: isFounder ? 'founder' : 'member' }
    if (standing.kind === 'member' && standing.others > 0) return { kind: 'other-ring', others: standing.others }
    return standing.kind === 'unproven' ? { kind: 'other-ring', others: 0 } : { kind: 'member' }
  }
  return { kind: standing.kind === 'alone' || standing.kind === 'member' ? 'appoint' : 'no-ring' }
}

/** Whether a report of this machine confirms the ring's founding. */
export const confirms = (ring: FoundedRing, report: { readonly nodeKey: string; readonly genesisHash: string }): boolean =>
  ring.confirmedAtMs === null && ring.founderKey === report.nodeKey && ring.genesisHash === report.genesisHash
