import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { Cloud, register } from '../support/cloud.ts'
import { settle, withRing } from '../support/rings.ts'

const WITHIN_MS = 100

/**
 * Five machines that were installed with the same token, made before there was a ring, are started within a tenth of a second: one of them
 * founds the ring, and it lets the others in. The time is from the first start until all are one ring at rest.
 */
export const founding: Experiment = {
  name: 'founding',
  shows: 'five new machines started within 100 ms found one ring',
  trials: 30,
  needs: ['namespaces'],
  mutants: ['nobody-is-let-in'],
  run: async (context) => {
    for (const trial of context.trials()) {
      await withRing(context, { profiles: PROFILE_NAMES, joined: false, spareHosts: 1 }, (ring) => found(context, ring, trial))
    }
  },
}

async function found(context: Context, ring: TestRing, trial: Trial): Promise<void> {
  const cloud = await Cloud.start({ host: ring.hosts.host(ring.machines.length), clockFile: null })
  const startMs = performance.now()
  await Promise.all(
    ring.machines.map(async (machine) => {
      await new Promise((resolve) => setTimeout(resolve, trial.random() * WITHIN_MS))
      await register(machine, cloud)
      machine.start()
    }),
  )
  const { leader } = await settle(context, ring)
  const ms = performance.now() - startMs
  context.took(ms)
  context.say(`trial ${trial.index}: one ring, led by ${leader ?? 'nobody'}, after ${Math.round(ms)} ms`)
}
