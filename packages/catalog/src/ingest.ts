import type { OpFeed } from '@thatdam/protocol/local'
import type { Pool, PoolClient } from 'pg'
import { refreshConflicts } from './conflicts.ts'
import { materialise } from './materialise.ts'
import { rowsOf, type CameraRow, type Rows } from './rows.ts'

const TABLES = [
  'catalog_assets',
  'catalog_probes',
  'catalog_locations',
  'catalog_blobs',
  'catalog_derivatives',
  'catalog_fields',
  'catalog_conflicts',
  'catalog_cameras',
  'catalog_captures',
  'catalog_capture_gaps',
]

export interface Cursor {
  feedId: string
  position: number
}

/** How far the feed was read; null before the first batch. */
export async function readCursor(db: Pool | PoolClient): Promise<Cursor | null> {
  const { rows } = await db.query<{ feedId: string; position: string }>('SELECT "feedId", "position" FROM catalog_cursor WHERE id = 1')
  const row = rows[0]
  return row === undefined ? null : { feedId: row.feedId, position: Number(row.position) }
}

/**
 * Applies one answer of the feed in one transaction; applying it again, or an older one, changes nothing. A feed with another id
 * empties the catalog first: everything is made again from position 0.
 * @returns the cursor afterwards. `position` 0 with a new `feedId` means: ask again from the start.
 */
export async function ingest(pool: Pool, feed: OpFeed): Promise<Cursor> {
  const db = await pool.connect()
  try {
    await db.query('BEGIN')
    // One writer at a time, also across processes that follow the same feed during a hand-over.
    await db.query('SELECT pg_advisory_xact_lock(7270737001)')
    const cursor = await readCursor(db)
    const after = cursor?.feedId === feed.feedId ? await continueFeed(db, cursor, feed) : await beginFeed(db, feed)
    await db.query('COMMIT')
    return after
  } catch (error) {
    await db.query('ROLLBACK').catch(() => undefined)
    throw error
  } finally {
    db.release()
  }
}

async function beginFeed(db: PoolClient, feed: OpFeed): Promise<Cursor> {
  await db.query(`TRUNCATE ${TABLES.join(', ')}`)
  const first = feed.entries[0]?.position ?? feed.position + 1
  if (first > 1) return writeCursor(db, { feedId: feed.feedId, position: 0 })
  return continueFeed(db, { feedId: feed.feedId, position: 0 }, feed)
}

async function continueFeed(db: PoolClient, cursor: Cursor, feed: OpFeed): Promise<Cursor> {
  const fresh = feed.entries.filter((entry) => entry.position > cursor.position)
  if (fresh.length > 0) {
    const rows = rowsOf(fresh)
    const moved = await write(db, rows)
    await materialise(db, touchedAssets(rows, moved))
    await refreshConflicts(db, [...rows.fields.values()])
  }
  const position = Math.max(cursor.position, fresh.at(-1)?.position ?? 0)
  return writeCursor(db, { feedId: feed.feedId, position })
}

async function writeCursor(db: PoolClient, cursor: Cursor): Promise<Cursor> {
  await db.query(
    `INSERT INTO catalog_cursor (id, "feedId", "position") VALUES (1, $1, $2)
     ON CONFLICT (id) DO UPDATE SET "feedId" = excluded."feedId", "position" = excluded."position"`,
    [cursor.feedId, cursor.position],
  )
  return cursor
}

function touchedAssets(rows: Rows, moved: readonly string[]): string[] {
  const ids = new Set<string>([...rows.assets.keys(), ...rows.probes.keys(), ...moved])
  for (const location of rows.locations.values()) if (location.assetId !== '') ids.add(location.assetId)
  for (const field of rows.fields.values()) if (field.noun === 'asset') ids.add(field.subject)
  return [...ids]
}

