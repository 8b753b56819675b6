import { Board } from '@thatdam/plan/sharing/board'
import type { WorkNode } from '@thatdam/plan/sharing/contract'
import { Leases, type Lease } from '@thatdam/plan/sharing/leases'
import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import { JOBS_MAX, type DeriveJob, type JobsAnswer, type JobsOrder } from '@thatdam/protocol/jobs'
import { RECIPES_KEY } from '@thatdam/store/recipe-hash'
import type { LackingAsset, LibraryIndex } from '../blobs/library-index.ts'

/** Without getting on for so long, a machine loses a job. */
export const LEASE_MS = 60_000
/** On the board at a time: the op-log holds the rest. It is filled up when fewer than half are left. */
const QUEUED_MAX = 500
/** All that is lacking is looked through again this often: what was set aside comes back. */
const AGAIN_EVERY_MS = 60_000
/** Set aside after every machine could not do a job, or lost it: doubled each time. */
const ASIDE_MS = 5_000
const ASIDE_MS_MAX = 3_600_000
const ASIDE_MAX = 10_000
const HOLDERS_MAX = 8
/** Minutes of a core, roughly: what the asker pays and the worker earns. */
const CREDITS = { photo: 0.02, video: 0.2, audio: 0.1 } as const

/** With another version of a recipe, jobs have other names. */
const jobIdOf = (source: Sha256Hex): string => `derive/${source}/${RECIPES_KEY.slice(0, 16)}`

export interface Now {
  /** For quiet hours and turns. */
  readonly wallMs: number
  /** For leases: it never jumps. */
  readonly monotonicMs: number
}

export interface DeskOptions {
  readonly term: number
  readonly nodeId: NodeId
  readonly index: LibraryIndex
}

/**
 * The jobs of the ring, on the machine that leads: previews that nobody has made yet, and files that whoever took them in could not read. It holds
 * nothing that must survive: what is to be done is what the op-log lacks, so that a new leader begins with the same. It reads no clock and speaks to
 * nobody.
 *
 *   op-log: what assets lack ─▶ board ─dispatch─▶ lease ─order─▶ machine ─▶ derivative.made, asset.probed in the op-log: done
 *                                ▲                 └─ cannot, no progress, away: waits again, or is set aside for a while
 *                                └────────────────────┘
 */
export class JobDesk {
  private readonly board = new Board()
  private readonly leases: Leases
  private readonly options: DeskOptions
  private readonly assets = new Map<string, LackingAsset>()
  private readonly aside = new Map<
    string,
    { readonly notBeforeMs: number; readonly tries: number; readonly triedBy: ReadonlySet<NodeId> }
  >()
  private nodes = new Map<NodeId, WorkNode>()
  private cursor = 0
  private againAtMs = -Infinity

  constructor(options: DeskOptions) {
    this.options = options
    this.leases = new Leases(options.term, LEASE_MS)
  }

  get counts(): { readonly waiting: number; readonly running: number } {
    return { waiting: this.board.waitingJobs, running: this.board.runningJobs }
  }

  /** Machines that have jobs now. */
  get workers(): ReadonlySet<NodeId> {
    return this.leases.nodes
  }

  /** Takes in what is known now, and gives out what can be. `nodes`: who may work; `awake`: who answers at all. */
  step(nodes: readonly WorkNode[], awake: ReadonlySet<NodeId>, now: Now): void {
    this.takeNodes(nodes, now)
    for (const { jobId, nodeId } of this.leases.takeBack(awake, now.monotonicMs)) this.setAside(jobId, nodeId, now)
    this.finish(now)
    this.fill(now)
    for (const { jobId, nodeId } of this.board.dispatch(now.wallMs, QUEUED_MAX)) {
      const asset = this.assets.get(jobId)
      // The machine that has it may have made it meanwhile, by itself.
      if (asset === undefined || !this.options.index.isLacking(asset.source)) this.cancel(jobId, now)
      else this.leases.grant(jobId, nodeId, now.monotonicMs)
    }
  }

  /** All that a machine has to do. */
  orderFor(nodeId: NodeId): JobsOrder {
    const jobs = this.leases.on(nodeId).flatMap((lease) => this.jobOf(lease) ?? [])
    return { leaseMs: LEASE_MS, jobs: jobs.slice(0, JOBS_MAX) }
  }

  hear(nodeId: NodeId, answer: JobsAnswer, now: Now): void {
    for (const told of answer.jobs) {
      const counts = this.leases.hear(nodeId, told, now.monotonicMs)
      // What was done, or failed for good, is done when the op-log says so.
      if (!counts || told.state !== 'cannot') continue
      this.setAside(told.jobId, nodeId, now)
    }
  }

