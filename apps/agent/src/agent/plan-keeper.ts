import { rename } from 'node:fs/promises'
import { planBodyHash } from '@thatdam/plan/body-hash'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { SignedPlan, Term } from '@thatdam/protocol/plan'
import type { NodeSettings } from '@thatdam/protocol/settings'
import { writeFileDurable } from '@thatdam/store/durable'
import type { Log } from '../log.ts'
import { planAlone, readPlan, signPlan } from '../loops/plan.ts'
import type { Plan } from '../plan-applier.ts'
import type { Identity } from '../state/identity.ts'
import type { StatePaths } from '../state/paths.ts'
import type { Ring } from '../state/ring.ts'

export interface PlanKeeperOptions {
  readonly paths: StatePaths
  readonly identity: Identity
  readonly ring: Ring
  readonly term: Term
  readonly log: Log
}

/** Makes this node's plan from facts and settings, signs it, and keeps the newest and the last good one on disk. */
export class PlanKeeper {
  private readonly options: PlanKeeperOptions
  private current: SignedPlan | null = null
  private goodPlan: Plan | null = null
  private said: readonly string[] = []

  constructor(options: PlanKeeperOptions) {
    this.options = options
  }

  /** The plan that ran before: applied at once, so that a restart needs nobody. Damaged files are kept aside and said. */
  async load(): Promise<void> {
    const { paths } = this.options
    this.current = await this.readOrSetAside(paths.plan)
    const good = await this.readOrSetAside(paths.goodPlan)
    this.goodPlan = good ? { hash: good.envelope.bodyHash, body: good.body } : null
  }

  get cached(): Plan | null {
    return this.current ? { hash: this.current.envelope.bodyHash, body: this.current.body } : null
  }

  get good(): Plan | null {
    return this.goodPlan
  }

  get warnings(): readonly string[] {
    return this.said
  }

  /** A new plan when facts or settings ask for one, else null. On disk when it resolves. */
  async next(facts: NodeFacts, settings: NodeSettings): Promise<Plan | null> {
    const { paths, identity, ring, term, log } = this.options
    const { body, warnings } = planAlone(ring, identity.nodeId, facts, settings)
    this.said = warnings
    const hash = planBodyHash(body)
    if (this.current?.envelope.bodyHash === hash) return null
    const revision = (this.current?.envelope.revision ?? 0) + 1
    this.current = signPlan(identity.key, body, term, revision)
    await writeFileDurable(paths.plan, `${JSON.stringify(this.current)}\n`)
    log.info(`new plan ${hash.slice(0, 12)}: ${body.services.map((service) => service.name).join(', ')}`)
    return { hash, body }
  }

  async keepGood(plan: Plan): Promise<void> {
    this.goodPlan = plan
    if (this.current?.envelope.bodyHash === plan.hash) {
      await writeFileDurable(this.options.paths.goodPlan, `${JSON.stringify(this.current)}\n`)
    }
  }

  private async readOrSetAside(path: string): Promise<SignedPlan | null> {
    try {
      return await readPlan(path, this.options.identity.key.publicKey)
    } catch (error) {
      const aside = `${path}.damaged`
      await rename(path, aside)
      this.options.log.warn(`The saved plan ${path} cannot be used. It was kept as ${aside}, and a new plan is made.`, error)
      return null
    }
  }
}
