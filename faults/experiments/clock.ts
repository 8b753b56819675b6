import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { missingOn, rename, untilEditors, type Edit } from '../support/edits.ts'
import { must, settle, startAll, withRing } from '../support/rings.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

interface Weather {
  readonly what: string
  /** How far off the machine of this place is. */
  readonly offsetMs: (place: number, random: () => number) => number
  readonly powerCut: boolean
}

/** A Pi has no clock of its own: after a power cut it is 1970 for all of them, give or take. */
const WEATHERS: readonly Weather[] = [
  { what: 'one is a year ahead', offsetMs: (place) => (place === 0 ? YEAR_MS : 0), powerCut: false },
  { what: 'one is an hour behind', offsetMs: (place) => (place === 1 ? -HOUR_MS : 0), powerCut: false },
  { what: 'all jump', offsetMs: (_, random) => Math.round((random() - 0.5) * 48 * HOUR_MS), powerCut: false },
  { what: 'all boot in 1970', offsetMs: (_, random) => 60_000 + Math.round(random() * 30_000) - Date.now(), powerCut: true },
  { what: 'all are right again', offsetMs: () => 0, powerCut: false },
]

/**
 * Wall clocks that are wrong and jump while everybody edits: nobody is shut out of the ring, every edit comes to every machine, and of two names
 * for one machine the later one counts, whatever the clock said. The time is until all edits of one weather are everywhere.
 */
export const clock: Experiment = {
  name: 'clock',
  shows: 'wrong and jumping wall clocks shut nobody out, and no edit is lost or comes too late',
  trials: 10,
  needs: ['clocks'],
  mutants: ['stamps-by-wall-clock'],
  run: (context) =>
    withRing(context, { profiles: ['pi5-desktop', 'pi5-server', 'macbook'], hasClocks: true }, async (ring) => {
      await startAll(context, ring)
      await untilEditors(context, ring.machines, ring.machines.length)
      for (const trial of context.trials()) for (const weather of WEATHERS) await bear(context, { ring, weather, trial })
    }),
}

async function bear(context: Context, { ring, weather, trial }: { ring: TestRing; weather: Weather; trial: Trial }): Promise<void> {
  const offsets = ring.machines.map((_, place) => weather.offsetMs(place, trial.random))
  if (weather.powerCut) {
    await Promise.all(ring.machines.map((machine) => machine.powerCut()))
    for (const [place, machine] of ring.machines.entries()) machine.offsetClock(offsets[place] ?? 0)
    for (const machine of ring.machines) machine.start()
  } else await Promise.all(ring.machines.map((machine, place) => machine.setClock(offsets[place] ?? 0)))
  const startMs = performance.now()
  await settle(context, ring)
  const edits: Edit[] = []
  for (const machine of ring.machines) edits.push(await rename(machine, nameOf(machine, weather, trial)))
  let lacking: string[] = []
  await must(
    context,
    `every edit is on every machine while ${weather.what}`,
    async () => {
      const missing = await Promise.all(ring.machines.map((machine) => missingOn(machine, edits)))
      lacking = ring.machines.flatMap(({ name }, place) => missing[place]?.map(({ by }) => `${name} lacks that of ${by}`) ?? [])
      return lacking.length === 0
    },
    () => `${lacking.join(', ')}; clocks off by ${offsets.join(', ')} ms`,
  )
  let shown: string[] = []
  await must(
    context,
    `everybody knows the newest names while ${weather.what}`,
    async () => {
      shown = await otherNames(ring, (machine) => nameOf(machine, weather, trial))
      return shown.length === 0
    },
    () => `${shown.join(', ')}; clocks off by ${offsets.join(', ')} ms`,
  )
  const ms = performance.now() - startMs
  context.took(ms)
  context.edits(edits.length, 0)
  context.say(`trial ${trial.index}: ${weather.what}: all edits everywhere after ${Math.round(ms)} ms`)
}

const nameOf = (machine: RingMachine, weather: Weather, trial: Trial): string => `${machine.name} ${trial.index} ${weather.what}`

/** Who shows which name for whom, where it is not the newest. */
async function otherNames(ring: TestRing, nameOfMachine: (machine: RingMachine) => string): Promise<string[]> {
  const states = await Promise.all(ring.machines.map((machine) => machine.state()))
  return ring.machines.flatMap(({ name: viewer }, place) =>
    ring.machines.flatMap((machine) => {
      const name = states[place]?.members.find((member) => member.nodeId === machine.name)?.name
      return name === nameOfMachine(machine) ? [] : [`${viewer} names ${machine.name} “${name ?? 'nothing'}”`]
    }),
  )
}
