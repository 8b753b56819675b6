import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { verifySignature } from '@thatdam/control/keys'
import { OpLog } from '@thatdam/oplog/disk/log'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { ServiceName } from '@thatdam/protocol/plan'
import { writeFileDurable } from '@thatdam/store/durable'
import { bundleSource } from '../bundles/source.ts'
import type { Env } from '../env.ts'
import { gatherFacts } from '../facts/gather.ts'
import { readKnownFacts } from '../facts/known.ts'
import { Gateway } from '../gateway/gateway.ts'
import { Remote } from '../gateway/remote.ts'
import { SessionStore } from '../gateway/session-store.ts'
import { listFolders } from '../local-api/folders.ts'
import { startLocalApi, type LocalApi } from '../local-api/server.ts'
import type { Log } from '../log.ts'
import { clockWatch } from '../facts/clock-sync.ts'
import { clusterFileLoop } from '../loops/cluster-file.ts'
import { factsLoop } from '../loops/facts.ts'
import type { Loops } from '../loops/supervisor.ts'
import { Formers } from '../meet/formers.ts'
import { PlanApplier } from '../plan-applier.ts'
import { AGENT_VERSION, pinnedReleaseKey } from '../program.ts'
import { Notices } from '../ring/notices.ts'
import { OpSyncPart } from '../ring/op-sync-part.ts'
import { chooseRuntime } from '../runtimes/choose.ts'
import { askHealth } from '../self-test.ts'
import type { Service } from '../services/service.ts'
import { readAllowedRoots } from '../state/allowed-roots.ts'
import { countBoot } from '../state/counters.ts'
import type { Identity } from '../state/identity.ts'
import { KnownCameras } from '../state/known-cameras.ts'
import type { StatePaths } from '../state/paths.ts'
import { readRejected, writeRejected } from '../state/rejected-plan.ts'
import { openRing } from '../state/ring.ts'
import { Settings } from '../state/settings.ts'
import type { Version } from '../state/version.ts'
import { steadyMs } from './adopt-views.ts'
import { tellCameraService } from './camera-service.ts'
import type { CloudLink } from './cloud-link.ts'
import { runCommand } from './commands.ts'
import { ConsoleBind } from './console-bind.ts'
import { takeFirstSteps, type CloudHost, type FirstSteps } from './first-steps.ts'
import { endLeftovers, Groups } from './leftovers.ts'
import { OwnerDoor } from './owner-door.ts'
import { PlanKeeper } from './plan-keeper.ts'
import { RingDoors } from './ring-doors.ts'
import { RingHost } from './ring-host.ts'
import { RoamTickets } from './roam-tickets.ts'
import { RingWork } from './ring-work.ts'
import { Shared } from './shared.ts'
import { serviceConfig } from './service-config.ts'
import { Views } from './views.ts'

export interface AgentOptions {
  readonly env: Env
  readonly log: Log
  readonly services: ReadonlyMap<ServiceName, Service>
  /** The facts of this machine; a test brings a profile's. */
  readonly gather?: (options: Parameters<typeof gatherFacts>[0]) => Promise<NodeFacts>
  /** Stops this agent, and starts another in its place. */
  readonly restart?: () => void
}

/**
 * The running agent. Order of the start: the first steps (lock, identity, the cloud’s loops), ring, election, op-log, settings, local API, the cached plan (so that services start while
 * facts are still gathered), gateway, other loops. The stop runs it backwards.
 * The agent's wiring stands in this one file, in the order in which it happens; what is wired has files of its own. So it is over 400 lines.
 */
