import { bytesToHex } from '@noble/hashes/utils.js'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import { LOGS_MAX, type LogSummary } from '@thatdam/protocol/op-sync'
import type { Op, OpBody, OpScope, SignedBatch } from '@thatdam/protocol/ops'
import { BATCH_OPS_MAX, type LogHead, makeBatch } from '../batch.ts'
import { FUTURE_MS_MAX, type HlcState } from '../hlc.ts'
import { opIdFrom } from '../op-id.ts'
import type { BatchSigner, VerifyBatchSignature } from '../signing.ts'
import { type AppendedOp, draft, type DraftOp, inBatches } from './draft.ts'
import { type BatchAuthor, due, type ImportOutcome, judge, releaseHeld, standingOf, store } from './import.ts'
import { LogDatabase } from './log-database.ts'
import { LogIndex } from './log-index.ts'
import { type OwnLog, readOwnLog, SCOPES, verifyOwnLog } from './own-log.ts'
import { type AuthorOf, ownFromFuture, rejudge, withdrawFuture } from './rejudge.ts'
import { entryOf, pageOf } from './rows.ts'
import { explain } from './schema.ts'
import type { Statements } from './statements.ts'
import { hasUnknown, understandNow } from './unknown.ts'

export type { AppendedOp } from './draft.ts'

export type OpLogOptions = {
  nodeId: string
  /** The node's own key: only the agent signs. */
  signer: BatchSigner
  /** Keys that this node had before. A log of one of them goes on under the key of `signer`: new epochs, and the old ones stay as they were signed. */
  formerKeys?: readonly string[]
  verify: VerifyBatchSignature
  /** Ring time, unix ms. */
  clock: () => number
  /** Some clock behind ring time follows a time server. Left out: never, so that a machine that wakes up in the past takes nothing back. */
  clockTrusted?: () => boolean
  /** May this node sign what only admitters may, by the roster now? Left out: yes, as in a ring of one. */
  admitter?: () => boolean
  /** Cryptographically random bytes. */
  random: (count: number) => Uint8Array
}

const READ_MAX = 2000
const RELEASE_MAX = 1000

/**
 * A node's two op-logs and the feed of all ops it holds, in `STATE_DIR/oplog.db`. One process has it open at a time. Synchronous: when `append`
 * returns, the batches are signed and on the disk.
 */
export class OpLog {
  readonly file: string
  readonly nodeId: string
  readonly #database: LogDatabase
  readonly #options: OpLogOptions
  readonly #statements: Statements
  readonly #index: LogIndex
  readonly #own: Map<OpScope, OwnLog>
  /** How far the stamps of most of the ring have come, unix milliseconds: what they take, this node takes where no clock is vouched for. */
  reachedMs = 0

  /**
   * Opens or makes the log and checks it: its pages, the newest batch of each own log, that it is this node's. After a replacement of the node's
   * key its own logs begin new epochs.
   * @throws ThatdamError CONFLICT for a damaged log, another node's log, one of another format, or one that another agent has open; it is left
   * as it is.
   */
  static open(stateDir: string, options: OpLogOptions): OpLog {
    const { nodeId, signer, formerKeys = [], random } = options
    const database = LogDatabase.open(stateDir, { nodeId, publicKey: signer.publicKey, formerKeys, random })
    try {
      return new OpLog(database, options)
    } catch (error) {
      database.close()
      throw explain(error, database.file)
    }
  }

