import { createHash, randomBytes } from 'node:crypto'
import { renameSync, rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { NewSessionResponse, Session } from '@thatdam/protocol/local'

const LIFE_MS = 30 * 24 * 3600_000
/** How often the sliding end of a session is written. */
const SLIDE_MS = 3600_000
const SESSIONS_MAX = 10_000
/** SQLITE_CORRUPT and SQLITE_NOTADB: the file's bytes are wrong, not its permissions or its disk. */
const DAMAGED = new Set([11, 26])

/** Sessions that a ring shares, so that a browser stays signed in when another machine takes the lead. By the hex hash of the cookie. */
export interface SharedSessions {
  find(
    cookieHash: string,
  ): { readonly sessionKind: 'password' | 'handoff'; readonly displayName: string; readonly expiresAtMs: number } | 'ended' | 'unknown'
  started(session: { cookieHash: string; sessionKind: 'password' | 'handoff'; displayName: string; expiresAtMs: number }): void
  ended(cookieHash: string, expiresAtMs: number): void
  /** The listener gets the sessions that ended, on this machine or another. */
  onEnded(listener: (ended: readonly string[] | 'all') => void): void
}

/** What this machine has of a session. */
export interface KnownSession {
  /** Hex. */
  readonly cookieHash: string
  readonly kind: 'password' | 'handoff'
  readonly displayName: string
}

/** Browser sessions. The cookie is 256 random bits and only its hash is kept: a copy of the file signs nobody in. */
export class SessionStore {
  private readonly database: DatabaseSync
  private readonly insert: StatementSync
  private readonly select: StatementSync
  private readonly slide: StatementSync
  private readonly shared: SharedSessions | null
  private readonly endedHandlers: ((sessionId: string | null) => void)[] = []

  /** @param onDamage told that a damaged file was set aside: everybody signs in again, and nothing else is lost. */
  constructor(path: string, onDamage: (aside: string, error: unknown) => void = () => {}, shared: SharedSessions | null = null) {
    this.shared = shared
    this.database = openOrSetAside(path, onDamage)
    this.insert = this.database.prepare('INSERT INTO session (hash, id, kind, name, expires_ms) VALUES (?, ?, ?, ?, ?)')
    this.select = this.database.prepare('SELECT id, kind, name, expires_ms FROM session WHERE hash = ? AND expires_ms > ?')
    this.slide = this.database.prepare('UPDATE session SET expires_ms = ? WHERE hash = ?')
    shared?.onEnded((ended) => this.hear(ended))
  }

  create(kind: 'password' | 'handoff', displayName: string, nowMs = Date.now()): NewSessionResponse {
    this.endExpired(nowMs)
    this.database
      .prepare('DELETE FROM session WHERE hash IN (SELECT hash FROM session ORDER BY expires_ms DESC LIMIT -1 OFFSET ?)')
      .run(SESSIONS_MAX - 1)
    const cookieValue = randomBytes(32).toString('base64url')
    const session = { sessionKind: kind, displayName: displayName.slice(0, 200), expiresAtMs: nowMs + LIFE_MS }
    const hash = hashOf(cookieValue)
    this.keep(hash, session)
    this.shared?.started({ cookieHash: hash.toString('hex'), ...session })
    return { cookieValue, expiresAtMs: session.expiresAtMs }
  }

  /** Null for a cookie that is unknown, ended or over. Each use moves the end. */
  resolve(cookieValue: string, nowMs = Date.now()): Session | null {
    const hash = hashOf(cookieValue)
    const told = this.shared?.find(hash.toString('hex')) ?? 'unknown'
    if (told === 'ended') {
      this.forget(hash)
      return null
    }
    const row = this.select.get(hash, nowMs) as { id: string; kind: 'password' | 'handoff'; name: string; expires_ms: number } | undefined
    if (!row && told !== 'unknown') {
      this.keep(hash, told)
      return { sessionId: idOf(hash), kind: told.sessionKind, displayName: told.displayName }
    }
    if (!row) return null
    if (nowMs + LIFE_MS - row.expires_ms > SLIDE_MS) this.slide.run(nowMs + LIFE_MS, hash)
    return { sessionId: row.id, kind: row.kind, displayName: row.name }
  }

  /** Null: there is none of this id, or it ended on another machine. */
  byId(sessionId: string, nowMs = Date.now()): KnownSession | null {
    const row = this.database.prepare('SELECT hash, kind, name FROM session WHERE id = ? AND expires_ms > ?').get(sessionId, nowMs)
    if (row === undefined) return null
    const cookieHash = Buffer.from(row['hash'] as Uint8Array).toString('hex')
    if (this.shared?.find(cookieHash) === 'ended') return null
    return { cookieHash, kind: row['kind'] as KnownSession['kind'], displayName: String(row['name']) }
  }

  end(sessionId: string): void {
    const over = this.database.prepare('DELETE FROM session WHERE id = ? RETURNING hash, expires_ms').all(sessionId)
    for (const { hash, expires_ms: expiresAtMs } of over as { hash: Uint8Array; expires_ms: number }[]) {
      this.shared?.ended(Buffer.from(hash).toString('hex'), expiresAtMs)
    }
    for (const handler of this.endedHandlers) handler(sessionId)
  }

  /** After a change of the password. */
  endAll(): void {
    this.database.exec('DELETE FROM session')
    for (const handler of this.endedHandlers) handler(null)
  }

  private keep(hash: Buffer, session: { sessionKind: 'password' | 'handoff'; displayName: string; expiresAtMs: number }): void {
    this.insert.run(hash, idOf(hash), session.sessionKind, session.displayName, session.expiresAtMs)
  }

  /**
   * What the ring tells, also of sessions that were never used at this door: they may look through a camera of this machine by way of another one.
   * The row of one goes when its cookie comes again.
   */
  private hear(ended: readonly string[] | 'all'): void {
    const sessionIds = ended === 'all' ? [null] : ended.map((cookieHash) => idOf(Buffer.from(cookieHash, 'hex')))
    for (const sessionId of sessionIds) for (const handler of this.endedHandlers) handler(sessionId)
  }

  /** It ended on another machine. */
  private forget(hash: Buffer): void {
    const over = this.database.prepare('DELETE FROM session WHERE hash = ? RETURNING id').all(hash) as { id: string }[]
    for (const { id } of over) for (const handler of this.endedHandlers) handler(id)
  }

  /** Sessions that nobody used for 30 days. */
  endExpired(nowMs = Date.now()): void {
    const over = this.database.prepare('DELETE FROM session WHERE expires_ms <= ? RETURNING id').all(nowMs) as { id: string }[]
    for (const { id } of over) for (const handler of this.endedHandlers) handler(id)
  }

  /** The handler gets the id of the session that ended, here or on another machine of the ring, or null for all. The same one may come twice. */
  onEnded(handler: (sessionId: string | null) => void): void {
    this.endedHandlers.push(handler)
  }

  /** True the first time for an id: a hand-off works once, also across restarts. */
  useHandoff(handoffId: string, expiresAtMs: number, nowMs = Date.now()): boolean {
    this.database.prepare('DELETE FROM handoff WHERE expires_ms < ?').run(nowMs - 600_000)
    return this.database.prepare('INSERT OR IGNORE INTO handoff (id, expires_ms) VALUES (?, ?)').run(handoffId, expiresAtMs).changes === 1
  }

  close(): void {
    this.database.close()
  }
}

function openOrSetAside(path: string, onDamage: (aside: string, error: unknown) => void): DatabaseSync {
  try {
    return open(path)
  } catch (error) {
    if (!DAMAGED.has(Number((error as { errcode?: number }).errcode))) throw error
    const aside = `${path}.damaged`
    renameSync(path, aside)
    for (const part of ['-wal', '-shm']) rmSync(path + part, { force: true })
    onDamage(aside, error)
    return open(path)
  }
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS session (hash BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL, expires_ms INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS handoff (id TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) STRICT;`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** The same on every machine of the ring; it tells nothing of the cookie. */
const idOf = (hash: Buffer): string => createHash('sha256').update('session id').update(hash).digest('hex').slice(0, 16)

function hashOf(cookieValue: string): Buffer {
  return createHash('sha256').update(cookieValue).digest()
}
