import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { readHeader } from '../fmp4/boxes.ts'
import { readFragmentTiming, readTrackInfo, retimeFragment, type TrackInfo } from '../fmp4/moof.ts'

export function partPath(folder: string, part: number): string {
  return join(folder, `media-${part}.mp4`)
}

/** One part of a recording on disk: an init segment and fragments on one line of time. It plays as it is, at any moment. */
export class PartFile {
  readonly part: number
  readonly init: Buffer
  private readonly handle: FileHandle
  private readonly track: TrackInfo
  private endBytesNow: number
  private ticks = 0
  private sequence = 0

  private constructor(part: number, init: Buffer, handle: FileHandle) {
    this.part = part
    this.init = init
    this.handle = handle
    this.track = readTrackInfo(init)
    this.endBytesNow = init.length
  }

  static async create(folder: string, part: number, init: Buffer): Promise<PartFile> {
    const handle = await open(partPath(folder, part), 'wx', 0o600)
    await handle.write(init)
    await handle.datasync()
    return new PartFile(part, init, handle)
  }

  get endBytes(): number {
    return this.endBytesNow
  }

  /** Puts the fragment next on the time line and on the disk: it survives a power cut when it resolves. Returns its milliseconds. */
  async add(fragment: Buffer): Promise<number> {
    const timing = readFragmentTiming(fragment, this.track)
    retimeFragment(fragment, ++this.sequence, this.ticks)
    this.ticks += timing.durationTicks
    let written = 0
    while (written < fragment.length) {
      const { bytesWritten } = await this.handle.write(fragment, written, fragment.length - written, this.endBytesNow + written)
      written += bytesWritten
    }
    await this.handle.datasync()
    this.endBytesNow += fragment.length
    return (timing.durationTicks * 1000) / this.track.timescale
  }

  async close(): Promise<void> {
    await this.handle.close()
  }
}

export interface PartScan {
  readonly fragments: number
  readonly durationMs: number
  readonly endBytes: number
}

const HEAD_LIMIT_BYTES = 2 << 20

/**
 * Finds the end of the last whole fragment after a crash, and cuts off what was torn. Null when not even the init segment is whole.
 * Reads box headers and moof boxes only.
 */
export async function recoverPart(path: string): Promise<PartScan | null> {
  const handle = await open(path, 'r+')
  try {
    const { size } = await handle.stat()
    const init = await readInit(handle, size)
    if (!init) return null
    const track = readTrackInfo(init)
    const scan = { fragments: 0, durationMs: 0, endBytes: init.length }
    let moof: Buffer | null = null
    for (let at = init.length; ;) {
      const header = readHeader(await readAt(handle, at, 16), 0)
      if (!header || header.sizeBytes < header.headerBytes || at + header.sizeBytes > size) break
      if (header.type === 'moof') moof = await readAt(handle, at, Math.min(header.sizeBytes, HEAD_LIMIT_BYTES))
      at += header.sizeBytes
      if (header.type !== 'mdat' || !moof) continue
      const timing = readFragmentTiming(moof, track)
      scan.fragments++
      scan.durationMs += (timing.durationTicks * 1000) / track.timescale
      scan.endBytes = at
      moof = null
    }
    if (scan.endBytes < size) {
      await handle.truncate(scan.endBytes)
      await handle.sync()
    }
    return scan
  } finally {
    await handle.close()
  }
}

async function readInit(handle: FileHandle, size: number): Promise<Buffer | null> {
  let at = 0
  while (at < Math.min(size, HEAD_LIMIT_BYTES)) {
    const header = readHeader(await readAt(handle, at, 16), 0)
    if (!header || header.sizeBytes < header.headerBytes) return null
    at += header.sizeBytes
    if (header.type === 'moov') return at <= size ? readAt(handle, 0, at) : null
  }
  return null
}

async function readAt(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, at)
  return buffer.subarray(0, bytesRead)
}
