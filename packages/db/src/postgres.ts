import { type ChildProcess, spawn, spawnSync, type StdioOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ThatdamError } from '@thatdam/protocol/errors'
import pg from 'pg'
import { systemRoot } from './env.ts'
import { controlledStart, controlledStop, serverEnvironment, serverWords } from './postgres-command.ts'
import { doorTo, homeOf, makeHome, programsDir, removeDeadDrafts, type RunAs, runAs, usableBinaries } from './postgres-files.ts'
import { clearStale, isAlive, isServerOf, type PidFile, readPidFile } from './postgres-pid.ts'

const START_DEADLINE_MS = 60_000
const STOP_DEADLINE_MS = 30_000
const LOG_BYTES_MAX = 10 * 1024 * 1024
const PASSWORD_FILE = 'thatdam-password'

export interface PostgresOptions {
  /** Folder of the database; made when it is not there. */
  dataDir: string
  /** A server of the person's own (DATABASE_URL): it is used instead, and never stopped. */
  databaseUrl?: string | undefined
  /** Folder with bin, lib and share, for installations without node_modules. */
  binariesDir?: string | undefined
  /** Memory for pages, in MiB (64). */
  sharedBuffersMiB?: number
}

export interface Postgres {
  /** Connection string of a database of this server. With `databaseUrl` that one, whatever the name. */
  url(database: string): string
  /** Ends the server in order (clients are disconnected). Nothing for a server of the person's own. */
  stop(): Promise<void>
  /** Null for a server of the person's own. */
  pid: number | null
  /** True when it ran already: another process of ours started it, or one that was killed. */
  attached: boolean
}

interface Place {
  home: string
  data: string
  bin: string
  who: RunAs
  sharedBuffersMiB: number
}

/**
 * PostgreSQL for this folder: finds the running one, or starts it. It listens on 127.0.0.1 only, with a generated password, and outlives
 * a killed parent: the next start attaches to it again. Several processes may call this at once.
 * @throws ThatdamError UNAVAILABLE with what to do when it cannot start.
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const { databaseUrl } = options
  if (databaseUrl) return { url: () => databaseUrl, stop: () => Promise.resolve(), pid: null, attached: true }
  const who = runAs()
  const home = homeOf(options.dataDir, who)
  makeHome(home, who)
  const bin = path.join(usableBinaries(programsDir(home, who), who, options.binariesDir), 'bin')
  const place: Place = { home, data: path.join(home, 'data'), bin, who, sharedBuffersMiB: options.sharedBuffersMiB ?? 64 }
  makeDatabase(place)
  const { server, attached } = await findOrStart(place)
  return {
    url: (database) => urlOf(place, server, database),
    stop: () => stopServer(place, server.pid),
    pid: server.pid,
    attached,
  }
}

/** Creates a database of that name if it is missing. @returns its connection string. */
export async function ensureDatabase(postgres: Postgres, name: string): Promise<string> {
  if (postgres.pid === null) return postgres.url(name)
  const admin = new pg.Client({ connectionString: postgres.url('postgres') })
  await admin.connect()
  try {
    await admin.query(`CREATE DATABASE ${admin.escapeIdentifier(name)}`)
  } catch (error) {
    // Exists already, or another process of ours was quicker.
    if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error
  } finally {
    await admin.end()
  }
  return postgres.url(name)
}

function urlOf(place: Place, server: PidFile, database: string): string {
  const password = readFileSync(path.join(place.data, PASSWORD_FILE), 'utf8')
  return `postgresql://postgres:${password}@127.0.0.1:${server.port}/${database}`
}

const program = (place: Place, name: string): string => path.join(place.bin, process.platform === 'win32' ? `${name}.exe` : name)

const spawnOptions = (place: Place) => ({
  ...place.who,
  env: serverEnvironment(process.platform, place.bin, systemRoot) as Partial<NodeJS.ProcessEnv> as NodeJS.ProcessEnv,
  cwd: path.parse(place.home).root,
  windowsHide: true,
})

function unavailable(place: Place, reason: string, cause?: unknown): ThatdamError {
  return new ThatdamError(
    'UNAVAILABLE',
    `The database in ${place.home} does not start: ${reason} Its log is ${path.join(place.home, 'log')}.`,
    {
      cause,
    },
  )
}

