import { createHash } from 'node:crypto'
import { rankKey } from '@thatdam/plan/election/elect'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { PlanBody } from '@thatdam/protocol/plan'
import type { ProfileName } from '@thatdam/testkit/profiles/load'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context } from '../contract.ts'
import { recordsOf } from './newcomers.ts'
import { must } from './rings.ts'

/** The best-ranked of the reference machines, and the one that stands by with the catalog. */
const LEADER = 'pi5-desktop'
const STANDBY = 'pi5-server'
/** Equals to the election: which of them is the second standby is decided by the ring's id, and that is another one in every ring. */
const EQUALS: readonly ProfileName[] = ['win11-editor', 'macbook']
/** A machine that came first leads until the best one has been awake for a while. */
const HANDOVER_MS_MAX = 90_000

/**
 * Waits until everybody has its plan of the reference leader's term, the right ones stand by, and all of it runs.
 * @returns one word for all plan bodies, the same for every ring of these machines: who stands by of equals is left out. @throws Violation.
 */
export async function untilLayout(context: Context, ring: TestRing): Promise<string> {
  const patient = { patienceMs: context.patienceMs + HANDOVER_MS_MAX, waited: (ms: number) => context.waited(ms) }
  const bodies = await must(patient, `everybody has the plan of ${LEADER}`, () => layoutOf(ring))
  const told = bodies.map((body) => canonicalJson({ ...body, standby: EQUALS.some((name) => name === body.nodeId) ? null : body.standby }))
  return createHash('sha256').update(told.toSorted().join('\n')).digest('hex').slice(0, 12)
}

/** Null: not all of it is there yet. */
async function layoutOf(ring: TestRing): Promise<readonly PlanBody[] | null> {
  const plans = ring.machines.flatMap((machine) => machine.plan() ?? [])
  const terms = new Set(plans.map(({ envelope: { term } }) => `${term.number} ${term.nodeId}`))
  if (plans.length < ring.machines.length || terms.size !== 1 || plans[0]?.envelope.term.nodeId !== LEADER) return null
  const bodies = plans.map(({ body }) => body)
  const standbys = bodies.flatMap(({ nodeId, standby }) => (standby ? [nodeId] : []))
  if (standbys.toSorted().join() !== [STANDBY, firstOfEquals(ring)].toSorted().join()) return null
  const healths = await Promise.all(ring.machines.map((machine) => machine.health()))
  return healths.every((health) => health?.status === 'ok') ? bodies : null
}

/** By their ring's records. */
function firstOfEquals(ring: TestRing): string {
  const keys = recordsOf(ring.machine(LEADER)).flatMap(({ body }) => {
    const { clusterId } = body
    const member = body.kind === 'genesis' ? body.founder : body.kind === 'admission' ? body : null
    if (member === null || !EQUALS.some((name) => name === member.nodeId)) return []
    return [{ nodeId: member.nodeId, key: rankKey(clusterId, member.nodeId, member.bootCounter) }]
  })
  return keys.toSorted((a, b) => (a.key < b.key ? -1 : 1))[0]?.nodeId ?? ''
}

/** Says when the layout of a trial is another than that of the first one. */
export class SameLayout {
  private readonly context: Pick<Context, 'violated'>
  private first: string | null = null

  constructor(context: Pick<Context, 'violated'>) {
    this.context = context
  }

  see(trial: number, layout: string): void {
    this.first ??= layout
    if (layout !== this.first) this.context.violated(`trial ${trial}: the plans are others than before: ${layout}, not ${this.first}`)
  }
}
