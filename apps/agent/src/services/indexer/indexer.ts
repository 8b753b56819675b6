import { setTimeout as delay } from 'node:timers/promises'
import type { IndexStatus } from '@thatdam/protocol/index-status'
import type { OpBody } from '@thatdam/protocol/ops'
import { getMeta, setMeta } from '@thatdam/store/index-db'
import { Locations, type PendingFile } from '@thatdam/store/locations'
import { Outbox } from '@thatdam/store/outbox'
import type { DatabaseSync } from 'node:sqlite'
import { Emitter } from './emitter.ts'
import { HashWorker } from './hash-worker.ts'
import { ingest, locationSeen, relativePath, type IngestParts } from './ingest.ts'
import { Prober } from './probe.ts'
import { EMPTY_STATUS, Rate } from './progress.ts'
import { Sparing } from './sparing.ts'
import { checkRoots, realOwnFolders, type CheckedRoot } from './roots.ts'
import { walkRoot } from './walk.ts'
import { Watcher } from './watcher.ts'

/*
 *            ┌──────────── rescan, watcher, every ~10 min ───────────┐
 *   start ─▶ walk each root ─▶ read pending files ─▶ idle ───────────┘
 *              │ complete: location.gone for what vanished
 *              └ pause holds walk and reading; a kill at any moment loses nothing (rows and ops are one transaction)
 */

const PERIOD_MS = 10 * 60_000
/** A walk for the watcher's sake takes at most a tenth of the time. */
const WATCH_SHARE = 10
const IN_FLIGHT_MAX = 128
const CHUNK = 512
/** With so many ops waiting for the agent, reading pauses. */
const OUTBOX_MAX = 5_000
const GONE_CHUNK = 500
const LATER_MS = 2_000

export interface IndexerOptions {
  readonly db: DatabaseSync
  readonly nodeId: string
  readonly indexPaths: readonly string[]
  readonly casRoot: string
  readonly stateDir: string
  readonly ffprobePath: string | null
  readonly maxParallel: number
  readonly linkFolder: string
  readonly signal: AbortSignal
  readonly appendOps: (bodies: readonly OpBody[]) => Promise<unknown>
  readonly status: (status: IndexStatus) => void
  /** One sentence while a program is missing; null: nothing to say. */
  readonly remark: (sentence: string | null) => void
}

export class Indexer {
  private readonly options: IndexerOptions
  private readonly locations: Locations
  private readonly outbox: Outbox
  private readonly emitter: Emitter
  private readonly hasher = new HashWorker()
  private readonly prober: Prober
  private readonly watcher: Watcher
  private readonly rate = new Rate()
  private roots: (CheckedRoot & { id: number; filesSeen: number; walkProblem: string | null })[] = []
  private statusNow: IndexStatus = EMPTY_STATUS
  private readonly failures: Sparing<Pick<IndexStatus, 'errorCount' | 'errors'>>
  private reported = ''
  private paused = false
  private wake: (() => void) | null = null
  private again = false
  private bytesAtStart = 0
  private lastWalkMs = 0
  private watchedAtMs = 0

  constructor(options: IndexerOptions) {
    this.options = options
    this.locations = new Locations(options.db)
    this.outbox = new Outbox(options.db)
    this.emitter = new Emitter(this.outbox, options.appendOps)
    this.prober = new Prober(options)
    this.watcher = new Watcher(() => {
      this.watchedAtMs = Date.now()
      this.rescan()
    })
    this.failures = new Sparing(() => ({
      errorCount: this.locations.errorCount(),
      errors: this.locations.errors(100).map((one) => ({ path: `${one.root}/${one.path.toString('utf8')}`, reason: one.reason })),
    }))
    this.paused = getMeta(options.db, 'indexer.paused') === '1'
    this.hasher.setPaused(this.paused)
    options.signal.addEventListener('abort', () => this.interrupt(), { once: true })
  }

  private interrupt(): void {
    this.hasher.cancel()
    this.wake?.()
  }

  /** Runs until the signal; then everything of it has ended. */
  async run(): Promise<void> {
    const timer = setInterval(() => this.report(), 500)
    try {
      while (!this.options.signal.aborted) {
        await this.round()
        await this.idle()
      }
    } finally {
      clearInterval(timer)
      this.watcher.close()
      await this.hasher.close()
      await this.emitter.stop()
      this.prober.close()
    }
  }

  rescan(): void {
    this.again = true
    this.wake?.()
  }

