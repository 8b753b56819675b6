import { layoutOf, type Layout } from '@thatdam/plan/placement/layout'
import { siteOf, storeNodesOf } from '@thatdam/plan/placement/store-nodes'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { OpLog } from '@thatdam/oplog/disk/log'
import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { Session } from '@thatdam/protocol/local'
import type { RepairStatus } from '@thatdam/protocol/member'
import type { PlanBody } from '@thatdam/protocol/plan'
import type { RingHost } from '../agent/ring-host.ts'
import type { NodeCall, NodeRoute } from '../link/server.ts'
import type { Log } from '../log.ts'
import type { Loops } from '../loops/supervisor.ts'
import type { Absences } from '../ring/absences.ts'
import type { Version } from '../state/version.ts'
import { Bell } from './bell.ts'
import type { BlobDisk } from './disk.ts'
import type { Holders, LibraryIndex } from './library-index.ts'
import type { BlobStream, PeerBlobs } from './peer-blobs.ts'
import type { Repair } from './repair.ts'
import { blobRoutes } from './routes.ts'

/** Whoever is away for longer gets stand-ins for its copies until it is back. */
const LONG_AWAY_MS = 3_600_000

export interface BlobPartPorts {
  readonly host: RingHost
  readonly nodeId: NodeId
  readonly stateDir: string
  readonly casRoot: string
  readonly libraryPath: string
  readonly oplog: OpLog
  readonly indexPaths: () => readonly string[]
  readonly planOf: (nodeId: NodeId) => PlanBody | null
  /** The members of the ring whose facts are known. */
  readonly nodes: () => readonly PlannedNode[]
  readonly absences: Absences
  readonly version: Version
  readonly log: Log
}

/**
 * Bytes between machines: gives out this one's, fetches others', and keeps the copies that belong here. What a small machine never needs is loaded
 * when it is first needed.
 */
export class BlobPart {
  /** The library's index has news. */
  readonly news = new Bell()
  private readonly ports: BlobPartPorts
  private disk: Promise<BlobDisk> | null = null
  private peers: Promise<PeerBlobs> | null = null
  private library: LibraryIndex | null = null
  private repair: Repair | null = null

  constructor(ports: BlobPartPorts) {
    this.ports = ports
  }

  routes(): NodeRoute[] {
    const { host, indexPaths, planOf } = this.ports
    return blobRoutes({
      disk: () => this.openDisk(),
      indexPaths,
      planOf,
      isLeader: (nodeId) => host.part.leader()?.nodeId === nodeId,
    })
  }

  startLoops(loops: Loops): void {
    loops.start('index of the library', (signal) => this.follow(signal))
    loops.start('repair', (signal) => this.keepCopies(signal))
  }

  /** Of the copies that this machine keeps for the ring; null: it keeps none. */
  get status(): RepairStatus | null {
    return this.weight > 0 && this.isRing ? (this.repair?.status ?? null) : null
  }

  /** What the op-log says about bytes; null: this machine does not carry all of it, or has not read it yet. */
  get index(): LibraryIndex | null {
    return this.library
  }

  /**
   * The bytes of a blob or original of others. `hints`: who has it, as far as the one who asks was told. `from`: a place to begin at, of bytes that
   * nobody has checked then; null: all, which are the blob when they end.
   */
  async open(
    sha256: Sha256Hex,
    { hints, from }: { readonly hints: readonly NodeId[]; readonly from: number | null },
    signal: AbortSignal,
  ): Promise<BlobStream> {
    const known: Holders = this.library?.holders(sha256) ?? { stored: [], inPlace: [], sizeBytes: null }
    const holders = [...known.stored, ...known.inPlace, ...hints]
    const wanted = { sha256, holders, sizeBytes: known.sizeBytes }
    const peers = await this.openPeers()
    return await (from === null ? peers.open(wanted, signal) : peers.openFrom(wanted, from, signal))
  }

  /** As the media service does, on machines that have none. */
  async answerMedia(
    { request, response }: NodeCall,
    { path, session }: { readonly path: string; readonly session: Session },
  ): Promise<void> {
    const [{ answerMedia }, disk] = await Promise.all([import('../services/media-api/routes.ts'), this.openDisk()])
    const parts = await disk.media(this.ports.indexPaths())
    await answerMedia(parts, { request, response, url: new URL(path, 'http://127.0.0.1'), session })
  }

