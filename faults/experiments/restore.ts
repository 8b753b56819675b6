import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { missingOn, opsOf, rename, untilEditors, type Edit } from '../support/edits.ts'
import { must, settle, startAll, withRing } from '../support/rings.ts'
import { RingWatch } from '../support/watch.ts'

const EDITS = 5

/**
 * The disk of a machine is put back to a day before, as with an old SD card or a backup: what it had written since comes back to it from the
 * others, what it writes anew is another history that everybody takes, and all hold the same in the end. The time is until they do.
 */
export const restore: Experiment = {
  name: 'restore',
  shows: 'a disk rolled back by a day leads to no divergence: every edit of before and after is everywhere',
  trials: 10,
  needs: [],
  mutants: ['own-past-refused'],
  run: (context) =>
    withRing(context, { profiles: ['pi5-desktop', 'pi5-server', 'macbook'] }, async (ring) => {
      await startAll(context, ring)
      await untilEditors(context, ring.machines, ring.machines.length)
      const watch = RingWatch.start(ring, context)
      try {
        for (const trial of context.trials()) await rollBack(context, { ring, watch, trial })
      } finally {
        await watch.stop()
      }
    }),
}

async function rollBack(context: Context, { ring, watch, trial }: { ring: TestRing; watch: RingWatch; trial: Trial }): Promise<void> {
  await settle(context, ring)
  const machine = ring.machines[Math.floor(trial.random() * ring.machines.length)] as RingMachine
  await machine.powerCut()
  machine.saveState('yesterday')
  machine.start()
  await settle(context, ring)
  const before = await editAll(machine, `${trial.index} before`)
  await everywhere(context, ring, before)
  await machine.powerCut()
  machine.rollBack('yesterday')
  watch.forget(machine)
  // It edits before the others can tell it what it wrote since: two histories of one log.
  const hasCable = ring.hosts.mode === 'namespaces'
  if (hasCable) await ring.linkDown(machine)
  machine.start()
  const startMs = performance.now()
  await must(context, 'it takes edits', () => machine.state())
  const after = await editAll(machine, `${trial.index} after`)
  if (hasCable) await ring.linkUp(machine)
  await settle(context, ring)
  await everywhere(context, ring, [...before, ...after])
  await must(context, 'all machines hold the same', async () => {
    const feeds = await Promise.all(ring.machines.map((each) => opsOf(each)))
    const [first = new Set<string>()] = feeds
    return feeds.every((feed) => feed.size === first.size && [...feed].every((opId) => first.has(opId)))
  })
  const ms = performance.now() - startMs
  context.took(ms)
  context.edits(before.length + after.length, 0)
  context.say(`trial ${trial.index}: ${machine.name} was put back; the same everywhere after ${Math.round(ms)} ms`)
}

async function editAll(machine: RingMachine, name: string): Promise<Edit[]> {
  const edits: Edit[] = []
  for (let number = 0; number < EDITS; number += 1) edits.push(await rename(machine, `${name} ${number}`))
  return edits
}

async function everywhere(context: Context, ring: TestRing, edits: readonly Edit[]): Promise<void> {
  await must(context, 'every edit is on every machine', async () => {
    const missing = await Promise.all(ring.machines.map((machine) => missingOn(machine, edits)))
    return missing.every((lost) => lost.length === 0)
  })
}
