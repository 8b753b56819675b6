import type { Sighting } from '@thatdam/discovery/sightings'
import type { OtherRingFate } from '@thatdam/protocol/local'
import { Backoff } from '../backoff.ts'
import type { LinkAddress } from '../link/addresses.ts'

export type NearMachine = Pick<Sighting, 'publicKey' | 'nodeId' | 'fingerprint' | 'claimed' | 'term' | 'addresses'>

/** Rings that are remembered at once; as many as the console shows. */
const RINGS_MAX = 16
const ADDRESSES_TRIED = 2
/** A ring is asked again after these, doubled each time; whoever comes home finds it at once. */
const [FIRST_MS, LAST_MS] = [2_000, 60_000]
/** Longer than any wait between two questions, so that another one is asked next. */
const AWAY_MS = 90_000
/** Others may ask for it to be asked soon, so often. */
const CALLED_MS = 5_000

interface NearRing {
  readonly backoff: Backoff
  notBeforeMs: number
  calledAtMs: number
  fate: OtherRingFate
  reason: string
}

/** Other rings with an owner that discovery sees: which of them is to be asked now, whom of it, and what came of it. */
export class RingsNear {
  private readonly rings = new Map<string, NearRing>()
  private readonly passedOver = new Map<string, number>()
  private machines = new Map<string, readonly NearMachine[]>()

  /** What discovery sees now, of other rings. */
  see(near: readonly NearMachine[], nowMs: number): void {
    this.machines = new Map([...Map.groupBy(near, ({ fingerprint }) => fingerprint)].slice(0, RINGS_MAX))
    for (const fingerprint of this.rings.keys()) if (!this.machines.has(fingerprint)) this.rings.delete(fingerprint)
    for (const fingerprint of this.machines.keys()) {
      if (!this.rings.has(fingerprint)) {
        const backoff = new Backoff(FIRST_MS, LAST_MS)
        this.rings.set(fingerprint, { backoff, notBeforeMs: 0, calledAtMs: -Infinity, fate: 'apart', reason: '' })
      }
    }
    for (const [publicKey, untilMs] of this.passedOver) if (untilMs <= nowMs) this.passedOver.delete(publicKey)
  }

  /** The ring whose turn has been for longest; null: none is due. */
  due(nowMs: number): string | null {
    const [first] = [...this.rings]
      .filter(([, ring]) => ring.notBeforeMs <= nowMs)
      .toSorted(([, a], [, b]) => a.notBeforeMs - b.notBeforeMs)
    return first?.[0] ?? null
  }

  isDue(fingerprint: string, nowMs: number): boolean {
    const ring = this.rings.get(fingerprint)
    return ring !== undefined && ring.notBeforeMs <= nowMs
  }

  /** Whom to ask: its leader by preference, and one after the other those that do not answer or may not say. */
  bestOf(fingerprint: string): NearMachine | null {
    const machines = this.machines.get(fingerprint) ?? []
    const terms = machines.flatMap(({ term }) => (term === null ? [] : [term]))
    const leader = terms.toSorted((a, b) => b.number - a.number)[0]?.nodeId
    const passedMs = ({ publicKey }: NearMachine): number => this.passedOver.get(publicKey) ?? 0
    const inOrder = machines.toSorted(
      (a, b) =>
        passedMs(a) - passedMs(b) || Number(b.nodeId === leader) - Number(a.nodeId === leader) || (a.publicKey < b.publicKey ? -1 : 1),
    )
    return inOrder[0] ?? null
  }

  passOver({ publicKey }: NearMachine, nowMs: number): void {
    this.passedOver.set(publicKey, nowMs + AWAY_MS)
  }

  /** It was asked, with this outcome: the same as before is asked ever less often. */
  settle(fingerprint: string, { fate, reason }: { fate: OtherRingFate; reason: string }, nowMs: number): boolean {
    const ring = this.rings.get(fingerprint)
    if (ring === undefined) return false
    const isNews = ring.fate !== fate || ring.reason !== reason
    if (isNews) ring.backoff.reset()
    ring.fate = fate
    ring.reason = reason
    ring.notBeforeMs = nowMs + ring.backoff.nextMs()
    return isNews
  }

  /** All are asked at once: what this ring can prove, or where it goes, is other than it was. */
  askAnew(): void {
    for (const ring of this.rings.values()) {
      ring.backoff.reset()
      ring.notBeforeMs = 0
    }
  }

  /** A machine of it says that there is news. @returns whether that is heeded. */
  called(publicKey: string, nowMs: number): boolean {
    const isThere = (machines: readonly NearMachine[]): boolean => machines.some((one) => one.publicKey === publicKey)
    const [fingerprint = ''] = [...this.machines].find(([, machines]) => isThere(machines)) ?? []
    const ring = this.rings.get(fingerprint)
    if (ring === undefined || nowMs - ring.calledAtMs < CALLED_MS) return false
    ring.calledAtMs = nowMs
    ring.notBeforeMs = 0
    ring.backoff.reset()
    return true
  }

  fateOf(fingerprint: string): { fate: OtherRingFate; reason: string } {
    const { fate = 'apart', reason = '' } = this.rings.get(fingerprint) ?? {}
    return { fate, reason }
  }
}

export const addressesOf = ({ addresses }: NearMachine): readonly LinkAddress[] => addresses.slice(0, ADDRESSES_TRIED)
