import type { Context, Experiment, Trial } from '../contract.ts'
import { SameLayout, untilLayout } from '../support/layout.ts'
import { install, type Installed, type Newcomers, unbox, withNewcomers } from '../support/newcomers.ts'
import { settle, shuffled } from '../support/rings.ts'

const BETWEEN_STARTS_MS_MAX = 2_000

/**
 * The five reference machines, each installed with a token of its owner's cloud, in a random order and with random pauses: always the same layout.
 * The time is from the last first start until all are one ring at rest in which everybody has its plan of the one leader.
 */
export const anyOrder: Experiment = {
  name: 'any-order',
  shows: 'the five machines, installed in any order, come to the same plans',
  trials: 20,
  needs: [],
  mutants: ['first-come-leads'],
  run: (context) =>
    withNewcomers(context, async (newcomers) => {
      const layouts = new SameLayout(context)
      for (const trial of context.trials()) layouts.see(trial.index, await startCold(context, newcomers, trial))
    }),
}

async function startCold(context: Context, newcomers: Newcomers, trial: Trial): Promise<string> {
  const { ring, control } = newcomers
  const { tokens } = await unbox(newcomers)
  const order = shuffled(ring.machines, trial.random)
  const installs: Promise<Installed>[] = []
  for (const [index, machine] of order.entries()) {
    if (index > 0) await new Promise((resolve) => setTimeout(resolve, trial.random() * BETWEEN_STARTS_MS_MAX))
    installs.push(install(machine, { url: control.url, token: tokens[index] ?? '' }))
  }
  await Promise.all(installs)
  const lastStartMs = Math.max(...ring.machines.map((machine) => machine.startedAtMs))
  const { leader } = await settle(context, ring)
  const settledMs = performance.now() - lastStartMs
  const layout = await untilLayout(context, ring)
  const ms = performance.now() - lastStartMs
  context.took(ms)
  const names = order.map((machine) => machine.name).join(', ')
  context.say(
    `trial ${trial.index}: ${names}: a ring led by ${leader} after ${Math.round(settledMs)} ms, the layout after ${Math.round(ms)} ms`,
  )
  return layout
}
