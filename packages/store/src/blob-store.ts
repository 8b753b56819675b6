import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access, mkdir, open, readdir, stat, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'
import { TemporaryBlob } from './blob-writer.ts'
import type { DiskNumbers } from './disk.ts'
import { diskNumbers, refuseWhenFull } from './disk.ts'
import { errnoText, fsyncDirectory, renamePatiently } from './durable.ts'
import { sweepTemporary, temporaryName } from './temporary.ts'

/*
 * Content-addressed blobs in a folder, shared by several processes of one machine without locks:
 *
 *   CAS_ROOT/blobs/ab/cd/<sha256>   whole blobs only: a name appears here by one rename of synced bytes
 *   CAS_ROOT/tmp/                   what is being written; left-overs of dead processes go at the next open
 *   CAS_ROOT/damaged/<sha256>       blobs whose bytes did not hash when verified; never served, kept for repair
 *   CAS_ROOT/.thatdam               marks the folder as ours: no indexer walks into it
 */

const SHA256 = /^[0-9a-f]{64}$/
const READ_BYTES = 1024 * 1024

export interface StoredBlob {
  readonly sha256: string
  readonly sizeBytes: number
  /** False: it was there already and nothing was written. */
  readonly isNew: boolean
}

export interface PutOptions {
  /** When known: refused before the first byte if it does not fit. */
  readonly expectedBytes?: number
  /** When known: a blob that is there already is not written again, and other bytes are refused (UNPROCESSABLE). */
  readonly expectedSha256?: string
  readonly signal?: AbortSignal
}

export interface BlobStore {
  readonly root: string
  /** Hashes and stores. Resolves only when the blob survives a power cut. @throws ThatdamError DISK_FULL, UNPROCESSABLE. */
  put(source: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<StoredBlob>
  /**
   * Moves a finished file whose hash the caller computed into the store, without reading it again when it lies on the same
   * filesystem. The file is gone from its place afterwards, also when the blob was there already.
   */
  adopt(path: string, sha256: string): Promise<StoredBlob>
  has(sha256: string): Promise<boolean>
  /** Null when it is not there. */
  stat(sha256: string): Promise<{ readonly sizeBytes: number } | null>
  /** The caller closes the handle. Null when it is not there. */
  open(sha256: string): Promise<{ readonly handle: FileHandle; readonly sizeBytes: number } | null>
  /** Path for a program that reads the blob; null when it is not there. Nobody writes to it. */
  localPath(sha256: string): Promise<string | null>
  /** Bytes [start, end) in pieces of at most 1 MiB. @throws ThatdamError NOT_FOUND. */
  read(sha256: string, start?: number, end?: number): AsyncIterable<Uint8Array>
  /** Reads the whole blob. A damaged one is taken out of service (moved to damaged/) before this answers. */
  verify(sha256: string): Promise<'ok' | 'missing' | 'damaged'>
  /** All names in order, one folder in memory at a time; after `after` when given. */
  list(after?: string): AsyncIterable<string>
  disk(): Promise<DiskNumbers>
}

/**
 * Opens (and makes) a store. `reserveBytes` overrides the disk reserve of max(1 GiB, 2 %).
 * @throws ThatdamError UNAVAILABLE when the folder cannot be made or written.
 */
export async function openBlobStore(casRoot: string, options: { readonly reserveBytes?: number } = {}): Promise<BlobStore> {
  try {
    for (const folder of ['blobs', 'tmp', 'damaged']) await mkdir(join(casRoot, folder), { recursive: true, mode: 0o700 })
    await (await open(join(casRoot, '.thatdam'), 'a', 0o600)).close()
    await fsyncDirectory(casRoot)
    await sweepTemporary(join(casRoot, 'tmp'))
  } catch (error) {
    throw new ThatdamError(
      'UNAVAILABLE',
      `The store folder ${casRoot} cannot be used (${errnoText(error)}). Check that its disk is connected and that this user may write there.`,
      { cause: error },
    )
  }
  return new FileBlobStore(casRoot, options.reserveBytes)
}

class FileBlobStore implements BlobStore {
  readonly root: string
  private readonly reserveBytes: number | undefined
  /** Folders whose own names are known to be on the disk: at most 65,536 of two levels. */
  private readonly syncedFolders = new Set<string>()

  constructor(root: string, reserveBytes: number | undefined) {
    this.root = root
    this.reserveBytes = reserveBytes
  }

  disk(): Promise<DiskNumbers> {
    return diskNumbers(this.root, this.reserveBytes)
  }

