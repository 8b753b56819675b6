import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { CaptureStatus, CaptureStopReason } from '@thatdam/protocol/capture'
import type { OpBody } from '@thatdam/protocol/ops'
import type { EntryOf, Journal } from './journal.ts'
import { partPath, recoverPart } from './part-file.ts'
import { pullFragments, type FragmentReader } from './puller.ts'
import type { SealedPart } from './seal.ts'
import { Teller } from './teller.ts'
import { CaptureWriter } from './writer.ts'

/*
 * One recording.
 *
 *   starting ─first fragment─▶ recording ─person / disk-full / shutdown─▶ sealing ─▶ sealed
 *       └── nothing came ──────────────────────────────────────────────▶ failed
 *   found at start (crash, shutdown) ───────────────────────────────────▶ sealing
 */

export interface CaptureDeps {
  readonly nodeId: string
  reader(cameraId: string): FragmentReader
  appendOps(bodies: readonly OpBody[]): Promise<unknown>
  sealPart(rawPath: string, takenAtMs: number): Promise<SealedPart>
  /** Bytes that all recordings may still write; asked before each fragment. */
  recordableBytes(): Promise<number>
  onChange(): void
  /** The service stops: what is open is journalled as stopped, and sealed at the next start. */
  readonly signal: AbortSignal
}

const AWAY = 'The camera gives no picture at the moment. Recording goes on by itself as soon as it does.'
/** A person's stop waits this long for the fragment that covers its moment. */
const LAST_FRAGMENT_MS = 1_200
const SEAL_RETRY_FIRST_MS = 2_000
const SEAL_RETRY_LIMIT_MS = 300_000

export class Capture {
  readonly captureId: string
  readonly cameraId: string
  private readonly begun: EntryOf<'begun'>
  private readonly deps: CaptureDeps
  private readonly folder: string
  private readonly journal: Journal
  private readonly writer: CaptureWriter
  private readonly teller: Teller
  private readonly pulling = new AbortController()
  private stopReason: CaptureStopReason | null = null
  private stopAtMs = Number.POSITIVE_INFINITY
  private stateNow: CaptureStatus['state'] = 'starting'
  private reasonNow = ''
  private sha256: string | null = null
  private recovered = { durationMs: 0, sizeBytes: 0 }

  /** `journal` begins with its `begun` entry. */
  constructor(folder: string, journal: Journal, begun: EntryOf<'begun'>, deps: CaptureDeps) {
    this.folder = folder
    this.journal = journal
    this.begun = begun
    this.captureId = begun.captureId
    this.cameraId = begun.cameraId
    this.deps = deps
    this.writer = new CaptureWriter(folder, journal, deps.reader(begun.cameraId))
    this.teller = new Teller(journal, deps)
  }

  get state(): CaptureStatus['state'] {
    return this.stateNow
  }
  /** Raw bytes on disk that sealing will need once more. */
  get unsealedBytes(): number {
    return this.stateNow === 'sealed' || this.stateNow === 'failed' ? 0 : this.writer.sizeBytes + this.recovered.sizeBytes
  }
  /** Bytes a second while recording; null when not known. */
  get bytesPerSecond(): number | null {
    const { recordedMs, sizeBytes } = this.writer
    return this.stateNow === 'recording' && recordedMs > 500 ? (sizeBytes * 1000) / recordedMs : null
  }

  status(diskSecondsLeft: number | null): CaptureStatus {
    return {
      captureId: this.captureId,
      cameraId: this.cameraId,
      title: this.begun.title,
      state: this.stateNow,
      reason: this.reasonNow,
      startedAtMs: this.begun.startedAtMs,
      recordedMs: Math.round(this.writer.recordedMs + this.recovered.durationMs),
      sizeBytes: this.writer.sizeBytes + this.recovered.sizeBytes,
      gaps: this.journal.all('gap').length,
      diskSecondsLeft: this.stateNow === 'recording' ? diskSecondsLeft : null,
      sha256: this.sha256,
    }
  }

  /** Takes effect at the next fragment; the first reason stays. */
  stop(reason: CaptureStopReason): void {
    if (this.stopReason) return
    this.stopReason = reason
    this.stopAtMs = Date.now()
    setTimeout(() => this.pulling.abort(), reason === 'person' ? LAST_FRAGMENT_MS : 0)
  }

  /** From the first fragment to the sealed blob. Never throws: what went wrong is in the status. */
  async record(preRollMs: number): Promise<void> {
    void this.teller.tell()
    const onShutdown = (): void => this.stop('shutdown')
    this.deps.signal.addEventListener('abort', onShutdown)
    try {
      await this.pull(this.begun.startedAtMs - preRollMs)
    } catch (error) {
      console.error(error)
      this.stop(isDiskFull(error) ? 'disk-full' : 'crash')
      this.reasonNow = isDiskFull(error) ? DISK_FULL : 'Recording failed; what was recorded so far is kept. The log says why.'
    }
    this.deps.signal.removeEventListener('abort', onShutdown)
    await this.writer.close()
    const endedAtMs = this.writer.endMs ?? Date.now()
    await this.journal.add({ type: 'stopped', endedAtMs, reason: this.stopReason ?? 'person' }, { durable: true })
    await this.finish()
  }

