import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import { Violation, type Context, type Experiment, type Trial } from '../contract.ts'
import { missingOn, rename, type Edit } from '../support/edits.ts'
import { Recording } from '../support/recording.ts'
import { must, settle, startAll, withRing } from '../support/rings.ts'

const EDITS = 10
/** Leads only when neither of the others can. */
const RECORDER = 'macbook'
const RECORDED_AFTER_MS = 3_000

/**
 * kill -9 of whoever leads, with edits just made on it, while another machine records its camera. The time is until the console of a new leader
 * answers; what was acknowledged as saved is there then, and the recording, which the new leader ends, has every frame.
 */
export const failover: Experiment = {
  name: 'failover',
  shows: 'when the leader dies another console answers, no saved edit is lost, and recordings elsewhere go on',
  trials: 30,
  needs: [],
  mutants: ['lease-without-end', 'recordings-follow-leaders'],
  run: (context) =>
    withRing(context, RING, async (ring) => {
      await startAll(context, ring)
      for (const trial of context.trials()) await killLeader(context, ring, trial)
    }),
}

const RING: Parameters<typeof withRing>[1] = {
  profiles: ['pi5-desktop', 'pi5-server', RECORDER],
  console: 'real',
  environmentOf: { [RECORDER]: { TEST_CAMERAS: 'clock' } },
}

async function killLeader(context: Context, ring: TestRing, trial: Trial): Promise<void> {
  const leading = async () => (await leaderWithConsole(context, ring)).leader
  const recording = await Recording.start(context, leading, ring.machine(RECORDER))
  const { leader, term, edits } = await edited(context, ring, trial)
  const others = ring.machines.filter((machine) => machine !== leader)
  const saved = edits.filter((edit) => edit.isSaved)
  await new Promise((resolve) => setTimeout(resolve, trial.random() * 1_000))
  const killedMs = performance.now()
  await leader.powerCut()
  const next = await must(context, 'the console of a new leader answers', () => newLeader(others, term))
  const ms = performance.now() - killedMs
  context.took(ms)
  const lost = await missingOn(next, saved)
  context.edits(saved.length, lost.length)
  if (lost.length > 0) context.violated(`trial ${trial.index}: ${lost.length} of ${saved.length} saved edits are not on ${next.name}`)
  context.say(
    `trial ${trial.index}: ${leader.name} died, the console of ${next.name} answered after ${Math.round(ms)} ms; ${saved.length} saved`,
  )
  await recording.grown(context, RECORDED_AFTER_MS)
  const wrong = await recording.stop(context, next)
  if (wrong !== null) context.violated(`trial ${trial.index}: the recording on ${RECORDER} is not whole: ${wrong}`)
  leader.start()
}

interface Leading {
  readonly leader: RingMachine
  /** Number of its term. */
  readonly term: number
}

/** Who leads may hand over to a better-ranked machine at any time. @throws Violation that says why there is none. */
async function leaderWithConsole(context: Context, ring: TestRing): Promise<Leading> {
  let why = ''
  const look = async (): Promise<Leading | null> => {
    const settled = await settle(context, ring)
    const leader = ring.machine(settled.leader ?? '')
    if (await hasConsole(leader)) return { leader, term: settled.term?.number ?? 0 }
    const service = (await leader.state())?.plan.services.find(({ name }) => name === 'local-console')
    why = `on ${leader.name} it is ${service?.state ?? 'not planned'}. ${service?.reason ?? ''}`.trimEnd()
    return null
  }
  try {
    return await must(context, 'whoever leads has a console', look)
  } catch (error) {
    if (error instanceof Violation && why !== '') throw new Violation(`${error.message}: ${why}`, { cause: error })
    throw error
  }
}

/** Edits on a machine that leads before and after them. */
async function edited(context: Context, ring: TestRing, trial: Trial): Promise<Leading & { edits: readonly Edit[] }> {
  for (;;) {
    const { leader, term } = await leaderWithConsole(context, ring)
    const edits: Edit[] = []
    for (let number = 0; number < EDITS; number += 1) edits.push(await rename(leader, `${trial.index}-${number}`))
    const cluster = await leader.cluster()
    if (cluster?.role === 'leader' && cluster.term?.number === term) return { leader, term, edits }
  }
}

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
