import { RELAY_PAGE_MAX, type ReportRequest } from '@thatdam/protocol/poll'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { confirms, type FoundedRing, isLapsed, placeInRing } from '../founding.ts'
import type { KeptIntent } from '../join-intent.ts'
import { keptRoster, RELAY_START, relayAfter, type RelayCursor, relayOn, takeRecords } from '../relay.ts'
import { recordId } from '../roster-sync.ts'
import { recordHash } from '../roster.ts'
import type { LeftAnnouncement, MeetOutcome, NodeRecord, Place, PollNews, RedeemInput, RedeemRefusal } from '../store.ts'

type Kept = { ring: FoundedRing; records: RosterRecord[]; cursor: RelayCursor }
type Machine = { comer: RedeemInput; organisationId: string; intent: KeptIntent | null; revision: number }

/** Founding and relaying in memory, by the same decisions as in PostgreSQL. `wake` is told the keys of nodes that have news. */
export class MemoryRings {
  readonly rings = new Map<string, Kept>()
  readonly machines = new Map<string, Machine>()
  readonly left = new Map<string, LeftAnnouncement & { organisationId: string; leftAtMs: number }>()
  rendezvous = false
  readonly #wake: (nodeKey: string) => void
  constructor(wake: (nodeKey: string) => void) {
    this.#wake = wake
  }

  place(organisationId: string, comer: RedeemInput): Place | RedeemRefusal {
    const known = this.rings.get(organisationId)
    const placement = placeInRing(known?.ring ?? null, comer, comer.nowMs)
    if (placement.kind === 'other-ring' || placement.kind === 'no-ring') return placement.kind
    if (placement.kind === 'appoint') {
      if ([...this.rings].some(([id, { ring }]) => id !== organisationId && ring.genesisHash === comer.genesisHash)) return 'ring-elsewhere'
      this.#found(organisationId, comer, comer.nowMs)
    }
    const kept = this.rings.get(organisationId) as Kept
    const roster = keptRoster(kept.records)
    const isIn = kept.ring.founderKey === comer.nodeKey || roster.byKey.has(comer.nodeKey)
    const intent = { ...comer.intent, removal: roster.removed.get(comer.nodeId)?.record ?? null }
    this.machines.set(comer.nodeKey, {
      comer,
      organisationId,
      intent: isIn && kept.ring.confirmedAtMs !== null ? null : intent,
      revision: 1,
    })
    this.#tell(organisationId)
    return { role: kept.ring.founderKey === comer.nodeKey ? 'founder' : 'member', ring: kept.ring }
  }

  report(node: NodeRecord, { genesisHash, records }: NonNullable<ReportRequest['ring']>, nowMs: number): void {
    const kept = this.rings.get(node.organisationId)
    if (kept?.ring.genesisHash !== genesisHash) return
    const isConfirmed = confirms(kept.ring, { nodeKey: node.nodeKey, genesisHash })
    if (isConfirmed) kept.ring = { ...kept.ring, confirmedAtMs: nowMs }
    const { taken, roster } = takeRecords(kept.records, records)
    kept.records.push(...taken)
    kept.cursor = relayOn(kept.cursor, taken.map(recordId))
    const keys = new Set([kept.ring.founderKey, ...roster.byKey.keys()])
    for (const machine of this.machines.values()) if (keys.has(machine.comer.nodeKey)) machine.intent = null
    if (isConfirmed || taken.length > 0) this.#tell(node.organisationId)
  }

  replaceKey(node: NodeRecord, oldKey: string, { records, nowMs }: { records: readonly RosterRecord[]; nowMs: number }): void {
    const machine = this.machines.get(oldKey)
    const kept = this.rings.get(node.organisationId)
    if (machine === undefined || kept === undefined) return
    this.machines.delete(oldKey)
    this.machines.set(node.nodeKey, { ...machine, comer: { ...machine.comer, nodeKey: node.nodeKey } })
    if (kept.ring.founderKey === oldKey) kept.ring = { ...kept.ring, founderKey: node.nodeKey }
    this.report(node, { genesisHash: kept.ring.genesisHash, records: [...records] }, nowMs)
  }