/** @returns ids of assets that lost a place to another asset or to nothing, or whose camera goes by another name now. */
async function write(db: PoolClient, rows: Rows): Promise<string[]> {
  const put = async (sql: string, map: ReadonlyMap<string, object>): Promise<void> => {
    if (map.size > 0) await db.query(sql, [JSON.stringify([...map.values()])])
  }
  const keys = [...rows.locations.keys()]
  const { rows: before } =
    keys.length === 0
      ? { rows: [] }
      : await db.query<{ assetId: string }>('SELECT DISTINCT "assetId" FROM catalog_locations WHERE key = ANY($1)', [keys])
  await put(ASSETS, rows.assets)
  await put(PROBES, rows.probes)
  await put(LOCATIONS, rows.locations)
  await put(BLOBS, rows.blobs)
  await put(DERIVATIVES, rows.derivatives)
  await put(FIELDS, rows.fields)
  const renamed = rows.cameras.size === 0 ? [] : await renamedBy(db, [...rows.cameras.values()])
  await put(CAMERAS, rows.cameras)
  await put(CAPTURES, rows.captures)
  await put(GAPS, rows.gaps)
  return [...renamed, ...before.map((row) => row.assetId).filter((id) => id !== '')]
}

/** Recordings are found by their camera's name, also when the camera is heard of after them. */
async function renamedBy(db: PoolClient, cameras: readonly CameraRow[]): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `SELECT a.id FROM jsonb_to_recordset($1::jsonb) AS r(id text, "seenName" text)
     JOIN catalog_assets a ON a."captureCameraId" = r.id
     LEFT JOIN catalog_cameras c ON c.id = r.id
     WHERE c."seenName" IS DISTINCT FROM r."seenName"`,
    [JSON.stringify(cameras)],
  )
  return rows.map((row) => row.id)
}

/** Clock stamps compare byte by byte, whatever the database's language. */
const NEWER = (table: string): string => `excluded.hlc COLLATE "C" > ${table}.hlc COLLATE "C"`

const FIRST_START = `(c."startedHlc" = '' OR (excluded."startedHlc" <> '' AND excluded."startedHlc" COLLATE "C" < c."startedHlc" COLLATE "C"))`
const LAST_END = `excluded."endedHlc" COLLATE "C" > c."endedHlc" COLLATE "C"`

const ASSETS = `
INSERT INTO catalog_assets AS a (id, kind, title, "ingestedTitle", "ingestedHlc", "sizeBytes", origin, media, "cameraModel",
  "captureId", "captureCameraId", "captureStartedMs", "captureEndedMs", "sortMs")
SELECT id, kind, "ingestedTitle", "ingestedTitle", "ingestedHlc", "sizeBytes", origin, media, "cameraModel",
  "captureId", "captureCameraId", "captureStartedMs", "captureEndedMs", 0
FROM jsonb_to_recordset($1::jsonb) AS r(id text, kind text, "ingestedTitle" text, "ingestedHlc" text, "sizeBytes" bigint, origin text, media jsonb,
  "cameraModel" text, "captureId" text, "captureCameraId" text, "captureStartedMs" bigint, "captureEndedMs" bigint)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, "ingestedTitle" = excluded."ingestedTitle", "ingestedHlc" = excluded."ingestedHlc",
  "sizeBytes" = excluded."sizeBytes", origin = excluded.origin, media = excluded.media, "ingestedMedia" = NULL, "cameraModel" = excluded."cameraModel",
  "captureId" = excluded."captureId", "captureCameraId" = excluded."captureCameraId",
  "captureStartedMs" = excluded."captureStartedMs", "captureEndedMs" = excluded."captureEndedMs"
WHERE excluded."ingestedHlc" COLLATE "C" < a."ingestedHlc" COLLATE "C"`

const PROBES = `
INSERT INTO catalog_probes AS p ("assetId", kind, media, hlc)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r("assetId" text, kind text, media jsonb, hlc text)
ON CONFLICT ("assetId") DO UPDATE SET kind = excluded.kind, media = excluded.media, hlc = excluded.hlc
WHERE ${NEWER('p')}`

const LOCATIONS = `
INSERT INTO catalog_locations AS l (key, "assetId", "nodeId", root, "pathEncoding", path, "sizeBytes", "modifiedAtMs", gone, hlc)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(key text, "assetId" text, "nodeId" text, root text, "pathEncoding" text, path text, "sizeBytes" bigint,
  "modifiedAtMs" float8, gone boolean, hlc text)
ON CONFLICT (key) DO UPDATE SET "assetId" = excluded."assetId",
  "sizeBytes" = excluded."sizeBytes", "modifiedAtMs" = excluded."modifiedAtMs", gone = excluded.gone, hlc = excluded.hlc
WHERE ${NEWER('l')}`

