import type { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { DeriveStatus } from '@thatdam/protocol/index-status'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { JobsAnswer, JobsOrder } from '@thatdam/protocol/jobs'
import type { OpFeed } from '@thatdam/protocol/local'
import type { OpBody } from '@thatdam/protocol/ops'
import type { BlobStore } from '@thatdam/store/blob-store'
import { Derivatives, type DerivativeJob } from '@thatdam/store/derivatives'
import { getMeta, setMeta } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import type { SourceBytes, SourcePart } from '../child.ts'
import { Sparing } from '../indexer/sparing.ts'
import { OddNames, type NamedFile } from '../indexer/odd-names.ts'
import { MediaReader } from '../indexer/media-reader.ts'
import { derive } from './derive.ts'
import { followFeed } from './feed.ts'
import { CannotDerive, NeedsProgram, type Thumbnail } from './picture.ts'
import { read } from './read.ts'
import { RemoteJobs, type RemoteJob } from './remote-jobs.ts'
import { FilmDoor, requireUncut, type FarFilm } from './film-door.ts'
import { Scratch } from './scratch.ts'
import { findSource } from './source.ts'

/*
 *   op feed ─▶ wanted (index.db) ─▶ find source ─▶ read what it says of itself, where nobody could ─▶ decode once ─▶ store ─▶ ops ─▶ made
 *                                       │ not here now: away, until its place is seen again
 *                                       └ broken: failed, remembered with its reason
 *   leader's order ─▶ remote jobs ─▶ find source here, else fetch it ─▶ the same
 * Every step may be done twice: the same bytes are one blob, and the ops say the same.
 */

const REPORT_MS = 500
const DISK_RETRY_MS = 30_000
const APPEND_RETRY_MS = 2_000

const WAITS_FOR = {
  ffmpeg: 'Films and sounds wait for their pictures until ffmpeg is installed, or another machine of the ring has made them.',
  exiftool: 'Pictures of some kinds wait until exiftool runs here (it needs Perl), or another machine of the ring has read them.',
} as const

export interface DeriverOptions {
  readonly db: DatabaseSync
  readonly store: BlobStore
  readonly nodeId: string
  readonly stateDir: string
  readonly ffmpegPath: string | null
  readonly ffprobePath: string | null
  readonly maxParallel: number
  readonly signal: AbortSignal
  readonly readOps: (after: number, waitMs: number, limit: number) => Promise<OpFeed>
  readonly appendOps: (bodies: readonly OpBody[]) => Promise<unknown>
  /** The bytes of a source that other machines have. */
  readonly openSource: (sha256: string, asked: SourcePart, signal: AbortSignal) => Promise<SourceBytes>
  readonly status: (status: DeriveStatus) => void
  readonly waiting: (reason: string) => void
  readonly running: (reason: string) => void
}

export class Deriver {
  private readonly options: DeriverOptions
  private readonly derivatives: Derivatives
  private readonly locations: Locations
  private readonly names: OddNames
  private readonly remote = new RemoteJobs()
  private readonly scratch: Scratch
  private readonly films = new FilmDoor()
  private readonly reader: MediaReader
  private readonly busy = new Set<string>()
  private readonly sleepers = new Set<() => void>()
  private readonly counts: Sparing<ReturnType<Derivatives['counts']>>
  private reported = ''
  private caughtUp = false
  private paused: boolean
  private diskFull = false
  private readonly missed = new Set<NeedsProgram['program']>()
  /** Own sources and those of others take turns. */
  private isRemoteTurn = false

  constructor(options: DeriverOptions) {
    this.options = options
    this.derivatives = new Derivatives(options.db)
    this.locations = new Locations(options.db)
    this.names = new OddNames(join(options.stateDir, 'deriver-links'))
    this.scratch = new Scratch(join(options.stateDir, 'deriver-scratch'))
    this.reader = new MediaReader({ ...options, maxParallel: Math.max(1, options.maxParallel) })
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
      await this.films.close()
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

  /** What the leader gives this machine to do; the answer says how all of it stands. */
  order(order: JobsOrder): JobsAnswer {
    const answer = this.remote.order(order, performance.now())
    this.wake()
    return answer
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
      const job = this.next()
      if (!job) {
        await this.sleep(DISK_RETRY_MS)
        continue
      }
      this.busy.add(job.source)
      try {
        await ('signal' in job ? this.workForOthers(job) : this.workHere(job))
      } finally {
        this.busy.delete(job.source)
        this.counts.touch()
      }
    }
  }

  private next(): DerivativeJob | RemoteJob | null {
    if (this.paused) return null
    const own = () => (this.caughtUp ? (this.derivatives.next(1, this.busy)[0] ?? null) : null)
    const others = () => this.remote.next(this.busy, performance.now())
    this.isRemoteTurn = !this.isRemoteTurn
    return this.isRemoteTurn ? (others() ?? own()) : (own() ?? others())
  }

  private async workHere(job: DerivativeJob): Promise<void> {
    try {
      const source = await this.sourceHere(job.source)
      if (!source) {
        this.derivatives.away(job.source)
        return
      }
      await this.make(source, job, this.options.signal)
      if (this.diskFull) this.diskAgain()
    } catch (error) {
      await this.trouble(job, error)
    }
  }

  /** For the leader: whatever comes of it is what it is told, and nothing here waits for it. */
  private async workForOthers(job: RemoteJob): Promise<void> {
    const { remote } = this
    const signal = AbortSignal.any([job.signal, this.options.signal])
    const recipes = job.recipes.filter(({ recipeHash }) => !this.derivatives.has(job.source, recipeHash))
    try {
      if (recipes.length > 0) {
        const { ffmpegPath, ffprobePath } = this.options
        if (job.kind !== 'photo' && ffmpegPath === null && ffprobePath === null) throw new NeedsProgram('ffmpeg') // before it is fetched
        const source = (await this.sourceHere(job.source)) ?? (await this.sourceElsewhere(job, signal))
        remote.advance(job.jobId, 1)
        await this.make(source, { ...job, recipes }, signal)
      }
      remote.end(job.jobId, 'done')
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof NeedsProgram || error instanceof ThatdamError || isFull(error))
        return remote.end(job.jobId, 'cannot', textOf(error))
      await this.giveUp({ ...job, recipes }, error)
      remote.end(job.jobId, 'failed', textOf(error))
    }
  }

  private async sourceHere(sha256: string): Promise<NamedFile | null> {
    const { store } = this.options
    const disk = await store.disk()
    if (disk.diskFreeBytes < disk.reserveBytes) throw new ThatdamError('DISK_FULL', 'The disk of the store is full up to its reserve.')
    return await findSource(sha256, { store, locations: this.locations, names: this.names })
  }

  /** Of a film only what is asked for is read; all else is fetched whole, and verified. */
  private sourceElsewhere({ jobId, kind, source, sizeBytes, holders }: RemoteJob, signal: AbortSignal): Promise<NamedFile | FarFilm> {
    const open = (from: number | null, ended: AbortSignal) => this.options.openSource(source, { holders, from }, ended)
    const progress = (bytes: number): void => this.remote.advance(jobId, bytes)
    return kind === 'video'
      ? this.films.show({ sizeBytes, open, progress, signal })
      : this.scratch.fetch(sizeBytes, { open: () => open(null, signal), progress, signal })
  }

  /** All that is wanted of a source, from one reading of its bytes. A program that is missing for a part of it holds up that part alone. */
  private async make(source: NamedFile | FarFilm, job: DerivativeJob, signal: AbortSignal): Promise<void> {
    const { ffmpegPath } = this.options
    try {
      const { known, missing } = await this.read(source, job)
      const thumbnails = await derive(source.path, known, { ffmpegPath, signal }).catch(async (error: unknown) => {
        requireUncut(source)
        if (missing === null || !(error instanceof CannotDerive)) throw error
        await this.giveUp({ ...job, recipes: job.recipes.filter(({ recipe }) => recipe !== 'media-info') }, error)
        return []
      })
      signal.throwIfAborted()
      requireUncut(source)
      await this.tell(job, thumbnails)
      if (missing !== null) throw missing
    } finally {
      source.release()
    }
  }

  /** What is wrong with the file is an answer too. `known`: the job by what was read, or as it was. */
  private async read(
    source: NamedFile | FarFilm,
    job: DerivativeJob,
  ): Promise<{ readonly known: DerivativeJob; readonly missing: NeedsProgram | null }> {
    const wanted = job.recipes.find(({ recipe }) => recipe === 'media-info')
    if (wanted === undefined) return { known: job, missing: null }
    try {
      const { kind, media, problem } = await read(source.path, job, this.reader)
      requireUncut(source)
      const { source: assetId } = job
      const { recipe, recipeHash } = wanted
      await this.append([{ kind: 'asset.probed', assetId, recipeHash, assetKind: kind, media, problem: problem?.slice(0, 500) ?? null }])
      this.derivatives.made(assetId, recipe, recipeHash, null)
      return { known: { ...job, kind, mimeType: media.mimeType, durationMs: media.durationMs }, missing: null }
    } catch (error) {
      if (error instanceof NeedsProgram) return { known: job, missing: error }
      throw error
    }
  }

  /** Stores every size. */
  private async tell(job: DerivativeJob, thumbnails: readonly Thumbnail[]): Promise<void> {
    const { store, nodeId } = this.options
    const bodies: OpBody[] = []
    const made: (() => void)[] = []
    for (const thumbnail of thumbnails) {
      const hash = job.recipes.find((one) => one.recipe === thumbnail.recipe)?.recipeHash ?? ''
      const { sha256, sizeBytes } = await store.put(thumbnail.data)
      const { recipe, mimeType, width, height } = thumbnail
      bodies.push({ kind: 'blob.stored', sha256, sizeBytes, nodeId })
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
  }

  private async trouble(job: DerivativeJob, error: unknown): Promise<void> {
    if (this.options.signal.aborted) return
    if (error instanceof NeedsProgram) {
      this.derivatives.away(job.source)
      if (!this.missed.has(error.program)) this.options.running(WAITS_FOR[error.program])
      this.missed.add(error.program)
      return
    }
    if (error instanceof ThatdamError && error.code === 'DISK_FULL') {
      this.diskFull = true
      this.options.waiting('The disk of the store is full up to its reserve: no previews are made until there is space again.')
      this.report()
      await this.sleep(DISK_RETRY_MS)
      return
    }
    await this.giveUp(job, error)
  }

  /** It is broken, or we are: not tried again with this recipe. */
  private async giveUp(job: DerivativeJob, error: unknown): Promise<void> {
    if (!(error instanceof CannotDerive)) console.error('a derivative failed', job.source, error)
    const why = error instanceof CannotDerive ? error.message : 'Making the preview failed on our side; the log says why.'
    const reason = why.slice(0, 500)
    const open = job.recipes.filter(({ recipeHash }) => !this.derivatives.has(job.source, recipeHash))
    await this.append(
      open.map(({ recipe, recipeHash }) => ({ kind: 'derivative.failed', sourceSha256: job.source, recipe, recipeHash, reason })),
    )
    for (const { recipe, recipeHash } of open) this.derivatives.failed(job.source, recipe, recipeHash, reason)
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
      current: this.busy.values().next().value ?? null,
    }
    const text = JSON.stringify(status)
    if (text !== this.reported) this.options.status(status)
    this.reported = text
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The scratch folder's disk, which has no reserve of its own. */
const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