  private setAside(jobId: string, triedBy: NodeId, now: Now): void {
    this.remember(jobId, triedBy, now)
    this.cancel(jobId, now)
  }

  private takeNodes(nodes: readonly WorkNode[], { wallMs }: Now): void {
    const named = new Map(nodes.map((node) => [node.nodeId, node]))
    for (const node of nodes) this.board.setNode(node, wallMs)
    for (const node of this.nodes.values()) {
      // Not removed: what it has in hand is its own until its lease ends.
      if (!named.has(node.nodeId)) this.board.setNode({ ...node, isTaking: false }, wallMs)
    }
    this.nodes = named
  }

  /** It comes back at once for a machine that has not tried it yet; when all have, later and later for any. */
  private remember(jobId: string, nodeId: NodeId, { monotonicMs }: Now): void {
    const known = this.aside.get(jobId)
    const tries = (known?.tries ?? 0) + 1
    const triedBy = new Set([...(known?.triedBy ?? []), nodeId])
    const isAnybodyLeft = [...this.nodes.keys()].some((other) => !triedBy.has(other))
    const waitMs = isAnybodyLeft ? 0 : Math.min(ASIDE_MS_MAX, ASIDE_MS * 2 ** Math.min(tries - 1, 20))
    if (this.aside.size >= ASIDE_MAX) for (const oldest of this.aside.keys()) if (this.aside.delete(oldest)) break
    this.aside.set(jobId, { notBeforeMs: monotonicMs + waitMs, tries, triedBy: isAnybodyLeft ? triedBy : new Set() })
    this.againAtMs = Math.min(this.againAtMs, monotonicMs + waitMs)
  }

  private cancel(jobId: string, { wallMs }: Now): void {
    this.board.cancel(jobId, wallMs)
    this.leases.settle(jobId)
    this.assets.delete(jobId)
  }

  /** What the op-log has meanwhile, whoever made it. */
  private finish({ wallMs }: Now): void {
    for (const nodeId of this.leases.nodes) {
      for (const { jobId } of this.leases.on(nodeId)) {
        const asset = this.assets.get(jobId)
        if (asset !== undefined && this.options.index.isLacking(asset.source)) continue
        this.board.finish(jobId, wallMs)
        this.leases.settle(jobId)
        this.assets.delete(jobId)
        this.aside.delete(jobId)
      }
    }
  }

  private fill(now: Now): void {
    if (now.monotonicMs >= this.againAtMs) {
      this.againAtMs = now.monotonicMs + AGAIN_EVERY_MS
      this.cursor = 0
    }
    if (this.assets.size > QUEUED_MAX / 2) return
    while (this.assets.size < QUEUED_MAX) {
      const page = this.options.index.lacking(this.cursor, 100)
      for (const asset of page) this.queue(asset, now)
      if (page.length < 100) {
        this.cursor = page.at(-1)?.position ?? this.cursor
        return
      }
      this.cursor = page.at(-1)?.position ?? this.cursor
    }
  }

  private queue(asset: LackingAsset, now: Now): void {
    const jobId = jobIdOf(asset.source)
    const aside = this.aside.get(jobId)
    if (this.assets.has(jobId) || (aside !== undefined && aside.notBeforeMs > now.monotonicMs)) return
    const { stored, inPlace } = this.options.index.holders(asset.source)
    // Nobody is known to have it: the word of that is on its way.
    if (stored.length + inPlace.length === 0) return
    const added = this.board.add(
      {
        jobId,
        pool: 'derive',
        priority: 'distributed',
        asker: asset.author,
        queuedAtMs: now.wallMs,
        credits: CREDITS[asset.kind],
        inputBytes: asset.sizeBytes,
        near: [...new Set([...stored, ...inPlace])].filter((nodeId) => this.nodes.has(nodeId)),
        onlyOn: aside === undefined || aside.triedBy.size === 0 ? null : this.otherThan(aside.triedBy),
      },
      now.wallMs,
    )
    if (added) this.assets.set(jobId, asset)
  }

  private otherThan(triedBy: ReadonlySet<NodeId>): NodeId | null {
    return [...this.nodes.keys()].find((nodeId) => !triedBy.has(nodeId)) ?? null
  }

  private jobOf({ jobId, fence }: Lease): DeriveJob | null {
    const asset = this.assets.get(jobId)
    if (asset === undefined) return null
    const { source, kind, mimeType, durationMs, sizeBytes } = asset
    const { stored, inPlace } = this.options.index.holders(source)
    const holders = [...new Set([...stored, ...inPlace])].slice(0, HOLDERS_MAX)
    const recipes = this.options.index.openRecipes(source)
    return recipes.length === 0 ? null : { jobId, fence, source, kind, mimeType, durationMs, sizeBytes, recipes, holders }
  }
}
