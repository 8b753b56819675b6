import type { Term } from '@thatdam/protocol/plan'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { Context, Experiment, Trial } from '../contract.ts'
import { must, withRing } from '../support/rings.ts'

const LEASE_MS = 2_500

/**
 * A leader that stood still for longer than its lease (SIGSTOP, a suspended laptop) gives no order when it goes on: whoever led meanwhile is
 * right. While it stands still it is asked for something that changes the plan, so that the first thing it has to do is an order.
 */
export const pause: Experiment = {
  name: 'pause',
  shows: 'a leader that stood still past its lease changes nothing when it goes on',
  trials: 10,
  needs: [],
  mutants: ['standstill-unnoticed'],
  run: (context) =>
    withRing(context, { profiles: ['pi5-desktop'] }, async (ring) => {
      const leader = ring.machine('pi5-desktop')
      leader.start()
      await must(context, 'it leads', async () => isLed(leader, await ring.settled()))
      for (const trial of context.trials()) await stop(context, leader, trial)
    }),
}

/** The term it tells is that of the leadership, and its plan is of this term. */
async function isLed(leader: RingMachine, { term }: { term: Term | null }): Promise<boolean> {
  const health = await leader.health()
  return term !== null && leader.plan() !== null && health?.status === 'ok'
}

async function stop(context: Context, leader: RingMachine, trial: Trial): Promise<void> {
  const { pid } = leader
  if (pid === null) throw new Error('the leader is off')
  const before = await must(context, 'it tells its term', () => leader.cluster())
  const term = before.term?.number ?? 0
  process.kill(pid, 'SIGSTOP')
  const edit = toggleDeriver(leader)
  await new Promise((resolve) => setTimeout(resolve, LEASE_MS * (1 + trial.random())))
  const revision = leader.plan()?.envelope.revision ?? 0
  process.kill(pid, 'SIGCONT')
  const wokeMs = performance.now()
  await edit
  const next = await must(context, 'its next plan', () => {
    const plan = leader.plan()
    return plan !== null && plan.envelope.revision > revision ? plan : null
  })
  if (next.envelope.term.number <= term)
    context.violated(`a plan of term ${next.envelope.term.number} was given after a standstill in term ${term}`)
  const ms = performance.now() - wokeMs
  context.took(ms)
  context.say(`trial ${trial.index}: stood still in term ${term}, its next plan ${Math.round(ms)} ms after it went on`)
  await must(context, 'it leads in a later term', async () => ((await leader.cluster())?.term?.number ?? 0) > term)
}

/** Waits in the agent's socket while it stands still, and is the first thing that it reads. */
async function toggleDeriver(leader: RingMachine): Promise<void> {
  const isExcluded = leader.plan()?.body.services.every((service) => service.name !== 'deriver') ?? false
  const value = isExcluded ? [] : ['deriver']
  await leader.local('POST', '/local/ops', {
    ops: [{ body: { kind: 'node.set', subject: leader.name, field: 'excludeServices', value, replaces: null } }],
  })
}
