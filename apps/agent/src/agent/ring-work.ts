import type { Member } from '@thatdam/control/roster'
import type { readPolicy } from '@thatdam/oplog/policy'
import type { Sighting } from '@thatdam/discovery/sightings'
import type { LocalMember, LocalState } from '@thatdam/protocol/local'
import type { MemberReport } from '@thatdam/protocol/member'
import type { Role, SignedPlan, Term } from '@thatdam/protocol/plan'
import type { NodeSettings } from '@thatdam/protocol/settings'
import type { Log } from '../log.ts'
import type { NodeRoute } from '../link/server.ts'
import type { Loops } from '../loops/supervisor.ts'
import { mediaRoutes, type MediaRoutePorts } from '../ring/media-routes.ts'
import { followPlans, planRoute } from '../ring/plan-exchange.ts'
import { Orders, type OrderPorts } from '../ring/orders.ts'
import { BlobPart, type BlobPartPorts } from '../blobs/blob-part.ts'
import { JobPart } from '../jobs/job-part.ts'
import { type KnownReport, Reports, reportToLeader } from '../ring/reports.ts'
import { Supervisor } from '../ring/supervisor.ts'
import { Absences } from '../ring/absences.ts'
import { ringNodes, type KnownOf } from '../ring/ring-nodes.ts'
import { tellWishes, wishesRoute } from '../ring/wishes.ts'
import type { Identity } from '../state/identity.ts'
import type { StatePaths } from '../state/paths.ts'
import type { Version } from '../state/version.ts'
import { PlanKeeper } from './plan-keeper.ts'
import type { RingHost } from './ring-host.ts'

const firstOf = (addresses: Sighting['addresses']): string => addresses[0]?.address ?? ''

function reportedView({ agentVersion, plan, store, counts, index, problems }: MemberReport): LocalMember['reported'] {
  return { agentVersion, plan, store, assets: counts.assets, index, problems }
}

export interface RingWorkPorts {
  readonly host: RingHost
  readonly paths: StatePaths
  readonly identity: Identity
  readonly version: Version
  readonly log: Log
  /** Facts and settings of this machine; null until its facts are gathered. */
  readonly own: () => KnownOf | null
  /** What other members said of themselves, and what the owner wishes of them. */
  readonly others: (nodeId: string) => KnownOf | null
  readonly policy: () => ReturnType<typeof readPolicy>
  /** A plan of the leader, checked and accepted. */
  readonly take: (plan: SignedPlan) => Promise<void>
  readonly report: () => MemberReport
  /** Facts are as they were; who may do the work is not. */
  readonly replan: () => void
  /** All members as the console shows them. */
  readonly members: () => LocalState['members']
  /** The owner's wishes for this machine that wait for an admitter; null: none. */
  readonly wishes: () => Partial<NodeSettings> | null
  /** Signs another machine's wishes for itself. */
  readonly wish: (nodeId: string, wishes: Partial<NodeSettings>) => void
  /** A command to a service of this machine. */
  readonly run: OrderPorts['run']
  readonly media: Pick<MediaRoutePorts, 'urlOf' | 'localToken'>
  readonly bytes: Pick<BlobPartPorts, 'oplog' | 'casRoot' | 'indexPaths'>
}

/** What this node does in its ring beside speaking: it plans for others or takes its plan, reports or keeps others' reports. */
export class RingWork {
  readonly keeper: PlanKeeper
  readonly reports: Reports
  readonly orders: Orders
  readonly blobs: BlobPart
  readonly supervisor: Supervisor
  private readonly jobs: JobPart
  private readonly ports: RingWorkPorts
  private readonly followAbsences: (signal: AbortSignal) => Promise<void>

