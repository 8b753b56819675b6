import { mkdirSync, rmSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'
import { diskNumbers, refuseWhenFull } from '@thatdam/store/disk'
import type { SourceBytes } from '../child.ts'
import type { NamedFile } from '../indexer/odd-names.ts'

/** All that lies there at once. */
const SCRATCH_BYTES_MAX = 8 * 1024 ** 3
const TRIES_MAX = 3

/** Others' originals while something is made of them. Emptied at each start; each file goes when it is released. */
export class Scratch {
  private readonly folder: string
  private readonly limitBytes: number
  private usedBytes = 0
  private made = 0
  private readonly waiting = new Set<() => void>()

  constructor(folder: string, limitBytes = SCRATCH_BYTES_MAX) {
    this.folder = folder
    this.limitBytes = limitBytes
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /**
   * A file with these bytes, which whoever opens them has verified to their end.
   * @param sizeBytes what room is kept for; a source that turns out larger is given up
   * @throws ThatdamError TOO_LARGE, DISK_FULL, or what the last of three tries ended with.
   */
  async fetch(
    sizeBytes: number,
    from: { readonly open: () => Promise<SourceBytes>; readonly progress: (bytes: number) => void; readonly signal: AbortSignal },
  ): Promise<NamedFile> {
    await this.reserve(sizeBytes, from.signal)
    this.made += 1
    const path = join(this.folder, String(this.made))
    const release = (): void => {
      rmSync(path, { force: true })
      this.usedBytes -= sizeBytes
      for (const wake of this.waiting) wake()
    }
    try {
      refuseWhenFull(this.folder, await diskNumbers(this.folder), sizeBytes)
      for (let tries = 1; ; tries++) {
        try {
          await write(path, sizeBytes, await from.open(), from)
          return { path, release }
        } catch (error) {
          await rm(path, { force: true })
          if (from.signal.aborted || tries >= TRIES_MAX) throw error
        }
      }
    } catch (error) {
      release()
      throw error
    }
  }

  private async reserve(sizeBytes: number, signal: AbortSignal): Promise<void> {
    if (sizeBytes > this.limitBytes) {
      throw new ThatdamError('TOO_LARGE', `A file of ${(sizeBytes / 1e9).toFixed(1)} GB is too large to be fetched for its preview.`)
    }
    while (this.usedBytes + sizeBytes > this.limitBytes) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.waiting.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        this.waiting.add(done)
        signal.addEventListener('abort', done)
      })
    }
    signal.throwIfAborted()
    this.usedBytes += sizeBytes
  }
}

async function write(
  path: string,
  sizeBytes: number,
  source: SourceBytes,
  { progress, signal }: { readonly progress: (bytes: number) => void; readonly signal: AbortSignal },
): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  let position = 0
  try {
    for await (const piece of source.bytes) {
      signal.throwIfAborted()
      if (position + piece.length > sizeBytes) throw new ThatdamError('UNPROCESSABLE', 'The source is larger than was told.')
      for (let offset = 0; offset < piece.length;) {
        offset += (await handle.write(piece, offset, piece.length - offset, position + offset)).bytesWritten
      }
      position += piece.length
      progress(piece.length)
    }
  } finally {
    await handle.close()
  }
  if (position !== source.sizeBytes) throw new ThatdamError('UNAVAILABLE', 'The source broke off before its end.')
}
