import type { Layout } from '@thatdam/plan/placement/layout'
import { planMoves, type Copy } from '@thatdam/plan/placement/moves'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { RepairStatus } from '@thatdam/protocol/member'
import type { OpBody } from '@thatdam/protocol/ops'
import type { BlobStore } from '@thatdam/store/blob-store'
import { sleep } from '../backoff.ts'
import type { KnownBlob, LibraryIndex } from './library-index.ts'
import { Pace } from './pace.ts'
import type { PeerBlobs, Wanted } from './peer-blobs.ts'

const PAGE = 256
/** Everything is looked through again this often: a disk may have lost what the log says it has. */
const WHOLE_EVERY_MS = 6 * 3_600_000
/** Copies that are noted as missing; of more, the rest is found when these are done. */
const MISSING_MAX = 10_000
/** Fetched before they are told, in one step. */
const GROUP = 16
const BYTES_PER_SECOND: Readonly<Record<Copy['reason'], number>> = { repair: 80e6, rebalance: 20e6 }
/** What could not be had is tried again, at the latest after this; sooner when something changed. */
const AGAIN_MS = 60_000
const SETTLE_MS = 500

export interface RepairPorts {
  readonly nodeId: NodeId
  readonly index: LibraryIndex
  readonly store: () => Promise<BlobStore>
  readonly blobs: Pick<PeerBlobs, 'fetch'>
  /** Where blobs belong now; null: not known yet, or this machine keeps none. */
  readonly layout: () => Layout | null
  readonly isAwake: (nodeId: NodeId) => boolean
  readonly tell: (bodies: readonly OpBody[]) => void
  /** Resolves when log, plan or ring may be other than they were, or after the time. */
  readonly changed: (limitMs: number, signal: AbortSignal) => Promise<void>
  readonly statusChanged: () => void
  readonly log: (message: string, error?: unknown) => void
}

interface Missing extends Wanted {
  readonly reason: Copy['reason']
  /** It was tried in vain. */
  notBeforeMs: number
}

/**
 * Keeps on this machine the copies that placement gives it: from the op-log it knows what there is and who has it; what it lacks it fetches, and
 * tells. Each machine looks after its own share, so nobody has to lead for it. Copies that are too many are not touched here.
 *
 *   log's news, or everything once ─▶ placement ─▶ missing ─▶ fetch, repairs first ─▶ blob.stored
 */
export class Repair {
  private readonly ports: RepairPorts
  private readonly missing = new Map<Sha256Hex, Missing>()
  private seen = { layout: '', position: 0, wholeAtMs: -Infinity }
  private isCut = false
  private fullUntilMs = -Infinity
  private fetchedBlobs = 0
  private fetchedBytes = 0
  private reason = ''
  private told = ''
  private readonly paces = { repair: new Pace(BYTES_PER_SECOND.repair), rebalance: new Pace(BYTES_PER_SECOND.rebalance) }

  constructor(ports: RepairPorts) {
    this.ports = ports
  }

