import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

/**
 * How many different assets the op feed has told of (`assets.db`): a cache of the op-log, so it is neither synced nor repaired. A file that
 * cannot be used is begun anew, and `isFresh` asks for all ops again.
 */
export class AssetCount {
  readonly isFresh: boolean
  private readonly database: DatabaseSync
  private readonly insert: StatementSync
  private count: number

  constructor(path: string, feedId: string) {
    this.database = openFor(path, feedId) ?? begin(path, feedId)
    this.insert = this.database.prepare('INSERT OR IGNORE INTO asset (sha256) VALUES (?)')
    this.count = (this.database.prepare('SELECT count(*) AS n FROM asset').get() as { n: number }).n
    this.isFresh = this.count === 0
  }

  get value(): number {
    return this.count
  }

  /** Ids as the ops have them: SHA-256 in hex. Told again, they count once. */
  add(assetIds: readonly string[]): void {
    if (assetIds.length === 0) return
    this.database.exec('BEGIN')
    for (const assetId of assetIds) this.count += Number(this.insert.run(Buffer.from(assetId, 'hex')).changes)
    this.database.exec('COMMIT')
  }

  /** The feed was rebuilt: all assets are told again. */
  beginAnew(feedId: string): void {
    this.database.exec('BEGIN; DELETE FROM asset')
    this.database.prepare('UPDATE feed SET id = ?').run(feedId)
    this.database.exec('COMMIT')
    this.count = 0
  }

  close(): void {
    this.database.close()
  }
}

const SETTINGS = 'PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF; PRAGMA cache_size = -256;'

/** Null: missing, damaged, or of another feed. */
function openFor(path: string, feedId: string): DatabaseSync | null {
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(path)
    database.exec(SETTINGS)
    const row = database.prepare('SELECT id FROM feed').get() as { id: string } | undefined
    if (row?.id === feedId) return database
  } catch {
    // No table yet, or no database: begun anew below.
  }
  database?.close()
  return null
}

function begin(path: string, feedId: string): DatabaseSync {
  rmSync(path, { force: true })
  const database = new DatabaseSync(path)
  database.exec(`${SETTINGS} CREATE TABLE asset (sha256 BLOB PRIMARY KEY) WITHOUT ROWID; CREATE TABLE feed (id TEXT NOT NULL);`)
  database.prepare('INSERT INTO feed (id) VALUES (?)').run(feedId)
  return database
}
