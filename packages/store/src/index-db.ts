import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ThatdamError } from '@thatdam/protocol/errors'

/*
 * `STATE_DIR/index.db`: where originals lie on this node, and which derivatives it has. It is a cache of disks and op-log: losing it costs
 * reading the files again, never an asset. Indexer and deriver write (their own tables), media-api reads, each in its own process (WAL).
 *
 *   roots ─< folders ─< files          what a walk found; a file's name is bytes, as the disk has it
 *   assets                             SHA-256s that were announced once: the same bytes again are only a further place
 *   outbox                             ops to append, written in one transaction with what they tell about
 *   derivatives                        one row per (source, recipe hash): pending → made | failed
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, active INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS folders (
  id INTEGER PRIMARY KEY, root INTEGER NOT NULL, path BLOB NOT NULL, device TEXT NOT NULL DEFAULT '', scan INTEGER NOT NULL DEFAULT 0,
  UNIQUE (root, path));
CREATE TABLE IF NOT EXISTS files (
  folder INTEGER NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, mtimeNs INTEGER NOT NULL, inode INTEGER NOT NULL, device TEXT NOT NULL,
  sha256 BLOB, state TEXT NOT NULL, reason TEXT, missing INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (folder, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_sha256 ON files (sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_inode ON files (inode, size);
CREATE INDEX IF NOT EXISTS files_missing ON files (missing) WHERE missing <> 0;
CREATE INDEX IF NOT EXISTS files_pending ON files (folder, name) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS files_reason ON files (folder) WHERE reason IS NOT NULL;
CREATE TABLE IF NOT EXISTS assets (sha256 BLOB PRIMARY KEY, mimeType TEXT NOT NULL, problem TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS derivatives (
  source BLOB NOT NULL, recipeHash BLOB NOT NULL, recipe TEXT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL, mimeType TEXT NOT NULL,
  durationMs REAL, sha256 BLOB, reason TEXT, PRIMARY KEY (source, recipeHash)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS derivatives_state ON derivatives (state, source);
`
const VERSION = 2
/** Writers of other processes hold the lock for milliseconds; a checkpoint on a slow card may take seconds. */
const BUSY_TIMEOUT_MS = 15_000

/**
 * Opens (and makes) the index. A damaged one is set aside as `index.db.damaged-<time>` and a new one begun.
 * @throws ThatdamError UNAVAILABLE when it can neither be opened nor made.
 */
export function openIndexDb(stateDir: string): DatabaseSync {
  const path = join(stateDir, 'index.db')
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  try {
    return openPatiently(path)
  } catch (error) {
    if (!isDamage(error)) throw cannot(path, error)
  }
  try {
    const aside = `${path}.damaged-${Date.now()}`
    renameSync(path, aside)
    for (const suffix of ['-wal', '-shm']) moveIfThere(path + suffix, aside + suffix)
    console.error(`${path} was damaged: it is kept as ${aside}, and the folders are read again`)
    return open(path)
  } catch (error) {
    throw cannot(path, error)
  }
}

/** Switching to WAL does not wait for a lock by itself, and three processes may begin a new index in the same moment. */
function openPatiently(path: string): DatabaseSync {
  for (let tries = 0; ; tries++) {
    try {
      return open(path)
    } catch (error) {
      const busy = ((error as { errcode?: number }).errcode ?? 0) % 256 === 5
      if (!busy || tries >= 40) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50 + Math.random() * 100)
    }
  }
}

function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
  try {
    db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY')
    const version = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
    if (version > VERSION) throw new ThatdamError('UNAVAILABLE', `${path} was written by a newer ThatDAM. Update this one.`)
    if (version === 1) db.exec('BEGIN IMMEDIATE; ALTER TABLE assets ADD COLUMN problem TEXT; PRAGMA user_version=2; COMMIT')
    else if (version < VERSION) db.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version=${VERSION}; COMMIT`)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** SQLITE_CORRUPT (11) and SQLITE_NOTADB (26). */
function isDamage(error: unknown): boolean {
  const code = (error as { errcode?: number }).errcode
  return code !== undefined && [11, 26].includes(code & 0xff)
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

function cannot(path: string, error: unknown): ThatdamError {
  if (error instanceof ThatdamError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new ThatdamError('UNAVAILABLE', `The index ${path} cannot be opened (${text}). Check the disk of the state folder.`, {
    cause: error,
  })
}

/** Runs `work` in one transaction; any error undoes all of it. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

export function getMeta(db: DatabaseSync, key: string): string | null {
  const row = db.prepare('SELECT value FROM meta WHERE key = ?').get(key) as { value: string } | undefined
  return row?.value ?? null
}

export function setMeta(db: DatabaseSync, key: string, value: string): void {
  db.prepare('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value').run(key, value)
}
