import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'
import pg from 'pg'

/** The advisory lock that `prisma migrate` itself takes, so that the two never run at once. */
const PRISMA_MIGRATE_LOCK = 72_707_369
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ, "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT, "rolled_back_at" TIMESTAMPTZ, "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`
/** Where the migrations lie in a checkout; an installed bundle gives its own folder. */
const MIGRATIONS_DIR = path.resolve(import.meta.dirname, '../../../prisma/migrations')

interface Migration {
  name: string
  sql: string
  /** SHA-256 of the file, as Prisma keeps it. */
  checksum: string
}

async function readMigrations(dir: string): Promise<Migration[]> {
  const folders = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    folders.toSorted().map(async (name) => {
      const sql = await readFile(path.join(dir, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/** Which migrations are still to be applied, in order. @throws ThatdamError CONFLICT when the database and this version cannot agree. */
async function pending(db: pg.Client, migrations: readonly Migration[]): Promise<Migration[]> {
  const { rows } = await db.query<{ migration_name: string; checksum: string; finished_at: Date | null }>(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL',
  )
  const applied = new Map(rows.filter((row) => row.finished_at !== null).map((row) => [row.migration_name, row.checksum]))
  const names = new Set(migrations.map((migration) => migration.name))
  const unknown = [...applied.keys()].filter((name) => !names.has(name))
  if (unknown.length > 0) {
    throw new ThatdamError(
      'CONFLICT',
      `The database was changed by a newer version of ThatDAM (${unknown.join(', ')}). Start that version, or one later than it.`,
    )
  }
  const edited = migrations.find((migration) => (applied.get(migration.name) ?? migration.checksum) !== migration.checksum)
  if (edited) {
    throw new ThatdamError(
      'CONFLICT',
      `The migration ${edited.name} was edited after this database applied it. Restore its file, and put the change into a new migration.`,
    )
  }
  return migrations.filter((migration) => !applied.has(migration.name))
}

/** Applies one migration whole or not at all; what failed is kept in the bookkeeping as rolled back, so that a mended one can be tried again. */
async function apply(db: pg.Client, migration: Migration): Promise<void> {
  const id = randomUUID()
  await db.query('BEGIN')
  try {
    await db.query(migration.sql)
    await db.query(
      'INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, now(), 1)',
      [id, migration.checksum, migration.name],
    )
    await db.query('COMMIT')
  } catch (error) {
    await db.query('ROLLBACK')
    await db.query('INSERT INTO "_prisma_migrations" (id, checksum, migration_name, logs, rolled_back_at) VALUES ($1, $2, $3, $4, now())', [
      id,
      migration.checksum,
      migration.name,
      String(error),
    ])
    const reason = error instanceof Error ? error.message : String(error)
    throw new ThatdamError('INTERNAL', `The database migration ${migration.name} failed and was undone: ${reason}.`, { cause: error })
  }
}

/**
 * Brings a database up to this version: applies `prisma/migrations` in Prisma's own bookkeeping, so that `prisma migrate status` agrees.
 * Safe to call from several processes at once (advisory lock) and again (nothing to do).
 * @returns names of the migrations applied now.
 * @throws ThatdamError CONFLICT (newer database, edited migration), INTERNAL (SQL failed; undone).
 */
export async function migrate(url: string, dir: string = MIGRATIONS_DIR): Promise<string[]> {
  const migrations = await readMigrations(dir)
  const db = new pg.Client({ connectionString: url })
  await db.connect()
  try {
    await db.query('SELECT pg_advisory_lock($1)', [PRISMA_MIGRATE_LOCK])
    await db.query(BOOKKEEPING)
    const todo = await pending(db, migrations)
    for (const migration of todo) await apply(db, migration)
    return todo.map((migration) => migration.name)
  } finally {
    await db.end()
  }
}