const BLOBS = `
INSERT INTO catalog_blobs AS b (sha256, "nodeId", "sizeBytes")
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(sha256 text, "nodeId" text, "sizeBytes" bigint)
ON CONFLICT (sha256, "nodeId") DO UPDATE SET "sizeBytes" = excluded."sizeBytes" WHERE excluded."sizeBytes" > b."sizeBytes"`

const DERIVATIVES = `
INSERT INTO catalog_derivatives AS d ("sourceSha256", "recipeHash", recipe, made, sha256, "sizeBytes", "mimeType", width, height, reason, hlc)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r("sourceSha256" text, "recipeHash" text, recipe text, made boolean, sha256 text, "sizeBytes" bigint,
  "mimeType" text, width int, height int, reason text, hlc text)
ON CONFLICT ("sourceSha256", "recipeHash") DO UPDATE SET recipe = excluded.recipe, made = excluded.made, sha256 = excluded.sha256,
  "sizeBytes" = excluded."sizeBytes", "mimeType" = excluded."mimeType", width = excluded.width, height = excluded.height,
  reason = excluded.reason, hlc = excluded.hlc
WHERE (excluded.made AND NOT d.made) OR (excluded.made = d.made AND ${NEWER('d')})`

const FIELDS = `
INSERT INTO catalog_fields AS f (noun, subject, field, value, hlc, "opId", replaces, "alsoReplaces")
SELECT noun, subject, field, coalesce(value, 'null'), hlc, "opId", replaces, ARRAY(SELECT jsonb_array_elements_text("alsoReplaces"))
FROM jsonb_to_recordset($1::jsonb)
  AS r(noun text, subject text, field text, value jsonb, hlc text, "opId" text, replaces text, "alsoReplaces" jsonb)
WHERE true
ON CONFLICT ("opId") DO UPDATE SET noun = excluded.noun, subject = excluded.subject, field = excluded.field, value = excluded.value,
  hlc = excluded.hlc, replaces = excluded.replaces, "alsoReplaces" = excluded."alsoReplaces"
WHERE excluded.hlc COLLATE "C" < f.hlc COLLATE "C"`

const CAMERAS = `
INSERT INTO catalog_cameras AS c (id, "nodeId", "seenName", kind, hlc)
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r(id text, "nodeId" text, "seenName" text, kind text, hlc text)
ON CONFLICT (id) DO UPDATE SET "nodeId" = excluded."nodeId", "seenName" = excluded."seenName", kind = excluded.kind, hlc = excluded.hlc
WHERE ${NEWER('c')}`

const CAPTURES = `
INSERT INTO catalog_captures AS c (id, "cameraId", "startedAtMs", "startedHlc", "endedAtMs", "endedHlc", reason)
SELECT * FROM jsonb_to_recordset($1::jsonb)
  AS r(id text, "cameraId" text, "startedAtMs" bigint, "startedHlc" text, "endedAtMs" bigint, "endedHlc" text, reason text)
ON CONFLICT (id) DO UPDATE SET "cameraId" = least(excluded."cameraId" COLLATE "C", c."cameraId" COLLATE "C"),
  "startedAtMs" = CASE WHEN ${FIRST_START} THEN excluded."startedAtMs" ELSE c."startedAtMs" END,
  "startedHlc" = CASE WHEN ${FIRST_START} THEN excluded."startedHlc" ELSE c."startedHlc" END,
  "endedAtMs" = CASE WHEN ${LAST_END} THEN excluded."endedAtMs" ELSE c."endedAtMs" END,
  "endedHlc" = CASE WHEN ${LAST_END} THEN excluded."endedHlc" ELSE c."endedHlc" END,
  reason = CASE WHEN ${LAST_END} THEN excluded.reason ELSE c.reason END`

const GAPS = `
INSERT INTO catalog_capture_gaps ("opId", "captureId", "fromMs", "toMs")
SELECT * FROM jsonb_to_recordset($1::jsonb) AS r("opId" text, "captureId" text, "fromMs" bigint, "toMs" bigint)
ON CONFLICT DO NOTHING`