  news(
    node: NodeRecord,
    asked: { relay: RelayCursor; nowMs: number },
  ): { revision: number; hasRecords: boolean; news: NonNullable<PollNews['ring']>; waiting: KeptIntent[] } | null {
    const machine = this.machines.get(node.nodeKey)
    if (machine === undefined) return null
    const before = this.rings.get(node.organisationId)
    if (machine.intent !== null && (before === undefined || isLapsed(before.ring, asked.nowMs))) {
      if (placeInRing(before?.ring ?? null, machine.comer, asked.nowMs).kind === 'appoint')
        this.#found(node.organisationId, machine.comer, asked.nowMs)
    }
    const kept = this.rings.get(node.organisationId)
    if (kept === undefined) return null
    const { ring, records, cursor } = kept
    const after = relayAfter(asked.relay, cursor)
    const page = after === null ? [] : records.slice(1 + after, 1 + after + RELAY_PAGE_MAX)
    const begin = after ?? cursor.position
    const isMember = machine.intent === null || ring.founderKey === node.nodeKey
    const waiting = [...this.machines.values()].filter((one) => one.organisationId === node.organisationId && one.intent !== null)
    return {
      revision: machine.revision,
      hasRecords: after !== null,
      news: {
        place: { role: ring.founderKey === node.nodeKey ? 'founder' : 'member', ring },
        admitted: isMember,
        rendezvous: this.rendezvous,
        after: begin,
        position: begin + page.length,
        records: page,
        more: begin + page.length < cursor.position,
        digest: cursor.digest,
      },
      waiting: isMember && ring.confirmedAtMs !== null ? waiting.flatMap(({ intent }) => intent ?? []) : [],
    }
  }

  /** Beyond all when it may found the ring itself now. */
  revisionOf(node: NodeRecord, nowMs: number): number {
    const machine = this.machines.get(node.nodeKey)
    const ring = this.rings.get(node.organisationId)?.ring
    const mayFound = machine !== undefined && machine.intent !== null && (ring === undefined || isLapsed(ring, nowMs))
    return mayFound ? Number.MAX_SAFE_INTEGER : (machine?.revision ?? 0)
  }

  meet(node: NodeRecord, left: LeftAnnouncement | null, nowMs: number): MeetOutcome {
    const { organisationId, nodeKey } = node
    if (!this.rendezvous) return { kind: 'off' }
    const ring = this.rings.get(organisationId)?.ring
    const machine = this.machines.get(nodeKey)
    const isIn = ring?.founderKey === nodeKey || machine?.intent === null
    if (!isIn || (left !== null && left.fingerprint !== ring?.genesisHash)) return { kind: 'outside' }
    if (left !== null) this.left.set(nodeKey, { ...left, organisationId, leftAtMs: nowMs })
    const others = [...this.left]
      .filter(([key, one]) => key !== nodeKey && one.organisationId === organisationId && one.expiresAtMs > nowMs)
      .map(([, one]) => one)
    return { kind: 'met', others: others.toSorted((a, b) => b.leftAtMs - a.leftAtMs) }
  }

  #found(organisationId: string, comer: RedeemInput, nowMs: number): void {
    const { genesis, nodeKey: founderKey } = comer
    const ring = { genesis, genesisHash: recordHash(genesis.body), founderKey, appointedAtMs: nowMs, confirmedAtMs: null }
    this.rings.set(organisationId, { ring, records: [genesis], cursor: RELAY_START })
    this.#tell(organisationId)
  }

  #tell(organisationId: string): void {
    for (const [nodeKey, machine] of this.machines) {
      if (machine.organisationId !== organisationId) continue
      machine.revision += 1
      this.#wake(nodeKey)
    }
  }
}