export class Agent {
  private readonly options: AgentOptions
  private readonly first: FirstSteps
  private readonly paths: StatePaths
  private readonly version: Version
  private readonly loops: Loops
  private readonly identity: Identity
  private readonly link: CloudLink
  private readonly groups: Groups
  private readonly startedAtMs = Date.now()
  private readonly notices = new Notices()
  private ring!: RingHost
  private work!: RingWork
  private oplog!: OpLog
  private shared!: Shared
  private roam!: RoamTickets
  private sync!: OpSyncPart
  private formers!: Formers
  private doors!: RingDoors
  private settings!: Settings
  private keeper!: PlanKeeper
  private applier!: PlanApplier
  private views!: Views
  private gateway!: Gateway
  private consoleBind!: ConsoleBind
  private sessions!: SessionStore
  private localApi!: LocalApi
  private facts!: NodeFacts
  private cameras!: KnownCameras
  private door!: OwnerDoor
  private allowedRoots: readonly string[] = []
  private bootCounter = 0
  private planning: Promise<void> = Promise.resolve()
  private isPlanQueued = false
  private wakeFacts = () => {}
  private stopping: Promise<void> | null = null

  private constructor(options: AgentOptions, first: FirstSteps) {
    this.options = options
    this.first = first
    this.paths = first.paths
    this.version = first.version
    this.loops = first.loops
    this.identity = first.identity
    this.link = first.link
    this.groups = new Groups(this.paths.children)
  }

  /**
   * @param first what was begun before this file was loaded; left out, it begins here
   * @throws ThatdamError for what a person must repair: a second agent, damaged state, taken ports.
   */
  static async start(options: AgentOptions, first?: FirstSteps): Promise<Agent> {
    const agent = new Agent(options, first ?? (await takeFirstSteps(options)))
    try {
      await agent.open()
    } catch (error) {
      await agent.stop().catch(() => {})
      throw error
    }
    return agent
  }

  get consoleUrls(): readonly string[] {
    return this.views.consoleUrls()
  }

  get nodeId(): string {
    return this.identity.nodeId
  }

  /** Ordered and within 15 s; nothing that the agent started is left. */
  stop(): Promise<void> {
    this.stopping ??= this.close()
    return this.stopping
  }

  private async open(): Promise<void> {
    const { env, log } = this.options
    const { paths } = this
    this.bootCounter = await countBoot(paths.counters)
    this.ring = await this.openRing()
    const left = await endLeftovers(paths.children)
    if (left > 0) log.warn(`ended ${left} process group(s) that the agent before had left`)
    await this.openState()
    await mkdir(env.casRoot, { recursive: true, mode: 0o700 })
    const notice = (sentence: string): void => this.notice(sentence)
    this.shared = new Shared({ identity: this.identity, oplog: this.oplog, host: this.ring, changed: () => this.sharedChanged(), notice })
    const sayDamage = (aside: string, error: unknown): void =>
      log.warn(`The browser sessions could not be read: everybody signs in again. The file was kept as ${aside}.`, error)
    this.sessions = new SessionStore(paths.sessions, sayDamage, this.shared.owner)
    this.roam = new RoamTickets({
      identity: this.identity,
      store: () => this.ring.store,
      state: this.shared.state,
      nowMs: () => this.ring.part.clock.nowMs(),
      use: (id, expiresAtMs) => this.sessions.useHandoff(id, expiresAtMs),
    })
    this.door = await OwnerDoor.open({
      path: paths.owner,
      identity: this.identity,
      sessions: this.sessions,
      instanceKey: () => this.link.instanceKey,
      shared: this.shared.owner,
      roam: this.roam,
      onChanged: () => this.ownerChanged(),
    })
    this.work = this.makeRingWork()
    this.sync = new OpSyncPart({
      oplog: this.oplog,
      part: () => this.ring.part,
      nodeId: this.nodeId,
      formers: this.formers,
      planOf: (nodeId) => this.keeper.bodyOf(nodeId),
      clockTrusted: () => this.ring.part.clock.isTrusted,
      changed: () => this.version.bump(),
      log,
      notice: (sentence) => this.notice(sentence),
    })
    this.doors = await this.openDoors()
    this.keeper = this.work.keeper
    await this.keeper.load()
    this.applier = this.makeApplier(await readRejected(paths.rejectedPlan, AGENT_VERSION))
    this.gateway = this.makeGateway()
    this.consoleBind = this.makeConsoleBind()
    await this.consoleBind.open()
    const { port, bind } = this.gateway.listener
    const { bootCounter } = this
    const known = await readKnownFacts(paths.facts, { port, bind, bootCounter, agentVersion: AGENT_VERSION, factsFile: env.factsFile })
    this.facts = known ? this.cameras.in(known, this.settings.cameraNames) : await this.gather()
    this.views = this.makeViews()
    this.localApi = await this.makeLocalApi()
    await this.consoleBind.tell()
    await this.settings.acceptEnvironment(env.indexPaths)
    const { cached } = this.keeper
    if (cached) await this.applier.apply(cached)
    await this.plan()
    await this.ring.start()
    this.startLoops(known !== null)
    this.first.attach(this.cloudHost())
  }