  private constructor(database: LogDatabase, options: OpLogOptions) {
    const { file, key, statements } = database
    this.file = file
    this.#database = database
    this.#options = options
    this.#statements = statements
    this.nodeId = options.nodeId
    this.#own = new Map(SCOPES.map((scope) => [scope, readOwnLog(statements, scope, { file, key, ...options })]))
    this.#index = new LogIndex(statements)
    const { publicKey } = options.signer
    if (key !== publicKey) this.#goOnUnder(publicKey)
    if (hasUnknown(statements)) database.transaction((cursor) => understandNow(statements, { nowMs: this.#judgedAtMs(), cursor }))
  }

  /** Changes when the feed was rebuilt: readers start again from 0. */
  get feedId(): string {
    return this.#database.cursor.feedId
  }

  /** Of the newest feed entry; 0 when there is none. */
  get position(): number {
    return this.#database.cursor.position
  }

  /** The highest time that this node's stamps have reached, unix ms: its own, and those it took from others. */
  get clockMs(): number {
    return this.#database.cursor.clock.ms
  }

  /** Random name of this life of an own log, 32 hex digits. */
  epoch(scope: OpScope): string {
    return this.#ownLog(scope).epoch
  }

  /** Newest batch of an own log. */
  head(scope: OpScope): LogHead {
    return this.#ownLog(scope).head
  }

  /** `<nodeId>/<epoch>` of the log that `append` writes ops of this scope to. */
  ownLogId(scope: OpScope): string {
    return `${this.nodeId}/${this.epoch(scope)}`
  }

  /**
   * Signs the ops and puts them on the disk in one transaction: one batch a scope (more only where one would be larger than 768 KiB). An id
   * that this node has used already, with the same body, gives the entry it has: a repeated call after a lost answer appends nothing.
   * @param ops 1–1024, in the order in which they come into the feed.
   * @throws ThatdamError CONFLICT when an id is there with another body, FORBIDDEN for what this node may not sign, DISK_FULL, TOO_LARGE.
   */
  append(ops: readonly { id?: string | undefined; body: OpBody }[]): AppendedOp[] {
    if (ops.length === 0 || ops.length > BATCH_OPS_MAX) {
      throw new ThatdamError('TOO_LARGE', `One call appends 1–${BATCH_OPS_MAX} ops, not ${ops.length}. Send them in parts.`)
    }
    this.#database.requireOpen()
    const { results, fresh, clock } = draft(ops, {
      author: this.#author(),
      clock: this.#database.cursor.clock,
      position: this.position,
      nowMs: this.#options.clock,
      freshId: () => opIdFrom(this.#options.random(16)),
      applied: (id) => this.#applied(id),
    })
    if (fresh.length > 0) this.#write(fresh, clock)
    return results
  }

  /** Feed entries after a position, oldest first, at most `limit` (≤ 2000). `ring`: only what every member carries, and quick to find. */
  read(after: number, limit: number, only?: 'ring'): OpFeedEntry[] {
    this.#database.requireOpen()
    const feed = only === 'ring' ? this.#statements.ringFeed : this.#statements.feed
    return feed.all(after, Math.min(Math.max(1, limit), READ_MAX)).map(entryOf)
  }

  /**
   * True as soon as the feed has an entry after this position, or was rebuilt; false when the signal aborts or the log closes first.
   * @throws ThatdamError UNAVAILABLE when too many wait already.
   */
  waitFor(after: number, signal: AbortSignal): Promise<boolean> {
    return this.#database.waitFor(after, signal)
  }

  /** The logs that are kept here, this node's own among them, in order of their ids. */
  logs(): LogSummary[] {
    this.#database.requireOpen()
    return this.#index.all()
  }

  /**
   * Signed batches of one log from a sequence on, oldest first: at most `limit` (≤ 64), and 1 MiB as JSON, but always the first. A page never
   * ends between two batches of one sequence (a fork), so the next page begins at the last sequence + 1.
   */
  batches(logId: string, fromSequence: number, limit = Number.MAX_SAFE_INTEGER): SignedBatch[] {
    this.#database.requireOpen()
    return pageOf(this.#statements, logId, { from: fromSequence, limit })
  }

  /** How far into which logs these entries of the feed reach: log id → sequence. */
  reachOf(positions: readonly number[]): Map<string, number> {
    this.#database.requireOpen()
    const rows = this.#statements.reach.all(JSON.stringify(positions))
    return new Map(rows.map((row) => [`${String(row['node'])}/${String(row['epoch'])}`, Number(row['sequence'])]))
  }

  /** Position of the first entry that lies in batches of one log above a height; null: none. */
  firstAbove(logId: string, sequence: number): number | null {
    this.#database.requireOpen()
    const position = this.#statements.firstAbove.get(...(logId.split('/') as [string, string]), sequence)?.['position'] ?? null
    return position === null ? null : Number(position)
  }

  /** Checks every page and every batch of this node's own logs against chain and signature; for `doctor`. @throws ThatdamError CONFLICT. */
  verifyAll(): { batches: number; ops: number } {
    this.#database.requireOpen()
    this.#database.check('PRAGMA integrity_check(1)')
    const key = this.#options.signer.publicKey
    const found = [...this.#own.values()].map((log) => verifyOwnLog(this.#statements, log, { file: this.file, key, ...this.#options }))
    return found.reduce((sum, one) => ({ batches: sum.batches + one.batches, ops: sum.ops + one.ops }), { batches: 0, ops: 0 })
  }

  /** Bounds the database: over it an append fails with DISK_FULL, as on a full disk. Pages of 4 KiB. */
  limitPages(pagesMax: number): void {
    this.#database.requireOpen()
    this.#database.db.exec(`PRAGMA max_page_count=${Math.floor(pagesMax)}`)
  }

  /** Ends all waits and closes the file. Calling it twice is harmless. */
  close(): void {
    this.#database.close()
  }

  /**
   * Takes a batch of another machine in (or of this one's earlier life). It is fsynced when this returns. Batches of one log come in order.
   * @param author the member whose log it is, from the roster as it is now.
   * @param batch checked against its schema by the caller.
   */
  importBatch(batch: SignedBatch, author: BatchAuthor): ImportOutcome {
    this.#database.requireOpen()
    const { verify } = this.#options
    const own = { nodeId: this.nodeId, epochs: SCOPES.map((scope) => this.epoch(scope)) }
    const verdict = judge(this.#statements, batch, { author, verify, own })
    if (verdict !== null) return verdict
    if (this.#index.size >= LOGS_MAX && this.#index.get(`${batch.header.nodeId}/${batch.header.epoch}`) === undefined) {
      throw new ThatdamError(
        'TOO_LARGE',
        `${this.file} keeps ${LOGS_MAX} logs already. Retire machines that make new ones again and again.`,
      )
    }
    const stored = this.#database.transaction((cursor) => store(this.#statements, batch, { author, nowMs: this.#judgedAtMs(), cursor }))
    this.#index.add(batch.header)
    return stored
  }

  /** Puts held ops whose time has come into the feed, at most 1000 a call; call it every few seconds. @returns how many. */
  releaseHeld(): number {
    this.#database.requireOpen()
    const nowMs = this.#judgedAtMs()
    if (due(this.#statements, nowMs, 1).length === 0) return 0
    return this.#database.transaction((cursor) => releaseHeld(this.#statements, { nowMs, cursor, limit: RELEASE_MAX }))
  }

  /**
   * After each change of the roster: batches whose signer has another standing now are judged anew. Where entries must leave the feed it is
   * rebuilt, under another `feedId`. Ops of an author that the roster does not know any more do not count.
   */
  rejudge(author: AuthorOf): { added: number; withdrawn: number } {
    this.#database.requireOpen()
    const freshFeedId = (): string => bytesToHex(this.#options.random(8))
    return this.#database.transaction((cursor) =>
      rejudge(this.#database.db, this.#statements, { nowMs: this.#judgedAtMs(), cursor, freshFeedId, author }),
    )
  }

  /** Its clock has gone further ahead of ring time than others would follow: either the clock was wrong, or ring time is. */
  get isAheadOfRingTime(): boolean {
    return this.clockMs > this.#options.clock() + FUTURE_MS_MAX
  }

  /**
   * This node's stamps were made by a wrong clock, far ahead: takes what is from the future out of the feed (rebuilt, under another `feedId`)
   * and sets the clock back, without a trusted clock no further than where most of the ring is: what is written again has to come after what they
   * know. The caller knows that a time server or the others are right. @returns how many entries went out.
   */
  withdrawFuture(): number {
    this.#database.requireOpen()
    const freshFeedId = (): string => bytesToHex(this.#options.random(8))
    const ringMs = this.#options.clock()
    const nowMs = this.#options.clockTrusted?.() === true ? ringMs : Math.max(ringMs, this.reachedMs)
    return this.#database.transaction((cursor) => withdrawFuture(this.#database.db, this.#statements, { nowMs, cursor, freshFeedId }))
  }

  /** Writes this node's own ops that others hold as from the future again, under the same ids, with stamps of now. @returns how many (≤ 1024). */
  reissue(): number {
    this.#database.requireOpen()
    const ops = ownFromFuture(this.#statements, { author: this.#author(), nowMs: this.#judgedAtMs(), limit: BATCH_OPS_MAX })
    return ops.length === 0 ? 0 : this.append(ops.map(({ id, body }) => ({ id, body }))).length
  }

  /** An own log goes on under a new random epoch: peers hold more of it than this node does. The old epoch stays as a log of its own. */
  beginEpoch(scope: OpScope): void {
    this.#database.requireOpen()
    this.#own.set(
      scope,
      this.#database.transaction(() => this.#freshEpoch(scope)),
    )
  }

  /** Positions at which one log has two batches: its node's disk was copied, or its key is in other hands. At most 100. */
  forks(): { logId: string; sequence: number; hashes: string[] }[] {
    this.#database.requireOpen()
    return this.#statements.forks.all().map((row) => ({
      logId: `${String(row['node'])}/${String(row['epoch'])}`,
      sequence: Number(row['sequence']),
      hashes: String(row['hashes']).split(',').toSorted(),
    }))
  }

  /** Key and epochs change together: a log is of one key from its first batch to its last. */
  #goOnUnder(publicKey: string): void {
    const fresh = this.#database.transaction(() => {
      this.#statements.setMeta.run('key', publicKey)
      return SCOPES.map((scope) => this.#freshEpoch(scope))
    })
    for (const log of fresh) this.#own.set(log.scope, log)
  }

  /** Inside a transaction. */
  #freshEpoch(scope: OpScope): OwnLog {
    const epoch = bytesToHex(this.#options.random(16))
    this.#statements.setMeta.run(`epoch ${scope}`, epoch)
    this.#statements.dropMeta.run(`head ${scope}`)
    return { scope, epoch, head: null }
  }

  #ownLog(scope: OpScope): OwnLog {
    return this.#own.get(scope) as OwnLog
  }

  #author(): { nodeId: string; admitter: boolean } {
    return { nodeId: this.nodeId, admitter: this.#options.admitter?.() ?? true }
  }

  /** What lies beyond this time (and a minute) is the future. A clock that nobody vouches for may be behind what is known already. */
  #judgedAtMs(): number {
    const nowMs = this.#options.clock()
    return this.#options.clockTrusted?.() === true ? nowMs : Math.max(nowMs, this.clockMs, this.reachedMs)
  }

  #write(fresh: readonly DraftOp[], clock: HlcState): void {
    const own = new Map(this.#own)
    const made = inBatches(fresh).map(({ scope, ops }) => {
      const log = own.get(scope) as OwnLog
      const texts = ops.map(({ text }) => text)
      const bodies = ops.map(({ op }) => op)
      const { batch, head } = makeBatch({ nodeId: this.nodeId, ...log }, bodies, this.#options.signer, texts)
      own.set(scope, { ...log, head })
      return { batch, head, ops }
    })
    const standing = standingOf(this.#author())
    this.#database.transaction((cursor) => {
      for (const { batch, head, ops } of made) {
        const { header, signer, signature } = batch
        const key = [header.nodeId, header.scope, header.epoch, header.sequence, head.hash] as const
        const { lastInsertRowid } = this.#statements.insertBatch.run(...key, canonicalJson(header), signer, signature, standing)
        const ring = header.scope === 'ring' ? 1 : 0
        for (const [place, { op, text, position }] of ops.entries()) {
          this.#statements.insertOp.run(lastInsertRowid, place, header.nodeId, ring, op.id, 'applied', position, text)
        }
        this.#statements.setMeta.run(`head ${header.scope}`, `${head.sequence} ${head.hash}`)
      }
      cursor.position += fresh.length
      cursor.clock = clock
    })
    for (const { batch } of made) this.#index.add(batch.header)
    for (const [scope, log] of own) this.#own.set(scope, log)
  }

  #applied(id: string): { result: AppendedOp; body: string } | null {
    const row = this.#statements.applied.get(id, this.nodeId)
    if (row === undefined) return null
    const op = JSON.parse(String(row['text'])) as Op
    return { result: { id, hlc: op.hlc, position: Number(row['position']) }, body: canonicalJson(op.body) }
  }
}
