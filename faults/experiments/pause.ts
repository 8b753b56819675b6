import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context, Experiment, Trial } from '../contract.ts'
import { must, settle, startAll, withRing } from '../support/rings.ts'
import { RingWatch } from '../support/watch.ts'

const LOOK_MS = 10
const QUIET_MS = 1_000

/**
 * A leader that stood still for longer than its lease (SIGSTOP, a suspended laptop) gives no order when it goes on: another one leads by then.
 * While it stands still it is asked for something that changes its plan, so that the first thing it has to do is an order. The time is from
 * its going on until all are one ring at rest.
 */
export const pause: Experiment = {
  name: 'pause',
  shows: 'a leader that stood still past its lease changes nothing when it goes on',
  trials: 20,
  needs: [],
  mutants: ['standstill-unnoticed'],
  run: (context) =>
    withRing(context, { profiles: ['pi5-desktop', 'pi5-server', 'macbook'] }, async (ring) => {
      await startAll(context, ring)
      const watch = RingWatch.start(ring, context)
      try {
        for (const trial of context.trials()) await stop(context, ring, trial)
      } finally {
        await watch.stop()
      }
    }),
}

async function stop(context: Context, ring: TestRing, trial: Trial): Promise<void> {
  const before = await settle(context, ring)
  const leader = ring.machine(before.leader ?? '')
  const others = ring.machines.filter((machine) => machine !== leader)
  const { pid } = leader
  if (pid === null) throw new Error('the leader is off')
  // An order that was given before it stood still may end after it; this is about those that are given after.
  await must(context, 'the leader has nothing to order any more', () => isQuiet(leader, before.term?.number ?? 0))
  process.kill(pid, 'SIGSTOP')
  // As a sleeping laptop: nothing of what the others said meanwhile waits in its sockets to be read first.
  const hasCable = ring.hosts.mode === 'namespaces'
  if (hasCable) await ring.linkDown(leader)
  const edit = changePlan(leader, trial)
  await must(context, 'another one leads', () => leadsAfter(others, before.term?.number ?? 0))
  await new Promise((resolve) => setTimeout(resolve, trial.random() * 500))
  const old = leader.plan()?.envelope
  process.kill(pid, 'SIGCONT')
  const wokeMs = performance.now()
  const seen = new Set<number>()
  const looking = setInterval(() => {
    const plan = leader.plan()?.envelope
    if (plan !== undefined && plan.signature !== old?.signature && plan.term.number <= (before.term?.number ?? 0))
      seen.add(plan.term.number)
  }, LOOK_MS)
  await edit
  if (hasCable) await ring.linkUp(leader)
  const after = await settle(context, ring).finally(() => clearInterval(looking))
  const ms = performance.now() - wokeMs
  for (const term of seen) context.violated(`trial ${trial.index}: ${leader.name} gave a plan of term ${term} after others had gone on`)
  context.took(ms)
  context.say(
    `trial ${trial.index}: ${leader.name} stood still, ${after.leader ?? 'nobody'} leads, at rest ${Math.round(ms)} ms after it went on`,
  )
}

async function isQuiet(leader: RingMachine, term: number): Promise<boolean> {
  const before = leader.plan()?.envelope
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  return before?.term.number === term && leader.plan()?.envelope.signature === before.signature
}

async function leadsAfter(machines: readonly RingMachine[], term: number): Promise<boolean> {
  const views = await Promise.all(machines.map((machine) => machine.cluster()))
  return views.some((view) => view?.role === 'leader' && (view.term?.number ?? 0) > term)
}

/** Waits in the agent's socket while it stands still, and is among the first things that it reads. Its quiet hours are part of every plan. */
async function changePlan(leader: RingMachine, trial: Trial): Promise<void> {
  const value = { from: `${10 + (trial.index % 10)}:${10 + (Math.floor(trial.random() * 50) % 50)}`, to: '09:00' }
  const body = { kind: 'node.set', subject: leader.name, field: 'quietHours', value, replaces: null }
  await leader.local('POST', '/local/ops', { ops: [{ body }] }, 60_000)
}
