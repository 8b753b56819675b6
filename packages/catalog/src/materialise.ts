import { addEdits, EMPTY_REGISTER, readRegister, type FieldEdit } from '@thatdam/oplog/fields'
import type { MediaInfo } from '@thatdam/protocol/ops'
import type { PoolClient } from 'pg'
import { cameraModelOf } from './rows.ts'
import { searchWords } from './words.ts'

/** Places of one asset whose names are searched; an asset in more places is found by these. */
const PLACES_MAX = 16

interface Source {
  id: string
  ingestedTitle: string
  ingestedHlc: string
  kind: string
  /** As taken in. */
  media: MediaInfo
  /** What reading it told later. */
  probedKind: string | null
  probedMedia: MediaInfo | null
  captureStartedMs: string | null
  cameraName: string | null
  /** Every edit of every field. */
  edits: (FieldEdit & { field: string })[] | null
  paths: string[] | null
  oldestMs: number | null
}

interface Shown {
  id: string
  kind: string
  /** Null: stays as it is. */
  media: MediaInfo | null
  ingestedMedia: MediaInfo | null
  cameraModel: string | null
  title: string
  note: string
  rating: number
  trashed: boolean
  trashedAtMs: number | null
  sortMs: number
  words: string[]
}

/** Makes anew what is derived of these assets: what is known of the file, the person's fields, the place in time and the words it is found by. */
export async function materialise(db: PoolClient, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  const { rows } = await db.query<Source>(SOURCES, [ids, PLACES_MAX])
  if (rows.length === 0) return
  await db.query(UPDATE, [JSON.stringify(rows.map(shown))])
}

/** Milliseconds of a hybrid logical clock stamp. */
export const hlcMs = (hlc: string): number => Number(hlc.slice(0, 13))

/** Of each field the edit that counts. */
function winners(edits: readonly (FieldEdit & { field: string })[]): Partial<Record<string, FieldEdit>> {
  const fields = Map.groupBy(edits, (edit) => edit.field)
  const entries = [...fields].map(([field, own]) => [field, readRegister(addEdits(EMPTY_REGISTER, own)).winner ?? undefined] as const)
  return Object.fromEntries(entries)
}

/** Whoever read it may have lacked the other program: what it did not see stays as it was taken in. */
function known(taken: MediaInfo, probed: MediaInfo | null): MediaInfo {
  return { ...taken, ...Object.fromEntries(Object.entries(probed ?? {}).filter(([, value]) => value !== null)) }
}

function shown(source: Source): Shown {
  const { title, note, rating, trashed } = winners(source.edits ?? [])
  const media = known(source.media, source.probedMedia)
  const cameraModel = cameraModelOf(media)
  const isTrashed = trashed?.value === true
  const shownTitle = typeof title?.value === 'string' && title.value.trim() !== '' ? title.value.slice(0, 1024) : source.ingestedTitle
  const shownNote = typeof note?.value === 'string' ? note.value.slice(0, 16_384) : ''
  const stars = typeof rating?.value === 'number' && Number.isInteger(rating.value) ? Math.min(5, Math.max(0, rating.value)) : 0
  const time = media.takenAtMs ?? (source.captureStartedMs === null ? source.oldestMs : Number(source.captureStartedMs))
  return {
    id: source.id,
    kind: source.probedKind ?? source.kind,
    media: source.probedMedia === null ? null : media,
    ingestedMedia: source.probedMedia === null ? null : source.media,
    cameraModel,
    title: shownTitle,
    note: shownNote,
    rating: stars,
    trashed: isTrashed,
    trashedAtMs: isTrashed && trashed ? hlcMs(trashed.hlc) : null,
    sortMs: Math.round(time ?? hlcMs(source.ingestedHlc)),
    words: searchWords([
      shownTitle,
      source.ingestedTitle,
      cameraModel,
      source.cameraName,
      media.lens,
      media.container,
      media.videoCodec,
      media.audioCodec,
      shownNote,
      ...(source.paths ?? []),
    ]),
  }
}

const SOURCES = `
SELECT a.id, a."ingestedTitle", a."ingestedHlc", a.kind, coalesce(a."ingestedMedia", a.media) AS media, p.kind AS "probedKind", p.media AS "probedMedia",
  a."captureStartedMs", c."seenName" AS "cameraName", f.edits, l.paths, l."oldestMs"
FROM catalog_assets a
LEFT JOIN catalog_probes p ON p."assetId" = a.id
LEFT JOIN catalog_cameras c ON c.id = a."captureCameraId"
LEFT JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_object('field', field, 'id', "opId", 'value', value, 'hlc', hlc, 'replaces', replaces, 'alsoReplaces', "alsoReplaces")) AS edits
  FROM catalog_fields WHERE noun = 'asset' AND subject = a.id
) f ON true
LEFT JOIN LATERAL (
  SELECT (array_agg(path ORDER BY key) FILTER (WHERE "pathEncoding" = 'utf8'))[1:$2] AS paths, min("modifiedAtMs") AS "oldestMs"
  FROM catalog_locations WHERE "assetId" = a.id AND NOT gone
) l ON true
WHERE a.id = ANY($1)`

const UPDATE = `
UPDATE catalog_assets a SET kind = r.kind, media = coalesce(r.media, a.media), "ingestedMedia" = r."ingestedMedia", "cameraModel" = r."cameraModel", title = r.title, note = r.note, rating = r.rating, trashed = r.trashed, "trashedAtMs" = r."trashedAtMs",
  "sortMs" = r."sortMs", words = ARRAY(SELECT jsonb_array_elements_text(r.words))
FROM jsonb_to_recordset($1::jsonb) AS r(id text, kind text, media jsonb, "ingestedMedia" jsonb, "cameraModel" text, title text, note text, rating int, trashed boolean, "trashedAtMs" bigint, "sortMs" bigint, words jsonb)
WHERE a.id = r.id`
