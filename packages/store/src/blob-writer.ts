import { createHash, type Hash } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import type { DiskNumbers } from './disk.ts'
import { diskFull, refuseWhenFull } from './disk.ts'

/** Free space is looked at again after this many bytes of one blob. */
const DISK_CHECK_BYTES = 64 * 1024 * 1024

/** One temporary file that is hashed while it is written. Either `seal` or `discard` ends it. */
export class TemporaryBlob {
  readonly path: string
  private readonly root: string
  private readonly disk: () => Promise<DiskNumbers>
  private readonly handle: FileHandle
  private readonly hash: Hash = createHash('sha256')
  private sizeBytesNow = 0
  private checkedAtBytes = 0

  private constructor(path: string, root: string, handle: FileHandle, disk: () => Promise<DiskNumbers>) {
    this.path = path
    this.root = root
    this.handle = handle
    this.disk = disk
  }

  static async create(path: string, root: string, disk: () => Promise<DiskNumbers>): Promise<TemporaryBlob> {
    return new TemporaryBlob(path, root, await open(path, 'wx', 0o600), disk)
  }

  /** @throws ThatdamError DISK_FULL when the reserve is reached on the way; the caller discards. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.sizeBytesNow + chunk.length - this.checkedAtBytes >= DISK_CHECK_BYTES) {
      refuseWhenFull(this.root, await this.disk(), chunk.length)
      this.checkedAtBytes = this.sizeBytesNow
    }
    this.hash.update(chunk)
    let offset = 0
    while (offset < chunk.length) {
      try {
        offset += (await this.handle.write(chunk, offset, chunk.length - offset)).bytesWritten
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code === 'ENOSPC' || code === 'EDQUOT') throw diskFull(this.root, await this.disk(), error)
        throw error
      }
    }
    this.sizeBytesNow += chunk.length
  }

  /** The bytes are on the disk (fsync) when it resolves; the file still has its temporary name. */
  async seal(): Promise<{ sha256: string; sizeBytes: number }> {
    await this.handle.sync()
    await this.handle.close()
    return { sha256: this.hash.digest('hex'), sizeBytes: this.sizeBytesNow }
  }

  async discard(): Promise<void> {
    await this.handle.close().catch(() => {})
    await unlink(this.path).catch(() => {})
  }
}
