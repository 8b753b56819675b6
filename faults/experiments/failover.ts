import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { missingOn, rename, type Edit } from '../support/edits.ts'
import { must, settle, startAll, withRing } from '../support/rings.ts'

const EDITS = 10

/**
 * kill -9 of whoever leads, with edits just made on it. The time is until the console of a new leader answers; what was acknowledged as saved
 * is there then.
 */
export const failover: Experiment = {
  name: 'failover',
  shows: 'when the leader dies another console answers, and no saved edit is lost',
  trials: 30,
  needs: [],
  mutants: ['lease-without-end'],
  run: (context) =>
    withRing(context, { profiles: ['pi5-desktop', 'pi5-server', 'macbook'], console: 'real' }, async (ring) => {
      await startAll(context, ring)
      for (const trial of context.trials()) await killLeader(context, ring, trial)
    }),
}

async function killLeader(context: Context, ring: TestRing, trial: Trial): Promise<void> {
  const before = await settle(context, ring)
  const leader = ring.machine(before.leader ?? '')
  const others = ring.machines.filter((machine) => machine !== leader)
  await must(context, 'a standby has a console', () => anyConsole([leader]))
  const edits: Edit[] = []
  for (let number = 0; number < EDITS; number += 1) edits.push(await rename(leader, `${trial.index}-${number}`))
  const saved = edits.filter((edit) => edit.isSaved)
  await new Promise((resolve) => setTimeout(resolve, trial.random() * 1_000))
  const killedMs = performance.now()
  await leader.powerCut()
  const next = await must(context, 'the console of a new leader answers', () => newLeader(others, before.term?.number ?? 0))
  const ms = performance.now() - killedMs
  context.took(ms)
  const lost = await missingOn(next, saved)
  context.edits(saved.length, lost.length)
  if (lost.length > 0) context.violated(`trial ${trial.index}: ${lost.length} of ${saved.length} saved edits are not on ${next.name}`)
  context.say(
    `trial ${trial.index}: ${leader.name} died, the console of ${next.name} answered after ${Math.round(ms)} ms; ${saved.length} saved`,
  )
  leader.start()
}

const anyConsole = async (machines: readonly RingMachine[]): Promise<boolean> =>
  (await Promise.all(machines.map((machine) => hasConsole(machine)))).some(Boolean)

/** The pages of the console itself, not the gateway's page that waits for it. */
async function hasConsole(machine: RingMachine): Promise<boolean> {
  const answer = await machine.ask({ at: 'gateway', method: 'GET', path: '/', timeoutMs: 2_000 })
  return answer?.status === 200 && answer.text.includes('/_next/')
}

async function newLeader(machines: readonly RingMachine[], after: number): Promise<RingMachine | null> {
  for (const machine of machines) {
    const cluster = await machine.cluster()
    const leads = cluster?.role === 'leader' && (cluster.term?.number ?? 0) > after
    if (leads && (await hasConsole(machine))) return machine
  }
  return null
}
