import { createHash } from 'node:crypto'
import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { must, settle, shuffled, withRing } from '../support/rings.ts'

const BETWEEN_STARTS_MS_MAX = 2_000
/** The best-ranked of the reference machines, and the one that stands by with the catalog. */
const LEADER = 'pi5-desktop'
const STANDBY = 'pi5-server'

/**
 * The five reference machines, switched on cold in a random order: always the same layout. The time is from the last start until all are one
 * ring at rest in which everybody has its plan of the one leader.
 */
export const anyOrder: Experiment = {
  name: 'any-order',
  shows: 'the five machines, started in any order, come to the same plans',
  trials: 20,
  needs: [],
  mutants: ['first-come-leads'],
  run: async (context) => {
    let reference: string | null = null
    for (const trial of context.trials()) {
      await withRing(context, { profiles: PROFILE_NAMES }, async (ring) => {
        const layout = await startCold(context, ring, trial)
        reference ??= layout
        if (layout !== reference) context.violated(`trial ${trial.index}: the plans are others than before: ${layout}, not ${reference}`)
      })
    }
  },
}

async function startCold(context: Context, ring: TestRing, trial: Trial): Promise<string> {
  const order = shuffled(ring.machines, trial.random)
  for (const [index, machine] of order.entries()) {
    if (index > 0) await new Promise((resolve) => setTimeout(resolve, trial.random() * BETWEEN_STARTS_MS_MAX))
    machine.start()
  }
  const lastStartMs = performance.now()
  const { leader } = await settle(context, ring)
  const settledMs = performance.now() - lastStartMs
  // A machine that came first leads until the best one has been awake for a while.
  const patient = { ...context, patienceMs: context.patienceMs + 90_000 }
  await must(patient, `everybody has the plan of ${LEADER}`, () => hasLayout(ring))
  const ms = performance.now() - lastStartMs
  context.took(ms)
  const names = order.map((machine) => machine.name).join(', ')
  context.say(
    `trial ${trial.index}: ${names}: a ring led by ${leader} after ${Math.round(settledMs)} ms, the layout after ${Math.round(ms)} ms`,
  )
  return layoutOf(ring)
}

/** Everybody's plan is of the reference leader's term, and runs. */
async function hasLayout(ring: TestRing): Promise<boolean> {
  const plans = ring.machines.map((machine) => machine.plan())
  if (!plans.every((plan) => plan?.envelope.term.nodeId === LEADER)) return false
  if (ring.machine(STANDBY).plan()?.body.standby !== true) return false
  const healths = await Promise.all(ring.machines.map((machine) => machine.health()))
  return healths.every((health) => health?.status === 'ok')
}

/** One word for all plan bodies. */
function layoutOf(ring: TestRing): string {
  const hashes = ring.machines.map((machine) => `${machine.name} ${machine.plan()?.envelope.bodyHash ?? ''}`)
  return createHash('sha256').update(hashes.toSorted().join('\n')).digest('hex').slice(0, 12)
}
