import path from 'node:path'
import { createClient, type Database } from '@thatdam/db/client'
import { migrate } from '@thatdam/db/migrate'
import { ensureDatabase, type Postgres, startPostgres } from '@thatdam/db/postgres'
import type { Env } from '../env.ts'

export interface OpenDatabase {
  postgres: Postgres
  url: string
  db: Database
}

/** Finds or starts PostgreSQL, brings the database up to this version and connects. */
export async function openDatabase(env: Pick<Env, 'DATA_ROOT' | 'DATABASE_URL'>): Promise<OpenDatabase> {
  const postgres = await startPostgres({ dataDir: path.join(env.DATA_ROOT, 'pg'), databaseUrl: env.DATABASE_URL })
  const url = await ensureDatabase(postgres, 'thatdam_cloud')
  await migrate(url)
  return { postgres, url, db: createClient(url, 20) }
}
