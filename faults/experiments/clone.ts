import path from 'node:path'
import type { Context, Experiment, Trial } from '../contract.ts'
import { Between, type Moment } from '../support/between.ts'
import { type Control, withControl } from '../support/control.ts'
import { LoneAgent } from '../support/lone-agent.ts'
import { must } from '../support/rings.ts'

const MOMENTS: readonly Moment[] = ['asked', 'answered', 'delivered']
/** An answer that was delivered is on the disk within this time, so the kill falls before, into and after the writing. */
const WRITING_MS = 12
/** Of so many trials one goes on with a copy of the disk. */
const COPY_EVERY = 10

interface Scene {
  readonly context: Context
  readonly control: Control
  readonly between: Between
  readonly agent: LoneAgent
}

/**
 * An agent is killed while it renews its access to the cloud, at every moment of it, and goes on as the same machine: it is never taken for a copy. A
 * copy of its disk is: at the first renewal of whoever comes second, both are locked out of the cloud, once, and their own services go on. The time is
 * from the start after the kill until the cloud serves it again.
 */
export const clone: Experiment = {
  name: 'clone',
  shows: 'a copied disk is noticed at the next renewal, and kill -9 during one is never taken for it',
  trials: 100,
  needs: [],
  mutants: ['nonce-forgotten', 'nonce-unwritten', 'answer-not-repeated', 'copies-unnoticed'],
  run: (context) =>
    withControl(context, async (control) => {
      const between = await Between.to(control.url)
      const agent = new LoneAgent({ directory: path.join(context.directory, 'machine'), agentDist: context.agentDist })
      const scene = { context, control, between, agent }
      try {
        await agent.register(between.url, (await control.token()).text)
        await renew(scene, agent)
        for (const trial of context.trials()) {
          await killWhileRenewing(scene, trial)
          if (trial.index % COPY_EVERY === 0) await copyDisk(scene, trial)
        }
      } finally {
        await agent.kill()
        await between.close()
      }
    }),
}

/** Starts it and waits until the cloud has served it, after a renewal if one was due. @returns how long that took. */
async function serves({ context, between }: Scene, agent: LoneAgent): Promise<number> {
  between.passed.length = 0
  const startMs = performance.now()
  agent.start()
  await must(context, 'the cloud serves the machine again', () => {
    const locked = between.passed.some(({ code }) => code === 'NODE_LOCKED')
    return locked || between.passed.some(({ path: route, status }) => route === '/agent/v1/poll' && status < 300)
  })
  return performance.now() - startMs
}

/** Starts it, waits until a renewal that was due is done and on the disk, and switches it off. */
async function renew(scene: Scene, agent: LoneAgent): Promise<void> {
  await serves(scene, agent)
  await must(scene.context, 'the machine has renewed its access', () => agent.isRenewed)
  await agent.kill()
}

async function killWhileRenewing(scene: Scene, trial: Trial): Promise<void> {
  const { context, control, between, agent } = scene
  const moment = MOMENTS[trial.index % MOMENTS.length] ?? 'asked'
  const afterMs = moment === 'delivered' ? trial.random() * WRITING_MS : 0
  agent.makeRenewalDue()
  const killed = Promise.withResolvers<void>()
  between.disturb = {
    moment,
    act: () => void setTimeout(() => void agent.kill().then(killed.resolve, killed.reject), afterMs),
  }
  agent.start()
  await Promise.race([killed.promise, must(context, 'the machine renews', () => between.disturb === null).then(() => killed.promise)])
  context.took(await serves(scene, agent))
  await must(
    context,
    'the machine has renewed its access',
    () => agent.isRenewed || between.passed.some(({ code }) => code === 'NODE_LOCKED'),
  )
  await agent.kill()
  const { locked } = await control.locks()
  if (locked === 0) return
  context.violated(`trial ${trial.index}: killed when the renewal was ${moment}, the machine was taken for a copy of itself`)
  await control.locks('unlock')
}

async function copyDisk(scene: Scene, trial: Trial): Promise<void> {
  const { context, control, between, agent } = scene
  const at = `trial ${trial.index}`
  const before = await control.locks()
  agent.makeRenewalDue()
  await renew(scene, agent)
  agent.makeRenewalDue()
  const copy = agent.copy(path.join(context.directory, `copy-${trial.index}`))
  try {
    await renew(scene, agent)
    between.passed.length = 0
    copy.start()
    const renewal = await must(context, 'the copy asks for access', () => between.passed.find((one) => one.path === '/agent/v1/token'))
    if (renewal.code !== 'NODE_LOCKED') context.violated(`${at}: a copy of the disk got ${renewal.status} ${renewal.code} at its renewal`)
    await must(context, 'the copy answers on its own network', async () => (await copy.health()) === 200)
    await copy.kill()
    agent.start()
    between.passed.length = 0
    const first = await must(context, 'the original is told', () => between.passed[0])
    if (first.code !== 'NODE_LOCKED') context.violated(`${at}: the original got ${first.status} ${first.code} after its disk was copied`)
    await must(context, 'the original answers on its own network', async () => (await agent.health()) === 200)
    const after = await control.locks()
    if (after.suspected !== before.suspected + 1) context.violated(`${at}: ${after.suspected - before.suspected} entries tell of the copy`)
    context.say(`${at}: the copy was noticed at its first renewal`)
  } finally {
    await Promise.all([copy.kill(), agent.kill()])
    await control.locks('unlock')
  }
  agent.makeRenewalDue()
  await renew(scene, agent)
}
