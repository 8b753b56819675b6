import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ThatdamError } from '@thatdam/protocol/errors'

/**
 * `batches`: every signed batch of every log that is kept here. Two at one position of one log (a fork) are both kept. `standing`: what its
 * signer was by the roster when it was judged: `admitter`, `member` or `unknown`.
 * `ops`: their ops, canonical JSON. `position` is the place in the feed, in arrival order; null for an op that is not applied:
 * `held` (from the future), `refused` (its signer had no right to it), `double` (its author has an op of this id in the feed already), `unknown`
 * (only a newer agent understands it).
 */
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE batches (
    batch INTEGER PRIMARY KEY,
    node TEXT NOT NULL, scope TEXT NOT NULL, epoch TEXT NOT NULL, sequence INTEGER NOT NULL, hash TEXT NOT NULL,
    header TEXT NOT NULL, signer TEXT NOT NULL, signature TEXT NOT NULL, standing TEXT NOT NULL,
    UNIQUE (node, epoch, sequence, hash)
  ) STRICT;
  CREATE TABLE ops (
    batch INTEGER NOT NULL, place INTEGER NOT NULL,
    node TEXT NOT NULL, ring INTEGER NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, position INTEGER, text TEXT NOT NULL,
    PRIMARY KEY (batch, place)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX ops_position ON ops (position) WHERE position IS NOT NULL;
  CREATE UNIQUE INDEX ops_applied ON ops (id, node) WHERE position IS NOT NULL;
  CREATE INDEX ops_ring ON ops (position) WHERE ring = 1 AND position IS NOT NULL;
  CREATE INDEX ops_double ON ops (id, node) WHERE state = 'double';
  CREATE INDEX ops_held ON ops (state) WHERE state = 'held';
`
/** A log that an agent made which did not know this state has no such index. */
export const UNKNOWN_INDEX = "CREATE INDEX IF NOT EXISTS ops_unknown ON ops (state) WHERE state = 'unknown'"

/** SQLite result codes (sqlite.org/rescode.html). */
const SQLITE = { busy: 5, corrupt: 11, full: 13, cantOpen: 14, notADatabase: 26 }

/** Turns what SQLite throws into a sentence about the file; anything else passes through. */
export function explain(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return error
  const code = error.errcode % 256
  if (code === SQLITE.full) {
    return new ThatdamError('DISK_FULL', `The disk that holds ${file} is full; nothing was written. Free some space, then try again.`, {
      cause: error,
    })
  }
  if (code === SQLITE.busy) {
    return new ThatdamError('CONFLICT', `Another agent has ${file} open. Stop it, or give this one another state directory.`, {
      cause: error,
    })
  }
  if (code === SQLITE.corrupt || code === SQLITE.notADatabase) return damaged(file, 'SQLite cannot read it', error)
  if (code === SQLITE.cantOpen) {
    return new ThatdamError('UNAVAILABLE', `${file} cannot be opened. Check that the folder is there and that this user may write in it.`, {
      cause: error,
    })
  }
  return error
}

/** The log is never made anew over a damaged one: it may be the only copy of what was decided on this node. */
export function damaged(file: string, what: string, cause?: unknown): ThatdamError {
  return new ThatdamError(
    'CONFLICT',
    `The op log ${file} is damaged: ${what}. Keep a copy of it, then restore it from a backup; or move it away to begin a new one, which loses the edits that only this machine had.`,
    { cause },
  )
}

/** Opens the log's database, or makes it: whole under another name first, so that a half-made or emptied file is never taken for a new one. */
export function openDatabase(stateDir: string, firstMeta: () => Record<string, string>): DatabaseSync {
  const file = join(stateDir, 'oplog.db')
  try {
    if (!existsSync(file)) {
      if (existsSync(`${file}-wal`)) throw damaged(file, 'oplog.db-wal is there, but the database itself is gone')
      createDatabase(stateDir, file, firstMeta())
    } else if (statSync(file).size === 0) {
      throw damaged(file, 'it is empty')
    }
    const db = connect(file)
    try {
      requireTables(db, file)
    } catch (error) {
      db.close()
      throw error
    }
    return db
  } catch (error) {
    throw explain(error, file)
  }
}

function connect(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: 1000 })
  try {
    // Exclusive: a second agent on this state directory would fork the log. FULL: each commit is on the disk before it returns.
    db.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=2000')
    db.exec('BEGIN IMMEDIATE; COMMIT')
  } catch (error) {
    db.close()
    throw error
  }
  return db
}

function createDatabase(stateDir: string, file: string, meta: Record<string, string>): void {
  const draft = `${file}.new`
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${draft}${suffix}`, { force: true })
  const db = new DatabaseSync(draft)
  try {
    db.exec(`PRAGMA synchronous=FULL; BEGIN; ${SCHEMA}`)
    const insert = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)')
    for (const [key, value] of Object.entries(meta)) insert.run(key, value)
    db.exec('COMMIT')
  } finally {
    db.close()
  }
  fsyncPath(draft, 'r+')
  renameSync(draft, file)
  // Windows cannot open a directory; NTFS journals the rename itself.
  if (process.platform !== 'win32') fsyncPath(stateDir, 'r')
}

function fsyncPath(path: string, flags: 'r' | 'r+'): void {
  const handle = openSync(path, flags)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function requireTables(db: DatabaseSync, file: string): void {
  const names = new Set(
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map((row) => row['name']),
  )
  for (const name of ['meta', 'batches', 'ops']) if (!names.has(name)) throw damaged(file, `its table “${name}” is missing`)
}

/** What was written before a node had two logs cannot be read by the others of a ring; it never left its machine. */
export function requireFormat(file: string, db: DatabaseSync): void {
  const version = db.prepare("SELECT value FROM meta WHERE key = 'version'").get()?.['value']
  if (version === '2') return
  if (version === undefined) throw damaged(file, 'its entry “version” is missing')
  const sentence =
    version === '1'
      ? `${file} was written by a preview of ThatDAM whose format is not read any more. Move it away: a new one is begun, your media is indexed again, and what you had edited must be entered again.`
      : `${file} was written by a newer version of ThatDAM. Install that version again, or a newer one.`
  throw new ThatdamError('CONFLICT', sentence)
}
