import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { transaction } from './index-db.ts'

/** Nanoseconds and inodes are 64-bit: bigint, inodes of more than 63 bits wrapped. An inode of 0 proves nothing. */
export interface FileIdentity {
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly inode: bigint
  readonly device: string
}

export interface KnownFile extends FileIdentity {
  readonly name: Buffer
  /** Null: never read whole (empty, or unreadable). */
  readonly sha256: string | null
  /** `pending`: to be read; `done`; `error`: listed, but broken or unreadable, see reason; `skipped`: not an asset, see reason if any. */
  readonly state: 'pending' | 'done' | 'error' | 'skipped'
  readonly reason: string | null
  /** Scan in which it was not found; 0 when it is there. */
  readonly missing: number
}

export interface Folder {
  readonly id: number
  /** Device number of the last walk, as text; empty when never walked. */
  readonly device: string
}

export interface PendingFile extends KnownFile {
  readonly folder: number
  readonly folderPath: Buffer
  readonly root: string
}

/** A place of an original on this node. `path` is relative to `root`, separated by `/`, bytes as on the disk. */
export interface Location {
  readonly root: string
  readonly path: Buffer
  readonly sizeBytes: number
  readonly mtimeNs: bigint
}

interface FileRow {
  folder: bigint
  name: Uint8Array
  size: bigint
  mtimeNs: bigint
  inode: bigint
  device: string
  sha256: Uint8Array | null
  state: KnownFile['state']
  reason: string | null
  missing: bigint
}

const SLASH = Buffer.from('/')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Path of a file below its root. */
export function joinPath(folder: Uint8Array, name: Uint8Array): Buffer {
  return folder.length === 0 ? Buffer.from(name) : Buffer.concat([folder, SLASH, name])
}

/** The table of originals: reads for everybody, writes for the one indexer of the node. */
export class Locations {
  private readonly db: DatabaseSync
  private readonly statements = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  /** Every place of these bytes that was there at the last walk; at most 100. */
  find(sha256: string): Location[] {
    const rows = this.statement(
      `SELECT roots.path AS root, folders.path AS folder, files.name AS name, files.size AS size, files.mtimeNs AS mtimeNs
       FROM files JOIN folders ON folders.id = files.folder JOIN roots ON roots.id = folders.root
       WHERE files.sha256 = ? AND files.missing = 0 AND roots.active = 1 LIMIT 100`,
    ).all(Buffer.from(sha256, 'hex')) as unknown as { root: string; folder: Uint8Array; name: Uint8Array; size: bigint; mtimeNs: bigint }[]
    return rows.map((row) => ({
      root: row.root,
      path: joinPath(row.folder, row.name),
      sizeBytes: Number(row.size),
      mtimeNs: row.mtimeNs,
    }))
  }

  /** What these bytes were announced as by this node, and what is wrong with them. */
  asset(sha256: string): { readonly mimeType: string; readonly problem: string | null } | null {
    const row = this.statement('SELECT mimeType, problem FROM assets WHERE sha256 = ?').get(Buffer.from(sha256, 'hex'))
    return (row as { mimeType: string; problem: string | null } | undefined) ?? null
  }

  rememberAsset(sha256: string, mimeType: string, problem: string | null): void {
    const insert = this.statement('INSERT OR REPLACE INTO assets (sha256, mimeType, problem) VALUES (?, ?, ?)')
    insert.run(Buffer.from(sha256, 'hex'), mimeType, problem)
  }

  rootId(path: string): number {
    this.statement('INSERT OR IGNORE INTO roots (path, active) VALUES (?, 0)').run(path)
    return Number((this.statement('SELECT id FROM roots WHERE path = ?').get(path) as { id: bigint }).id)
  }

  roots(): { readonly id: number; readonly path: string; readonly active: boolean }[] {
    const rows = this.statement('SELECT id, path, active FROM roots').all() as { id: bigint; path: string; active: bigint }[]
    return rows.map((row) => ({ id: Number(row.id), path: row.path, active: row.active === 1n }))
  }

  setRootActive(root: number, active: boolean): void {
    this.statement('UPDATE roots SET active = ? WHERE id = ?').run(active ? 1 : 0, root)
  }