  /** For a recording that an earlier process left: repairs what the crash tore, then seals. */
  async resume(): Promise<void> {
    let endedAtMs = this.begun.startedAtMs
    for (const { part, startedAtMs } of this.journal.all('part')) {
      const scan = await recoverPart(partPath(this.folder, part)).catch(() => null)
      if (!scan) continue
      this.recovered = { durationMs: this.recovered.durationMs + scan.durationMs, sizeBytes: this.recovered.sizeBytes + scan.endBytes }
      const last = this.journal.all('fragment').findLast((entry) => entry.part === part)
      endedAtMs = Math.max(endedAtMs, Math.round(last ? last.timeMs + last.durationMs : startedAtMs + scan.durationMs))
    }
    if (this.journal.all('stopped').length === 0) await this.journal.add({ type: 'stopped', endedAtMs, reason: 'crash' }, { durable: true })
    await this.finish()
  }

  private become(state: CaptureStatus['state'], reason: string): void {
    if (this.stateNow === state && this.reasonNow === reason) return
    this.stateNow = state
    this.reasonNow = reason
    this.deps.onChange()
  }

  private async pull(fromMs: number): Promise<void> {
    const reader = this.deps.reader(this.cameraId)
    for await (const got of pullFragments(reader, { fromMs, signal: this.pulling.signal })) {
      if (got === 'away') {
        this.become(this.stateNow, AWAY)
        if (this.stopReason) return
        continue
      }
      if (got.timeMs >= this.stopAtMs) return
      if ((await this.deps.recordableBytes()) < got.bytes.length) {
        this.stop('disk-full')
        this.reasonNow = DISK_FULL
        return
      }
      const gapsBefore = this.writer.gaps
      if (await this.writer.add(got)) this.become('recording', '')
      if (this.writer.gaps > gapsBefore) void this.teller.tell()
      this.deps.onChange()
      if ((this.writer.endMs ?? 0) >= this.stopAtMs) return
    }
  }

  /** Seals until it succeeds or the service stops; the raw parts stay until the blob and its ops are safe. */
  private async finish(): Promise<void> {
    const stoppedBecause = this.reasonNow === AWAY ? '' : this.reasonNow
    void this.teller.tell()
    if (this.writer.recordedMs + this.recovered.durationMs === 0) {
      await this.teller.tell()
      this.become('failed', stoppedBecause || 'Nothing was recorded: the camera gave no picture. Look at it in the Monitor.')
      if (!this.deps.signal.aborted) await this.remove()
      return
    }
    this.become('sealing', stoppedBecause)
    let waitMs = SEAL_RETRY_FIRST_MS
    while (!this.deps.signal.aborted) {
      try {
        await this.sealParts()
        break
      } catch (error) {
        console.error(`sealing ${this.captureId}`, error)
        this.become('sealing', sealingFailed(error, this.folder))
        await delay(waitMs, undefined, { signal: this.deps.signal }).catch(() => {})
        waitMs = Math.min(SEAL_RETRY_LIMIT_MS, waitMs * 2)
      }
    }
    await this.teller.tell()
    if (this.deps.signal.aborted) {
      await this.journal.close()
      return
    }
    await this.remove()
    this.become('sealed', stoppedBecause)
  }

  private async sealParts(): Promise<void> {
    for (const { part, startedAtMs } of this.journal.all('part')) {
      if (this.journal.all('sealed').some((entry) => entry.part === part)) continue
      const path = partPath(this.folder, part)
      const scan = await recoverPart(path)
      if (!scan || scan.fragments === 0) continue
      const sealed = await this.deps.sealPart(path, startedAtMs)
      this.sha256 ??= sealed.sha256
      await this.journal.add({ type: 'sealed', part, ...sealed }, { durable: true })
    }
    this.sha256 ??= this.journal.all('sealed')[0]?.sha256 ?? null
  }

  private async remove(): Promise<void> {
    await this.journal.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

const DISK_FULL = 'The disk is full up to its reserve, so recording stopped. All that was recorded is kept. Free some space to record more.'

function isDiskFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'DISK_FULL'
}

function sealingFailed(error: unknown, folder: string): string {
  const why = error instanceof Error ? error.message.split('\n')[0]?.slice(0, 200) : String(error)
  return `The recording could not be finished yet (${why}). Its raw parts are kept in ${folder}, and it is tried again by itself.`.slice(
    0,
    500,
  )
}