  constructor(ports: RingWorkPorts) {
    this.ports = ports
    const { paths, identity, host, log } = ports
    this.reports = new Reports(() => ports.version.bump())
    const known = (nodeId: string): KnownOf | null => (nodeId === identity.nodeId ? ports.own() : ports.others(nodeId))
    const absences = new Absences({ contactAgeMs: (nodeId) => host.part.contactAgeMs(nodeId) })
    const nodes = () => absences.in(ringNodes(host.store.roster, host.part.awake, known))
    this.followAbsences = (signal) => absences.follow(nodes, ports.replan, signal)
    this.orders = new Orders({
      client: () => host.part.client,
      member: (nodeId) => host.store.member(nodeId),
      orderTerm: () => host.part.leadership.order(),
      accept: (term) => host.part.leadership.accept(term),
      run: ports.run,
    })
    const orderTerm = (): Term | null => host.part.leadership.order()
    this.keeper = new PlanKeeper({ paths, identity, host, nodes, policy: () => ports.policy().policy, log })
    this.blobs = new BlobPart({
      ...ports.bytes,
      host,
      nodeId: identity.nodeId,
      stateDir: paths.stateDir,
      libraryPath: paths.library,
      planOf: (nodeId) => this.keeper.bodyOf(nodeId),
      nodes,
      absences,
      version: ports.version,
      log,
    })
    this.supervisor = new Supervisor({ version: ports.version, book: this.keeper.book, orderTerm, members: ports.members })
    this.jobs = new JobPart({
      host,
      nodeId: identity.nodeId,
      blobs: this.blobs,
      nodes,
      planOf: (nodeId) => this.keeper.bodyOf(nodeId),
      reportOf: (nodeId) => (nodeId === identity.nodeId ? ports.report() : (this.reports.of(nodeId)?.report ?? null)),
      orders: this.orders,
      run: ports.run,
      log,
    })
  }

  get host(): RingHost {
    return this.ports.host
  }

  /** Of the node API. */
  routes(): NodeRoute[] {
    const { host, media } = this.ports
    return [
      ...this.orders.routes(),
      ...this.supervisor.routes(),
      planRoute(this.keeper.book, () => host.part.leadership.order()),
      this.reports.route(),
      ...this.blobs.routes(),
      wishesRoute(this.ports.wish),
      ...mediaRoutes({
        ...media,
        answerMedia: (call, at) => this.blobs.answerMedia(call, at),
        isLeader: (nodeId) => host.part.leader()?.nodeId === nodeId,
      }),
    ]
  }

  startLoops(loops: Loops): void {
    const { host, identity, version, log } = this.ports
    loops.start('plans of the leader', (signal) =>
      followPlans(
        {
          client: () => host.part.client,
          nodeId: identity.nodeId,
          leader: () => host.part.leader(),
          memberOf: (nodeId) => host.store.member(nodeId),
          current: () => this.keeper.signed,
          accept: (term) => host.part.leadership.accept(term),
          take: this.ports.take,
          changed: (ended) => this.leaderChanged(ended),
          log: (message, error) => log.debug(`${message}: ${error instanceof Error ? error.message : String(error)}`),
        },
        signal,
      ),
    )
    const wishing = { client: () => host.part.client, version, leader: () => this.otherLeader(), pending: this.ports.wishes }
    loops.start('wishes for the leader', (signal) => tellWishes(wishing, signal))
    loops.start('reports to the leader', (signal) =>
      reportToLeader({ client: () => host.part.client, version, leader: () => this.otherLeader(), compose: this.ports.report }, signal),
    )
    loops.start('who is away for long', this.followAbsences)
    this.blobs.startLoops(loops)
    this.jobs.startLoops(loops)
  }

  /** Where a browser finds the leader's console; null: this node leads, nobody does, or its console is for itself alone. */
  leaderUrl(): string | null {
    const leader = this.otherLeader()
    return leader === null ? null : (this.ports.host.part.consoleUrls(leader.nodeId)[0] ?? null)
  }

  /** Where members find the leader's node API. */
  supervisorUrl(): string | null {
    const { host, identity } = this.ports
    const leader = host.part.leader()
    if (leader === null) return null
    if (leader.nodeId === identity.nodeId) return `https://localhost:${host.part.nodePort}`
    const address = host.part.addressOf(leader.nodeId)
    return address === null ? null : `https://${address.address.includes(':') ? `[${address.address}]` : address.address}:${address.port}`
  }

