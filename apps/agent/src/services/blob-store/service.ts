import type { Json } from '@thatdam/protocol/canonical'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import type { RunningService, Service, ServiceContext, ServiceHost, ServiceView } from '../service.ts'

/** How often the disk is looked at for the page. */
const DISK_INTERVAL_MS = 30_000
/** A store whose disk is away is tried again this often. */
const RETRY_INTERVAL_MS = 10_000

/** A part of the agent's process: sweeps left-overs at its start and watches the store's disk; the bytes move in other processes. */
export const service: Service = {
  name: 'blob-store',
  uses: [],
  assess: () => ({ canRun: true }),
  start: (context, host) => new BlobStoreService(context, host),
}

class BlobStoreService implements RunningService {
  private readonly context: ServiceContext
  private readonly host: ServiceHost
  private store: BlobStore | null = null
  private viewNow: ServiceView = { state: 'starting', reason: '', restarts: 0, url: null, status: null, failedStarts: 0 }
  private timer: NodeJS.Timeout | null = null
  private stopped = false
  private round: Promise<void> = Promise.resolve()

  constructor(context: ServiceContext, host: ServiceHost) {
    this.context = context
    this.host = host
    this.round = this.look()
  }

  view(): ServiceView {
    return this.viewNow
  }

  /** `disk` → {root, diskFreeBytes, diskTotalBytes, reserveBytes}, looked at now. */
  async command(): Promise<Json> {
    await this.look()
    return this.viewNow.status ?? {}
  }

  setPeers(): void {}

  async stop(): Promise<void> {
    this.stopped = true
    if (this.timer) clearTimeout(this.timer)
    await this.round
  }

  private async look(): Promise<void> {
    try {
      this.store ??= await openBlobStore(this.context.config.casRoot)
      const disk = await this.store.disk()
      const full = disk.diskFreeBytes < disk.reserveBytes
      this.change({
        ...this.viewNow,
        state: full ? 'waiting' : 'running',
        reason: full ? 'The disk is full up to its reserve: nothing new is stored. Free some space.' : '',
        status: { root: this.store.root, ...disk },
      })
    } catch (error) {
      this.store = null
      const reason = error instanceof Error ? error.message : String(error)
      this.change({ ...this.viewNow, state: 'waiting', reason: reason.slice(0, 500), status: null })
    }
    if (this.stopped) return
    if (this.timer) clearTimeout(this.timer)
    this.timer = setTimeout(() => void (this.round = this.look()), this.store ? DISK_INTERVAL_MS : RETRY_INTERVAL_MS)
    this.timer.unref()
  }

  private change(view: ServiceView): void {
    const changed = view.state !== this.viewNow.state || view.reason !== this.viewNow.reason
    this.viewNow = view
    if (changed) this.host.changed()
  }
}
