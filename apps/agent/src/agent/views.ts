import * as z from 'zod/mini'
import type { ClusterFile, Discovery, Health } from '@thatdam/protocol/cluster'
import { CameraProxyStatus, CaptureDaemonStatus, DeriverStatus, IndexerStatus, type LocalState } from '@thatdam/protocol/local'
import type { ReportRequest } from '@thatdam/protocol/poll'
import { StoreStatus, type MemberReport } from '@thatdam/protocol/member'
import type { Role, ServiceName, Term } from '@thatdam/protocol/plan'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { CloudState } from '../cloud/cloud.ts'
import type { PlanApplier } from '../plan-applier.ts'
import { AGENT_VERSION } from '../program.ts'
import type { Identity } from '../state/identity.ts'
import type { Adoptions } from './adoptions.ts'
import type { RingHost } from './ring-host.ts'
import type { RingWork } from './ring-work.ts'
import type { Settings } from '../state/settings.ts'

/** Below this much free disk nothing more is recorded: 2 GB, or 2 % of a small disk. */
const RESERVE_BYTES = 2_000_000_000

/** What the blob-store's status tells; before its first word, the facts do. */
const StoreDisk = z.omit(StoreStatus, { repair: true })

export interface ViewPorts {
  readonly identity: Identity
  readonly ring: RingHost
  readonly work: RingWork
  /** Of whoever leads now; of this node's own plan where nobody may lead. */
  readonly term: () => Term
  readonly startedAtMs: number
  readonly casRoot: string
  readonly settings: Settings
  readonly applier: PlanApplier
  readonly version: () => number
  readonly facts: () => NodeFacts
  readonly warnings: () => readonly string[]
  readonly cloud: () => CloudState
  readonly claimed: () => boolean
  readonly adoptions: Pick<Adoptions, 'list' | 'waiting' | 'told'>
  /** Of another ring near, by its fingerprint. */
  readonly fateOf: (fingerprint: string) => Pick<LocalState['ring']['others'][number], 'fate' | 'reason'>
  readonly passwordSet: () => boolean
  readonly port: () => number
  readonly bind: () => 'loopback' | 'lan'
  /** How far what this node wrote is on a second disk. Left out: nothing copies it. */
  readonly oplog?: () => NonNullable<LocalState['oplog']>
}

/** What the agent tells about itself, each in the shape of its reader. All are made from the present state when asked. */
export class Views {
  private readonly ports: ViewPorts

  constructor(ports: ViewPorts) {
    this.ports = ports
  }

  get role(): Role {
    const { ring, applier } = this.ports
    const planned = applier.body?.role ?? 'worker'
    if (ring.part.leadership.order() !== null) return 'leader'
    // Its plan is the one of when it led: a machine that was deposed says so before it has another.
    return planned === 'leader' && ring.store.roster.members.size > 1 ? 'worker' : planned
  }

  consoleUrls(): string[] {
    const { port, bind, facts } = this.ports
    const hosts = bind() === 'lan' ? ['localhost', ...facts().reachability.lanAddresses] : ['localhost']
    return hosts.map((host) => `http://${host.includes(':') ? `[${host}]` : host}:${port()}`)
  }

  localState(): LocalState {
    const { identity, ring, term, settings, applier } = this.ports
    const facts = this.ports.facts()
    return {
      version: this.ports.version(),
      node: {
        nodeId: identity.nodeId,
        clusterId: ring.store.clusterId,
        fingerprint: ring.store.fingerprint,
        role: this.role,
        term: term(),
        startedAtMs: this.ports.startedAtMs,
        agentVersion: AGENT_VERSION,
      },
      settings: settings.value,
      settingsProblems: this.problems(),
      facts,
      plan: applier.state(),
      members: this.members(),
      ring: this.ring(),
      adoptions: this.ports.adoptions.list(),
      cloud: this.ports.cloud(),
      ...this.ringStates(),
      store: this.store(facts),
      ...(this.ports.oplog && { oplog: this.ports.oplog() }),
      owner: { passwordSet: this.ports.passwordSet(), consoleBind: this.ports.bind(), consoleUrls: this.consoleUrls() },
    }
  }

  health(): Health {
    const { identity, startedAtMs, applier } = this.ports
    const { services } = applier.state()
    const failed = services
      .filter(({ state }) => state === 'failed' || state === 'backing-off')
      .map(({ name, reason }) => ({ service: name, reason }))
    const starting = services.length === 0 || services.some(({ state }) => state === 'starting')
    return {
      status: failed.length > 0 ? 'degraded' : starting ? 'starting' : 'ok',
      node_id: identity.nodeId,
      role: this.role,
      version: AGENT_VERSION,
      uptime_seconds: Math.floor((Date.now() - startedAtMs) / 1000),
      failed,
    }
  }

  discovery(): Discovery {
    const { identity, ring, claimed } = this.ports
    return {
      version: 1,
      node_id: identity.nodeId,
      cluster_id: claimed() ? ring.store.clusterId : null,
      fingerprint: claimed() ? ring.store.fingerprint : null,
      leader_url: this.leaderUrl(),
      leader_node_id: ring.part.leader()?.nodeId ?? null,
      api_version: 1,
    }
  }

  cluster(): ClusterFile {
    const { identity, ring, term, work } = this.ports
    const url = this.leaderUrl()
    const via = this.role === 'leader' ? 'self' : 'ring'
    const members = this.members().map(({ nodeId, name, role, self, lastContactMs }) => ({
      node_id: nodeId,
      name,
      role,
      alive: self || ring.part.awake.has(nodeId),
      last_seen_ms: lastContactMs ?? Date.now(),
    }))
    return {
      version: 1,
      node_id: identity.nodeId,
      role: this.role,
      leader: url === null ? null : { url, advertised_via: via, last_seen: new Date().toISOString() },
      services: { api_url: url, supervisor_url: work.supervisorUrl() },
      cluster_id: ring.store.clusterId,
      term: term(),
      members,
    }
  }