  close(): void {
    this.library?.close()
    this.library = null
    void this.disk?.then((disk) => disk.close())
  }

  private get weight(): number {
    return this.ports.planOf(this.ports.nodeId)?.storage.weight ?? 0
  }

  /** A machine alone has all there is. */
  private get isRing(): boolean {
    return this.ports.host.store.roster.members.size > 1
  }

  private get carriesAll(): boolean {
    const services = this.ports.planOf(this.ports.nodeId)?.services ?? []
    return this.isRing && services.some(({ name }) => name === 'blob-store' || name === 'catalog')
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const { version, oplog, libraryPath } = this.ports
    while (!signal.aborted && !this.carriesAll) await version.waitNewer(version.value, 60_000, signal)
    if (signal.aborted) return
    const [{ LibraryIndex }, { followLibrary }] = await Promise.all([import('./library-index.ts'), import('./follow-library.ts')])
    this.library ??= LibraryIndex.open(libraryPath)
    await followLibrary(this.library, oplog, { news: () => this.news.ring(), signal })
  }

  private async keepCopies(signal: AbortSignal): Promise<void> {
    const { version } = this.ports
    while (!signal.aborted && (this.library === null || this.layout() === null)) await this.changed(60_000, signal)
    if (signal.aborted || this.library === null) return
    const { Repair } = await import('./repair.ts')
    const { nodeId, host, oplog, log } = this.ports
    this.repair = new Repair({
      nodeId,
      index: this.library,
      store: async () => await (await this.openDisk()).store(),
      blobs: await this.openPeers(),
      layout: () => this.layout(),
      isAwake: (other) => host.part.awake.has(other),
      tell: (bodies) => void oplog.append(bodies.map((body) => ({ body }))),
      changed: (limitMs, ended) => this.changed(limitMs, ended),
      statusChanged: () => version.bump(),
      log: (message, error) => log.debug(`${message}${error instanceof Error ? `: ${error.message}` : ''}`),
    })
    await this.repair.run(signal)
  }

  /** Resolves when log, plans or ring may be other than they were, or after the time. */
  async changed(limitMs: number, signal: AbortSignal): Promise<void> {
    const { version } = this.ports
    const either = new AbortController()
    const ended = AbortSignal.any([signal, either.signal])
    await Promise.race([this.news.next(limitMs, ended), version.waitNewer(version.value, limitMs, ended)])
    either.abort()
  }

  private layout(): Layout | null {
    if (!this.isRing || this.weight === 0) return null
    const { planOf, nodeId, nodes, absences } = this.ports
    const members = nodes().map((node) => ({ ...node, longAway: absences.isLongAway(node, LONG_AWAY_MS) }))
    const plans = new Map(members.flatMap((node) => [[node.nodeId, planOf(node.nodeId)] as const]).filter(isPlanned))
    return layoutOf(storeNodesOf(members, plans), plans.get(nodeId)?.storage.replicas ?? 1)
  }

  private openDisk(): Promise<BlobDisk> {
    const { stateDir, casRoot } = this.ports
    this.disk ??= import('./disk.ts').then(({ BlobDisk }) => new BlobDisk({ stateDir, casRoot }))
    return this.disk
  }

  private openPeers(): Promise<PeerBlobs> {
    this.peers ??= this.makePeers()
    return this.peers
  }

  private async makePeers(): Promise<PeerBlobs> {
    const { PeerBlobs } = await import('./peer-blobs.ts')
    const { host, nodeId, nodes, log } = this.ports
    const siteAt = (other: NodeId): string | null => {
      const node = nodes().find((one) => one.nodeId === other)
      return node === undefined ? null : siteOf(node)
    }
    return new PeerBlobs({
      client: () => host.part.client,
      self: { nodeId, site: siteAt(nodeId) },
      keyOf: (other) => (host.part.awake.has(other) ? (host.store.member(other)?.publicKey ?? null) : null),
      siteOf: siteAt,
      store: async () => await (await this.openDisk()).store(),
      log: (message) => log.debug(message),
    })
  }
}

const isPlanned = (entry: readonly [NodeId, PlanBody | null]): entry is [NodeId, PlanBody] => entry[1] !== null
