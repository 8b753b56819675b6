import type { AssetKind, MediaInfo } from '@thatdam/protocol/ops'
import type { Pool } from 'pg'
import { prefixQuery } from './words.ts'

/** Counting stops here: "10,000+". */
export const COUNT_MAX = 10_000
const CAMERA_MODELS_MAX = 100

export interface AssetQuery {
  /** Every word must begin a word of title, path, camera, lens, codec or note. */
  text?: string | undefined
  kinds?: readonly AssetKind[] | undefined
  cameraModel?: string | undefined
  fromMs?: number | undefined
  toMs?: number | undefined
  /** Smallest rating. */
  rating?: number | undefined
  trashed: boolean
  limit: number
  /** The last asset of the page before. */
  after?: { sortMs: number; id: string } | undefined
}

export interface AssetSummary {
  id: string
  kind: AssetKind
  title: string
  sizeBytes: number
  origin: string
  rating: number
  trashed: boolean
  sortMs: number
  width: number | null
  height: number | null
  durationMs: number | null
  mimeType: string
  videoCodec: string | null
  /** `made`, `failed` (with reason) or `waiting`. */
  thumb: 'made' | 'failed' | 'waiting'
  thumbReason: string
  /** Places where its bytes are known to lie, files and stored copies together. 0: it is gone. */
  places: number
}

export interface AssetDetail extends AssetSummary {
  note: string
  media: MediaInfo
  trashedAtMs: number | null
  capture: { captureId: string; cameraId: string; startedAtMs: number; endedAtMs: number } | null
  locations: { nodeId: string; root: string; path: string; modifiedAtMs: number }[]
  /** Nodes whose stores hold it whole. */
  storedOn: string[]
}

interface SummaryRow {
  id: string
  kind: AssetKind
  title: string
  sizeBytes: string
  origin: string
  rating: number
  trashed: boolean
  sortMs: string
  media: MediaInfo
  thumbMade: boolean | null
  thumbReason: string | null
  places: number
}

const SUMMARY = `a.id, a.kind, a.title, a."sizeBytes", a.origin, a.rating, a.trashed, a."sortMs", a.media, t.made AS "thumbMade", t.reason AS "thumbReason",
  ((SELECT count(*) FROM catalog_locations l WHERE l."assetId" = a.id AND NOT l.gone) + (SELECT count(*) FROM catalog_blobs b WHERE b.sha256 = a.id))::int AS places`
const THUMB = `LEFT JOIN LATERAL (
  SELECT made, reason FROM catalog_derivatives d WHERE d."sourceSha256" = a.id AND d.recipe = 'thumb-320' ORDER BY made DESC, hlc COLLATE "C" DESC LIMIT 1
) t ON true`

function summary(row: SummaryRow): AssetSummary {
  const { media, thumbMade, thumbReason, ...rest } = row
  return {
    ...rest,
    sizeBytes: Number(row.sizeBytes),
    sortMs: Number(row.sortMs),
    width: media.width,
    height: media.height,
    durationMs: media.durationMs,
    mimeType: media.mimeType,
    videoCodec: media.videoCodec,
    thumb: thumbMade === null ? 'waiting' : thumbMade ? 'made' : 'failed',
    thumbReason: thumbReason ?? '',
  }
}

function conditions(query: AssetQuery): { where: string; values: unknown[] } {
  const values: unknown[] = [query.trashed]
  const parts = ['a.trashed = $1']
  const add = (sql: (place: string) => string, value: unknown): void => {
    values.push(value)
    parts.push(sql(`$${values.length}`))
  }
  const words = query.text === undefined ? null : prefixQuery(query.text)
  if (words !== null) add((p) => `a.search @@ ${p}::tsquery`, words)
  if (query.kinds !== undefined && query.kinds.length > 0) add((p) => `a.kind = ANY(${p})`, query.kinds)
  if (query.cameraModel !== undefined) add((p) => `a."cameraModel" = ${p}`, query.cameraModel)
  if (query.fromMs !== undefined) add((p) => `a."sortMs" >= ${p}`, query.fromMs)
  if (query.toMs !== undefined) add((p) => `a."sortMs" < ${p}`, query.toMs)
  if (query.rating !== undefined && query.rating > 0) add((p) => `a.rating >= ${p}`, query.rating)
  return { where: parts.join(' AND '), values }
}

