import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { bytesToHex } from '@noble/hashes/utils.js'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { BatchHeader, Op, OpBody, SignedBatch } from '@thatdam/protocol/ops'
import type { LogSummary } from '../anti-entropy.ts'
import { BATCH_OPS_MAX, batchHash, contentFault, type LogHead, makeBatch } from '../batch.ts'
import { HLC_ZERO, type HlcState, tick } from '../hlc.ts'
import { opIdFrom } from '../op-id.ts'
import type { BatchSigner, VerifyBatchSignature } from '../signing.ts'
import { type BatchAuthor, type Cursor, due, type ImportOutcome, judge, releaseHeld, store } from './import.ts'
import { damaged, explain, openDatabase } from './schema.ts'
import { prepareAll, type Statements } from './statements.ts'

export type OpLogOptions = {
  nodeId: string
  /** The node's own key: only the agent signs. */
  signer: BatchSigner
  verify: VerifyBatchSignature
  /** Ring time, unix ms. */
  clock: () => number
  /** Cryptographically random bytes. */
  random: (count: number) => Uint8Array
}
export type AppendedOp = { id: string; hlc: string; position: number }

/** At most this many readers wait for the next op at once. */
const WAITERS_MAX = 256
const READ_MAX = 2000
const RELEASE_MAX = 1000
/** Answers of `batches` hold at most so many. */
const BATCHES_MAX = 64
/** A log of at most this many pages is checked page by page at open; a larger one at its head (`verifyAll` checks it whole). */
const QUICK_CHECK_PAGES_MAX = 16_384

type Waiter = { after: number; done: (arrived: boolean) => void }

/**
 * A node's op-log and the feed of all ops it holds, in `STATE_DIR/oplog.db`. One process has it open at a time. Synchronous: when `append`
 * returns, the batch is signed and on the disk.
 */
export class OpLog {
  readonly file: string
  readonly nodeId: string
  /** Changes when the feed was rebuilt: readers start again from 0. */
  readonly feedId: string
  readonly #db: DatabaseSync
  readonly #options: OpLogOptions
  readonly #statements: Statements
  readonly #waiters = new Set<Waiter>()
  #epoch: string
  #head: LogHead
  #clock: HlcState
  #position: number
  #closed = false

  /**
   * Opens or makes the log and checks it: its pages, its newest batch, that it is this node's.
   * @throws ThatdamError CONFLICT for a damaged log, another node's log, or one that another agent has open; it is left as it is.
   */
  static open(stateDir: string, options: OpLogOptions): OpLog {
    const db = openDatabase(stateDir, () => ({
      version: '1',
      node: options.nodeId,
      key: options.signer.publicKey,
      epoch: bytesToHex(options.random(16)),
      feed: bytesToHex(options.random(8)),
    }))
    try {
      return new OpLog(join(stateDir, 'oplog.db'), db, options)
    } catch (error) {
      db.close()
      throw explain(error, join(stateDir, 'oplog.db'))
    }
  }

