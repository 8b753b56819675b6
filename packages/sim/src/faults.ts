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
  /** An image of the system disk is taken; later the machine is put back to it. Copies of blobs lie on another disk. */
  | { readonly kind: 'image' | 'restore'; readonly nodeId: string }
  /** A second machine runs from a copy of this one's disk, from now on. */
  | { readonly kind: 'clone'; readonly nodeId: string }
  /** The founder removes the machine from the ring. */
  | { readonly kind: 'remove'; readonly nodeId: string }
  /** An admitter lets somebody in: also one that was removed and does not know. */
  | { readonly kind: 'admit'; readonly nodeId: string; readonly guest: string }
  /** Machines of the other ring, and those that belong to none yet, come into sight. */
  | { readonly kind: 'meet' }
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
  readonly founding: Founding
}

/** How the machines begin: in one ring, in two, or some of them in none. */
export interface Founding {
  /** Ids of the machines of each ring, its founder first. The last ring may be of another owner. */
  readonly rings: readonly {
    readonly members: readonly string[]
    readonly owner: string
    readonly isPaired: boolean
    readonly isChosen: boolean
  }[]
  /** Machines of no ring: they wait to be taken in. */
  readonly joiners: readonly string[]
}

/** Members of a ring that are admitted as admitters at the start, the founder among them. */
export const ADMITTERS = 3

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
  const founding = drawFounding(nodeIds, chance)
  const founders = new Set(founding.rings.map((ring) => ring.members[0]))
  const goneForGood = new Set(nodeIds.slice(1).filter((nodeId) => chance.isHit(0.1) && !founders.has(nodeId)))
  faults.push(...drawRosterFaults(founding, chance), ...drawDiskFaults(nodeIds, chance))
  const early = faults.filter(({ atMs }) => atMs < HEAL_MS)
  return { weather, faults: [...early, { atMs: HEAL_MS, fault: { kind: 'heal' } }], goneForGood, founding }
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

/** In one run of six two rings, in one of four machines that belong to none yet. */
function drawFounding(nodeIds: readonly string[], chance: Chance): Founding {
  const isTwo = nodeIds.length >= 5 && chance.isHit(0.17)
  const hasJoiners = nodeIds.length >= 3 && !isTwo && chance.isHit(0.25)
  const ring = (members: readonly string[], owner: string): Founding['rings'][number] => ({
    members,
    owner,
    isPaired: chance.isHit(0.3),
    isChosen: chance.isHit(0.3),
  })
  if (isTwo) {
    const split = chance.whole(2, nodeIds.length - 2)
    const other = chance.isHit(0.75) ? 'anna' : 'ben'
    return { rings: [ring(nodeIds.slice(0, split), 'anna'), ring(nodeIds.slice(split), other)], joiners: [] }
  }
  const count = hasJoiners ? chance.whole(1, Math.min(4, nodeIds.length - 2)) : 0
  return { rings: [ring(nodeIds.slice(0, nodeIds.length - count), 'anna')], joiners: nodeIds.slice(nodeIds.length - count) }
}

/** Only who is never an author of the last edit is removed, and only the founder removes: what must come of it can then be told plainly. */
function drawRosterFaults({ rings, joiners }: Founding, chance: Chance): { atMs: number; fault: Fault }[] {
  const faults: { atMs: number; fault: Fault }[] = []
  if (rings.length > 1 || joiners.length > 0) faults.push({ atMs: chance.whole(2_000, HEAL_MS - 10_000), fault: { kind: 'meet' } })
  const members = rings[0]?.members ?? []
  for (let guests = chance.isHit(0.2) ? chance.whole(1, 3) : 0; guests > 0; guests--) {
    const nodeId = chance.pick(members.slice(0, ADMITTERS))
    faults.push({ atMs: chance.whole(3_000, HEAL_MS - 5_000), fault: { kind: 'admit', nodeId, guest: `guest-${guests}` } })
  }
  if (members.length >= 4 && chance.isHit(0.2)) {
    const nodeId = chance.pick(members.slice(1))
    const atMs = chance.whole(5_000, HEAL_MS - 10_000)
    faults.push({ atMs, fault: { kind: 'remove', nodeId } })
    // Who has just been removed often does not know yet, and goes on to let others in.
    if (chance.isHit(0.7)) faults.push({ atMs: atMs + chance.whole(0, 400), fault: { kind: 'admit', nodeId, guest: 'guest-9' } })
    if (chance.isHit(0.3))
      faults.push({ atMs: atMs + chance.whole(0, 2_000), fault: { kind: 'admit', nodeId: members[1] ?? nodeId, guest: nodeId } })
  }
  return faults
}

function drawDiskFaults(nodeIds: readonly string[], chance: Chance): { atMs: number; fault: Fault }[] {
  const faults: { atMs: number; fault: Fault }[] = []
  if (chance.isHit(0.2)) {
    // The first machine often leads, and is one of those that write: there an old image does most harm.
    const nodeId = chance.isHit(0.5) ? chance.pick(nodeIds) : (nodeIds[0] ?? '')
    const atMs = chance.whole(3_000, 30_000)
    const restoreAtMs = atMs + chance.whole(5_000, 25_000)
    faults.push({ atMs, fault: { kind: 'image', nodeId } }, { atMs: restoreAtMs, fault: { kind: 'restore', nodeId } })
  }
  if (chance.isHit(0.1)) faults.push({ atMs: chance.whole(3_000, 40_000), fault: { kind: 'clone', nodeId: chance.pick(nodeIds) } })
  return faults
}
