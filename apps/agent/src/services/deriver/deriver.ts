import type { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { DeriveStatus } from '@thatdam/protocol/index-status'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpFeed } from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'
import type { BlobStore } from '@thatdam/store/blob-store'
import { Derivatives, type DerivativeJob } from '@thatdam/store/derivatives'
import { getMeta, setMeta } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import { Sparing } from '../indexer/sparing.ts'
import { OddNames } from '../indexer/odd-names.ts'
import { derive, NeedsFfmpeg } from './derive.ts'
import { followFeed } from './feed.ts'
import { CannotDerive, type Thumbnail } from './picture.ts'
import { findSource } from './source.ts'

/*
 *   op feed ─▶ wanted (index.db) ─▶ read source ─▶ decode once ─▶ store ─▶ ops ─▶ made
 *                                       │ not here now: away, until its place is seen again
 *                                       └ broken: failed, remembered with its reason
 * Every step may be done twice: the same bytes are one blob, and the ops say the same.
 */

const REPORT_MS = 500
const DISK_RETRY_MS = 30_000
const APPEND_RETRY_MS = 2_000

export interface DeriverOptions {
  readonly db: DatabaseSync
  readonly store: BlobStore
  readonly nodeId: string
  readonly stateDir: string
  readonly ffmpegPath: string | null
  readonly maxParallel: number
  readonly signal: AbortSignal
  readonly readOps: (after: number, waitMs: number, limit: number) => Promise<OpFeed>
  readonly appendOps: (bodies: readonly OpBody[]) => Promise<unknown>
  readonly status: (status: DeriveStatus) => void
  readonly waiting: (reason: string) => void
  readonly running: (reason: string) => void
}

export class Deriver {
  private readonly options: DeriverOptions
  private readonly derivatives: Derivatives
  private readonly locations: Locations
  private readonly names: OddNames
  private readonly busy = new Map<string, string>()
  private readonly sleepers = new Set<() => void>()
  private readonly counts: Sparing<ReturnType<Derivatives['counts']>>
  private reported = ''
  private caughtUp = false
  private paused: boolean
  private diskFull = false
  private missedFfmpeg = false

  constructor(options: DeriverOptions) {
    this.options = options
    this.derivatives = new Derivatives(options.db)
    this.locations = new Locations(options.db)
    this.names = new OddNames(join(options.stateDir, 'deriver-links'))
    this.derivatives.allBack()
    this.counts = new Sparing(() => this.derivatives.counts())
    this.paused = getMeta(options.db, 'deriver.paused') === '1'
    options.signal.addEventListener('abort', () => this.wake(), { once: true })
  }

  async run(): Promise<void> {
    const { db, store, nodeId, signal, readOps } = this.options
    const timer = setInterval(() => this.report(), REPORT_MS)
    this.report()
    const onNews = (caughtUp: boolean): void => {
      this.caughtUp ||= caughtUp
      this.wake()
    }
    const lanes = Array.from({ length: Math.max(1, this.options.maxParallel) }, () => this.lane())
    try {
      await Promise.all([followFeed({ db, derivatives: this.derivatives, store, nodeId, signal, readOps, onNews }), ...lanes])
    } finally {
      clearInterval(timer)
      this.names.close()
    }
  }

  setPaused(paused: boolean): void {
    this.paused = paused
    setMeta(this.options.db, 'deriver.paused', paused ? '1' : '0')
    this.report()
    this.wake()
  }

  retry(): number {
    const count = this.derivatives.retryFailed()
    this.wake()
    return count
  }

  private wake(): void {
    this.counts.touch()
    for (const sleeper of this.sleepers) sleeper()
    this.sleepers.clear()
  }

