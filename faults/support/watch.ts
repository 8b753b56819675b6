import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { recordHash } from '@thatdam/control/roster'
import { compareTerms } from '@thatdam/plan/election/terms'
import type { ClusterFile } from '@thatdam/protocol/cluster'
import { Term } from '@thatdam/protocol/plan'
import type { GenesisRecord } from '@thatdam/protocol/roster'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import type { TestRing } from '@thatdam/testkit/ring/ring'
import type { Context } from '../contract.ts'

const LOOK_MS = 120

interface Leading {
  readonly term: number
  /** The answer was given between these. */
  readonly fromMs: number
  readonly toMs: number
}

/**
 * Looks at every machine of a ring all the time, and tells what may never be seen:
 *
 * - two leaders on one settled side. Proven only where one said that it leads before and after the other one said so, in one term, as two
 *   answers are never of the same moment;
 * - an order of a stale term carried out: a plan written after its machine had noted a later term.
 */
export class RingWatch {
  private readonly ring: TestRing
  private readonly context: Pick<Context, 'violated'>
  private readonly leading = new Map<string, Leading>()
  private readonly known = new Map<string, { term: Term | null; plan: string }>()
  private readonly told = new Set<string>()
  /** Sides of the network on which everybody has come to rest; null: nobody has. */
  private settled: readonly (readonly string[])[] | null = null
  private hasSettled = false
  private isOver = false
  private running: Promise<void> = Promise.resolve()

  static start(ring: TestRing, context: Pick<Context, 'violated'>): RingWatch {
    const watch = new RingWatch(ring, context)
    watch.running = watch.run()
    return watch
  }

  private constructor(ring: TestRing, context: Pick<Context, 'violated'>) {
    this.ring = ring
    this.context = context
  }

  /** From now on each of these sides is at rest, until `unsettle`. */
  settle(sides: readonly (readonly RingMachine[])[]): void {
    this.leading.clear()
    this.hasSettled = true
    this.settled = sides.map((side) => side.map((machine) => machine.name))
  }

  unsettle(): void {
    this.settled = null
    this.leading.clear()
  }

  /** Its disk is another one now: what was on the one before says nothing about it. */
  forget(machine: RingMachine): void {
    this.known.delete(machine.name)
  }

  /** @throws Error when it has watched a ring at rest and never seen a term or a plan: it does not look where they are. */
  async stop(): Promise<void> {
    this.isOver = true
    await this.running
    const isBlind = [...this.known.values()].every(({ term, plan }) => term === null || plan === '')
    if (this.hasSettled && isBlind)
      throw new Error('No term and plan was found on any disk, so nothing was compared: look where agents keep them.')
  }

  private async run(): Promise<void> {
    while (!this.isOver) {
      await Promise.all(this.ring.machines.map((machine) => this.look(machine)))
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  private async look(machine: RingMachine): Promise<void> {
    this.lookAtDisk(machine)
    const { settled } = this
    const fromMs = performance.now()
    const cluster = await machine.cluster().catch(() => null)
    // Only what was asked and answered within one settled time counts.
    if (settled !== null && settled === this.settled) this.hear(machine.name, cluster, fromMs)
  }

  private hear(name: string, cluster: ClusterFile | null, fromMs: number): void {
    if (cluster?.role !== 'leader') {
      this.leading.delete(name)
      return
    }
    const now: Leading = { term: cluster.term?.number ?? 0, fromMs, toMs: performance.now() }
    const before = this.leading.get(name)
    this.leading.set(name, now)
    if (before === undefined || before.term !== now.term) return
    const side = this.settled?.find((names) => names.includes(name)) ?? []
    for (const other of side) {
      const seen = other === name ? undefined : this.leading.get(other)
      if (seen === undefined || seen.fromMs < before.toMs || seen.toMs > now.fromMs) continue
      this.tell(`${name} and ${other} led at one moment on one settled side, in terms ${now.term} and ${seen.term}`)
    }
  }

  /** The term first: what is noted before the plan is read was noted before a plan that is seen only at the next look. */
  private lookAtDisk(machine: RingMachine): void {
    const before = this.known.get(machine.name)
    const ring = ringOf(machine)
    if (ring === null) return
    const term = read(join(machine.stateDir, `term-${ring.fingerprint.slice(0, 16)}.json`))
    const plan = read(join(machine.stateDir, 'plan.json'))
    this.known.set(machine.name, { term: term === '' ? null : Term.parse(JSON.parse(term)), plan })
    if (before?.term === undefined || before.term === null || plan === '' || plan === before.plan) return
    const { envelope } = JSON.parse(plan) as { envelope: { term: Term } }
    // A node on a side where nobody may lead keeps its own plan, which is nobody's order.
    if (envelope.term.number === 0 && envelope.term.nodeId === machine.name) return
    if (compareTerms(ring.clusterId, envelope.term, before.term) < 0)
      this.tell(`${machine.name} took a plan of term ${envelope.term.number} after it had noted term ${before.term.number}`)
  }

  private tell(sentence: string): void {
    if (this.told.has(sentence)) return
    this.told.add(sentence)
    this.context.violated(sentence)
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // not written yet
  }
}

function ringOf(machine: RingMachine): { readonly clusterId: string; readonly fingerprint: string } | null {
  const [genesis = ''] = read(join(machine.stateDir, 'roster.jsonl')).split('\n', 1)
  if (genesis === '') return null
  const { body } = JSON.parse(genesis) as GenesisRecord
  return { clusterId: body.clusterId, fingerprint: recordHash(body) }
}