  private async openState(): Promise<void> {
    const { env } = this.options
    const { paths, identity } = this
    this.oplog = OpLog.open(env.stateDir, {
      nodeId: identity.nodeId,
      signer: identity.key,
      formerKeys: identity.former.map(({ key }) => key.publicKey),
      verify: verifySignature,
      clock: () => this.ring.part.clock.nowMs(),
      clockTrusted: () => this.ring.part.clock.isTrusted,
      admitter: () => this.isAdmitter(),
      random: (count) => randomBytes(count),
    })
    this.allowedRoots = await readAllowedRoots(paths.allowed, env.indexPaths ?? [])
    this.cameras = await KnownCameras.open(paths.cameras)
    this.settings = await Settings.open({
      path: paths.settings,
      assetsPath: paths.assets,
      nodeId: identity.nodeId,
      defaultName: hostname().split('.', 1)[0]?.slice(0, 64) || identity.nodeId,
      oplog: this.oplog,
      allowedRoots: () => this.allowedRoots,
      maySign: () => this.isAdmitter(),
      changed: () => {
        if (this.facts) this.facts = this.cameras.in(this.facts, this.settings.cameraNames)
        this.version.bump()
        void this.plan()
      },
      damaged: (sentence, error) => {
        this.options.log.warn(sentence, error)
        this.notices.add(sentence, steadyMs())
      },
    })
  }

  private startLoops(gatherAtOnce: boolean): void {
    const { loops } = this
    loops.start('facts', (signal) =>
      factsLoop(
        {
          gather: () => this.gather(),
          onFacts: (facts) => {
            this.facts = facts
            this.settings.absorb()
            this.version.bump()
            void this.plan()
          },
          onWake: (wake) => (this.wakeFacts = wake),
          atOnce: gatherAtOnce,
        },
        signal,
      ),
    )
    const { sessions, applier, version } = this
    tellCameraService({ loops, sessions, applier, version, facts: () => this.facts, log: this.options.log })
    this.work.startLoops(loops)
    this.shared.startLoops(loops)
    this.doors.startLoops(loops)
    loops.start('op log of the ring', (signal) => this.sync.sync.run(signal))
    loops.start('cluster file', (signal) => clusterFileLoop(this.paths.cluster, () => this.views.cluster(), version, signal))
  }

  private async gather(): Promise<NodeFacts> {
    const { env, gather = gatherFacts } = this.options
    const facts = await gather({
      agentVersion: AGENT_VERSION,
      bootCounter: this.bootCounter,
      storeRoots: [env.casRoot],
      indexPaths: this.settings.value.indexPaths,
      consolePort: this.gateway.listener.port,
      consoleBind: this.gateway.listener.bind,
      ffmpegPath: env.ffmpegPath,
      testCameras: env.testCameras,
      encoderCacheFile: join(env.stateDir, 'encoders.json'),
      factsFile: env.factsFile,
    })
    await this.cameras.found(facts.cameras, Date.now())
    await writeFileDurable(this.paths.facts, `${JSON.stringify(facts)}\n`)
    return this.cameras.in(facts, this.settings.cameraNames)
  }

