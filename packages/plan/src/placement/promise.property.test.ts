import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PromiseWorld, type Faults } from '../dumb/placement-world.ts'

const MINUTE_MS = 60_000
const YEAR_MS = 365 * 24 * 60 * MINUTE_MS

type Step = { readonly what: number; readonly who: number; readonly ms: number }

/** What may happen, and how often in a hundred steps. */
const WEIGHTS = { seek: 10, deliver: 38, repeat: 3, lose: 3, verify: 24, delete: 12, tick: 4, crash: 2, sleep: 2, jump: 2 } as const
const KINDS = Object.entries(WEIGHTS).flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind))
const TIMES_MS = [...Array.from({ length: 40 }, () => 0), 1_000, 1_000, 4 * MINUTE_MS, 6 * MINUTE_MS, 35 * MINUTE_MS, 61 * MINUTE_MS]

const arbitraryPlot = fc.array(fc.record({ what: fc.nat(KINDS.length - 1), who: fc.nat(1_000), ms: fc.constantFrom(...TIMES_MS) }), {
  minLength: 40,
  maxLength: 150,
  size: 'max',
})
/** Who is believed to have a copy, how many of them have one, and how many others must promise. */
const arbitraryRing = fc
  .record({ machines: fc.integer({ min: 2, max: 5 }), without: fc.nat(2), needed: fc.integer({ min: 1, max: 2 }) })
  .map(({ machines, without, needed }) => ({ machines, holders: Math.max(1, machines - without), needed }))

function run(ring: { machines: number; holders: number; needed: number }, plot: readonly Step[], faults: Faults): PromiseWorld {
  const names = Array.from({ length: ring.machines }, (_, index) => `m${index}`)
  const world = new PromiseWorld(names, new Set(names.slice(0, ring.holders)), faults)
  for (const { what, who, ms } of plot) {
    world.pass(ms)
    const name = names[who % names.length] ?? ''
    const letter = who < 600 ? 0 : who % Math.max(1, world.letters.length)
    const kind = KINDS[what]
    if (kind === 'seek') world.seek(name, ring.needed)
    else if (kind === 'deliver') world.deliver(letter, false)
    else if (kind === 'repeat') world.deliver(letter, true)
    else if (kind === 'lose') world.lose(letter)
    else if (kind === 'verify') world.verify(name)
    else if (kind === 'delete') world.delete(name)
    else if (kind === 'tick') world.tick(name)
    else if (kind === 'crash') world.crash(name)
    else if (kind === 'sleep') world.sleep(name, 70 * MINUTE_MS)
    else world.jump(name, who % 2 === 0 ? YEAR_MS : -YEAR_MS)
  }
  return world
}

const safe = (faults: Faults) =>
  fc.property(arbitraryRing, arbitraryPlot, (ring, plot) => {
    expect(run(ring, plot, faults).violations).toEqual([])
  })

test('no last copy is deleted and every promise is kept, whatever is lost, doubled, late, asleep or restarted, and whatever the clocks say', () => {
  fc.assert(safe({}), { numRuns: 5_000 })
})

test('and yet surplus goes: copies are deleted in many of these runs', () => {
  const plots = fc.sample(fc.tuple(arbitraryRing, arbitraryPlot), { numRuns: 1_000, seed: 4 })
  const deleted = plots.filter(([ring, plot]) => run(ring, plot, {}).copies() < ring.holders)
  expect(deleted.length).toBeGreaterThan(50)
})

describe('a planted fault is noticed', () => {
  test.each<keyof Faults>([
    'promiseIgnored',
    'promiseLostInCrash',
    'seekerPromises',
    'copyNotVerified',
    'monotonicClockOnly',
    'wallClockOnly',
    'deletesLate',
    'seekIdsReused',
  ])('%s', (fault) => {
    const found = fc.check(safe({ [fault]: true }), { numRuns: 60_000, seed: 11, endOnFailure: true })
    expect(found.failed).toBe(true)
  })
})
