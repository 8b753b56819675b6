import { planBodyHash } from '@thatdam/plan/body-hash'
import { elect } from '@thatdam/plan/election/elect'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { synthesise } from '@thatdam/plan/synthesis/synthesise'
import type { PlanBody, SignedPlan, Term } from '@thatdam/protocol/plan'
import type { RingPolicy } from '@thatdam/protocol/settings'
import { setAside, writeFileDurable } from '@thatdam/store/durable'
import type { Log } from '../log.ts'
import type { Plan } from '../plan-applier.ts'
import { PlanBook } from '../ring/plan-book.ts'
import { readPlan, signPlan } from '../ring/signed-plan.ts'
import type { Identity } from '../state/identity.ts'
import type { StatePaths } from '../state/paths.ts'
import type { RingHost } from './ring-host.ts'

export interface PlanKeeperOptions {
  readonly paths: StatePaths
  readonly identity: Identity
  readonly host: RingHost
  /** The members of the ring whose facts are known, as this node sees them. */
  readonly nodes: () => readonly PlannedNode[]
  readonly policy: () => RingPolicy
  readonly log: Log
}

/**
 * The plan that this node runs: made here when this node leads or nobody may, else brought by whoever leads. Keeps the newest and the last good
 * one on disk, so that a restart needs nobody.
 */
export class PlanKeeper {
  /** What this node gives out while it leads. */
  readonly book: PlanBook
  private readonly options: PlanKeeperOptions
  private current: SignedPlan | null = null
  private goodPlan: Plan | null = null
  private said: readonly string[] = []
  /** Hash of the body that was last given out to be run: what is on the disk may not have been. */
  private given: string | null = null
  /** What others run, as this node would plan it: who keeps which logs, it has to know without asking. */
  private layout: ReadonlyMap<string, PlanBody> = new Map()

  constructor(options: PlanKeeperOptions) {
    this.options = options
    this.book = new PlanBook(options.identity.key)
  }

  /** The plan that ran before: applied at once. Damaged files are kept aside and said. */
  async load(): Promise<void> {
    const { paths } = this.options
    this.current = await this.readOrSetAside(paths.plan)
    this.given = this.current?.envelope.bodyHash ?? null
    const good = await this.readOrSetAside(paths.goodPlan)
    this.goodPlan = good && planOf(good)
  }

  get signed(): SignedPlan | null {
    return this.current
  }

  get cached(): Plan | null {
    return this.current && planOf(this.current)
  }

  /** What a member runs: this one by its plan, others as far as this node can tell. */
  bodyOf(nodeId: string): PlanBody | null {
    if (nodeId === this.options.identity.nodeId) return this.current?.body ?? null
    return this.book.of(nodeId)?.body ?? this.layout.get(nodeId) ?? null
  }

  /** Of whoever leads now, else of the plan in force. */
  get term(): Term {
    return this.options.host.part.leader() ?? this.current?.envelope.term ?? ownTerm(this.options.identity.nodeId)
  }

  get good(): Plan | null {
    return this.goodPlan
  }

  get warnings(): readonly string[] {
    return this.said
  }