/** One page, newest first. `next` is what to give as `after` for the page behind; null at the end. */
export async function listAssets(
  pool: Pool,
  query: AssetQuery,
): Promise<{ assets: AssetSummary[]; next: { sortMs: number; id: string } | null }> {
  const { where, values } = conditions(query)
  let page = ''
  if (query.after !== undefined) {
    values.push(query.after.sortMs, query.after.id)
    page = `AND (a."sortMs", a.id) < ($${values.length - 1}, $${values.length})`
  }
  values.push(query.limit + 1)
  const { rows } = await pool.query<SummaryRow>(
    `SELECT ${SUMMARY} FROM (
       SELECT * FROM catalog_assets a WHERE ${where} ${page} ORDER BY a."sortMs" DESC, a.id DESC LIMIT $${values.length}
     ) a ${THUMB} ORDER BY a."sortMs" DESC, a.id DESC`,
    values,
  )
  const assets = rows.slice(0, query.limit).map(summary)
  const last = assets.at(-1)
  return { assets, next: rows.length > query.limit && last !== undefined ? { sortMs: last.sortMs, id: last.id } : null }
}

/** How many match, counted up to COUNT_MAX. */
export async function countAssets(pool: Pool, query: AssetQuery): Promise<{ count: number; more: boolean }> {
  const { where, values } = conditions(query)
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM (SELECT 1 FROM catalog_assets a WHERE ${where} LIMIT ${COUNT_MAX + 1}) x`,
    values,
  )
  const n = rows[0]?.n ?? 0
  return { count: Math.min(n, COUNT_MAX), more: n > COUNT_MAX }
}

interface DetailRow extends SummaryRow {
  note: string
  trashedAtMs: string | null
  captureId: string | null
  captureCameraId: string | null
  captureStartedMs: string | null
  captureEndedMs: string | null
}

/** Null when there is no such asset. */
export async function getAsset(pool: Pool, id: string): Promise<AssetDetail | null> {
  const { rows } = await pool.query<DetailRow>(
    `SELECT ${SUMMARY}, a.note, a."trashedAtMs", a."captureId", a."captureCameraId", a."captureStartedMs", a."captureEndedMs"
     FROM catalog_assets a ${THUMB} WHERE a.id = $1`,
    [id],
  )
  const row = rows[0]
  if (row === undefined) return null
  const locations = await pool.query<AssetDetail['locations'][number]>(
    `SELECT "nodeId", root, CASE WHEN "pathEncoding" = 'utf8' THEN path ELSE '(name that is not text)' END AS path, "modifiedAtMs"
     FROM catalog_locations WHERE "assetId" = $1 AND NOT gone ORDER BY "nodeId", root, path LIMIT 64`,
    [id],
  )
  const stored = await pool.query<{ nodeId: string }>('SELECT "nodeId" FROM catalog_blobs WHERE sha256 = $1 ORDER BY "nodeId" LIMIT 64', [
    id,
  ])
  const { note, media } = row
  const { captureId, captureCameraId, captureStartedMs, captureEndedMs, trashedAtMs, ...base } = row
  return {
    ...summary(base),
    note,
    media,
    trashedAtMs: trashedAtMs === null ? null : Number(trashedAtMs),
    capture:
      captureId === null || captureCameraId === null
        ? null
        : { captureId, cameraId: captureCameraId, startedAtMs: Number(captureStartedMs), endedAtMs: Number(captureEndedMs) },
    locations: locations.rows,
    storedOn: stored.rows.map((place) => place.nodeId),
  }
}

/** Cameras that pictures were taken with, most used first. */
export async function listCameraModels(pool: Pool): Promise<{ cameraModel: string; count: number }[]> {
  const { rows } = await pool.query<{ cameraModel: string; count: number }>(
    `SELECT "cameraModel", count(*)::int AS count FROM catalog_assets WHERE "cameraModel" IS NOT NULL AND NOT trashed
     GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${CAMERA_MODELS_MAX}`,
  )
  return rows
}

/** As readRegister of packages/oplog chooses. */
const WINNER = `ORDER BY hlc COLLATE "C" DESC, "opId" COLLATE "C" DESC LIMIT 1`

export interface KnownCamera {
  id: string
  nodeId: string
  /** The person's name for it, else the one its node saw. */
  name: string
  kind: string
}
export async function listKnownCameras(pool: Pool): Promise<KnownCamera[]> {
  const { rows } = await pool.query<KnownCamera>(
    `SELECT c.id, c."nodeId", c.kind, coalesce(nullif(f.value #>> '{}', ''), c."seenName") AS name FROM catalog_cameras c
     LEFT JOIN LATERAL (
       SELECT value FROM catalog_fields f WHERE f.noun = 'camera' AND f.subject = c.id AND f.field = 'name' ${WINNER}
     ) f ON true ORDER BY name, c.id LIMIT 256`,
  )
  return rows
}
