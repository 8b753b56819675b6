import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import { isUnread, type AssetKind, type OpBody, type OpOf } from '@thatdam/protocol/ops'
import type { RecipeName } from '@thatdam/protocol/recipes'
import { getMeta, setMeta, transaction } from '@thatdam/store/index-db'
import { RECIPE_NAMES, RECIPES_KEY, recipeHash, wantedRecipes } from '@thatdam/store/recipe-hash'

/*
 * `STATE_DIR/library.db`: what the op-log says about bytes, on machines that carry the whole log. Only a cache of the log: a damaged one, one of
 * another version, or one of a feed that was rebuilt is thrown away and filled again from the beginning.
 *
 *   blobs     whole copies in stores: who has which, and at which place of the feed that was learned
 *   places    originals in their folders; the key is a hash of machine, root and path
 *   derived   by recipe: previews that were made (their blob), or that cannot be made (null); that a file was read (null)
 *   lacking   assets of which something is wanted and not there
 */
const SCHEMA = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE nodes (id INTEGER PRIMARY KEY, nodeId TEXT NOT NULL UNIQUE);
CREATE TABLE blobs (sha256 BLOB NOT NULL, node INTEGER NOT NULL, sizeBytes INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (sha256, node)) WITHOUT ROWID;
CREATE INDEX blobs_position ON blobs (position);
CREATE TABLE places (place BLOB PRIMARY KEY, node INTEGER NOT NULL, sha256 BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX places_sha256 ON places (sha256);
CREATE TABLE derived (source BLOB NOT NULL, recipe INTEGER NOT NULL, sha256 BLOB, PRIMARY KEY (source, recipe)) WITHOUT ROWID;
CREATE TABLE lacking (source BLOB PRIMARY KEY, author INTEGER NOT NULL, kind TEXT NOT NULL, mimeType TEXT NOT NULL, durationMs REAL,
  sizeBytes INTEGER NOT NULL, isUnread INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX lacking_position ON lacking (position);
`
const VERSION = 2
const RECIPE_NUMBERS: ReadonlyMap<string, number> = new Map(RECIPE_NAMES.map((name, index) => [recipeHash(name), index]))
/** Of an original with more places, the first are enough. */
const HOLDERS_MAX = 32

/** Who has these bytes. */
export interface Holders {
  readonly stored: readonly NodeId[]
  /** As an original in a folder: may be read, and counts as no copy. */
  readonly inPlace: readonly NodeId[]
  /** As told; null: nobody told of a stored copy. */
  readonly sizeBytes: number | null
}

export interface KnownBlob {
  readonly sha256: Sha256Hex
  readonly stored: ReadonlySet<NodeId>
  readonly sizeBytes: number
}

/** An asset of which something is wanted: previews, or what its file says of itself. */
export interface LackingAsset {
  readonly source: Sha256Hex
  /** Whose log names it. */
  readonly author: NodeId
  readonly kind: Exclude<AssetKind, 'other'>
  readonly mimeType: string
  readonly durationMs: number | null
  readonly sizeBytes: number
  readonly position: number
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

export class LibraryIndex {
  private readonly db: DatabaseSync
  private readonly statements = new Map<string, StatementSync>()
  private readonly numbers = new Map<NodeId, number>()

  private constructor(db: DatabaseSync) {
    this.db = db
  }

  static open(path: string): LibraryIndex {
    try {
      return new LibraryIndex(openDb(path))
    } catch {
      for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true })
      return new LibraryIndex(openDb(path))
    }
  }

  /** Up to which place of the feed it has read. */
  get position(): number {
    return Number(getMeta(this.db, 'position') ?? '0')
  }

  /** Is what it holds from this feed? If not, it is emptied. */
  follow(feedId: string): void {
    if (getMeta(this.db, 'feed') === feedId) return
    transaction(this.db, () => {
      for (const table of ['blobs', 'places', 'derived', 'lacking', 'nodes']) this.db.exec(`DELETE FROM ${table}`)
      setMeta(this.db, 'feed', feedId)
      setMeta(this.db, 'position', '0')
    })
    this.numbers.clear()
  }

  /** The next entries of the feed, in order, and with them the place in it. */
  take(entries: readonly OpFeedEntry[]): void {
    const last = entries.at(-1)
    if (last === undefined) return
    try {
      transaction(this.db, () => {
        for (const { op, nodeId, position } of entries) this.learn(op.body, nodeId, position)
        setMeta(this.db, 'position', String(last.position))
      })
    } catch (error) {
      this.numbers.clear() // of names that were not written
      throw error
    }
  }

  holders(sha256: Sha256Hex): Holders {
    const stored = this.all(
      'SELECT nodes.nodeId AS nodeId, sizeBytes FROM blobs JOIN nodes ON nodes.id = blobs.node WHERE sha256 = ? LIMIT ?',
      bytes(sha256),
      HOLDERS_MAX,
    ) as { nodeId: string; sizeBytes: number }[]
    const inPlace = this.all(
      'SELECT DISTINCT nodes.nodeId AS nodeId FROM places JOIN nodes ON nodes.id = places.node WHERE sha256 = ? LIMIT ?',
      bytes(sha256),
      HOLDERS_MAX,
    ) as { nodeId: string }[]
    return {
      stored: stored.map(({ nodeId }) => nodeId),
      inPlace: inPlace.map(({ nodeId }) => nodeId),
      sizeBytes: stored[0]?.sizeBytes ?? null,
    }
  }

  /** Blobs that somebody stores, in order of their names, after `after`. */
  blobs(after: Sha256Hex | null, limit: number): KnownBlob[] {
    const rows = this.all(
      `SELECT blobs.sha256 AS sha256, nodes.nodeId AS nodeId, sizeBytes FROM
         (SELECT DISTINCT sha256 FROM blobs WHERE sha256 > ? ORDER BY sha256 LIMIT ?) AS page
       JOIN blobs ON blobs.sha256 = page.sha256 JOIN nodes ON nodes.id = blobs.node ORDER BY blobs.sha256`,
      bytes(after ?? ''),
      limit,
    ) as { sha256: Uint8Array; nodeId: string; sizeBytes: number }[]
    const found = new Map<Sha256Hex, { sha256: Sha256Hex; stored: Set<NodeId>; sizeBytes: number }>()
    for (const row of rows) {
      const sha256 = hex(row.sha256)
      const blob = found.get(sha256) ?? { sha256, stored: new Set(), sizeBytes: row.sizeBytes }
      blob.stored.add(row.nodeId)
      found.set(sha256, blob)
    }
    return [...found.values()]
  }

  /** Blobs of which a copy was told after this place of the feed, oldest news first; and up to where they reach. */
  news(after: number, limit: number): { readonly blobs: readonly KnownBlob[]; readonly position: number } {
    const rows = this.all('SELECT sha256, sizeBytes, position FROM blobs WHERE position > ? ORDER BY position LIMIT ?', after, limit) as {
      sha256: Uint8Array
      sizeBytes: number
      position: number
    }[]
    const sizes = new Map(rows.map((row) => [hex(row.sha256), row.sizeBytes]))
    const blobs = [...sizes].map(([sha256, sizeBytes]) => ({ sha256, sizeBytes, stored: new Set(this.holders(sha256).stored) }))
    return { blobs, position: rows.at(-1)?.position ?? after }
  }

  /** Assets that lack something, as they were told, after this place of the feed. */
  lacking(after: number, limit: number): LackingAsset[] {
    const rows = this.all(
      `SELECT source, nodes.nodeId AS author, kind, mimeType, durationMs, sizeBytes, position
       FROM lacking JOIN nodes ON nodes.id = lacking.author WHERE position > ? ORDER BY position LIMIT ?`,
      after,
      limit,
    ) as (Omit<LackingAsset, 'source'> & { source: Uint8Array })[]
    return rows.map((row) => ({ ...row, source: hex(row.source) }))
  }

  isLacking(source: Sha256Hex): boolean {
    return this.all('SELECT 1 FROM lacking WHERE source = ?', bytes(source)).length > 0
  }

  /** Of an asset, the recipes that nobody made and nobody gave up. */
  openRecipes(source: Sha256Hex): { readonly recipe: string; readonly recipeHash: string }[] {
    return this.open(source, this.isKnownUnread(source)).map((recipe) => ({ recipe, recipeHash: recipeHash(recipe) }))
  }

  /** The blob of a preview; null: it is not made. */
  preview(source: Sha256Hex, recipe: string): Sha256Hex | null {
    const number = RECIPE_NAMES.findIndex((name) => name === recipe)
    const [row] = this.all('SELECT sha256 FROM derived WHERE source = ? AND recipe = ?', bytes(source), number)
    const sha256 = row?.['sha256']
    return sha256 instanceof Uint8Array ? hex(sha256) : null
  }

  close(): void {
    this.db.close()
  }

  private learn(body: OpBody, author: NodeId, position: number): void {
    const { kind } = body
    if (kind === 'blob.stored') {
      this.run(
        'INSERT OR IGNORE INTO blobs (sha256, node, sizeBytes, position) VALUES (?, ?, ?, ?)',
        bytes(body.sha256),
        this.numberOf(body.nodeId),
        body.sizeBytes,
        position,
      )
    } else if (kind === 'location.seen') {
      const node = this.numberOf(body.nodeId)
      this.run('INSERT OR REPLACE INTO places (place, node, sha256) VALUES (?, ?, ?)', placeOf(body), node, bytes(body.assetId))
    } else if (kind === 'location.gone') this.run('DELETE FROM places WHERE place = ?', placeOf(body))
    else if (kind === 'asset.ingested') this.ingested(body, author, position)
    else if (kind === 'asset.probed') this.probed(body)
    else if (kind === 'derivative.made') this.derived(body.sourceSha256, body.recipeHash, body.sha256)
    else if (kind === 'derivative.failed') this.derived(body.sourceSha256, body.recipeHash, null)
  }

  /** Of machines that have the same file, one may have read it and another not: as long as nobody told what is in it, it is wanted. */
  private ingested(body: OpOf<'asset.ingested'>, author: NodeId, position: number): void {
    const { assetId, assetKind, media, sizeBytes } = body
    if (assetKind === 'other' || this.open(assetId, isUnread(body)).length === 0) return
    this.run(
      `INSERT INTO lacking (source, author, kind, mimeType, durationMs, sizeBytes, isUnread, position) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (source) DO UPDATE SET isUnread = max(isUnread, excluded.isUnread)`,
      bytes(assetId),
      this.numberOf(author),
      assetKind,
      media.mimeType,
      media.durationMs,
      sizeBytes,
      Number(isUnread(body)),
      position,
    )
  }

  /** What is still to be made of it is made by what is known of it now. */
  private probed({ assetId, assetKind, media, recipeHash: hash }: OpOf<'asset.probed'>): void {
    if (assetKind !== 'other') {
      const { mimeType, durationMs } = media
      this.run(
        'UPDATE lacking SET kind = ?, mimeType = ?, durationMs = ? WHERE source = ?',
        assetKind,
        mimeType,
        durationMs,
        bytes(assetId),
      )
    }
    this.derived(assetId, hash, null)
  }

  /** One machine may fail at what another makes: what was made stays. */
  private derived(source: Sha256Hex, hash: string, sha256: Sha256Hex | null): void {
    const recipe = RECIPE_NUMBERS.get(hash)
    if (recipe === undefined) return
    this.run(
      `INSERT INTO derived (source, recipe, sha256) VALUES (?, ?, ?)
       ON CONFLICT (source, recipe) DO UPDATE SET sha256 = coalesce(excluded.sha256, sha256)`,
      bytes(source),
      recipe,
      sha256 === null ? null : bytes(sha256),
    )
    if (this.open(source, this.isKnownUnread(source)).length === 0) this.run('DELETE FROM lacking WHERE source = ?', bytes(source))
  }

  private open(source: Sha256Hex, isAssetUnread: boolean): RecipeName[] {
    const done = new Set(this.all('SELECT recipe FROM derived WHERE source = ?', bytes(source)).map((row) => Number(row['recipe'])))
    return wantedRecipes(isAssetUnread).filter((recipe) => !done.has(RECIPE_NAMES.indexOf(recipe)))
  }

  private isKnownUnread(source: Sha256Hex): boolean {
    return this.all('SELECT 1 FROM lacking WHERE source = ? AND isUnread = 1', bytes(source)).length > 0
  }

  private numberOf(nodeId: NodeId): number {
    const known = this.numbers.get(nodeId)
    if (known !== undefined) return known
    this.run('INSERT OR IGNORE INTO nodes (nodeId) VALUES (?)', nodeId)
    const number = Number(this.all('SELECT id FROM nodes WHERE nodeId = ?', nodeId)[0]?.['id'])
    this.numbers.set(nodeId, number)
    return number
  }

  private run(sql: string, ...values: readonly Value[]): void {
    this.statement(sql).run(...values)
  }

  private all(sql: string, ...values: readonly Value[]): Record<string, unknown>[] {
    return this.statement(sql).all(...values)
  }

  private statement(sql: string): StatementSync {
    const statement = this.statements.get(sql) ?? this.db.prepare(sql)
    this.statements.set(sql, statement)
    return statement
  }
}

type Value = string | number | null | Uint8Array

function placeOf({ nodeId, root, path }: Pick<OpOf<'location.gone'>, 'nodeId' | 'root' | 'path'>): Buffer {
  const text = JSON.stringify([nodeId, root, path.encoding, path.value])
  return createHash('sha256').update(text).digest().subarray(0, 16)
}

/** @throws when it is damaged, or of another version. */
function openDb(path: string): DatabaseSync {
  const db = new DatabaseSync(path)
  try {
    db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1024')
    const version = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
    if (version === 0) {
      db.exec(`BEGIN IMMEDIATE; ${SCHEMA} PRAGMA user_version=${VERSION}; COMMIT`)
      setMeta(db, 'recipes', RECIPES_KEY)
    }
    if (getMeta(db, 'recipes') !== RECIPES_KEY || (version !== 0 && version !== VERSION)) throw new Error('of another version')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}