  get status(): RepairStatus {
    const { fetchedBlobs, fetchedBytes, reason } = this
    return { missingBlobs: this.missing.size, fetchedBlobs, fetchedBytes, reason }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const layout = this.ports.layout()
      if (layout === null) this.missing.clear()
      else await this.round(layout, signal)
      if (signal.aborted) return
      await this.ports.changed(this.missing.size > 0 ? AGAIN_MS : WHOLE_EVERY_MS, signal)
      await sleep(SETTLE_MS, signal)
    }
  }

  /** Looks for what is missing, and fetches it. */
  async round(layout: Layout, signal: AbortSignal): Promise<void> {
    const name = nameOf(layout)
    const isDue = name !== this.seen.layout || performance.now() - this.seen.wholeAtMs >= WHOLE_EVERY_MS
    if (isDue || (this.isCut && this.missing.size === 0)) await this.lookAtAll(layout, signal)
    else this.lookAtNews(layout)
    if (signal.aborted) return
    await this.fetchMissing(layout, signal)
  }

  private async lookAtAll(layout: Layout, signal: AbortSignal): Promise<void> {
    const { index, nodeId } = this.ports
    const position = index.position
    const own = new Names((await this.ports.store()).list())
    const untold: OpBody[] = []
    let lost = 0
    this.missing.clear()
    this.isCut = false
    for (let page = index.blobs(null, PAGE); page.length > 0; page = index.blobs(page.at(-1)?.sha256 ?? null, PAGE)) {
      for (const blob of page) {
        const isHere = await own.has(blob.sha256)
        const isTold = blob.stored.has(nodeId)
        if (isHere && !isTold) untold.push(stored(blob, nodeId))
        if (!isHere && isTold) lost += 1
        this.look(layout, blob, isHere)
      }
      if (untold.length > 0) this.ports.tell(untold.splice(0))
      if (signal.aborted) return
    }
    if (lost > 0) this.ports.log(`${lost} files of this machine's store are gone from its disk; those that belong here are fetched again`)
    this.seen = { layout: nameOf(layout), position, wholeAtMs: performance.now() }
  }

  private lookAtNews(layout: Layout): void {
    const { index, nodeId } = this.ports
    for (;;) {
      const { blobs, position } = index.news(this.seen.position, PAGE)
      for (const blob of blobs) this.look(layout, blob, blob.stored.has(nodeId))
      this.seen = { ...this.seen, position }
      if (blobs.length === 0) return
    }
  }

  private look(layout: Layout, { sha256, stored: told, sizeBytes }: KnownBlob, isHere: boolean): void {
    const { nodeId } = this.ports
    const have = new Set(told)
    if (isHere) have.add(nodeId)
    else have.delete(nodeId)
    // Whoever has it may wake up: what is missing is missing, whether it can be had now or not.
    const copy = planMoves(layout, sha256, have, new Set([...have, nodeId])).copies.find(({ to }) => to === nodeId)
    const known = this.missing.get(sha256)
    if (copy === undefined) this.missing.delete(sha256)
    else if (known === undefined && this.missing.size >= MISSING_MAX) this.isCut = true
    else {
      const { from: holders, reason } = copy
      const notBeforeMs = known?.holders.length === holders.length ? known.notBeforeMs : 0
      this.missing.set(sha256, { sha256, holders, sizeBytes, reason, notBeforeMs })
    }
  }

  private async fetchMissing(layout: Layout, signal: AbortSignal): Promise<void> {
    const name = nameOf(layout)
    const inReach = [...this.missing.values()].filter(({ holders }) => holders.some(this.ports.isAwake))
    this.reason = this.missing.size > 0 && inReach.length === 0 ? 'The machines that have the missing files are away.' : this.reason
    if (this.missing.size === 0) this.reason = ''
    this.tellStatus()
    const nowMs = performance.now()
    if (nowMs < this.fullUntilMs) return
    const due = inReach.filter(({ notBeforeMs }) => notBeforeMs <= nowMs)
    const queue = due.toSorted((a, b) => Number(a.reason === 'rebalance') - Number(b.reason === 'rebalance'))
    for (let at = 0; at < queue.length && !signal.aborted; at += GROUP) {
      const got = await Promise.all(queue.slice(at, at + GROUP).map((one) => this.fetchOne(one, signal)))
      const bodies = got.filter((body) => body !== null)
      if (bodies.length > 0) this.ports.tell(bodies)
      this.tellStatus()
      if (performance.now() < this.fullUntilMs) return
      // The ring changed meanwhile: other copies may be more urgent, or none of ours.
      const now = this.ports.layout()
      if (now === null || nameOf(now) !== name) return
    }
  }

  private tellStatus(): void {
    const status = JSON.stringify(this.status)
    if (status !== this.told) this.ports.statusChanged()
    this.told = status
  }

  /** What to tell; null: it could not be had, and stays missing. */
  private async fetchOne(wanted: Missing, signal: AbortSignal): Promise<OpBody | null> {
    try {
      const { sha256, sizeBytes, isNew } = await this.ports.blobs.fetch(wanted, signal, (bytes) =>
        this.paces[wanted.reason].take(bytes, signal),
      )
      this.missing.delete(sha256)
      this.reason = ''
      if (isNew) {
        this.fetchedBlobs += 1
        this.fetchedBytes += sizeBytes
      }
      return stored({ sha256, sizeBytes }, this.ports.nodeId)
    } catch (error) {
      if (signal.aborted) return null
      wanted.notBeforeMs = performance.now() + AGAIN_MS
      if (error instanceof ThatdamError && error.code === 'DISK_FULL') this.fullUntilMs = wanted.notBeforeMs
      this.reason = error instanceof ThatdamError ? error.message.slice(0, 300) : 'A file could not be fetched; the log says why.'
      this.ports.log(`${wanted.sha256} was not fetched`, error)
      return null
    }
  }
}

const stored = ({ sha256, sizeBytes }: Pick<KnownBlob, 'sha256' | 'sizeBytes'>, nodeId: NodeId): OpBody => ({
  kind: 'blob.stored',
  sha256,
  sizeBytes,
  nodeId,
})

/** Layouts of one name place every blob alike. */
const nameOf = ({ nodes, replicas }: Layout): string => JSON.stringify([replicas, nodes])

/** Names in order, asked for in order. */
class Names {
  private readonly names: AsyncIterator<string>
  private at: string | null = ''

  constructor(names: AsyncIterable<string>) {
    this.names = names[Symbol.asyncIterator]()
  }

  async has(name: string): Promise<boolean> {
    while (this.at !== null && this.at < name) {
      const next = await this.names.next()
      this.at = next.done === true ? null : next.value
    }
    return this.at === name
  }
}
