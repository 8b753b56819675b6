import { recordHash } from '@thatdam/control/roster'
import type { Context, Experiment, Trial } from '../contract.ts'
import { SameLayout, untilLayout } from '../support/layout.ts'
import { genesisOf, install, type Newcomers, unbox, withNewcomers } from '../support/newcomers.ts'
import { must, settle } from '../support/rings.ts'

const WITHIN_MS = 100

/**
 * Five machines that were never started are installed within a tenth of a second, each with a token of its own that was made before there was a
 * ring: one of them founds it, and it lets the others in. The time is from the first start until all are one ring at rest.
 */
export const founding: Experiment = {
  name: 'founding',
  shows: 'five new machines started within 100 ms found one ring',
  trials: 30,
  needs: ['namespaces'],
  mutants: ['nobody-is-let-in', 'every-comer-founds', 'founders-take-no-turns'],
  run: (context) =>
    withNewcomers(context, async (newcomers) => {
      const layouts = new SameLayout(context)
      for (const trial of context.trials()) layouts.see(trial.index, await found(context, newcomers, trial))
    }),
}

async function found(context: Context, newcomers: Newcomers, trial: Trial): Promise<string> {
  const { ring, control } = newcomers
  const { organisationId, tokens } = await unbox(newcomers)
  const startMs = performance.now()
  const installed = await Promise.all(
    ring.machines.map(async (machine, index) => {
      await new Promise((resolve) => setTimeout(resolve, trial.random() * WITHIN_MS))
      return await install(machine, { url: control.url, token: tokens[index] ?? '' })
    }),
  )
  const founders = installed.flatMap(({ machine, founds }) => (founds ? [machine.name] : []))
  const at = `trial ${trial.index}`
  if (founders.length !== 1) context.violated(`${at}: ${founders.length} machines were told to found the ring: ${founders.join(', ')}`)
  const { leader } = await settle(context, ring)
  const ms = performance.now() - startMs
  context.took(ms)
  checkGenesis(context, newcomers, { at, founder: founders[0] ?? '' })
  await must(context, 'the cloud knows of the one ring and of all in it', async () => {
    const { genesisHash, founder, isConfirmed, inRing } = await control.ringOf(organisationId)
    const isThisRing = ring.machines.every((machine) => recordHash(genesisOf(machine).body) === genesisHash)
    return isThisRing && isConfirmed && founder === founders[0] && inRing.length === ring.machines.length
  })
  const layout = await untilLayout(context, ring)
  const layoutMs = performance.now() - startMs
  context.say(
    `${at}: one ring, founded by ${founders.join()}, led by ${leader ?? 'nobody'}, after ${Math.round(ms)} ms, the layout after ${Math.round(layoutMs)} ms`,
  )
  return layout
}

/** Machines that agree on a ring's id may still have begun with two records of it. */
function checkGenesis(context: Context, { ring }: Newcomers, { at, founder }: { at: string; founder: string }): void {
  const rings = new Map(ring.machines.map((machine) => [recordHash(genesisOf(machine).body), genesisOf(machine).body.founder.nodeId]))
  if (rings.size !== 1) context.violated(`${at}: ${rings.size} genesis records, of ${[...rings.values()].join(' and ')}`)
  else if (![...rings.values()].includes(founder)) context.violated(`${at}: the ring is ${[...rings.values()].join()}’s, not ${founder}’s`)
}
