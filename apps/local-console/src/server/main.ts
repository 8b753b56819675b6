import { existsSync } from 'node:fs'
import path from 'node:path'
import { httpAgent } from '@thatdam/api/http-agent'
import { stateHub } from '@thatdam/api/state-hub'
import { follow } from '@thatdam/catalog/follow'
import { migrate } from '@thatdam/db/migrate'
import { ensureDatabase, startPostgres } from '@thatdam/db/postgres'
import pg from 'pg'
import { env } from '../env.ts'
import { runAsChild, type Channel } from './child-channel.ts'
import { listen } from './listen.ts'
import { openPages } from './pages.ts'
import { passwords } from './passwords.ts'

/*
 * The console's process. From sources it is src/server/main.ts; in a bundle it is server.mjs beside `.next`, `migrations` and `postgres`.
 * With the service `catalog` it follows and serves no pages: a standby that can open its door at once.
 */

const here = import.meta.dirname
const bundled = existsSync(path.join(here, 'migrations'))
const appDir = bundled ? here : path.resolve(here, '../..')
const CONNECTIONS_MAX = 8
const DATABASE = 'thatdam_console'

function log(message: string, error: unknown): void {
  console.error(`${message}:`, error instanceof Error ? error.message : error)
}

async function openDatabase(channel: Channel): Promise<pg.Pool> {
  const beside = path.join(here, 'postgres')
  const binariesDir = env.THATDAM_POSTGRES_DIR ?? (bundled && existsSync(beside) ? beside : undefined)
  channel.waiting('The console’s database is starting.')
  const postgres = await startPostgres({
    dataDir: path.join(channel.config.stateDir, 'pg'),
    databaseUrl: env.DATABASE_URL,
    binariesDir,
    sharedBuffersMiB: 64,
  })
  channel.onStop(() => postgres.stop())
  const url = await ensureDatabase(postgres, DATABASE)
  await (bundled ? migrate(url, path.join(here, 'migrations')) : migrate(url))
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS_MAX, statement_timeout: 15_000 })
  // A client whose end is under way may still be told that the server stops.
  pool.on('connect', (client) => client.on('error', (error) => log('the database closed a connection', error)))
  pool.on('error', (error) => log('the database closed a connection', error))
  channel.onStop(() => pool.end())
  return pool
}

async function main(channel: Channel): Promise<void> {
  const { localUrl, localToken, service } = channel.config
  const agent = httpAgent(localUrl, localToken)
  const pool = await openDatabase(channel)
  const follower = follow(pool, (after, limit, waitMs, signal) => agent.readOps(after, limit, waitMs, signal), log)
  channel.onStop(() => follower.stop())
  if (service === 'catalog') {
    channel.running()
    channel.ready(null)
    return
  }
  const hub = stateHub(agent, follower, log)
  channel.onStop(() => hub.stop())
  const dev = !bundled && env.CONSOLE_DEV === '1'
  channel.waiting('The console’s pages are being prepared.')
  const pages = await openPages(appDir, dev)
  const parts = { agent, pool, follower, hub, passwords: passwords() }
  const server = await listen({ localToken, parts, pages, dev })
  channel.onStop(() => server.close())
  channel.running()
  channel.ready(server.url)
}

runAsChild(main)