/** `initdb` into a draft that is renamed when whole, so that neither a crash nor a second process leaves half a database. */
function makeDatabase(place: Place): void {
  if (existsSync(path.join(place.data, 'PG_VERSION'))) return
  removeDeadDrafts(place.home, isAlive)
  const draft = path.join(place.home, `data.new-${process.pid}`)
  const passwordFile = path.join(place.home, `password-${process.pid}`)
  mkdirSync(draft, { mode: 0o700 })
  writeFileSync(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 })
  if (place.who.uid !== undefined) for (const file of [draft, passwordFile]) chownSync(file, place.who.uid, place.who.gid ?? -1)
  const [dataDoor, passwordDoor] = [doorTo(draft, place.who, 3), doorTo(passwordFile, place.who, 4)]
  const args = ['-D', dataDoor.path, '-U', 'postgres', '--pwfile', passwordDoor.path, '-A', 'scram-sha-256', '-E', 'UTF8', '--locale=C']
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', dataDoor.handle ?? 'ignore', passwordDoor.handle ?? 'ignore']
  const made = spawnSync(program(place, 'initdb'), args, { ...spawnOptions(place), encoding: 'utf8', stdio })
  for (const { handle } of [dataDoor, passwordDoor]) if (handle !== null) closeSync(handle)
  if (made.status !== 0) {
    rmSync(draft, { recursive: true, force: true })
    rmSync(passwordFile, { force: true })
    throw unavailable(place, `making it failed (${made.error?.message ?? made.stderr.trim()}).`, made.error)
  }
  renameSync(passwordFile, path.join(draft, PASSWORD_FILE))
  try {
    renameSync(draft, place.data)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(path.join(place.data, 'PG_VERSION'))) throw error
  }
}

async function findOrStart(place: Place): Promise<{ server: PidFile; attached: boolean }> {
  const deadline = Date.now() + START_DEADLINE_MS
  let reason = 'it did not become ready within a minute.'
  for (; Date.now() < deadline; await delay(100)) {
    const found = readPidFile(place.data)
    if (found && isServerOf(found.pid, place.data)) {
      if (found.status === 'ready' && (await answers(place, found))) return { server: found, attached: true }
      continue
    }
    if (found) await clearStale(place.data)
    const started = await startServer(place, deadline)
    if (started.server) return { server: started.server, attached: false }
    reason = started.reason
  }
  throw unavailable(place, reason)
}

/** A server that is being killed still has its process and its pid file: only an answer proves it. */
async function answers(place: Place, server: PidFile): Promise<boolean> {
  const client = new pg.Client({ connectionString: urlOf(place, server, 'postgres'), connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** One attempt. No server: its process ended, because another one was quicker or for the reason given. */
async function startServer(place: Place, deadline: number): Promise<{ server: PidFile | null; reason: string }> {
  const port = await freePort()
  const words = serverWords(port, place.sharedBuffersMiB)
  const logFile = path.join(place.home, 'log')
  if (existsSync(logFile) && statSync(logFile).size > LOG_BYTES_MAX) renameSync(logFile, `${logFile}.old`)
  const onWindows = process.platform === 'win32'
  const child = onWindows ? spawnControl(place, words, { logFile, deadline }) : spawnServer(place, words, logFile)
  child.unref()
  const end = endOf(child)
  for (; Date.now() < deadline; await delay(25)) {
    const server = readPidFile(place.data)
    // The child of Windows is pg_ctl: there its port tells our server from one that another process started in the same moment.
    const ours = onWindows ? server?.port === port : server?.pid === child.pid
    if (server && ours && server.status === 'ready') return { server, reason: '' }
    if (end.reason !== null) return { server: null, reason: end.reason }
  }
  return { server: null, reason: 'it did not become ready within a minute.' }
}

function spawnServer(place: Place, words: readonly string[], logFile: string): ChildProcess {
  const door = doorTo(place.data, place.who, 3)
  const log = openSync(logFile, 'a')
  const child = spawn(program(place, 'postgres'), ['-D', door.path, ...words], {
    ...spawnOptions(place),
    detached: true,
    stdio: ['ignore', log, log, door.handle ?? 'ignore'],
  })
  for (const handle of [log, door.handle]) if (handle !== null) closeSync(handle)
  return child
}

/**
 * Windows: the server refuses administrators and the system's own account, and pg_ctl starts it with fewer rights. Not detached and without
 * any handle of ours, for else each of its processes opens a console window; it outlives us all the same.
 */
function spawnControl(place: Place, words: readonly string[], at: { logFile: string; deadline: number }): ChildProcess {
  const waitSeconds = Math.max(1, Math.ceil((at.deadline - Date.now()) / 1000))
  const args = controlledStart({ data: place.data, log: at.logFile, words, waitSeconds })
  return spawn(program(place, 'pg_ctl'), args, { ...spawnOptions(place), stdio: 'ignore' })
}

function endOf(child: ChildProcess): { reason: string | null } {
  const end: { reason: string | null } = { reason: null }
  child.once('error', (error) => (end.reason = `${error.message}.`))
  child.once('exit', (code, signal) => (end.reason = `it ended with ${signal ?? `code ${code}`}.`))
  return end
}

async function stopServer(place: Place, pid: number): Promise<void> {
  if (!isServerOf(pid, place.data)) return
  // Fast shutdown: open transactions are rolled back, the data folder is left clean. Windows has no signals: pg_ctl tells the server.
  if (process.platform === 'win32')
    spawnSync(program(place, 'pg_ctl'), controlledStop(place.data), { ...spawnOptions(place), stdio: 'ignore' })
  else process.kill(pid, 'SIGINT')
  for (const deadline = Date.now() + STOP_DEADLINE_MS; isAlive(pid); await delay(20)) {
    if (Date.now() > deadline)
      throw new ThatdamError('UNAVAILABLE', `The database (process ${pid}) did not end within ${STOP_DEADLINE_MS / 1000} s.`)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
