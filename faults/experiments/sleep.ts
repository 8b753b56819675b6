import { join } from 'node:path'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { Cloud, register } from '../support/cloud.ts'
import { must, withRing } from '../support/rings.ts'

const HOUR_MS = 3_600_000
const AWAY_MS = 116 * HOUR_MS

/**
 * A laptop sleeps for 116 hours by its own clock and by the cloud's, and wakes up in another network: its access is long over (401). The time is
 * from its waking until the cloud has a fresh report and its plan runs.
 */
export const sleep: Experiment = {
  name: 'sleep',
  shows: 'a laptop that slept for 116 h wakes with access that is over, in another network, and is well by itself',
  trials: 5,
  needs: ['namespaces', 'clocks'],
  mutants: ['access-not-renewed'],
  run: (context) =>
    withRing(context, { profiles: ['macbook'], joined: false, hasClocks: true, spareHosts: 1 }, async (ring) => {
      const laptop = ring.machine('macbook')
      const cloud = await Cloud.start({ host: ring.hosts.host(1), clockFile: join(context.directory, 'cloud-clock') })
      await register(laptop, cloud)
      laptop.start()
      await must(context, 'it reports the first time', () => isWell(laptop, cloud, 0))
      for (const trial of context.trials()) await sleepAndWake(context, { ring, laptop, cloud, trial })
    }),
}

interface Bed {
  readonly ring: TestRing
  readonly laptop: RingMachine
  readonly cloud: Cloud
  readonly trial: Trial
}

async function sleepAndWake(context: Context, { ring, laptop, cloud, trial }: Bed): Promise<void> {
  const offsetMs = AWAY_MS * (trial.index + 1)
  const { refused } = await cloud.news()
  await laptop.pause()
  cloud.setClock(offsetMs)
  laptop.offsetClock(offsetMs)
  await new Promise((resolve) => setTimeout(resolve, 2_500 + trial.random() * 2_000))
  await ring.network.host(laptop.host.index).changeAddress(`10.77.0.${100 + (trial.index % 100)}`)
  await laptop.resume()
  const wokeMs = performance.now()
  const wokeAtMs = Date.now() + offsetMs
  await must(context, 'the cloud has a fresh report and its plan runs', () => isWell(laptop, cloud, wokeAtMs))
  const ms = performance.now() - wokeMs
  context.took(ms)
  const now = await cloud.news()
  context.say(`trial ${trial.index}: well ${Math.round(ms)} ms after it woke; ${now.refused - refused} requests were refused with 401`)
}

async function isWell(laptop: RingMachine, cloud: Cloud, sinceMs: number): Promise<boolean> {
  const [{ reported }, state, health] = [await cloud.news(), await laptop.state(), await laptop.health()]
  return (reported[laptop.name] ?? -1) >= sinceMs && state?.cloud.state === 'connected' && health?.status === 'ok'
}
