import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { ServiceConfig } from '@thatdam/protocol/local'
import type { PlanBody, PlannedService, PlanSelfTest, PlanState, ServiceName, ServiceReport } from '@thatdam/protocol/plan'
import type { RuntimePort } from './runtimes/choose.ts'
import { SELF_TESTS_MAX, SelfTester } from './self-test.ts'
import type { BundleSource, ConfigPart, RunningService, Service, ServiceContext, ServiceHost, ServiceView } from './services/service.ts'

const FAILED_STARTS_MAX = 3
/** Recordings are sealed first, while their camera and the op-log are still there. */
const STOPS_FIRST: ReadonlySet<ServiceName> = new Set(['capture-daemon', 'indexer', 'deriver', 'local-console', 'catalog'])
const STOP_FIRST_MS = 9_500
const STOP_REST_MS = 4_000

export interface Plan {
  readonly hash: string
  readonly body: PlanBody
}

export interface ApplierOptions extends RuntimePort {
  readonly services: ReadonlyMap<ServiceName, Service>
  readonly bundles: BundleSource
  /** Everything of a service's configuration but `peers`. */
  readonly config: (planned: PlannedService, body: PlanBody) => ServiceConfig
  readonly facts: () => NodeFacts
  /** Asks the service at a URL for its health. Null: it is well; else a sentence. */
  readonly health: (url: string) => Promise<string | null>
  /** A view, a status or a plan changed. */
  readonly changed: () => void
  /** This plan runs whole and passed its self-test: the one to come back to. */
  readonly onGood: (plan: Plan) => void
  /** To be remembered over a restart; null: forget it. */
  readonly onRejected: (plan: RejectedPlan | null) => void
  readonly log: (message: string, error?: unknown) => void
}

export interface RejectedPlan {
  readonly bodyHash: string
  readonly reason: string
}

interface Slot {
  readonly planned: PlannedService
  readonly key: string
  readonly running: RunningService | null
  /** Why it does not run. */
  readonly waiting: string
}

async function stopAll(slots: readonly Slot[], limitMs: number): Promise<void> {
  await Promise.all(slots.map(async ({ running }) => await running?.stop(limitMs)))
}

const behaviourOf = ({ mode, params }: PlannedService): string => JSON.stringify([mode, params])

/** The good plan did not have it so: what fails now may be the new plan's fault. */
function isChanged(planned: PlannedService, good: PlanBody): boolean {
  const before = good.services.find(({ name }) => name === planned.name)
  return !before || behaviourOf(before) !== behaviourOf(planned)
}

const EMPTY: { readonly [part in ConfigPart]: Partial<ServiceConfig> } = {
  indexPaths: { indexPaths: [] },
  cameras: { cameras: [] },
  ffmpeg: { ffmpegPath: null, ffprobePath: null },
  maxParallel: { maxParallel: 1 },
  nodeName: { nodeName: '' },
}

/*
 * Makes what runs equal to what the plan says; doing it twice changes nothing.
 *
 *   desired ──apply──▶ every service past its start ──▶ applied ──self-test──▶ all answer: the good plan from now on
 *      │                                                           └── three times not, by a service that this plan changed ─┐
 *      └── a service that this plan changed ends three times before it is ready ──▶ rejected; the last good plan runs instead ◀┘
 */
export class PlanApplier {
  private readonly options: ApplierOptions
  private readonly slots = new Map<ServiceName, Slot>()
  private desired: Plan | null = null
  private good: Plan | null
  private active: Plan | null = null
  private appliedHash: string | null = null
  private rejected: RejectedPlan | null
  private work: Promise<void> = Promise.resolve()
  private queued = false
  /** Services are being changed: what runs is not yet what the plan says. */
  private passing = false
  private stopped = false
  private peersKey = ''
  private readonly tester: SelfTester
  private selfTest: PlanSelfTest | null = null
  /** Something was started, or came up, since the last self-test began. */
  private untested = false

  /** `before`: what the run before found out. */
  constructor(options: ApplierOptions, before: { readonly good: Plan | null; readonly rejected: RejectedPlan | null }) {
    this.options = options
    this.good = before.good
    this.rejected = before.rejected
    this.tester = new SelfTester({
      services: () => [...this.slots].flatMap(([name, { running }]) => (running ? [{ name, view: running.view() }] : [])),
      ask: options.health,
      done: (result) => this.tested(result),
    })
  }