  /** Reads files that failed again. Returns how many. */
  retry(): number {
    const count = this.locations.forgetErrors()
    this.rescan()
    return count
  }

  /** Kept over restarts. */
  setPaused(paused: boolean): void {
    this.paused = paused
    setMeta(this.options.db, 'indexer.paused', paused ? '1' : '0')
    this.hasher.setPaused(paused)
    this.rate.clear()
    this.report()
    this.wake?.()
  }

  private async round(): Promise<void> {
    this.again = false
    await this.untilResumed()
    const startedAtMs = Date.now()
    this.prepareRoots()
    for (const root of this.roots) {
      if (root.usable && !this.options.signal.aborted) await this.walk(root)
    }
    this.lastWalkMs = Date.now() - startedAtMs
    await this.readPending()
    if (!this.options.signal.aborted) this.finish()
  }

  private finish(): void {
    this.emitter.hurry()
    this.failures.fresh()
    this.set({ state: 'idle', lastFinishedAtMs: Date.now(), bytesPerSecond: null, secondsLeft: null })
    this.options.remark(this.prober.missingTool)
    this.report()
  }

  private async idle(): Promise<void> {
    const sinceWatch = Date.now() - this.watchedAtMs
    if (this.watchedAtMs > 0 && this.again && sinceWatch < this.lastWalkMs * WATCH_SHARE) {
      await delay(this.lastWalkMs * WATCH_SHARE - sinceWatch, undefined, { signal: this.options.signal }).catch(() => {})
    }
    this.watchedAtMs = 0
    if (this.again || this.options.signal.aborted) return
    await this.sleep(PERIOD_MS * (0.9 + Math.random() / 5), () => this.again)
  }

