import type { ServiceName } from '@thatdam/protocol/plan'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { must, withRing } from '../support/rings.ts'

const MEDIA: ReadonlySet<ServiceName> = new Set(['media-api', 'camera-proxy', 'capture-daemon', 'blob-store'])

/**
 * Every machine loses power, and comes back without the Internet and without seeing any other: each runs the media services of the plan that
 * it last had, and its camera is live. The time is from the start of the agent until then.
 */
export const offline: Experiment = {
  name: 'offline',
  shows: 'after a power cut of all, without any network, media runs on the last plan',
  trials: 10,
  needs: [],
  mutants: ['last-plan-forgotten'],
  run: (context) =>
    withRing(context, { profiles: ['pi5-server', 'macbook'], environment: { TEST_CAMERAS: 'clock' } }, async (ring) => {
      for (const machine of ring.machines) machine.start()
      const plans = new Map<string, readonly ServiceName[]>()
      for (const machine of ring.machines) {
        await must(context, `media runs on ${machine.name} the first time`, () => hasMedia(machine, null))
        plans.set(machine.name, mediaOf(machine))
      }
      for (const trial of context.trials()) await cycle(context, { ring, plans, trial })
    }),
}

interface Cycle {
  readonly ring: TestRing
  /** The media services that each machine had. */
  readonly plans: ReadonlyMap<string, readonly ServiceName[]>
  readonly trial: Trial
}

async function cycle(context: Context, { ring, plans, trial }: Cycle): Promise<void> {
  await Promise.all(ring.machines.map((machine) => machine.powerCut()))
  if (ring.hosts.mode === 'namespaces') for (const machine of ring.machines) await ring.linkDown(machine)
  for (const machine of ring.machines) machine.start()
  const times = ring.machines.map(async (machine) => {
    await must(context, `media runs on ${machine.name} again`, () => hasMedia(machine, plans.get(machine.name) ?? []))
    return performance.now() - machine.startedAtMs
  })
  for (const ms of await Promise.all(times)) {
    context.took(ms)
    context.say(`trial ${trial.index}: media after ${Math.round(ms)} ms`)
  }
  if (ring.hosts.mode === 'namespaces') for (const machine of ring.machines) await ring.linkUp(machine)
}

const mediaOf = (machine: RingMachine): readonly ServiceName[] =>
  machine.plan()?.body.services.flatMap(({ name }) => (MEDIA.has(name) ? [name] : [])) ?? []

/** All of these services run (null: those of its plan, if it has one) and a camera gives pictures. */
async function hasMedia(machine: RingMachine, wanted: readonly ServiceName[] | null): Promise<boolean> {
  const state = await machine.state()
  if (state === null) return false
  const names = wanted ?? mediaOf(machine)
  const runs = (name: ServiceName) => state.plan.services.some((service) => service.name === name && service.state === 'running')
  return names.length > 0 && names.every(runs) && state.cameras.some((camera) => camera.state === 'live' && camera.nextFragment > 0)
}