  /** Applies a plan; the one that was rejected is not tried again until another came between. */
  apply(plan: Plan): Promise<void> {
    if (this.rejected !== null && (this.rejected.bodyHash !== plan.hash || this.good === null)) {
      this.rejected = null
      this.options.onRejected(null)
    }
    this.desired = plan
    this.activate(this.rejected === null ? plan : this.good)
    return this.reconcile()
  }

  private activate(plan: Plan | null): void {
    if (plan?.hash !== this.active?.hash) {
      this.tester.cancel()
      this.selfTest = null
    }
    this.active = plan
  }

  /** Looks again at everything: after a change of facts or settings. At most one pass waits behind the one that runs. */
  reconcile(): Promise<void> {
    if (this.queued || this.stopped) return this.work
    this.queued = true
    this.work = this.passAfter(this.work)
    return this.work
  }

  private async passAfter(before: Promise<void>): Promise<void> {
    await before
    this.queued = false
    try {
      this.passing = true
      await this.pass()
    } catch (error) {
      this.options.log('a part of the plan could not be applied; it is tried again with the next change', error)
    } finally {
      this.passing = false
    }
    if (this.active) this.observe()
  }

  view(name: ServiceName): ServiceView | null {
    return this.slots.get(name)?.running?.view() ?? null
  }

  get body(): PlanBody | null {
    return this.active?.body ?? null
  }

  state(): PlanState {
    const services = [...this.slots.values()].map((slot) => this.report(slot))
    const selfTest = this.selfTest === null ? {} : { selfTest: this.selfTest }
    return { desiredHash: this.desired?.hash ?? null, appliedHash: this.appliedHash, rejected: this.rejected, services, ...selfTest }
  }

  command(name: ServiceName, command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    const slot = this.slots.get(name)
    if (slot?.running) return slot.running.command(command, params)
    const why = slot?.waiting ?? 'The plan does not run it on this machine.'
    return Promise.reject(new ThatdamError('UNAVAILABLE', `The ${name} service is not running here. ${why}`))
  }

  /** Ordered and bounded: recordings and writers first, then what they use. */
  async stop(): Promise<void> {
    this.stopped = true
    this.tester.cancel()
    await this.work
    const running = [...this.slots.values()].filter((slot) => slot.running !== null)
    await stopAll(
      running.filter((slot) => STOPS_FIRST.has(slot.planned.name)),
      STOP_FIRST_MS,
    )
    await stopAll(
      running.filter((slot) => !STOPS_FIRST.has(slot.planned.name)),
      STOP_REST_MS,
    )
    this.slots.clear()
    await this.options.close()
  }

  private async pass(): Promise<void> {
    const plan = this.active
    if (!plan || this.stopped) return
    const wanted = new Set(plan.body.services.map((planned) => planned.name))
    const leaving = [...this.slots].filter(([name]) => !wanted.has(name))
    await Promise.all(
      leaving.map(async ([name, slot]) => {
        this.slots.delete(name)
        await slot.running?.stop()
      }),
    )
    this.options.quotas(plan.body.quotas)
    await Promise.all(plan.body.services.map((planned) => this.place(planned, plan.body)))
  }

  private async place(planned: PlannedService, body: PlanBody): Promise<void> {
    const { name } = planned
    const service = this.options.services.get(name)
    const before = this.slots.get(name)
    if (!service) {
      this.slots.set(name, { planned, key: '', running: null, waiting: 'This version does not have it yet.' })
      return
    }
    const context: ServiceContext = { planned, plan: body, config: this.configFor(service, planned, body), facts: this.options.facts() }
    const assessment = service.assess(context)
    if ('waiting' in assessment) {
      this.slots.set(name, { planned, key: '', running: null, waiting: assessment.waiting })
      await before?.running?.stop()
      return
    }
    const { why: _why, ...behaviour } = planned
    // A camera's name is told to the one that runs.
    const cameras = context.config.cameras.map((camera) => ({ ...camera, name: '' }))
    const key = JSON.stringify([behaviour, { ...context.config, cameras, peers: {} }])
    if (before?.running && before.key === key) {
      this.slots.set(name, { ...before, planned })
      return
    }
    await before?.running?.stop()
    this.slots.set(name, this.start(service, context, key))
  }

