import { randomBytes } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CaptureStatus } from '@thatdam/protocol/capture'
import { ThatdamError } from '@thatdam/protocol/errors'
import { fsyncDirectory } from '@thatdam/store/durable'
import { Capture, type CaptureDeps } from './capture.ts'
import { Journal } from './journal.ts'
import type { CaptureSpace } from './space.ts'
import { captureTitle } from './title.ts'

export const PRE_ROLL_DEFAULT_MS = 10_000
const PRE_ROLL_LIMIT_MS = 60_000
const OPEN_LIMIT = 64
/** Finished ones that stay in the list for the page. */
const FINISHED_KEPT = 20

export interface RecorderOptions extends Omit<CaptureDeps, 'recordableBytes'> {
  readonly capturesDir: string
  readonly space: CaptureSpace
}

export interface StartRequest {
  readonly cameraId: string
  readonly cameraName: string
  readonly title?: string | undefined
  readonly preRollMs?: number | undefined
}

/** All recordings of a node: open, being sealed, and the last few that are done. */
export class Recorder {
  private readonly options: RecorderOptions
  private readonly deps: CaptureDeps
  private readonly captures = new Map<string, Capture>()
  private readonly work = new Set<Promise<void>>()
  private recordable = Number.POSITIVE_INFINITY

  constructor(options: RecorderOptions) {
    this.options = options
    this.deps = { ...options, recordableBytes: () => this.lookAtSpace() }
  }

  /** Seals what an earlier process left open. Call once, before the first start. */
  async resume(): Promise<void> {
    await mkdir(this.options.capturesDir, { recursive: true, mode: 0o700 })
    for (const name of (await readdir(this.options.capturesDir)).toSorted()) {
      const folder = join(this.options.capturesDir, name)
      const journal = await Journal.open(folder).catch((error: unknown) => {
        console.error(`the recording in ${folder} cannot be read and is left as it is`, error)
        return null
      })
      const begun = journal?.all('begun')[0]
      if (!journal || !begun) {
        await journal?.close()
        continue
      }
      const capture = new Capture(folder, journal, begun, this.deps)
      this.captures.set(begun.captureId, capture)
      this.run(capture.resume())
    }
  }

  /** Journalled when it resolves. Throws CONFLICT when the camera is being recorded, DISK_FULL, TOO_MANY_REQUESTS. */
  async start(request: StartRequest): Promise<CaptureStatus> {
    const open = [...this.captures.values()].filter((capture) => isOpen(capture))
    if (open.some((capture) => capture.cameraId === request.cameraId))
      throw new ThatdamError('CONFLICT', `"${request.cameraName}" is being recorded already. Stop that recording first.`)
    if (open.length >= OPEN_LIMIT)
      throw new ThatdamError('TOO_MANY_REQUESTS', `${OPEN_LIMIT} recordings run already. Stop one of them first.`)
    if ((await this.lookAtSpace()) <= 0)
      throw new ThatdamError('DISK_FULL', 'The disk is full up to its reserve, so nothing can be recorded. Free some space first.')
    const startedAtMs = Date.now()
    const captureId = `${new Date(startedAtMs).toISOString().replaceAll(/\D/g, '').slice(0, 14)}-${randomBytes(4).toString('hex')}`
    const folder = join(this.options.capturesDir, captureId)
    await mkdir(folder, { mode: 0o700 })
    const journal = await Journal.open(folder)
    const title = request.title?.trim().slice(0, 1024) || captureTitle(request.cameraName, startedAtMs)
    const begun = { type: 'begun', version: 1, captureId, cameraId: request.cameraId, title, startedAtMs } as const
    await journal.add(begun, { durable: true })
    await fsyncDirectory(folder)
    await fsyncDirectory(this.options.capturesDir)
    const capture = new Capture(folder, journal, begun, this.deps)
    this.captures.set(captureId, capture)
    this.forgetOld()
    this.run(capture.record(Math.min(PRE_ROLL_LIMIT_MS, Math.max(0, request.preRollMs ?? PRE_ROLL_DEFAULT_MS))))
    return this.statusOf(capture)
  }

  /** Throws NOT_FOUND for one that is not known. Stopping twice is harmless. */
  stop(captureId: string): CaptureStatus {
    const capture = this.captures.get(captureId)
    if (!capture) throw new ThatdamError('NOT_FOUND', 'There is no such recording. It may have been finished long ago.')
    capture.stop('person')
    return this.statusOf(capture)
  }

  status(): CaptureStatus[] {
    return [...this.captures.values()].map((capture) => this.statusOf(capture))
  }

  /** After the signal was aborted: when all that is open is on the disk and journalled. */
  async settled(): Promise<void> {
    while (this.work.size > 0) await Promise.allSettled(this.work)
  }

  private statusOf(capture: Capture): CaptureStatus {
    const rate = [...this.captures.values()].reduce((sum, one) => sum + (one.bytesPerSecond ?? 0), 0)
    const left = rate > 0 && Number.isFinite(this.recordable) ? Math.max(0, Math.floor(this.recordable / rate)) : null
    return capture.status(left)
  }

  private async lookAtSpace(): Promise<number> {
    const unsealed = [...this.captures.values()].reduce((sum, capture) => sum + capture.unsealedBytes, 0)
    this.recordable = await this.options.space.recordableBytes(unsealed)
    return this.recordable
  }

  private run(work: Promise<void>): void {
    const kept = work
      .catch((error: unknown) => console.error('recording', error))
      .finally(() => {
        this.work.delete(kept)
        this.options.onChange()
      })
    this.work.add(kept)
  }

  private forgetOld(): void {
    const finished = [...this.captures.values()].filter((capture) => capture.state === 'sealed' || capture.state === 'failed')
    for (const capture of finished.slice(0, Math.max(0, finished.length - FINISHED_KEPT))) this.captures.delete(capture.captureId)
  }
}

function isOpen(capture: Capture): boolean {
  return capture.state === 'starting' || capture.state === 'recording'
}