  /** Facts and settings → plan → what runs. One after the other: one is under way, one more waits and will see the newest of both. */
  private plan(): Promise<void> {
    if (!this.isPlanQueued) {
      this.isPlanQueued = true
      this.planning = this.planAfter(this.planning)
    }
    return this.planning
  }

  private async planAfter(before: Promise<void>): Promise<void> {
    await before
    this.isPlanQueued = false
    if (this.stopping || !this.facts || !this.localApi) return
    try {
      this.shared.tellFacts(this.facts)
      const plan = await this.keeper.next()
      this.ring.part.announce()
      await this.leadOn().catch((error: unknown) => this.options.log.error('the leader could not do all that it owes the ring', error))
      await (plan ? this.applier.apply(plan) : this.applier.reconcile())
    } catch (error) {
      this.options.log.error('the plan could not be made', error)
    }
  }

  private async openRing(): Promise<RingHost> {
    const { env, log } = this.options
    const { paths, identity, bootCounter } = this
    this.formers = await Formers.open({ paths, log, changed: () => this.judgeAnew() })
    const ports = {
      env,
      paths,
      identity,
      bootCounter,
      log,
      notice: (sentence: string) => this.notice(sentence),
      formers: this.formers,
      clockIsSynchronised: clockWatch(),
      routes: () => [...this.work.routes(), ...this.doors.routes(), this.sync.route()],
      rendezvous: (bytes: Uint8Array) => this.link.exchange(bytes, env.node.ttlMs),
      leaving: () => this.settings.carryOver(),
      presence: () => ({
        claimed: this.isClaimed(),
        role: this.applier?.body?.role ?? 'worker',
        consolePort: this.gateway?.listener.bind === 'lan' ? this.gateway.listener.port : null,
      }),
      changed: () => {
        this.version.bump()
        void this.plan()
        void this.consoleBind?.follow()
        this.judgeAnew()
        void this.doors?.ringChanged().catch((error: unknown) => log.error('the ring’s recovery key could not be named', error))
      },
    } as const
    return await RingHost.open(ports, await openRing(paths.roster, identity, bootCounter))
  }

  /** A full disk must not end the agent, which is there to show it: the next change of the ring tries again. */
  private judgeAnew(): void {
    try {
      this.sync?.rosterChanged()
    } catch (error) {
      this.options.log.error('what counts of the ring’s edits could not be worked out anew; it is tried again', error)
    }
  }

  private notice(sentence: string): void {
    this.options.log.warn(sentence)
    if (this.notices.add(sentence, steadyMs())) this.version.bump()
  }

  /** It has an owner: a password, a cloud, or other machines. */
  private isClaimed(): boolean {
    return (
      (this.door?.credential.passwordHash ?? null) !== null ||
      this.link.state.url !== null ||
      (this.ring?.store.roster.members.size ?? 1) > 1
    )
  }

  private makeRingWork(): RingWork {
    const { log } = this.options
    return new RingWork({
      host: this.ring,
      paths: this.paths,
      identity: this.identity,
      version: this.version,
      log,
      replan: () => void this.plan(),
      own: () => this.shared.own(this.settings.value),
      others: (nodeId) => this.shared.other(nodeId),
      policy: () => this.shared.policy,
      take: async (plan) => {
        const next = await this.keeper.take(plan)
        if (next) await this.applier.apply(next)
        this.ring.part.announce()
      },
      report: () => this.views.memberReport(),
      members: () => this.views.members(),
      wishes: () => this.settings.pending,
      wish: (nodeId, wishes) => this.shared.wish(nodeId, wishes),
      run: (service, command, params) => this.applier.command(service, command, params),
      media: { urlOf: (name) => this.applier.view(name)?.url ?? null, localToken: () => this.localApi.token },
      bytes: { oplog: this.oplog, casRoot: this.options.env.casRoot, indexPaths: () => this.settings.value.indexPaths },
    })
  }