  private start(service: Service, context: ServiceContext, key: string): Slot {
    const { planned } = context
    this.untested = true
    const host: ServiceHost = {
      exec: (inner, spec) => this.options.exec(inner, spec, () => this.observe()),
      sibling: (name) => this.view(name),
      bundles: this.options.bundles,
      changed: () => this.observe(),
    }
    try {
      return { planned, key, running: service.start({ ...context, config: { ...context.config, peers: this.peers() } }, host), waiting: '' }
    } catch (error) {
      this.options.log(`the service ${planned.name} could not be started`, error)
      const reason = error instanceof Error ? error.message : String(error)
      return { planned, key: '', running: null, waiting: `It could not be started: ${reason}` }
    }
  }

  private configFor(service: Service, planned: PlannedService, body: PlanBody): ServiceConfig {
    const parts = Object.keys(EMPTY) as ConfigPart[]
    const unused = parts.filter((part) => !service.uses.includes(part)).map((part) => EMPTY[part])
    return Object.assign({}, this.options.config(planned, body), ...unused, { peers: {} }) as ServiceConfig
  }

  private peers(): Record<string, string> {
    const entries = [...this.slots].flatMap(([name, slot]) => {
      const url = slot.running?.view().url
      return url ? [[name, url] as const] : []
    })
    return Object.fromEntries(entries)
  }

  /** After any change of a view: tell siblings, and judge the plan. */
  private observe(): void {
    if (this.stopped) return
    const peers = this.peers()
    const peersKey = JSON.stringify(peers)
    if (peersKey !== this.peersKey) {
      const known = this.peersKey
      if (Object.values(peers).some((url) => !known.includes(JSON.stringify(url)))) this.untested = true
      this.peersKey = peersKey
      for (const slot of this.slots.values()) slot.running?.setPeers(peers)
    }
    this.judge()
    this.options.changed()
  }

  private judge(): void {
    const { active, desired, good } = this
    if (!active || !desired || this.passing) return
    if (active.hash === desired.hash && good && good.hash !== desired.hash) {
      const culprit = [...this.slots.values()].find(
        ({ planned, running }) => (running?.view().failedStarts ?? 0) >= FAILED_STARTS_MAX && isChanged(planned, good.body),
      )
      if (culprit) {
        const { name } = culprit.planned
        this.reject(`${name} failed ${FAILED_STARTS_MAX} times while starting. ${culprit.running?.view().reason ?? ''}`, good)
        return
      }
    }
    if (this.queued || !active.body.services.every((planned) => this.isSettled(planned.name))) return
    if (this.appliedHash === active.hash && !this.untested) return
    this.appliedHash = active.hash
    this.untested = false
    this.tester.begin()
  }

  private tested(result: PlanSelfTest): void {
    const { active, desired, good } = this
    if (this.stopped || !active || active.hash !== this.appliedHash) return
    if (this.queued || this.passing) {
      // Perhaps of services that are no more.
      this.untested = true
      return
    }
    this.selfTest = result
    if (result.ok && active.hash !== good?.hash) {
      this.good = active
      this.options.onGood(active)
    }
    if (result.tries >= SELF_TESTS_MAX && active.hash === desired?.hash && good && good.hash !== active.hash) {
      const culprit = result.failures.find(({ name }) => active.body.services.some((one) => one.name === name && isChanged(one, good.body)))
      if (culprit) this.reject(`${culprit.name} failed its self-test ${SELF_TESTS_MAX} times. ${culprit.reason}`, good)
    }
    this.options.changed()
  }

  private reject(why: string, good: Plan): void {
    if (!this.desired) return
    const reason = `The new plan was not kept: ${why}`.slice(0, 500)
    this.rejected = { bodyHash: this.desired.hash, reason }
    this.options.onRejected(this.rejected)
    this.options.log(`${reason} The last good plan runs instead.`)
    this.activate(good)
    void this.reconcile()
  }

  private isSettled(name: ServiceName): boolean {
    const slot = this.slots.get(name)
    if (!slot) return false
    if (!slot.running) return true
    const { state } = slot.running.view()
    return state === 'running' || state === 'waiting'
  }

  private report(slot: Slot): ServiceReport {
    const { name, mode, why } = slot.planned
    if (!slot.running) {
      const state = this.options.services.has(name) ? 'waiting' : 'not-in-this-version'
      return { name, mode, state, reason: slot.waiting.slice(0, 500), restarts: 0, why }
    }
    const { state, reason, restarts } = slot.running.view()
    return { name, mode, state, reason, restarts, why }
  }
}
