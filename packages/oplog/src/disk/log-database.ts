import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { bytesToHex } from '@noble/hashes/utils.js'
import { ThatdamError } from '@thatdam/protocol/errors'
import { HLC_ZERO, type HlcState } from '../hlc.ts'
import type { Cursor } from './import.ts'
import { SCOPES } from './own-log.ts'
import { damaged, explain, openDatabase, requireFormat, UNKNOWN_INDEX } from './schema.ts'
import { prepareAll, type Statements } from './statements.ts'
import { Waiters } from './waiters.ts'

/** A log of at most this many pages is checked page by page at open; a larger one at its heads (`verifyAll` checks it whole). */
const QUICK_CHECK_PAGES_MAX = 16_384

type LogOwner = {
  nodeId: string
  publicKey: string
  formerKeys: readonly string[]
  /** Cryptographically random bytes. */
  random: (count: number) => Uint8Array
}

/**
 * `STATE_DIR/oplog.db` while it is open, and how far it has come: the clock, the newest position and the feed's id, which only transactions
 * move. Readers that wait for the feed wait here.
 */
export class LogDatabase {
  readonly file: string
  readonly db: DatabaseSync
  readonly statements: Statements
  /** The key that its own logs are signed with: the owner's, or one that the owner had before. */
  readonly key: string
  readonly #waiters = new Waiters()
  #cursor: Cursor
  #closed = false

  /**
   * Opens or makes the file, and checks its pages and that it is this node's.
   * @throws ThatdamError CONFLICT for a damaged file, another node's, one of another format, or one that another agent has open; it is left
   * as it is.
   */
  static open(stateDir: string, owner: LogOwner): LogDatabase {
    const file = join(stateDir, 'oplog.db')
    const db = openDatabase(stateDir, () => ({
      version: '2',
      node: owner.nodeId,
      key: owner.publicKey,
      ...Object.fromEntries(SCOPES.map((scope) => [`epoch ${scope}`, bytesToHex(owner.random(16))])),
      feed: bytesToHex(owner.random(8)),
    }))
    try {
      return new LogDatabase(file, db, owner)
    } catch (error) {
      db.close()
      throw explain(error, file)
    }
  }

  private constructor(file: string, db: DatabaseSync, owner: LogOwner) {
    this.file = file
    this.db = db
    requireFormat(file, db)
    db.exec(UNKNOWN_INDEX)
    this.statements = prepareAll(db)
    const feedId = this.#meta('feed')
    this.key = this.#meta('key')
    const nodeId = this.#meta('node')
    if (nodeId !== owner.nodeId || ![owner.publicKey, ...owner.formerKeys].includes(this.key)) {
      throw new ThatdamError(
        'CONFLICT',
        `${file} belongs to the node ${nodeId}, not to this one. Put its identity.json back, or choose another state directory.`,
      )
    }
    this.#checkPages()
    const position = Number(this.statements.lastPosition.get()?.['position'] ?? 0)
    this.#cursor = { clock: this.#storedClock(), position, feedId }
  }

  get cursor(): Readonly<Cursor> {
    return this.#cursor
  }

  /** Commits, fsynced, with the clock; only then the feed grows and readers wake. After an error nothing has changed. */
  transaction<T>(run: (cursor: Cursor) => T): T {
    const cursor = { ...this.#cursor }
    let result: T
    try {
      this.db.exec('BEGIN IMMEDIATE')
      result = run(cursor)
      this.statements.setMeta.run('clock', `${cursor.clock.ms}-${cursor.clock.counter}`)
      this.statements.setMeta.run('feed', cursor.feedId)
      this.db.exec('COMMIT')
    } catch (error) {
      if (this.db.isTransaction) this.db.exec('ROLLBACK')
      throw explain(error, this.file)
    }
    const rebuilt = cursor.feedId !== this.#cursor.feedId
    this.#cursor = cursor
    this.#waiters.wake(rebuilt ? Number.MAX_SAFE_INTEGER : cursor.position)
    return result
  }

  /**
   * True as soon as the feed has an entry after this position, or was rebuilt; false when the signal aborts or the log closes first.
   * @throws ThatdamError UNAVAILABLE when too many wait already.
   */
  waitFor(after: number, signal: AbortSignal): Promise<boolean> {
    if (this.#cursor.position > after) return Promise.resolve(true)
    if (signal.aborted || this.#closed) return Promise.resolve(false)
    return this.#waiters.wait(after, signal)
  }

  /** One of SQLite's own checks. @throws ThatdamError CONFLICT with what it found. */
  check(pragma: string): void {
    const found = Object.values(this.db.prepare(pragma).get() ?? {})[0]
    if (found !== 'ok') throw damaged(this.file, String(found))
  }

  requireOpen(): void {
    if (this.#closed) throw new ThatdamError('UNAVAILABLE', 'The op log is closed: the agent is stopping. Try again when it runs.')
  }

  /** Ends all waits and closes the file. Calling it twice is harmless. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiters.endAll()
    this.db.close()
  }

  #checkPages(): void {
    const pages = Number(this.db.prepare('PRAGMA page_count').get()?.['page_count'] ?? 0)
    if (pages <= QUICK_CHECK_PAGES_MAX) this.check('PRAGMA quick_check(1)')
  }

  #meta(key: string): string {
    const row = this.statements.meta.get(key)
    if (row === undefined) throw damaged(this.file, `its entry “${key}” is missing`)
    return String(row['value'])
  }

  #storedClock(): HlcState {
    const [ms, counter] = (this.statements.meta.get('clock')?.['value'] ?? '').toString().split('-').map(Number)
    return ms === undefined || counter === undefined ? HLC_ZERO : { ms, counter }
  }
}
