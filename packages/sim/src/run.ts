import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { drawPlot } from './faults.ts'
import { drawMachines } from './machines.ts'
import { Properties } from './properties.ts'
import { Chance } from './random.ts'
import type { Rules } from './rules.ts'
import { World, type Watcher } from './world.ts'

/** Sizes of rings, both possible. */
export interface Range {
  readonly from: number
  readonly to: number
}

export interface Run {
  readonly seed: number
  readonly nodes: number
  readonly events: number
  readonly violations: readonly string[]
  /** Over all that happened and how it ended: equal for equal seeds, bit for bit. */
  readonly stateHash: string
}

/** Watches in place of the properties, hands everything on to them, and says when it wants to look. */
export interface Observer extends Watcher {
  checkpoints(): ReadonlyMap<number, () => void>
}

/** Ring sizes lean to the small: of 5..50 half are at most 7, one in twenty is above 42. */
const SIZE_POWER = 4

export const sizeOf = (seed: number, range: Range): number =>
  range.from + Math.floor((range.to - range.from + 1) * new Chance(seed, 0).draw() ** SIZE_POWER)

/** One seed from start to end: 60 s of faults and 60 s of peace, in virtual time. */
export function runSeed(
  seed: number,
  range: Range,
  rules: Rules,
  trace: ((line: string) => void) | null = null,
  observe: (world: World, properties: Properties) => Observer = (_, properties) => properties,
): Run {
  const nodes = sizeOf(seed, range)
  const machines = drawMachines(nodes, new Chance(seed, 1))
  const plot = drawPlot(
    machines.map((machine) => machine.nodeId),
    new Chance(seed, 2),
  )
  const world = new World(machines, plot, rules, new Chance(seed, 3))
  const properties = new Properties(world, trace)
  const observer = observe(world, properties)
  world.run(observer, observer.checkpoints())
  return { seed, nodes, events: world.events, violations: properties.violations, stateHash: hashOf(world) }
}

function hashOf(world: World): string {
  const ends = [...world.nodes.values()].map((node) => ({
    nodeId: node.nodeId,
    disk: node.disk,
    leader: node.leader(world.nowMs),
    awake: [...node.awake()].toSorted(),
  }))
  return bytesToHex(sha256(utf8ToBytes(canonicalJson({ digest: world.digest, events: world.events, ends }))))
}