  private openDoors(): Promise<RingDoors> {
    const { identity, bootCounter, paths, formers, link } = this
    const { env, log } = this.options
    return RingDoors.open({
      host: this.ring,
      work: this.work,
      identity,
      bootCounter,
      paths,
      formers,
      link,
      log,
      isAdopted: env.adopt,
      restart: this.options.restart,
      claimed: () => this.isClaimed(),
      goesOn: () => this.shared.policy.policy.goesOn,
      changed: () => this.version.bump(),
    })
  }

  private makeApplier(rejected: Awaited<ReturnType<typeof readRejected>>): PlanApplier {
    const { env, log, services } = this.options
    const bundles = bundleSource({
      bundlesDir: this.paths.bundles,
      consoleDir: env.consoleDir,
      releasesDir: env.releasesDir,
      cloudUrl: () => this.link.state.url ?? env.cloudUrl,
      pinnedKey: pinnedReleaseKey(),
    })
    return new PlanApplier(
      {
        services,
        bundles,
        ...chooseRuntime({ env, logsDir: this.paths.logs, groups: this.groups, log }),
        health: (url) => askHealth(url, this.localApi.token),
        config: (planned, body) =>
          serviceConfig(
            { env, nodeId: this.identity.nodeId, settings: this.settings.value, facts: this.facts, local: this.localApi },
            planned,
            body,
          ),
        facts: () => this.facts,
        changed: () => this.version.bump(),
        onGood: (plan) => void this.keeper.keepGood(plan).catch((error: unknown) => log.error('the good plan could not be saved', error)),
        onRejected: (plan) =>
          void writeRejected(this.paths.rejectedPlan, AGENT_VERSION, plan).catch((error: unknown) =>
            log.error('the rejected plan could not be noted', error),
          ),
        log: (message, error) => log.warn(message, error),
      },
      { good: this.keeper.good, rejected },
    )
  }

  private makeGateway(): Gateway {
    return new Gateway({
      sessions: this.sessions,
      passwordSet: () => this.door.credential.passwordHash !== null || this.isLed(),
      localToken: () => this.localApi.token,
      service: (name) => this.applier.view(name),
      hasConsole: () => this.applier.body?.services.some(({ name }) => name === 'local-console') ?? true,
      leaderUrl: () => this.work.leaderUrl(),
      supervisor: (path, response) => this.work.supervisor.answer(path, response),
      remote: new Remote({
        client: () => this.ring.part.client,
        keyOf: (nodeId) => (this.ring.part.awake.has(nodeId) ? (this.ring.store.member(nodeId)?.publicKey ?? null) : null),
        others: () => this.ring.part.others().filter(({ nodeId }) => this.ring.part.awake.has(nodeId)),
      }),
      health: () => this.viewsNow().health(),
      discovery: () => this.viewsNow().discovery(),
      cluster: () => this.viewsNow().cluster(),
      log: (message, error) => this.options.log.error(message, error),
    })
  }

  private makeConsoleBind(): ConsoleBind {
    const { env, log } = this.options
    return new ConsoleBind({
      gateway: this.gateway,
      wantedPort: env.servicePort,
      // With a password, and wherever the door only shows the way to the leader.
      bind: () => (this.isLed() ? 'lan' : this.door.bind),
      addressFile: this.paths.gateway,
      moved: () => {
        this.ring.part.announce()
        this.wakeFacts()
        this.version.bump()
      },
      log,
    })
  }

  /** The door is open a moment before everything behind it. */
  private viewsNow(): Views {
    if (!this.views) throw new ThatdamError('UNAVAILABLE', 'This machine’s agent is starting. Try again in a second.')
    return this.views
  }

  private cloudHost(): CloudHost {
    const { env } = this.options
    return {
      report: (results) => this.views.report(results),
      onSettings: async (cloud, revision, value) => {
        if (this.stopping) return
        this.allowedRoots = await readAllowedRoots(this.paths.allowed, env.indexPaths ?? [])
        await this.settings.acceptCloud(cloud, revision, value)
      },
      onReported: (cloud, value) => this.settings.confirmReported(cloud, value),
      ring: this.doors.entrance.cloudRing(),
      runCommand: (command, signal) => runCommand(command, this.paths.logs, { ...env.childEnvironment, STATE_DIR: env.stateDir }, signal),
    }
  }