  /** Sleeps until woken and `until()` holds, the time is over, or the end. */
  private async sleep(ms: number, until: () => boolean): Promise<void> {
    const end = Date.now() + ms
    while (!until() && !this.options.signal.aborted && Date.now() < end) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - Date.now())
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.wake = null
    }
  }

  private async untilResumed(): Promise<void> {
    while (this.paused && !this.options.signal.aborted) await this.sleep(PERIOD_MS, () => !this.paused)
  }

  /** Looks at the folders again; those the owner took off the list are announced away, those put back announced again without reading. */
  private prepareRoots(): void {
    const { indexPaths, casRoot, stateDir } = this.options
    const before = new Map(this.roots.map((root) => [root.path, root.filesSeen]))
    this.roots = checkRoots(indexPaths, { casRoot, stateDir }).map((root) => ({
      ...root,
      id: this.locations.rootId(root.path),
      filesSeen: before.get(root.path) ?? 0,
      walkProblem: null,
    }))
    for (const known of this.locations.roots()) {
      const wanted = this.roots.some((root) => root.id === known.id)
      if (wanted !== known.active) this.setActive(known.id, known.path, wanted)
    }
    this.set({ state: 'walking', filesDone: 0, filesTotal: null, bytesDone: 0, bytesTotal: null })
    this.report()
  }

  private setActive(id: number, path: string, active: boolean): void {
    let after: { folder: number; name: Buffer } | null = null
    for (;;) {
      const chunk = this.locations.chunk(id, after, GONE_CHUNK)
      this.locations.transaction(() => {
        for (const file of chunk) {
          const below = file.folderPath.length === 0 ? file.name : Buffer.concat([file.folderPath, Buffer.from('/'), file.name])
          if (active && file.sha256 !== null) this.outbox.add(locationSeen(this.options.nodeId, path, below, file.sha256, file))
          else this.addGone(path, below)
        }
        if (chunk.length < GONE_CHUNK) this.locations.setRootActive(id, active)
      })
      this.emitter.note(chunk.length)
      const last = chunk.at(-1)
      if (!last || chunk.length < GONE_CHUNK) return
      after = last
    }
  }

  private addGone(root: string, path: Buffer): void {
    this.outbox.add({ kind: 'location.gone', nodeId: this.options.nodeId, root, path: relativePath(path) })
  }

  private async walk(root: (typeof this.roots)[number]): Promise<void> {
    if (root.real === null) return
    const scan = Number(getMeta(this.options.db, 'indexer.scan') ?? '0') + 1
    setMeta(this.options.db, 'indexer.scan', String(scan))
    const result = await walkRoot({
      locations: this.locations,
      rootId: root.id,
      root: root.real,
      scan,
      excluded: realOwnFolders(this.options),
      signal: this.options.signal,
      onEmptied: (path) => this.addGone(root.path, path),
      onFolder: (absolute) => this.watcher.add(absolute),
    })
    root.filesSeen = result.filesSeen
    root.walkProblem = result.rootIsAway
      ? `${root.path} is there but none of its known files are: connect its disk. What was indexed from it stays.`
      : (result.problems[0] ?? null)
    if (result.complete) this.forgetGone(root, scan, result.isKept)
    this.report()
  }

  private forgetGone(root: { id: number; path: string }, scan: number, isKept: (path: Buffer) => boolean): void {
    for (;;) {
      const count = this.locations.transaction(() => {
        const gone = this.locations.takeGone(root.id, scan, isKept, GONE_CHUNK)
        for (const one of gone) if (one.wasAsset) this.addGone(root.path, one.path)
        return gone.length
      })
      this.emitter.note(count)
      if (count < GONE_CHUNK) return
    }
  }

  private async readPending(): Promise<void> {
    const totals = this.locations.pendingTotals()
    this.bytesAtStart = this.hasher.bytesRead
    this.rate.clear()
    this.set({ state: 'indexing', filesDone: 0, filesTotal: totals.files, bytesDone: 0, bytesTotal: totals.bytes })
    const { nodeId, signal } = this.options
    const parts: IngestParts = { nodeId, locations: this.locations, outbox: this.outbox, hasher: this.hasher, prober: this.prober, signal }
    for (;;) {
      const later = await this.pass(parts)
      if (later === 0 || signal.aborted || this.again) return
      // Some are still being written: only those are left, looked at again soon.
      this.finish()
      await this.sleep(LATER_MS, () => this.again)
    }
  }

  /** One pass over all pending files, at most 128 under way. Returns how many are to be looked at again. */
  private async pass(parts: IngestParts): Promise<number> {
    const inFlight = new Set<Promise<void>>()
    let later = 0
    let after: PendingFile | null = null
    for (;;) {
      while (this.outbox.size() > OUTBOX_MAX && !this.options.signal.aborted) await this.sleep(1000, () => false)
      const chunk: PendingFile[] = this.locations.pending(after, CHUNK)
      for (const file of chunk) {
        await this.untilResumed()
        if (this.options.signal.aborted) break
        const work = this.one(parts, file)
        const counted = work.then((result) => {
          inFlight.delete(counted)
          return result === 'later' ? void later++ : undefined
        })
        inFlight.add(counted)
        if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight)
      }
      after = chunk.at(-1) ?? null
      if (after === null || this.options.signal.aborted) break
    }
    await Promise.all(inFlight)
    return later
  }

  private async one(parts: IngestParts, file: PendingFile): Promise<'done' | 'later'> {
    const real = this.roots.find((root) => root.path === file.root && root.usable)?.real
    if (real === undefined || real === null) return 'done'
    try {
      const result = await ingest(parts, file, real)
      this.failures.touch()
      if (result === 'done') this.statusNow = { ...this.statusNow, filesDone: this.statusNow.filesDone + 1 }
      this.emitter.note(2)
      return result
    } catch (error) {
      if (this.options.signal.aborted) return 'later'
      console.error('a file could not be taken in', file.name.toString('utf8'), error)
      const reason = 'Taking in this file failed on our side; the log says why. Try again, or leave it out.'
      this.locations.putFile(file.folder, { ...file, state: 'error', reason })
      return 'done'
    }
  }

  private set(change: Partial<IndexStatus>): void {
    this.statusNow = { ...this.statusNow, ...change }
  }

  private report(): void {
    const busy = this.statusNow.state === 'indexing'
    const bytesDone = busy ? this.hasher.bytesRead - this.bytesAtStart : this.statusNow.bytesDone
    if (busy && !this.paused) this.rate.sample(bytesDone)
    const bytesPerSecond = busy ? this.rate.perSecond() : null
    const left = (this.statusNow.bytesTotal ?? 0) - bytesDone
    this.set({
      bytesDone,
      bytesPerSecond,
      secondsLeft: bytesPerSecond !== null && bytesPerSecond > 0 ? Math.max(0, Math.round(left / bytesPerSecond)) : null,
      roots: this.roots.map((root) => ({ path: root.path, problem: root.problem ?? root.walkProblem, filesSeen: root.filesSeen })),
      ...this.failures.get(),
    })
    const status: IndexStatus = this.paused ? { ...this.statusNow, state: 'paused' } : this.statusNow
    const text = JSON.stringify(status)
    if (text !== this.reported) this.options.status(status)
    this.reported = text
  }
}
