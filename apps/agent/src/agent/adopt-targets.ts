import type { Exchange } from '@thatdam/control/adopt/joiner-side'
import type { Sighting } from '@thatdam/discovery/sightings'
import type { LinkAddress } from '../link/addresses.ts'

export type NearMachine = Pick<Sighting, 'publicKey' | 'nodeId' | 'fingerprint' | 'claimed' | 'term' | 'addresses'>

const ADDRESSES_TRIED = 2
/** Where more rings are near than can be asked at once, each keeps its place so long. */
export const TURN_MS = 20_000

interface Target {
  readonly nodeId: string
  readonly fingerprint: string
  readonly addresses: readonly LinkAddress[]
  readonly begunAtMs: number
}

/** Whom a machine that nobody owns may ask, by public key; who is to be passed over for now, and which ring is not to be asked yet. */
export class AdoptTargets {
  private readonly begun = new Map<string, Target>()
  private readonly passedOver = new Map<string, number>()
  /** By the ring’s fingerprint. */
  private readonly notBefore = new Map<string, number>()

  nameOf(target: string): string {
    return this.begun.get(target)?.nodeId ?? 'unknown'
  }

  ringOf(target: string): string {
    return this.begun.get(target)?.fingerprint ?? ''
  }

  addressesOf(target: string): readonly LinkAddress[] {
    return this.begun.get(target)?.addresses.slice(0, ADDRESSES_TRIED) ?? []
  }

  begin({ publicKey, nodeId, fingerprint, addresses }: NearMachine, nowMs: number): void {
    this.begun.set(publicKey, { nodeId, fingerprint, addresses, begunAtMs: nowMs })
  }

  /** Those that are asked may have other addresses now. */
  see(near: readonly NearMachine[]): void {
    for (const { publicKey, nodeId, fingerprint, addresses } of near) {
      const known = this.begun.get(publicKey)
      if (known) this.begun.set(publicKey, { ...known, nodeId, fingerprint, addresses })
    }
  }

  /** Of one ring, whom to ask now. The leader by preference: its console is where the owner sits. */
  bestOf(machines: readonly NearMachine[], nowMs: number): NearMachine | undefined {
    const terms = machines.flatMap(({ term }) => (term === null ? [] : [term]))
    const leader = terms.toSorted((a, b) => b.number - a.number)[0]?.nodeId
    const passedMs = ({ publicKey }: NearMachine): number => Math.max(0, (this.passedOver.get(publicKey) ?? 0) - nowMs)
    const order = (a: NearMachine, b: NearMachine): number =>
      passedMs(a) - passedMs(b) || Number(b.nodeId === leader) - Number(a.nodeId === leader) || (a.nodeId < b.nodeId ? -1 : 1)
    return machines.toSorted(order)[0]
  }

  passOver(target: string, untilMs: number): void {
    this.passedOver.set(target, untilMs)
  }

  /** It answered. */
  heed(target: string): void {
    this.passedOver.delete(target)
  }

  isPassedOver(target: string, nowMs: number): boolean {
    return (this.passedOver.get(target) ?? 0) > nowMs
  }

  /** @param fromMs null: at once. */
  askAgain(fingerprint: string, fromMs: number | null): void {
    if (fromMs === null) this.notBefore.delete(fingerprint)
    else this.notBefore.set(fingerprint, fromMs)
  }

  mayAsk(fingerprint: string, nowMs: number): boolean {
    return (this.notBefore.get(fingerprint) ?? 0) <= nowMs
  }

  /** Which of these gives its place to another ring: one that does not answer, or the longest at the end of its turn. Nobody who compares digits. */
  givesWay(exchanges: readonly Exchange[], nowMs: number): string | null {
    const ageMs = ({ target }: Exchange): number =>
      this.isPassedOver(target, nowMs) ? Infinity : nowMs - (this.begun.get(target)?.begunAtMs ?? nowMs)
    const [longest] = exchanges.filter(({ phase }) => phase === 'waiting').toSorted((a, b) => ageMs(b) - ageMs(a))
    return longest === undefined || ageMs(longest) < TURN_MS ? null : longest.target
  }

  forget(nowMs: number, isKept: (target: string) => boolean): void {
    for (const times of [this.passedOver, this.notBefore]) for (const [key, atMs] of times) if (atMs <= nowMs) times.delete(key)
    for (const key of this.begun.keys()) if (!isKept(key)) this.begun.delete(key)
  }
}
