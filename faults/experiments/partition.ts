import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { editorsOf, missingOn, rename, untilEditors, type Edit } from '../support/edits.ts'
import { must, settle, shuffled, startAll, withRing } from '../support/rings.ts'
import { RingWatch } from '../support/watch.ts'

const EDITS_EACH = 3
/** The leader and two standbys. */
const EDITORS = 3

/**
 * The network is cut in two at random, both sides come to rest with their own leader, edit, and are joined again. The time is from the healing
 * until all are one ring at rest again and every edit of either side is on every machine.
 */
export const partition: Experiment = {
  name: 'partition',
  shows: 'cut apart, each side goes on; healed, one leader, no stale order, every edit',
  trials: 100,
  needs: ['namespaces'],
  mutants: ['past-leaders-obeyed', 'leaders-ignore-each-other'],
  run: (context) =>
    withRing(context, { profiles: PROFILE_NAMES }, async (ring) => {
      await startAll(context, ring)
      await untilEditors(context, ring.machines, EDITORS)
      const watch = RingWatch.start(ring, context)
      try {
        for (const trial of context.trials()) await cutAndHeal(context, { ring, watch, trial })
      } finally {
        await watch.stop()
      }
    }),
}

async function cutAndHeal(context: Context, { ring, watch, trial }: { ring: TestRing; watch: RingWatch; trial: Trial }): Promise<void> {
  const sides = split(ring.machines, trial.random)
  watch.unsettle()
  await ring.cut(sides)
  const settled = await Promise.all(sides.map((side) => settle(context, ring, side)))
  watch.settle(sides)
  const edits: Edit[] = []
  for (const side of sides) {
    const editors = await editorsOf(side)
    // A side on which nobody may sign for the owner shows what it has, and changes nothing.
    for (let number = 0; number < (editors.length > 0 ? EDITS_EACH : 0); number += 1) {
      const machine = editors[Math.floor(trial.random() * editors.length)] as RingMachine
      edits.push(await rename(machine, `${trial.index}-${number}`))
    }
  }
  watch.unsettle()
  await ring.heal()
  const healedMs = performance.now()
  await settle(context, ring)
  const settledMs = performance.now() - healedMs
  watch.settle([ring.machines])
  await must(context, 'every edit of both sides is on every machine', async () => {
    const missing = await Promise.all(ring.machines.map((machine) => missingOn(machine, edits)))
    return missing.every((lost) => lost.length === 0)
  })
  const ms = performance.now() - healedMs
  context.took(ms)
  context.edits(edits.length, 0)
  const told = sides.map((side, index) => `${side.map((machine) => machine.name).join('+')} led by ${settled[index]?.leader ?? 'nobody'}`)
  context.say(
    `trial ${trial.index}: ${told.join(' | ')}; healed: at rest after ${Math.round(settledMs)} ms, all edits after ${Math.round(ms)} ms`,
  )
}

/** Two sides of one machine or more each. */
function split(machines: readonly RingMachine[], random: () => number): [RingMachine[], RingMachine[]] {
  const mixed = shuffled(machines, random)
  const size = 1 + Math.floor(random() * (mixed.length - 1))
  return [mixed.slice(0, size), mixed.slice(size)]
}
