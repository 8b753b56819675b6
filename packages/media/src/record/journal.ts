import { open, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { CaptureJournalEntry } from '@thatdam/protocol/capture'
import type { OpBody } from '@thatdam/protocol/ops'

export type Entry = CaptureJournalEntry
export type EntryOf<T extends Entry['type']> = Extract<Entry, { type: T }>

/** One recording's journal: lines of JSON, only added to. A torn last line is as if it had not been written. */
export class Journal {
  private readonly handle: FileHandle
  readonly entries: Entry[]

  private constructor(handle: FileHandle, entries: Entry[]) {
    this.handle = handle
    this.entries = entries
  }

  static async open(folder: string): Promise<Journal> {
    const path = join(folder, 'journal.jsonl')
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return ''
      throw error
    })
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    if (whole.length !== text.length) await cutAt(path, Buffer.byteLength(whole))
    return new Journal(await open(path, 'a', 0o600), parseLines(whole))
  }

  /** With `durable`, it survives a power cut when it resolves; without, the media file can tell it again. */
  async add(entry: Entry, options: { durable: boolean }): Promise<void> {
    await this.handle.appendFile(`${JSON.stringify(entry)}\n`)
    if (options.durable) await this.handle.datasync()
    this.entries.push(entry)
  }

  all<T extends Entry['type']>(type: T): EntryOf<T>[] {
    return this.entries.filter((entry): entry is EntryOf<T> => entry.type === type)
  }

  async close(): Promise<void> {
    await this.handle.close()
  }
}

/** Not through the handle that adds: Windows gives that one no right to cut. */
async function cutAt(path: string, lengthBytes: number): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    await handle.truncate(lengthBytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function parseLines(text: string): Entry[] {
  const entries: Entry[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const entry = CaptureJournalEntry.safeParse(parseJson(line))
    if (!entry.success) break // what follows a damaged line cannot be trusted; the media file tells the rest
    entries.push(entry.data)
  }
  return entries
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

/** What a journal means for the op-log: each op under the key with which it is marked as told. Pure, so that telling can be repeated. */
export function opsOfJournal(entries: readonly Entry[], nodeId: string): { key: string; body: OpBody }[] {
  const begun = entries.find((entry): entry is EntryOf<'begun'> => entry.type === 'begun')
  if (!begun) return []
  const { captureId, cameraId, startedAtMs } = begun
  const first = entries.find((entry): entry is EntryOf<'fragment'> => entry.type === 'fragment')
  const since = first?.timeMs ?? startedAtMs
  const ops: { key: string; body: OpBody }[] = [{ key: 'started', body: { kind: 'capture.started', captureId, cameraId, startedAtMs } }]
  let gaps = 0
  let endedAtMs = since
  for (const entry of entries) {
    if (entry.type === 'gap') {
      const { fromMs, toMs } = entry
      ops.push({ key: `gap-${gaps++}`, body: { kind: 'capture.gap', captureId, cameraId, fromMs, toMs } })
    }
    if (entry.type === 'stopped') {
      endedAtMs = entry.endedAtMs
      ops.push({ key: 'stopped', body: { kind: 'capture.stopped', captureId, cameraId, endedAtMs, reason: entry.reason } })
    }
  }
  for (const sealed of entries.filter((entry): entry is EntryOf<'sealed'> => entry.type === 'sealed')) {
    const { sha256, sizeBytes, media, part } = sealed
    const title = part === 0 ? begun.title : `${begun.title} (part ${part + 1})`
    const capture = { captureId, cameraId, startedAtMs: partStart(entries, part) ?? since, endedAtMs: partEnd(entries, part) ?? endedAtMs }
    ops.push(
      { key: `blob-${part}`, body: { kind: 'blob.stored', sha256, sizeBytes, nodeId } },
      {
        key: `part-${part}`,
        body: { kind: 'asset.ingested', assetId: sha256, sizeBytes, assetKind: 'video', title, origin: 'recorded', media, capture },
      },
    )
  }
  return ops
}

function partStart(entries: readonly Entry[], part: number): number | null {
  const first = entries.find((entry) => entry.type === 'fragment' && entry.part === part)
  return first?.type === 'fragment' ? first.timeMs : null
}

function partEnd(entries: readonly Entry[], part: number): number | null {
  const last = entries.findLast((entry) => entry.type === 'fragment' && entry.part === part)
  return last?.type === 'fragment' ? Math.round(last.timeMs + last.durationMs) : null
}