  private constructor(file: string, db: DatabaseSync, options: OpLogOptions) {
    this.file = file
    this.#db = db
    this.#options = options
    this.nodeId = options.nodeId
    this.#statements = prepareAll(db)
    this.#epoch = this.#meta('epoch')
    this.feedId = this.#meta('feed')
    if (this.#meta('version') !== '1') {
      throw new ThatdamError('CONFLICT', `${file} was written by a newer version of ThatDAM. Install that version again, or a newer one.`)
    }
    if (this.#meta('node') !== options.nodeId || this.#meta('key') !== options.signer.publicKey) {
      throw new ThatdamError(
        'CONFLICT',
        `${file} belongs to the node ${this.#meta('node')}, not to this one. Put its identity.json back, or choose another state directory.`,
      )
    }
    this.#checkPages()
    this.#head = this.#readHead()
    const [ms, counter] = (this.#statements.meta.get('clock')?.['value'] ?? '').toString().split('-').map(Number)
    this.#clock = ms === undefined || counter === undefined ? HLC_ZERO : { ms, counter }
    this.#position = Number(this.#statements.lastPosition.get()?.['position'] ?? 0)
  }

  /** Of the newest feed entry; 0 when there is none. */
  get position(): number {
    return this.#position
  }

  /** Random name of this life of the log, 32 hex digits. */
  get epoch(): string {
    return this.#epoch
  }

  /** Newest batch of this node's own log. */
  get head(): LogHead {
    return this.#head
  }

  /**
   * Signs the ops as one batch and puts it on the disk. An id that the log has already, with the same body, gives the entry it has:
   * a repeated call after a lost answer appends nothing.
   * @param ops 1–1024.
   * @throws ThatdamError CONFLICT when an id is there with another body, DISK_FULL, TOO_LARGE.
   */
  append(ops: readonly { id?: string | undefined; body: OpBody }[]): AppendedOp[] {
    if (ops.length === 0 || ops.length > BATCH_OPS_MAX) {
      throw new ThatdamError('TOO_LARGE', `One call appends 1–${BATCH_OPS_MAX} ops, not ${ops.length}. Send them in parts.`)
    }
    this.#requireOpen()
    let clock = this.#clock
    let position = this.#position
    const results: AppendedOp[] = []
    const fresh: Op[] = []
    const byId = new Map<string, { result: AppendedOp; body: string }>()
    for (const { id = opIdFrom(this.#options.random(16)), body } of ops) {
      const text = canonicalJson(body)
      const known = byId.get(id) ?? this.#applied(id)
      if (known !== null) {
        if (known.body !== text)
          throw new ThatdamError('CONFLICT', `The op id ${id} is taken by another op. Give each op an id of its own.`)
        results.push(known.result)
        continue
      }
      const ticked = tick(clock, this.#options.clock(), this.nodeId)
      clock = ticked.state
      position += 1
      const result = { id, hlc: ticked.stamp, position }
      byId.set(id, { result, body: text })
      results.push(result)
      fresh.push({ id, hlc: ticked.stamp, body })
    }
    if (fresh.length > 0) this.#write(fresh, clock)
    return results
  }

  /** Feed entries after a position, oldest first, at most `limit` (≤ 2000). */
  read(after: number, limit: number): OpFeedEntry[] {
    this.#requireOpen()
    const rows = this.#statements.feed.all(after, Math.min(Math.max(1, limit), READ_MAX))
    return rows.map((row) => ({
      position: Number(row['position']),
      nodeId: String(row['node']),
      op: JSON.parse(String(row['text'])) as Op,
    }))
  }

  /**
   * True as soon as the feed has an entry after this position, false when the signal aborts or the log closes first.
   * @throws ThatdamError UNAVAILABLE when too many wait already.
   */
  waitFor(after: number, signal: AbortSignal): Promise<boolean> {
    if (this.#position > after) return Promise.resolve(true)
    if (signal.aborted || this.#closed) return Promise.resolve(false)
    if (this.#waiters.size >= WAITERS_MAX) {
      return Promise.reject(new ThatdamError('UNAVAILABLE', 'Too many readers wait for the op feed. Try again in a second.'))
    }
    return new Promise((resolve) => {
      const onAbort = (): void => waiter.done(false)
      const waiter: Waiter = {
        after,
        done: (arrived) => {
          this.#waiters.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          resolve(arrived)
        },
      }
      this.#waiters.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The logs that are kept here, this node's own among them. */
  logs(): LogSummary[] {
    this.#requireOpen()
    return this.#statements.logs.all().map((row) => {
      const [sequence = '', head = ''] = String(row['top']).split(' ')
      const logId = `${String(row['node'])}/${String(row['epoch'])}`
      return { logId, sequence: Number(sequence), batches: Number(row['batches']), head }
    })
  }

  /**
   * Signed batches of one log from a sequence on, oldest first, at most `limit` (≤ 64). A page never ends between two batches of one
   * sequence (a fork), so the next page begins at the last sequence + 1.
   */
  batches(logId: string, fromSequence: number, limit = BATCHES_MAX): SignedBatch[] {
    this.#requireOpen()
    const [node = '', epoch = ''] = logId.split('/')
    const count = Math.min(Math.max(1, limit), BATCHES_MAX)
    const rows = this.#statements.batches.all(node, epoch, fromSequence, count + 1)
    const beyond = rows[count]?.['sequence']
    const whole = rows.filter((row) => row['sequence'] !== beyond)
    return (whole.length > 0 ? whole : rows.slice(0, count)).map((row) => this.#batchOf(row))
  }

  /** `<nodeId>/<epoch>` of the log that `append` writes. */
  get ownLogId(): string {
    return `${this.nodeId}/${this.#epoch}`
  }

  /** Checks every page and every batch of this node's own log against its chain and signature; for `doctor`. @throws ThatdamError CONFLICT. */
  verifyAll(): { batches: number; ops: number } {
    this.#requireOpen()
    this.#check('PRAGMA integrity_check(1)')
    let previous = '0'.repeat(64)
    let count = 0
    let ops = 0
    for (let page = this.batches(this.ownLogId, 1); page.length > 0; page = this.batches(this.ownLogId, count + 1)) {
      for (const batch of page) {
        count += 1
        this.#requireSound(batch, count)
        if (batch.header.previous !== previous) throw damaged(this.file, `batch ${count} is not chained to the one before it`)
        previous = batchHash(batch.header)
        ops += batch.ops.length
      }
    }
    if (count !== (this.#head?.sequence ?? 0)) throw damaged(this.file, `it ends at batch ${count}, not at ${this.#head?.sequence ?? 0}`)
    return { batches: count, ops }
  }

  /** Bounds the database: over it an append fails with DISK_FULL, as on a full disk. Pages of 4 KiB. */
  limitPages(pagesMax: number): void {
    this.#requireOpen()
    this.#db.exec(`PRAGMA max_page_count=${Math.floor(pagesMax)}`)
  }

  /** Ends all waits and closes the file. Calling it twice is harmless. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const waiter of this.#waiters) waiter.done(false)
    this.#db.close()
  }

  /**
   * Takes a batch of another machine in (or of this one's earlier life). It is fsynced when this returns. Batches of one log come in order.
   * @param author the member whose log it is, from the roster as it is now.
   * @param batch checked against its schema by the caller.
   */
  importBatch(batch: SignedBatch, author: BatchAuthor): ImportOutcome {
    this.#requireOpen()
    const { verify } = this.#options
    const verdict = judge(this.#statements, batch, { author, verify, ownLog: { nodeId: this.nodeId, epoch: this.#epoch } })
    if (verdict !== null) return verdict
    const nowMs = this.#options.clock()
    return this.#transaction((cursor) => store(this.#statements, batch, { author, nowMs, cursor }))
  }

  /** Puts held ops whose time has come into the feed, at most 1000 a call; call it every few seconds. @returns how many. */
  releaseHeld(): number {
    this.#requireOpen()
    const nowMs = this.#options.clock()
    if (due(this.#statements, nowMs, 1).length === 0) return 0
    return this.#transaction((cursor) => releaseHeld(this.#statements, { nowMs, cursor, limit: RELEASE_MAX }))
  }

  /** Goes on under a new random epoch: peers hold more of this node's log than it does. The old epoch stays as a log of its own. */
  beginEpoch(): void {
    this.#requireOpen()
    const epoch = bytesToHex(this.#options.random(16))
    this.#transaction(() => {
      this.#statements.setMeta.run('epoch', epoch)
      this.#statements.dropMeta.run('head')
    })
    this.#epoch = epoch
    this.#head = null
  }

  /** Positions at which one log has two batches: its node's disk was copied, or its key is in other hands. At most 100. */
  forks(): { logId: string; sequence: number; hashes: string[] }[] {
    this.#requireOpen()
    return this.#statements.forks.all().map((row) => ({
      logId: `${String(row['node'])}/${String(row['epoch'])}`,
      sequence: Number(row['sequence']),
      hashes: String(row['hashes']).split(',').toSorted(),
    }))
  }

  #write(ops: Op[], clock: HlcState): void {
    const texts = ops.map((op) => canonicalJson(op))
    const { batch, head } = makeBatch({ nodeId: this.nodeId, epoch: this.#epoch, head: this.#head }, ops, this.#options.signer, texts)
    const { header, signer, signature } = batch
    this.#transaction((cursor) => {
      const key = [header.nodeId, header.epoch, header.sequence, head.hash] as const
      const { lastInsertRowid } = this.#statements.insertBatch.run(...key, canonicalJson(header), signer, signature)
      for (const [place, op] of ops.entries()) {
        cursor.position += 1
        this.#statements.insertOp.run(lastInsertRowid, place, op.id, 'applied', cursor.position, texts[place] as string)
      }
      cursor.clock = clock
      this.#statements.setMeta.run('head', `${head.sequence} ${head.hash}`)
    })
    this.#head = head
  }

  /** Commits, fsynced, with the clock; only then the feed grows and readers wake. After an error nothing has changed. */
  #transaction<T>(run: (cursor: Cursor) => T): T {
    const cursor = { clock: this.#clock, position: this.#position }
    let result: T
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      result = run(cursor)
      this.#statements.setMeta.run('clock', `${cursor.clock.ms}-${cursor.clock.counter}`)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw explain(error, this.file)
    }
    this.#clock = cursor.clock
    this.#position = cursor.position
    for (const waiter of this.#waiters) if (cursor.position > waiter.after) waiter.done(true)
    return result
  }

  #applied(id: string): { result: AppendedOp; body: string } | null {
    const row = this.#statements.applied.get(id)
    if (row === undefined) return null
    const op = JSON.parse(String(row['text'])) as Op
    return { result: { id, hlc: op.hlc, position: Number(row['position']) }, body: canonicalJson(op.body) }
  }

  #meta(key: string): string {
    const row = this.#statements.meta.get(key)
    if (row === undefined) throw damaged(this.file, `its entry “${key}” is missing`)
    return String(row['value'])
  }

  #checkPages(): void {
    const pages = Number(this.#db.prepare('PRAGMA page_count').get()?.['page_count'] ?? 0)
    if (pages <= QUICK_CHECK_PAGES_MAX) this.#check('PRAGMA quick_check(1)')
  }

  #check(pragma: string): void {
    const found = Object.values(this.#db.prepare(pragma).get() ?? {})[0]
    if (found !== 'ok') throw damaged(this.file, String(found))
  }

  /** The newest own batch, checked against its signature, its ops, the one before it and what the last write noted. */
  #readHead(): LogHead {
    const noted = this.#statements.meta.get('head')?.['value']
    const newest = this.#statements.newest.get(this.nodeId, this.#epoch)
    if (newest === undefined) {
      if (noted !== undefined) throw damaged(this.file, 'its batches are gone')
      return null
    }
    const batch = this.#batchOf(newest)
    const head = { sequence: batch.header.sequence, hash: batchHash(batch.header) }
    if (noted !== `${head.sequence} ${head.hash}`) throw damaged(this.file, `it does not end with the batch that was written last`)
    this.#requireSound(batch, head.sequence)
    const [before] = this.batches(this.ownLogId, head.sequence - 1)
    const previous = head.sequence === 1 ? '0'.repeat(64) : before === undefined ? '' : batchHash(before.header)
    if (batch.header.previous !== previous) throw damaged(this.file, `batch ${head.sequence} is not chained to the one before it`)
    return head
  }

  #requireSound(batch: SignedBatch, sequence: number): void {
    const fault = batch.header.sequence === sequence ? contentFault(batch, this.#options.signer.publicKey, this.#options.verify) : 'gap'
    if (fault !== null) throw damaged(this.file, `batch ${sequence} does not verify (${fault})`)
  }

  #batchOf(row: Record<string, unknown>): SignedBatch {
    const ops = this.#statements.opsOf.all(row['batch'] as number).map((op) => JSON.parse(String(op['text'])) as Op)
    return {
      header: JSON.parse(String(row['header'])) as BatchHeader,
      signer: String(row['signer']),
      signature: String(row['signature']),
      ops,
    }
  }

  #requireOpen(): void {
    if (this.#closed) throw new ThatdamError('UNAVAILABLE', 'The op log is closed: the agent is stopping. Try again when it runs.')
  }
}