  async put(source: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<StoredBlob> {
    const known = options.expectedSha256
    if (known !== undefined) {
      const there = await this.confirm(known, options.expectedBytes)
      if (there) return there
    }
    const length = source instanceof Uint8Array ? source.length : (options.expectedBytes ?? 0)
    refuseWhenFull(this.root, await this.disk(), length)
    if (known === undefined && source instanceof Uint8Array) {
      const there = await this.confirm(createHash('sha256').update(source).digest('hex'), source.length)
      if (there) return there
    }
    const temporary = await TemporaryBlob.create(join(this.root, 'tmp', temporaryName()), this.root, () => this.disk())
    try {
      for await (const chunk of source instanceof Uint8Array ? [source] : source) {
        options.signal?.throwIfAborted()
        await temporary.write(chunk)
      }
      options.signal?.throwIfAborted()
      const { sha256, sizeBytes } = await temporary.seal()
      if (known !== undefined && known !== sha256) {
        throw new ThatdamError('UNPROCESSABLE', `The bytes received are not those of blob ${known}; nothing was stored. Send it again.`)
      }
      return await this.place(temporary.path, sha256, sizeBytes)
    } catch (error) {
      await temporary.discard()
      throw error
    }
  }

  async adopt(path: string, sha256: string): Promise<StoredBlob> {
    this.checkName(sha256)
    const handle = await open(path, 'r+')
    let sizeBytes: number
    try {
      await handle.sync()
      sizeBytes = (await handle.stat()).size
    } finally {
      await handle.close()
    }
    try {
      return await this.place(path, sha256, sizeBytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error
    }
    const copied = await this.put(createReadStream(path, { highWaterMark: READ_BYTES }), {
      expectedBytes: sizeBytes,
      expectedSha256: sha256,
    })
    await unlink(path)
    return copied
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.stat(sha256)) !== null
  }

  async stat(sha256: string): Promise<{ readonly sizeBytes: number } | null> {
    try {
      return { sizeBytes: (await stat(this.pathOf(sha256))).size }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
  }

  async open(sha256: string): Promise<{ readonly handle: FileHandle; readonly sizeBytes: number } | null> {
    let handle: FileHandle
    try {
      handle = await open(this.pathOf(sha256), 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
    try {
      return { handle, sizeBytes: (await handle.stat()).size }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async localPath(sha256: string): Promise<string | null> {
    return (await this.has(sha256)) ? this.pathOf(sha256) : null
  }

  async *read(sha256: string, start = 0, end = Number.POSITIVE_INFINITY): AsyncIterable<Uint8Array> {
    const blob = await this.open(sha256)
    if (!blob) throw new ThatdamError('NOT_FOUND', `Blob ${sha256} is not in this store.`)
    try {
      let position = start
      const last = Math.min(end, blob.sizeBytes)
      while (position < last) {
        const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, last - position))
        const { bytesRead } = await blob.handle.read(piece, 0, piece.length, position)
        if (bytesRead === 0) return
        position += bytesRead
        yield piece.subarray(0, bytesRead)
      }
    } finally {
      await blob.handle.close()
    }
  }

  async verify(sha256: string): Promise<'ok' | 'missing' | 'damaged'> {
    if (!(await this.has(sha256))) return 'missing'
    const hash = createHash('sha256')
    for await (const piece of this.read(sha256)) hash.update(piece)
    if (hash.digest('hex') === sha256) return 'ok'
    const path = this.pathOf(sha256)
    await renamePatiently(path, join(this.root, 'damaged', sha256))
    await fsyncDirectory(join(path, '..'))
    await fsyncDirectory(join(this.root, 'damaged'))
    return 'damaged'
  }

  async *list(after = ''): AsyncIterable<string> {
    const blobs = join(this.root, 'blobs')
    for (const first of (await readdir(blobs)).toSorted()) {
      if (first < after.slice(0, 2)) continue
      for (const second of (await readdir(join(blobs, first))).toSorted()) {
        if (first + second < after.slice(0, 4)) continue
        for (const name of (await readdir(join(blobs, first, second))).toSorted()) {
          if (SHA256.test(name) && name > after) yield name
        }
      }
    }
  }

  private checkName(sha256: string): void {
    if (!SHA256.test(sha256)) throw new ThatdamError('BAD_PATH', 'A blob is named by 64 lower-case hex digits.')
  }

  private pathOf(sha256: string): string {
    this.checkName(sha256)
    return join(this.root, 'blobs', sha256.slice(0, 2), sha256.slice(2, 4), sha256)
  }

  /** A blob that is there, made sure of: another process may have renamed it a moment ago and not synced its folder yet. */
  private async confirm(sha256: string, sizeBytes: number | undefined): Promise<StoredBlob | null> {
    const there = await this.stat(sha256)
    if (!there || (sizeBytes !== undefined && there.sizeBytes !== sizeBytes)) return null
    await this.syncFolderOf(sha256)
    return { sha256, sizeBytes: there.sizeBytes, isNew: false }
  }

  /** Gives synced bytes their name. The temporary file is gone afterwards. */
  private async place(temporary: string, sha256: string, sizeBytes: number): Promise<StoredBlob> {
    const there = await this.confirm(sha256, sizeBytes)
    if (there) {
      await unlink(temporary)
      return there
    }
    const path = this.pathOf(sha256)
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    await renamePatiently(temporary, path)
    await this.syncFolderOf(sha256)
    return { sha256, sizeBytes, isNew: true }
  }

  private async syncFolderOf(sha256: string): Promise<void> {
    const second = join(this.pathOf(sha256), '..')
    await fsyncDirectory(second)
    if (this.syncedFolders.has(second)) return
    await fsyncDirectory(join(second, '..'))
    await fsyncDirectory(join(this.root, 'blobs'))
    this.syncedFolders.add(second)
  }
}

/** True for folders of ours, by the marker that every store and state folder carries. */
export async function isThatdamFolder(path: string): Promise<boolean> {
  return access(join(path, '.thatdam')).then(
    () => true,
    () => false,
  )
}
