import { existsSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Sha256Hex } from '@thatdam/protocol/ids'
import { openBlobStore, type BlobStore } from '@thatdam/store/blob-store'
import { Derivatives } from '@thatdam/store/derivatives'
import { openIndexDb } from '@thatdam/store/index-db'
import { Locations } from '@thatdam/store/locations'
import { openOriginal } from '../services/media-api/originals.ts'
import type { MediaParts } from '../services/media-api/routes.ts'

export interface OpenBytes {
  readonly handle: FileHandle
  readonly sizeBytes: number
}

/** This machine's blobs and originals, as the agent itself reads them. Opened when somebody first asks: most machines are never asked. */
export class BlobDisk {
  private readonly stateDir: string
  private readonly casRoot: string
  private opening: Promise<BlobStore> | null = null
  private index: { readonly db: DatabaseSync; readonly locations: Locations; readonly derivatives: Derivatives } | null = null

  constructor(at: { readonly stateDir: string; readonly casRoot: string }) {
    this.stateDir = at.stateDir
    this.casRoot = at.casRoot
  }

  /** @throws ThatdamError UNAVAILABLE when its disk is away; asked again, it looks again. */
  async store(): Promise<BlobStore> {
    this.opening ??= openBlobStore(this.casRoot)
    try {
      return await this.opening
    } catch (error) {
      this.opening = null
      throw error
    }
  }

  /** The caller closes the handle. Null: it is not here. */
  async blob(sha256: Sha256Hex): Promise<OpenBytes | null> {
    return await (await this.store()).open(sha256)
  }

  /** Only the very file that was indexed, below a folder that the owner chose. @throws ThatdamError SOURCE_CHANGED, UNAVAILABLE. */
  async original(assetId: Sha256Hex, indexPaths: readonly string[]): Promise<OpenBytes | null> {
    if (this.index === null && !existsSync(join(this.stateDir, 'index.db'))) return null
    return await openOriginal(assetId, this.openIndex().locations, indexPaths)
  }

  /** For answering as the media service does. */
  async media(indexPaths: readonly string[]): Promise<MediaParts> {
    const { locations, derivatives } = this.openIndex()
    // A machine that carries the library has a media service of its own, or others do; a changed original is seen at its next walk.
    return { store: await this.store(), locations, derivatives, indexPaths, others: { find: () => null }, onSourceChanged: () => {} }
  }

  close(): void {
    this.index?.db.close()
    this.index = null
  }

  private openIndex(): NonNullable<BlobDisk['index']> {
    if (this.index === null) {
      const db = openIndexDb(this.stateDir)
      // Single look-ups: what the indexer's cache would hold is no use here.
      db.exec('PRAGMA cache_size=-512')
      this.index = { db, locations: new Locations(db), derivatives: new Derivatives(db) }
    }
    return this.index
  }
}