  private sleep(ms: number): Promise<void> {
    if (this.options.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.sleepers.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.sleepers.add(done)
    })
  }

  private async lane(): Promise<void> {
    while (!this.options.signal.aborted) {
      const job = this.paused || !this.caughtUp ? undefined : this.derivatives.next(1, new Set(this.busy.keys()))[0]
      if (!job) {
        await this.sleep(DISK_RETRY_MS)
        continue
      }
      this.busy.set(job.source, job.source)
      try {
        await this.work(job)
      } catch (error) {
        await this.trouble(job, error)
      } finally {
        this.busy.delete(job.source)
        this.counts.touch()
      }
    }
  }

  private async work(job: DerivativeJob): Promise<void> {
    const { store, signal, ffmpegPath } = this.options
    const disk = await store.disk()
    if (disk.diskFreeBytes < disk.reserveBytes) throw new ThatdamError('DISK_FULL', '')
    const source = await findSource(job.source, { store, locations: this.locations, names: this.names })
    if (!source) {
      this.derivatives.away(job.source)
      return
    }
    let thumbnails: Thumbnail[]
    try {
      thumbnails = await derive(source.path, job, { ffmpegPath, signal })
    } finally {
      source.release()
    }
    const bodies: OpBody[] = []
    const made: (() => void)[] = []
    for (const thumbnail of thumbnails) {
      const hash = job.recipes.find((one) => one.recipe === thumbnail.recipe)?.recipeHash ?? ''
      const { sha256, sizeBytes } = await store.put(thumbnail.data)
      const { recipe, mimeType, width, height } = thumbnail
      bodies.push({ kind: 'blob.stored', sha256, sizeBytes, nodeId: this.options.nodeId })
      bodies.push({
        kind: 'derivative.made',
        sourceSha256: job.source,
        recipe,
        recipeHash: hash,
        sha256,
        sizeBytes,
        mimeType,
        width,
        height,
      })
      made.push(() => this.derivatives.made(job.source, recipe, hash, sha256))
    }
    await this.append(bodies)
    for (const note of made) note()
    if (this.diskFull) this.diskAgain()
  }

  private async trouble(job: DerivativeJob, error: unknown): Promise<void> {
    if (this.options.signal.aborted) return
    if (error instanceof NeedsFfmpeg) {
      this.derivatives.away(job.source)
      if (!this.missedFfmpeg) this.options.running('Films and sounds wait for their pictures until ffmpeg is installed.')
      this.missedFfmpeg = true
      return
    }
    if (error instanceof ThatdamError && error.code === 'DISK_FULL') {
      this.diskFull = true
      this.options.waiting('The disk of the store is full up to its reserve: no previews are made until there is space again.')
      this.report()
      await this.sleep(DISK_RETRY_MS)
      return
    }
    if (!(error instanceof CannotDerive)) console.error('a derivative failed', job.source, error)
    const reason = (error instanceof CannotDerive ? error.message : 'Making the preview failed on our side; the log says why.').slice(
      0,
      500,
    )
    await this.append(
      job.recipes.map(({ recipe, recipeHash }) => ({ kind: 'derivative.failed', sourceSha256: job.source, recipe, recipeHash, reason })),
    )
    for (const { recipe, recipeHash } of job.recipes) this.derivatives.failed(job.source, recipe, recipeHash, reason)
  }

  private diskAgain(): void {
    this.diskFull = false
    this.options.running('')
  }

  /** Until the agent takes them: the lane waits meanwhile, so that nothing piles up. */
  private async append(bodies: readonly OpBody[]): Promise<void> {
    while (bodies.length > 0) {
      try {
        await this.options.appendOps(bodies)
        return
      } catch (error) {
        if (this.options.signal.aborted) throw error
        console.error('the agent took no ops; asking again', error)
        await this.sleep(APPEND_RETRY_MS * (0.75 + Math.random() / 2))
      }
    }
  }

  private report(): void {
    const counts = this.counts.get()
    const working = this.busy.size > 0 || counts.pending > 0
    const status: DeriveStatus = {
      state: this.paused || this.diskFull ? 'paused' : working ? 'working' : 'idle',
      done: counts.made,
      waiting: counts.pending + counts.away,
      failed: counts.failed,
      current: this.busy.keys().next().value ?? null,
    }
    const text = JSON.stringify(status)
    if (text !== this.reported) this.options.status(status)
    this.reported = text
  }
}