  /**
   * A new plan for this node when it makes its own and facts, settings or the leadership ask for another, else null; on disk when it resolves.
   * Null too while another leads, or nobody yet: the plan then comes by `take`. In a ring that nobody may lead each node keeps its own plan.
   */
  async next(): Promise<Plan | null> {
    const { identity, host, policy } = this.options
    const nodes = this.options.nodes()
    const { clusterId } = host.store
    const { pinnedLeader } = policy()
    const able = nodes.map((node) => ({ ...node, alive: true }))
    const { ranking } = elect({ clusterId, nodes: able, pinnedLeader })
    const known = new Set(nodes.map(({ nodeId }) => nodeId))
    const unknown = [...host.store.roster.members.keys()].filter((nodeId) => !known.has(nodeId))
    // Who is awake and has not told what it is may be better than any: the others give it a moment, a place each.
    host.part.rank([...unknown, ...ranking])
    const term = host.part.leadership.order()
    if (term !== null) return await this.lead(term, nodes)
    this.book.clear()
    const leader = host.part.leader()?.nodeId
    this.layout = synthesise({ clusterId, nodes, policy: policy(), ...(leader === undefined ? {} : { leader }) }).plans
    if (ranking.length > 0 || !nodes.some(({ nodeId }) => nodeId === identity.nodeId)) return null
    const own = synthesise({ clusterId, nodes, policy: policy(), leader: null })
    this.said = own.warnings.map(({ sentence }) => sentence)
    const body = own.plans.get(identity.nodeId)
    if (!body) return null
    if (this.current?.envelope.bodyHash !== planBodyHash(body)) {
      await this.keep(signPlan(identity.key, body, ownTerm(identity.nodeId), (this.current?.envelope.revision ?? 0) + 1))
    }
    return this.giveOut()
  }

  /** From the leader, checked and accepted. @returns null when nothing else is to run than before, or when a later leader was heard meanwhile. */
  async take(plan: SignedPlan): Promise<Plan | null> {
    this.said = []
    await this.keep(plan)
    return this.options.host.part.leadership.accept(plan.envelope.term) ? this.giveOut() : null
  }

  async keepGood(plan: Plan): Promise<void> {
    this.goodPlan = plan
    if (this.current?.envelope.bodyHash === plan.hash) {
      await writeFileDurable(this.options.paths.goodPlan, `${JSON.stringify(this.current)}\n`)
    }
  }

  private async lead(term: Term, nodes: readonly PlannedNode[]): Promise<Plan | null> {
    const { identity, host, policy } = this.options
    this.book.make({ clusterId: host.store.clusterId, nodes, policy: policy(), term })
    if (!this.leadsUnder(term)) return null
    this.said = this.book.warnings.map(({ sentence }) => sentence)
    const own = this.book.of(identity.nodeId)
    if (own === null) return null
    if (own !== this.current) await this.keep(own)
    // It may have stood still while the disk was written: then somebody else's plan is on its way.
    return this.leadsUnder(term) ? this.giveOut() : null
  }

  private leadsUnder(term: Term): boolean {
    const now = this.options.host.part.leadership.order()
    return now !== null && now.number === term.number && now.nodeId === term.nodeId
  }

  private async keep(plan: SignedPlan): Promise<void> {
    await writeFileDurable(this.options.paths.plan, `${JSON.stringify(plan)}\n`)
    this.current = plan
  }

  /** What is on the disk, to be run; null when that was given out already. */
  private giveOut(): Plan | null {
    if (this.current === null || this.given === this.current.envelope.bodyHash) return null
    const plan = planOf(this.current)
    this.given = plan.hash
    this.options.log.info(`new plan ${plan.hash.slice(0, 12)}: ${plan.body.services.map((service) => service.name).join(', ')}`)
    return plan
  }

  private async readOrSetAside(path: string): Promise<SignedPlan | null> {
    const { identity, host, log } = this.options
    try {
      // Also by a key that was replaced since.
      const isMembers = (key: string): boolean => (host.store.memberByKey(key) ?? host.store.formerOwner(key)) !== null
      return await readPlan(path, (issuer) => issuer === identity.key.publicKey || isMembers(issuer))
    } catch (error) {
      const aside = await setAside(path)
      log.warn(`The saved plan ${path} cannot be used. It was kept as ${aside}, and a new plan is made.`, error)
      return null
    }
  }
}

const planOf = ({ envelope, body }: SignedPlan): Plan => ({ hash: envelope.bodyHash, body })

/** Of a node that keeps its own plan because nobody in its ring may lead: below every leader's. */
const ownTerm = (nodeId: string): Term => ({ number: 0, nodeId })
