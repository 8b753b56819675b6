import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from './client.ts'
import { migrate } from './migrate.ts'
import { listen } from './notify.ts'
import { ensureDatabase, type Postgres, startPostgres } from './postgres.ts'
import { isAlive } from './postgres-pid.ts'

let dir: string
let postgres: Postgres
const until = async (condition: () => boolean, what: string): Promise<void> => {
  for (const deadline = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 10))) {
    if (Date.now() > deadline) throw new Error(`waited 10 s for: ${what}`)
  }
}
const query = async <Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'thatdam-pg-'))
  postgres = await startPostgres({ dataDir: dir })
})
afterAll(async () => {
  await postgres.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** A process of its own that starts the server and then waits to be killed. */
async function startInChild(): Promise<{ child: ChildProcess; pid: number }> {
  const code = `import { startPostgres } from ${JSON.stringify(path.join(import.meta.dirname, 'postgres.ts'))}
    const server = await startPostgres({ dataDir: ${JSON.stringify(dir)} })
    console.log(server.pid); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, pid: Number(line.toString()) }
}

describe('the server', () => {
  test('listens on loopback only, with a password, as an unprivileged account', async () => {
    const url = new URL(postgres.url('postgres'))
    expect(url.hostname).toBe('127.0.0.1')
    const [row] = await query<{ addresses: string }>(postgres.url('postgres'), "SELECT current_setting('listen_addresses') AS addresses")
    expect(row?.addresses).toBe('127.0.0.1')
    url.password = 'wrong'
    await expect(query(url.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/)
    if (process.getuid?.() === 0) expect(readFileSync(`/proc/${postgres.pid}/status`, 'utf8')).not.toMatch(/^Uid:\s+0\s/m)
  })

  test('is found again by a second process, and by the next one after that was killed with -9', async () => {
    await postgres.stop()
    expect(isAlive(postgres.pid ?? 0)).toBe(false)
    const { child, pid } = await startInChild()
    await query(postgresUrlOf(await startPostgres({ dataDir: dir })), 'CREATE TABLE kept (n int)')
    child.kill('SIGKILL')
    await once(child, 'exit')
    postgres = await startPostgres({ dataDir: dir })
    expect(postgres.attached).toBe(true)
    expect(postgres.pid).toBe(pid)
    expect(await query(postgres.url('postgres'), 'SELECT n FROM kept')).toEqual([])
  })

  test('starts anew after the server itself was killed with -9, with all that was committed', async () => {
    await query(postgres.url('postgres'), 'INSERT INTO kept VALUES (7)')
    const killed = postgres.pid ?? 0
    process.kill(killed, 'SIGKILL') // and at once, while its process is still there
    postgres = await startPostgres({ dataDir: dir })
    expect(postgres.attached).toBe(false)
    expect(postgres.pid).not.toBe(killed)
    expect(await query(postgres.url('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  })

  test('does not believe a pid file that names a stranger', async () => {
    await postgres.stop()
    const home = path.join(dir, 'data')
    writeFileSync(path.join(home, 'postmaster.pid'), `${process.pid}\n${home}\n1\n5432\n\n127.0.0.1\n1 999999\nready   \n`)
    postgres = await startPostgres({ dataDir: dir })
    expect(postgres.attached).toBe(false)
    expect(await query(postgres.url('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 7 }])
  })

  test('lies in a folder that only its owner may pass, also when it runs as another account', async () => {
    const closed = mkdtempSync(path.join(tmpdir(), 'thatdam-closed-'))
    const dataDir = path.join(closed, 'state', 'pg')
    mkdirSync(path.dirname(dataDir), { mode: 0o700 })
    const first = await startPostgres({ dataDir })
    await query(first.url('postgres'), 'CREATE TABLE kept AS SELECT 7 AS n')
    expect(existsSync(path.join(dataDir, 'data/PG_VERSION'))).toBe(true)
    expect((await startPostgres({ dataDir })).pid).toBe(first.pid)
    await first.stop()
    const second = await startPostgres({ dataDir })
    expect(await query(second.url('postgres'), 'SELECT n FROM kept')).toEqual([{ n: 7 }])
    await second.stop()
    expect(statSync(closed).mode & 0o777).toBe(0o700)
    rmSync(closed, { recursive: true })
  })

  test('three callers at once get the same server', async () => {
    await postgres.stop()
    const servers = await Promise.all([1, 2, 3].map(() => startPostgres({ dataDir: dir })))
    postgres = servers[0] as Postgres
    expect(new Set(servers.map((server) => server.pid)).size).toBe(1)
  })

  test("leaves a person's own server alone", async () => {
    const own = await startPostgres({ dataDir: '/nowhere', databaseUrl: 'postgresql://db.example/app' })
    expect(own.url('other')).toBe('postgresql://db.example/app')
    expect(own.pid).toBeNull()
    await own.stop()
  })
})

const postgresUrlOf = (server: Postgres): string => server.url('postgres')

describe('migrations', () => {
  test('are applied once, also when two processes start at the same time, and the client sees the tables', async () => {
    const url = await ensureDatabase(postgres, 'app')
    const [first, second] = await Promise.all([migrate(url), migrate(url)])
    expect(Math.min(first.length, second.length)).toBe(0)
    expect(first.length + second.length).toBeGreaterThan(0)
    expect(await migrate(url)).toEqual([])
    const db = createClient(url)
    expect(await db.user.count()).toBe(0)
    await db.$disconnect()
  })

  test('that fail are undone whole; mended, they are applied', async () => {
    const url = await ensureDatabase(postgres, 'broken')
    const migrations = mkdtempSync(path.join(tmpdir(), 'thatdam-migrations-'))
    const folder = path.join(migrations, '1_one')
    mkdirSync(folder)
    const write = (sql: string) => writeFileSync(path.join(folder, 'migration.sql'), sql)
    write('CREATE TABLE one (n int); CREATE TABLE broken (')
    await expect(migrate(url, migrations)).rejects.toThrow(/1_one failed and was undone: syntax error/)
    await expect(query(url, 'SELECT * FROM one')).rejects.toThrow(/does not exist/)
    write('CREATE TABLE one (n int);')
    expect(await migrate(url, migrations)).toEqual(['1_one'])
    write('CREATE TABLE one (n bigint);')
    await expect(migrate(url, migrations)).rejects.toThrow(/1_one was edited after this database applied it/)
    rmSync(folder, { recursive: true })
    await expect(migrate(url, migrations)).rejects.toThrow(/newer version of ThatDAM \(1_one\)/)
    rmSync(migrations, { recursive: true })
  })
})

test('a listener hears, and hears again after its connection was cut', async () => {
  const url = postgres.url('postgres')
  const heard: string[] = []
  let listening = 0
  const listener = await listen({
    url,
    channels: ['nodes'],
    onNotification: (channel, payload) => heard.push(`${channel}:${payload}`),
    onListening: () => (listening += 1),
  })
  await query(url, "SELECT pg_notify('nodes', 'a')")
  await until(() => heard.length === 1, 'the first notification')
  await query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
  await until(() => listening === 2, 'the second connection')
  await query(url, "SELECT pg_notify('nodes', 'b')")
  await until(() => heard.length === 2, 'the second notification')
  expect(heard).toEqual(['nodes:a', 'nodes:b'])
  await listener.close()
})
