import { rename } from 'node:fs/promises'
import { planBodyHash } from '@thatdam/plan/body-hash'
import { elect } from '@thatdam/plan/election/elect'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { SignedPlan, Term } from '@thatdam/protocol/plan'
import type { NodeSettings } from '@thatdam/protocol/settings'
import { writeFileDurable } from '@thatdam/store/durable'
import type { Log } from '../log.ts'
import { planFor, readPlan, ringView, signPlan } from '../loops/plan.ts'
import type { Plan } from '../plan-applier.ts'
import type { Identity } from '../state/identity.ts'
import type { StatePaths } from '../state/paths.ts'
import type { Ring } from '../state/ring.ts'
import type { Leadership } from './leadership.ts'

export interface PlanKeeperOptions {
  readonly paths: StatePaths
  readonly identity: Identity
  readonly ring: Ring
  readonly leadership: Leadership
  readonly log: Log
}

/** Makes this node's plan from the ring as it is seen, signs it, and keeps the newest and the last good one on disk. */
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

  /** Of whoever leads now, else of the plan in force. */
  get term(): Term {
    return this.options.leadership.leader() ?? this.current?.envelope.term ?? ownTerm(this.options.identity.nodeId)
  }

  get good(): Plan | null {
    return this.goodPlan
  }

  get warnings(): readonly string[] {
    return this.said
  }

  /**
   * A new plan when facts, settings or the leadership ask for one, else null; on disk when it resolves. Null too while nobody leads yet: the
   * leadership's `changed` comes back here. A ring in which nobody may lead has no leader: each node keeps its own plan.
   */
  async next(facts: NodeFacts, settings: NodeSettings): Promise<Plan | null> {
    const { paths, identity, ring, leadership, log } = this.options
    const nodes = ringView(ring, identity.nodeId, facts, settings)
    const { ranking } = elect({ clusterId: ring.clusterId, nodes })
    leadership.roster(ranking, new Set(nodes.map(({ nodeId }) => nodeId)))
    const leads = leadership.order()
    if (!leads && ranking.length > 0) return null
    const term = leads ?? ownTerm(identity.nodeId)
    const { body, warnings } = planFor(identity.nodeId, { clusterId: ring.clusterId, nodes, leader: leads?.nodeId ?? null })
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

/** Of a node that keeps its own plan because nobody in its ring may lead: below every leader's. */
const ownTerm = (nodeId: string): Term => ({ number: 0, nodeId })