  /** Another member, from what it reported and what is known of it. */
  memberView(nodeId: string): LocalMember {
    const { host } = this.ports
    const known = this.ports.others(nodeId)
    const reported = this.reports.of(nodeId)
    const planned = this.keeper.book.of(nodeId)?.body
    const ageMs = host.part.contactAgeMs(nodeId)
    return {
      nodeId,
      name: known?.settings.name ?? nodeId,
      role: this.roleOf(nodeId),
      osName: known?.facts.osName ?? '',
      self: false,
      awake: host.part.awake.has(nodeId),
      lastContactMs: ageMs === null ? 0 : Math.max(0, Math.round(Date.now() - ageMs)),
      standby: planned?.standby ?? false,
      admitter: host.store.member(nodeId)?.admitter ?? false,
      consoleUrl: host.part.consoleUrls(nodeId)[0] ?? null,
      services: planned?.services ?? [],
      reported: reported && reportedView(reported.report),
      settings: known?.settings ?? null,
    }
  }

  /** Whoever leads now is the only leader, whatever plans and reports of before say. */
  private roleOf(nodeId: string): Role {
    if (this.ports.host.part.leader()?.nodeId === nodeId) return 'leader'
    const known = this.keeper.bodyOf(nodeId)?.role ?? this.reports.of(nodeId)?.report.role ?? 'worker'
    return known === 'leader' ? 'worker' : known
  }

  /** What other members that are awake told last. */
  reportsOfAwake(): KnownReport[] {
    const { host } = this.ports
    return host.part.others().flatMap(({ nodeId }) => (host.part.awake.has(nodeId) ? (this.reports.of(nodeId) ?? []) : []))
  }

  /** Their cameras and recordings. */
  reported(): Pick<LocalState, 'cameras' | 'captures'>[] {
    return this.reportsOfAwake().map(({ report: { nodeId, cameras, captures } }) => {
      return { cameras: cameras.map((one) => ({ ...one, nodeId })), captures: captures.map((one) => ({ ...one, nodeId })) }
    })
  }

  /** Machines near that belong to nobody. */
  waitingNear(): LocalState['ring']['waiting'] {
    const waiting = this.near().filter(({ claimed }) => !claimed)
    return waiting.slice(0, 64).map(({ nodeId, publicKey, addresses, contactAgeMs }) => {
      return { nodeId, publicKey, address: firstOf(addresses), heardAtMs: Math.round(Date.now() - contactAgeMs) }
    })
  }

  /** Other rings near, by one of their machines each. */
  ringsNear(fateOf: (fingerprint: string) => Pick<LocalState['ring']['others'][number], 'fate' | 'reason'>): LocalState['ring']['others'] {
    const ownFingerprint = this.ports.host.store.fingerprint
    const others = this.near().filter(({ claimed, fingerprint }) => claimed && fingerprint !== ownFingerprint)
    const oneOfEach = new Map(
      others.map(({ clusterId, fingerprint, nodeId, addresses }) => {
        return [fingerprint, { clusterId, fingerprint, nodeId, address: firstOf(addresses), ...fateOf(fingerprint) }]
      }),
    )
    return [...oneOfEach.values()].slice(0, 16)
  }

  policyView(): Pick<LocalState['ring'], 'policy' | 'policyEdits'> {
    const { policy, edits } = this.ports.policy()
    return { policy, policyEdits: edits }
  }

  /** Who is near and not of this ring. */
  private near(): Sighting[] {
    const { host } = this.ports
    // A member that says it belongs to nobody lost its power between the admission and the ring's records: it asks anew.
    const isOutside = ({ claimed, fingerprint }: Sighting): boolean => !claimed && fingerprint !== host.store.fingerprint
    return host.part.discovery.sightings().filter((one) => host.store.memberByKey(one.publicKey) === null || isOutside(one))
  }

  private otherLeader(): Member | null {
    const { host, identity } = this.ports
    const leader = host.part.leader()
    return leader === null || leader.nodeId === identity.nodeId ? null : host.store.member(leader.nodeId)
  }

  /** Resolves when another one leads than now, or when the signal aborts. */
  private async leaderChanged(signal: AbortSignal): Promise<void> {
    const { host, version } = this.ports
    const nameNow = (): string => {
      const term = host.part.leader()
      return term === null ? '' : `${host.store.fingerprint} ${term.number} ${term.nodeId}`
    }
    const before = nameNow()
    while (!signal.aborted && nameNow() === before) await version.waitNewer(version.value, 30_000, signal)
  }
}