  folder(root: number, path: Uint8Array): Folder {
    const select = this.statement('SELECT id, device FROM folders WHERE root = ? AND path = ?')
    let row = select.get(root, path) as { id: bigint; device: string } | undefined
    if (!row) {
      this.statement('INSERT INTO folders (root, path) VALUES (?, ?)').run(root, path)
      row = select.get(root, path) as { id: bigint; device: string }
    }
    return { id: Number(row.id), device: row.device }
  }

  hasFolder(root: number, path: Uint8Array): boolean {
    return this.statement('SELECT 1 FROM folders WHERE root = ? AND path = ?').get(root, path) !== undefined
  }

  setFolder(folder: number, device: string, scan: number): void {
    this.statement('UPDATE folders SET device = ?, scan = ? WHERE id = ?').run(device, scan, folder)
  }

  filesOf(folder: number): KnownFile[] {
    return (this.statement('SELECT * FROM files WHERE folder = ?').all(folder) as unknown as FileRow[]).map(toKnownFile)
  }

  file(folder: number, name: Uint8Array): KnownFile | null {
    const row = this.statement('SELECT * FROM files WHERE folder = ? AND name = ?').get(folder, name) as unknown as FileRow | undefined
    return row ? toKnownFile(row) : null
  }

  /** The same file under another name: renamed, moved, or a hard link. Its bytes need no second reading. */
  findSame(identity: FileIdentity): KnownFile | null {
    if (identity.inode === 0n) return null
    const row = this.statement(
      'SELECT * FROM files WHERE inode = ? AND size = ? AND mtimeNs = ? AND device = ? AND sha256 IS NOT NULL LIMIT 1',
    ).get(identity.inode, identity.size, identity.mtimeNs, identity.device) as unknown as FileRow | undefined
    return row ? toKnownFile(row) : null
  }

