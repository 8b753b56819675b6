import type { Chance } from './random.ts'

/** What goes wrong, and when. All faults end at HEAL_MS; what comes after must settle. Milliseconds of virtual time. */
export const HEAL_MS = 60_000
export const END_MS = 120_000

export type Fault =
  | { readonly kind: 'boot' | 'crash'; readonly nodeId: string }
  /** The power fails after so many further actions, in the midst of a step. */
  | { readonly kind: 'crash-amid'; readonly nodeId: string; readonly actions: number }
  | { readonly kind: 'freeze' | 'thaw'; readonly nodeId: string }
  /** Like `freeze`, and the monotonic clock stands still too. */
  | { readonly kind: 'sleep'; readonly nodeId: string }
  | { readonly kind: 'wall-jump'; readonly nodeId: string; readonly byMs: number }
  | { readonly kind: 'cut'; readonly from: readonly string[]; readonly to: readonly string[]; readonly bothWays: boolean }
  | { readonly kind: 'mend' }
  | { readonly kind: 'heal' }

export interface Weather {
  readonly lossProbability: number
  readonly duplicateProbability: number
  readonly delayMsMax: number
}

export interface Plot {
  readonly weather: Weather
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[]
  /** Machines that stay off after the last fault. */
  readonly goneForGood: ReadonlySet<string>
}

const YEAR_MS = 365 * 24 * 3_600_000

/** A run's weather and faults, drawn from its seed alone. */
export function drawPlot(nodeIds: readonly string[], chance: Chance): Plot {
  const isCalm = chance.isHit(0.3)
  const weather: Weather = {
    lossProbability: isCalm ? 0 : chance.draw() ** 2 * 0.3,
    duplicateProbability: isCalm ? 0 : chance.draw() ** 2 * 0.5,
    delayMsMax: chance.pick([5, 20, 80, 250]),
  }
  const faults: { atMs: number; fault: Fault }[] = nodeIds.map((nodeId) => ({
    atMs: chance.whole(0, chance.isHit(0.8) ? 2_000 : 30_000),
    fault: { kind: 'boot', nodeId },
  }))
  for (let count = chance.whole(0, 8); count > 0; count--) faults.push(...drawFault(nodeIds, chance))
  const goneForGood = new Set(nodeIds.slice(1).filter(() => chance.isHit(0.1)))
  const early = faults.filter(({ atMs }) => atMs < HEAL_MS)
  return { weather, faults: [...early, { atMs: HEAL_MS, fault: { kind: 'heal' } }], goneForGood }
}

function drawFault(nodeIds: readonly string[], chance: Chance): { atMs: number; fault: Fault }[] {
  const atMs = chance.whole(3_000, HEAL_MS - 5_000)
  const nodeId = chance.pick(nodeIds)
  const endMs = atMs + chance.whole(200, 20_000)
  switch (chance.whole(0, 7)) {
    case 0:
      return [
        { atMs, fault: { kind: 'crash', nodeId } },
        { atMs: endMs, fault: { kind: 'boot', nodeId } },
      ]
    case 1:
      return [
        { atMs, fault: { kind: 'crash-amid', nodeId, actions: chance.whole(0, 3) } },
        { atMs: endMs, fault: { kind: 'boot', nodeId } },
      ]
    case 2:
      return [
        { atMs, fault: { kind: 'freeze', nodeId } },
        { atMs: endMs, fault: { kind: 'thaw', nodeId } },
      ]
    case 3:
      return [
        { atMs, fault: { kind: 'sleep', nodeId } },
        { atMs: endMs, fault: { kind: 'thaw', nodeId } },
      ]
    case 4:
      return [
        { atMs, fault: { kind: 'wall-jump', nodeId, byMs: Math.round((chance.draw() * 2 - 1) * (chance.isHit(0.5) ? YEAR_MS : 10_000)) } },
      ]
    case 5:
      // The whole house is without power, and comes back machine by machine.
      return nodeIds.flatMap((each) => [
        { atMs, fault: { kind: 'crash', nodeId: each } as const },
        { atMs: endMs + chance.whole(0, 3_000), fault: { kind: 'boot', nodeId: each } as const },
      ])
    default: {
      const side = nodeIds.filter(() => chance.isHit(0.5))
      const other = nodeIds.filter((each) => !side.includes(each))
      return [
        { atMs, fault: { kind: 'cut', from: side, to: other, bothWays: chance.isHit(0.7) } },
        { atMs: endMs, fault: { kind: 'mend' } },
      ]
    }
  }
}
