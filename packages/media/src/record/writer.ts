import type { Journal } from './journal.ts'
import { PartFile } from './part-file.ts'
import type { FragmentReader, PulledFragment } from './puller.ts'

/** Puts pulled fragments on disk: fragment, fsync, journal; and tells gaps and new parts from what it is given. */
export class CaptureWriter {
  private readonly folder: string
  private readonly journal: Journal
  private readonly reader: FragmentReader
  private part: PartFile | null = null
  private parts = 0
  private generation: string | null = null
  private last: { number: number; endMs: number } | null = null
  /** The stream was interrupted: only a key frame can come next. */
  private broken = true
  recordedMs = 0
  sizeBytes = 0
  gaps = 0

  constructor(folder: string, journal: Journal, reader: FragmentReader) {
    this.folder = folder
    this.journal = journal
    this.reader = reader
  }

  /** End of what is recorded, by the clock; null while there is nothing. */
  get endMs(): number | null {
    return this.last?.endMs ?? null
  }

  /** False: it was not usable (no key frame yet, or its init segment is gone). Throws when the disk does. */
  async add(fragment: PulledFragment): Promise<boolean> {
    if (fragment.generation !== this.generation || fragment.number !== (this.last?.number ?? Number.NaN) + 1) this.broken = true
    if (this.broken && !fragment.key) return false
    if (fragment.generation !== this.generation && !(await this.follow(fragment))) return false
    const { part } = this
    if (!part) return false
    if (this.broken) await this.noteGap(fragment.timeMs)
    const before = part.endBytes
    const durationMs = await part.add(fragment.bytes)
    const { number, timeMs } = fragment
    await this.journal.add({ type: 'fragment', part: part.part, number, timeMs, durationMs, endBytes: part.endBytes }, { durable: false })
    this.broken = false
    this.last = { number, endMs: Math.round(timeMs + durationMs) }
    this.recordedMs += durationMs
    this.sizeBytes += part.endBytes - before
    return true
  }

  async close(): Promise<void> {
    await this.part?.close()
    this.part = null
  }

  /** Another ffmpeg run. The same init segment goes on in the same part. */
  private async follow(fragment: PulledFragment): Promise<boolean> {
    const init = await this.reader.init(fragment.generation)
    if (!init) return false
    this.generation = fragment.generation
    if (this.part?.init.equals(init)) return true
    await this.part?.close()
    this.part = await PartFile.create(this.folder, this.parts, init)
    this.sizeBytes += init.length
    await this.journal.add({ type: 'part', part: this.parts, startedAtMs: fragment.timeMs }, { durable: true })
    this.parts++
    return true
  }

  private async noteGap(toMs: number): Promise<void> {
    if (!this.last || toMs <= this.last.endMs) return
    this.gaps++
    await this.journal.add({ type: 'gap', fromMs: this.last.endMs, toMs }, { durable: true })
  }
}
