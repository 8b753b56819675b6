import type { DatabaseSync } from 'node:sqlite'
import type { Op } from '@thatdam/protocol/ops'
import { HLC_ZERO, type HlcState, parseHlc } from '../hlc.ts'
import { maySign, type OpAuthor } from '../rights.ts'
import { apply, type BatchAuthor, type Cursor, futureFrom, standingOf, stateOf } from './import.ts'
import type { Statements } from './statements.ts'

/*
 * What counts is a function of the batches, the roster and ring time. When the roster or the time turns out to be another one, it is worked out
 * anew. Entries that only come in go to the end of the feed; when some must go out, the feed is numbered anew and gets another id.
 */

/** Asked with the key that signed: after a replaced key, older batches are still that member's. Null: the roster does not know it. */
export type AuthorOf = (nodeId: string, signer: string) => BatchAuthor | null

type Context = { nowMs: number; cursor: Cursor; freshFeedId: () => string }

/** Judges the batches anew whose signer has another standing than when they came. Inside a transaction. */
export function rejudge(
  db: DatabaseSync,
  statements: Statements,
  context: Context & { author: AuthorOf },
): { added: number; withdrawn: number } {
  const counts = { added: 0, withdrawn: 0 }
  for (const row of statements.standings.all()) {
    const [nodeId, signer, before] = [String(row['node']), String(row['signer']), String(row['standing'])]
    const author = context.author(nodeId, signer)
    const standing = standingOf(author)
    if (standing === before) continue
    for (const { batch } of statements.judgedAs.all(nodeId, signer, before)) {
      statements.setStanding.run(standing, batch as number)
      const by = author === null ? null : { nodeId, admitter: author.admitter }
      const { added, withdrawn } = rejudgeBatch(statements, { batch: batch as number, nodeId, by }, context)
      counts.added += added
      counts.withdrawn += withdrawn
    }
  }
  if (counts.withdrawn > 0) {
    counts.added += applyFreed(statements, context)
    renumber(db, context)
  }
  return counts
}

function rejudgeBatch(
  statements: Statements,
  of: { batch: number; nodeId: string; by: OpAuthor | null },
  { nowMs, cursor }: Context,
): { added: number; withdrawn: number } {
  let added = 0
  let withdrawn = 0
  for (const row of statements.placesOf.all(of.batch)) {
    if (row['state'] === 'unknown') continue
    const op = JSON.parse(String(row['text'])) as Op
    const place = Number(row['place'])
    const isAllowed = of.by !== null && maySign(op.body, of.by).ok
    if (isAllowed === (row['state'] !== 'refused')) continue
    const state = isAllowed ? stateOf(statements, { nodeId: of.nodeId, op }, nowMs) : 'refused'
    if (row['state'] === 'applied') withdrawn += 1
    if (state === 'applied') {
      apply(cursor, op, nowMs)
      added += 1
    }
    statements.settle.run(state, state === 'applied' ? cursor.position : null, of.batch, place)
  }
  return { added, withdrawn }
}

/** An op that stood behind one that was withdrawn: its author wrote it again, in a batch or with a stamp that still counts. */
function applyFreed(statements: Statements, { nowMs, cursor }: Context): number {
  let added = 0
  for (const row of statements.freed.all()) {
    const op = JSON.parse(String(row['text'])) as Op
    const state = stateOf(statements, { nodeId: String(row['node']), op }, nowMs)
    if (state === 'applied') {
      apply(cursor, op, nowMs)
      added += 1
    }
    statements.settle.run(state, state === 'applied' ? cursor.position : null, Number(row['batch']), Number(row['place']))
  }
  return added
}

/**
 * Ring time turned out to be far earlier than this node's clock has gone: takes what is from the future out of the feed, and sets the clock to
 * the newest of the rest. Inside a transaction. @returns how many entries were taken out.
 */
export function withdrawFuture(db: DatabaseSync, statements: Statements, context: Context): number {
  const { changes } = statements.withdrawFuture.run(futureFrom(context.nowMs))
  const newest = statements.newestStamp.get()?.['hlc']
  context.cursor.clock = typeof newest === 'string' ? clockAt(newest) : HLC_ZERO
  if (changes > 0) {
    applyFreed(statements, context)
    renumber(db, context)
  }
  return Number(changes)
}

function clockAt(stamp: string): HlcState {
  const { ms, counter } = parseHlc(stamp)
  return { ms, counter }
}

/** This node's own ops that nobody takes for as long as their stamps lie ahead, oldest first, each id once, without those that count already. */
export function ownFromFuture(statements: Statements, of: { author: OpAuthor; nowMs: number; limit: number }): Op[] {
  const { nodeId } = of.author
  const held = statements.ownHeld.all(nodeId, futureFrom(of.nowMs), of.limit).map((row) => JSON.parse(String(row['text'])) as Op)
  const byId = new Map(held.toSorted((a, b) => (a.hlc < b.hlc ? 1 : -1)).map((op) => [op.id, op]))
  return [...byId.values()]
    .filter((op) => statements.applied.get(op.id, nodeId) === undefined && maySign(op.body, of.author).ok)
    .toReversed()
}

/** Positions from 1 on again, in the same order, so that a reader that begins at 0 finds no hole. */
function renumber(db: DatabaseSync, { cursor, freshFeedId }: Context): void {
  db.exec(`
    DROP TABLE IF EXISTS temp.places;
    CREATE TEMP TABLE places AS
      SELECT batch, place, row_number() OVER (ORDER BY position) AS position FROM ops WHERE position IS NOT NULL;
    CREATE UNIQUE INDEX temp.places_key ON places (batch, place);
    UPDATE ops SET position = -position WHERE position IS NOT NULL;
    UPDATE ops SET position = (SELECT p.position FROM temp.places p WHERE p.batch = ops.batch AND p.place = ops.place) WHERE position < 0;
  `)
  const row = db.prepare('SELECT count(*) AS count FROM temp.places').get()
  db.exec('DROP TABLE temp.places')
  cursor.position = Number(row?.['count'] ?? 0)
  cursor.feedId = freshFeedId()
}