  /** To the leader, of what this machine does. */
  memberReport(): MemberReport {
    const { identity, applier, settings, bind, port } = this.ports
    const states = this.serviceStates()
    return {
      version: 1,
      nodeId: identity.nodeId,
      sentAtMs: Date.now(),
      agentVersion: AGENT_VERSION,
      role: this.role,
      term: this.ports.term(),
      plan: applier.state(),
      ...states,
      store: this.store(this.ports.facts()),
      problems: this.problems(),
      counts: { assets: settings.assets, recordingsActive: states.captures.filter(({ state }) => state === 'recording').length },
      consolePort: bind() === 'lan' ? port() : null,
      door: this.ports.adoptions.told(),
    }
  }

  report(commandResults: ReportRequest['commandResults']): ReportRequest {
    const { identity, term, settings, applier } = this.ports
    const { cameras, captures } = this.serviceStates()
    const facts = this.ports.facts()
    return {
      version: 1,
      nodeId: identity.nodeId,
      sentAtMs: Date.now(),
      facts,
      role: this.role,
      term: term(),
      plan: applier.state(),
      settings: { cloudRevision: settings.cloudRevision, value: settings.value, problems: this.problems() },
      counts: {
        assets: settings.assets,
        cameras: Math.max(cameras.length, facts.cameras.length),
        recordingsActive: captures.filter(({ state }) => state === 'recording').length,
      },
      commandResults,
    }
  }

  /** Every member of the ring, this machine first. */
  members(): LocalState['members'] {
    const { identity, ring, work, settings, applier } = this.ports
    const facts = this.ports.facts()
    const self: LocalState['members'][number] = {
      nodeId: identity.nodeId,
      name: settings.value.name,
      role: this.role,
      osName: facts.osName,
      self: true,
      awake: true,
      lastContactMs: null,
      standby: applier.body?.standby ?? false,
      admitter: ring.store.member(identity.nodeId)?.admitter ?? false,
      consoleUrl: this.consoleUrls()[1] ?? null,
      services: applier.body?.services ?? [],
      reported: null,
      settings: settings.value,
    }
    return [self, ...ring.part.others().map(({ nodeId }) => work.memberView(nodeId))]
  }

  private ring(): LocalState['ring'] {
    const { ring, claimed, work, adoptions } = this.ports
    const leader = this.members().find(({ nodeId }) => nodeId === ring.part.leader()?.nodeId)
    return {
      claimed: claimed(),
      leader: leader ? { nodeId: leader.nodeId, name: leader.name, consoleUrl: leader.consoleUrl } : null,
      others: work.ringsNear(this.ports.fateOf),
      waiting: adoptions.waiting(),
      ...work.policyView(),
      recoveryKeyMade: ring.store.roster.ownerRecoveryKey !== null,
    }
  }

  /** What runs here, and, where this machine leads, what the others told of theirs. */
  private ringStates(): Pick<LocalState, 'cameras' | 'captures' | 'index' | 'derive'> {
    const { identity, work, ring } = this.ports
    const { cameras, captures, index, derive } = this.serviceStates()
    const { nodeId } = identity
    const leads = ring.part.leader()?.nodeId === nodeId
    const others = leads ? work.reported() : []
    return {
      cameras: [...cameras.map((camera) => ({ ...camera, nodeId })), ...others.flatMap((one) => one.cameras)],
      captures: [...captures.map((capture) => ({ ...capture, nodeId })), ...others.flatMap((one) => one.captures)],
      index,
      derive,
    }
  }

  private leaderUrl(): string | null {
    if (this.role !== 'leader') return this.ports.work.leaderUrl()
    const [own = null, lan] = this.consoleUrls()
    return lan ?? own
  }

  private problems(): string[] {
    return [...new Set([...this.ports.settings.problems, ...this.ports.warnings()])].slice(0, 32).map((sentence) => sentence.slice(0, 500))
  }

  private serviceStates(): Pick<MemberReport, 'cameras' | 'captures' | 'index' | 'derive'> {
    const status = (name: ServiceName) => this.ports.applier.view(name)?.status ?? null
    const cameras = CameraProxyStatus.safeParse(status('camera-proxy'))
    const captures = CaptureDaemonStatus.safeParse(status('capture-daemon'))
    const index = IndexerStatus.safeParse(status('indexer'))
    const derive = DeriverStatus.safeParse(status('deriver'))
    return {
      cameras: cameras.success ? cameras.data.cameras : [],
      captures: captures.success ? captures.data.captures : [],
      index: index.success ? index.data : null,
      derive: derive.success ? derive.data : null,
    }
  }

  private store(facts: NodeFacts): LocalState['store'] {
    const repair = this.ports.work.blobs.status
    return { ...this.disk(facts), ...(repair && { repair }) }
  }

  private disk(facts: NodeFacts): Omit<LocalState['store'], 'repair'> {
    const { casRoot } = this.ports
    const now = StoreDisk.safeParse(this.ports.applier.view('blob-store')?.status)
    if (now.success) return now.data
    const disk = facts.stores.find(({ root }) => root === casRoot) ?? facts.stores[0]
    const diskTotalBytes = disk?.diskTotalBytes ?? 0
    return {
      root: casRoot,
      diskFreeBytes: disk?.diskFreeBytes ?? 0,
      diskTotalBytes,
      reserveBytes: Math.min(RESERVE_BYTES, Math.floor(diskTotalBytes / 50)),
    }
  }
}