  putFile(folder: number, file: Omit<KnownFile, 'missing'>): void {
    this.statement(
      `INSERT OR REPLACE INTO files (folder, name, size, mtimeNs, inode, device, sha256, state, reason, missing)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
    ).run(
      folder,
      file.name,
      file.size,
      file.mtimeNs,
      file.inode,
      file.device,
      file.sha256 === null ? null : Buffer.from(file.sha256, 'hex'),
      file.state,
      file.reason,
    )
  }

  setMissing(folder: number, name: Uint8Array, scan: number): void {
    this.statement('UPDATE files SET missing = ? WHERE folder = ? AND name = ?').run(scan, folder, name)
  }

  countFiles(root: number): number {
    const row = this.statement('SELECT count(*) AS n FROM files JOIN folders ON folders.id = files.folder WHERE folders.root = ?').get(root)
    return Number((row as { n: bigint }).n)
  }

  /** Forgets what was read of files with an error, so that the next walk reads them again. Returns how many. */
  forgetErrors(): number {
    return this.transaction(() => {
      this.statement("DELETE FROM assets WHERE sha256 IN (SELECT sha256 FROM files WHERE state = 'error')").run()
      return Number(this.statement("UPDATE files SET mtimeNs = -1 WHERE state = 'error'").run().changes)
    })
  }

  /** The newest failures, with their place. */
  errors(limit: number): { readonly root: string; readonly path: Buffer; readonly reason: string }[] {
    const rows = this.statement(
      `SELECT roots.path AS root, folders.path AS folder, files.name AS name, files.reason AS reason
       FROM files JOIN folders ON folders.id = files.folder JOIN roots ON roots.id = folders.root
       WHERE files.reason IS NOT NULL AND files.missing = 0 AND roots.active = 1 ORDER BY files.mtimeNs DESC LIMIT ?`,
    ).all(limit) as unknown as { root: string; folder: Uint8Array; name: Uint8Array; reason: string }[]
    return rows.map((row) => ({ root: row.root, path: joinPath(row.folder, row.name), reason: row.reason }))
  }

  errorCount(): number {
    const row = this.statement(
      `SELECT count(*) AS n FROM files JOIN folders ON folders.id = files.folder JOIN roots ON roots.id = folders.root
       WHERE files.reason IS NOT NULL AND files.missing = 0 AND roots.active = 1`,
    ).get() as { n: bigint }
    return Number(row.n)
  }

  /** Files to be read, in one order; `after` is the last one given. */
  pending(after: PendingFile | null, limit: number): PendingFile[] {
    const rows = this.statement(
      `SELECT files.*, folders.path AS folderPath, roots.path AS root FROM files
       JOIN folders ON folders.id = files.folder JOIN roots ON roots.id = folders.root
       WHERE files.state = 'pending' AND files.missing = 0 AND roots.active = 1 AND (files.folder, files.name) > (?, ?)
       ORDER BY files.folder, files.name LIMIT ?`,
    ).all(after?.folder ?? -1, after?.name ?? Buffer.alloc(0), limit) as unknown as (FileRow & { folderPath: Uint8Array; root: string })[]
    return rows.map((row) => ({
      ...toKnownFile(row),
      folder: Number(row.folder),
      folderPath: Buffer.from(row.folderPath),
      root: row.root,
    }))
  }

  pendingTotals(): { readonly files: number; readonly bytes: number } {
    const row = this.statement(
      `SELECT count(*) AS files, coalesce(sum(files.size), 0) AS bytes FROM files JOIN folders ON folders.id = files.folder
       JOIN roots ON roots.id = folders.root WHERE files.state = 'pending' AND files.missing = 0 AND roots.active = 1`,
    ).get() as { files: bigint; bytes: bigint }
    return { files: Number(row.files), bytes: Number(row.bytes) }
  }

  removeFile(folder: number, name: Uint8Array): void {
    this.statement('DELETE FROM files WHERE folder = ? AND name = ?').run(folder, name)
  }

  /** Files of a root in chunks, in one order; `after` is the last one given. For announcing a whole root again or away. */
  chunk(
    root: number,
    after: { folder: number; name: Buffer } | null,
    limit: number,
  ): (KnownFile & { folder: number; folderPath: Buffer })[] {
    const rows = this.statement(
      `SELECT files.*, folders.path AS folderPath FROM files JOIN folders ON folders.id = files.folder
       WHERE folders.root = ? AND (files.folder, files.name) > (?, ?) AND files.sha256 IS NOT NULL
       ORDER BY files.folder, files.name LIMIT ?`,
    ).all(root, after?.folder ?? -1, after?.name ?? Buffer.alloc(0), limit) as unknown as (FileRow & { folderPath: Uint8Array })[]
    return rows.map((row) => ({ ...toKnownFile(row), folder: Number(row.folder), folderPath: Buffer.from(row.folderPath) }))
  }

  /**
   * After a complete walk: what was not found in it, outside of folders that `isKept` (unreadable or away ones), at most `limit`.
   * The rows are removed; ask again until it is empty. Folders that have no files left go with them.
   */
  takeGone(root: number, scan: number, isKept: (path: Buffer) => boolean, limit: number): { path: Buffer; wasAsset: boolean }[] {
    const folders = this.statement('SELECT id, path, scan FROM folders WHERE root = ?')
    const gone: { path: Buffer; wasAsset: boolean }[] = []
    for (const folder of folders.iterate(root) as Iterable<{ id: bigint; path: Uint8Array; scan: bigint }>) {
      const path = Buffer.from(folder.path)
      if (isKept(path)) continue
      const vanished = folder.scan !== BigInt(scan)
      const rows = this.statement(`SELECT name, state FROM files WHERE folder = ? AND (? OR missing = ?) LIMIT ?`).all(
        folder.id,
        vanished ? 1 : 0,
        scan,
        limit - gone.length,
      ) as unknown as { name: Uint8Array; state: string }[]
      for (const row of rows) {
        this.statement('DELETE FROM files WHERE folder = ? AND name = ?').run(folder.id, row.name)
        gone.push({ path: joinPath(path, row.name), wasAsset: row.state !== 'skipped' })
      }
      if (gone.length >= limit) return gone
      if (vanished) this.statement('DELETE FROM folders WHERE id = ?').run(folder.id)
    }
    return gone
  }

  transaction<T>(work: () => T): T {
    return transaction(this.db, work)
  }

  private statement(sql: string): StatementSync {
    let statement = this.statements.get(sql)
    if (!statement) {
      statement = this.db.prepare(sql)
      statement.setReadBigInts(true)
      this.statements.set(sql, statement)
    }
    return statement
  }
}

function toKnownFile(row: FileRow): KnownFile {
  return {
    name: Buffer.from(row.name),
    size: row.size,
    mtimeNs: row.mtimeNs,
    inode: row.inode,
    device: row.device,
    sha256: row.sha256 === null ? null : hex(row.sha256),
    state: row.state,
    reason: row.reason,
    missing: Number(row.missing),
  }
}