  private makeViews(): Views {
    const { env } = this.options
    return new Views({
      identity: this.identity,
      ring: this.ring,
      work: this.work,
      adoptions: this.doors.adoptions,
      fateOf: (fingerprint) => this.doors.meet.fateOf(fingerprint),
      oplog: () => this.sync.status,
      term: () => this.keeper.term,
      startedAtMs: this.startedAtMs,
      casRoot: env.casRoot,
      settings: this.settings,
      applier: this.applier,
      version: () => this.version.value,
      facts: () => this.facts,
      warnings: () => [...this.notices.current(steadyMs()), ...this.keeper.warnings],
      cloud: () => this.link.state,
      claimed: () => this.isClaimed(),
      passwordSet: () => this.door.credential.passwordHash !== null,
      port: () => this.gateway.listener.port,
      bind: () => this.gateway.listener.bind,
    })
  }

  private makeLocalApi(): Promise<LocalApi> {
    return startLocalApi(this.paths.local, {
      version: this.version,
      state: () => this.views.localState(),
      oplog: this.oplog,
      onAppended: () => void this.settings.absorb(),
      command: (service, asked) =>
        asked.nodeId === undefined || asked.nodeId === this.nodeId
          ? this.applier.command(service, asked.command, asked.params)
          : this.work.orders.command(asked.nodeId, service, asked),
      folders: (nodeId, path) => (nodeId === this.nodeId ? listFolders(path) : this.work.orders.folders(nodeId, path)),
      ring: this.doors.localRoutes({ sessions: this.sessions, roam: this.roam }),
      source: (sha256, asked, signal) => this.work.blobs.open(sha256, asked, signal),
      saved: (positions, signal) => this.sync.sync.saved(positions, signal),
      owner: () => this.door.credential,
      setOwner: (owner) => this.door.set(owner),
      newSession: (request) => this.door.newSession(request),
      endSession: (sessionId) => this.sessions.end(sessionId),
      log: (message, error) => this.options.log.error(message, error),
    })
  }

  /** What a leader owes its ring beside plans. */
  private async leadOn(): Promise<void> {
    if (this.ring.part.leadership.order() === null) return
    await this.doors.entrance.raiseStandbys(this.keeper.book.standbys)
    await this.doors.entrance.letInWaiting()
    this.shared.owner.reseal()
  }

  /** By this machine or another: its wishes, its owner's password, or what others are, may be different now. */
  private sharedChanged(): void {
    this.settings?.absorb()
    this.version.bump()
    void this.plan()
    this.doors?.meet.wishesChanged()
    void this.door?.follow().catch((error: unknown) => this.options.log.error('the owner’s password could not be taken over', error))
  }

  private async ownerChanged(): Promise<void> {
    await this.consoleBind?.follow()
    this.version.bump()
  }

  private isAdmitter(): boolean {
    return this.ring.store.member(this.nodeId)?.admitter === true
  }

  /** By its plan, which outlasts the seconds without a leader, another machine leads: this one's door opens only signposts, and whoever sits here is not its owner by that alone. */
  private isLed(): boolean {
    return this.ring.store.roster.members.size > 1 && this.applier.body?.role !== 'leader'
  }

  private async close(): Promise<void> {
    this.first.giveUp()
    this.consoleBind?.close()
    await this.loops.stop()
    this.doors?.entrance.stop()
    await this.ring?.stop()
    await this.planning
    await this.applier?.stop()
    await this.groups.settled()
    await this.gateway?.close()
    await this.localApi?.close()
    this.settings?.close()
    await this.settings?.save().catch((error: unknown) => this.options.log.error('the settings could not be saved', error))
    this.sessions?.close()
    this.work?.blobs.close()
    this.oplog?.close()
    this.first.lock.release()
  }
}
