import { createHash } from 'node:crypto'
import type { Json } from '@thatdam/protocol/canonical'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import type { MediaInfo, Op, OpBody, OpOf } from '@thatdam/protocol/ops'

/*
 * A batch of ops as rows, at most one per key: an upsert may not touch a row twice. Which op wins is decided by the ops alone (never by
 * the order they arrive in), here within the batch and again, by the same rule, in SQL against what is stored.
 */

export interface AssetRow {
  id: string
  kind: string
  ingestedTitle: string
  ingestedHlc: string
  sizeBytes: number
  origin: string
  media: Json
  cameraModel: string | null
  captureId: string | null
  captureCameraId: string | null
  captureStartedMs: number | null
  captureEndedMs: number | null
}
export interface ProbeRow {
  assetId: string
  kind: string
  media: Json
  hlc: string
}
export interface LocationRow {
  key: string
  /** Empty when the place is gone: what lay there does not depend on which op came first. */
  assetId: string
  nodeId: string
  root: string
  pathEncoding: string
  path: string
  sizeBytes: number
  modifiedAtMs: number
  gone: boolean
  hlc: string
}
export interface BlobRow {
  sha256: string
  nodeId: string
  sizeBytes: number
}
export interface DerivativeRow {
  sourceSha256: string
  recipeHash: string
  recipe: string
  made: boolean
  sha256: string | null
  sizeBytes: number | null
  mimeType: string | null
  width: number | null
  height: number | null
  reason: string
  hlc: string
}
export interface FieldRow {
  noun: 'asset' | 'node' | 'camera'
  subject: string
  field: string
  value: Json
  hlc: string
  opId: string
  replaces: string | null
  alsoReplaces: string[]
}
export interface CameraRow {
  id: string
  nodeId: string
  seenName: string
  kind: string
  hlc: string
}
export interface CaptureRow {
  id: string
  cameraId: string
  startedAtMs: number | null
  endedAtMs: number | null
  reason: string | null
  /** Empty: no op told. */
  startedHlc: string
  endedHlc: string
}
export interface GapRow {
  /** Of op and author: an id belongs to its author alone. */
  opId: string
  captureId: string
  fromMs: number
  toMs: number
}

export interface Rows {
  assets: Map<string, AssetRow>
  probes: Map<string, ProbeRow>
  locations: Map<string, LocationRow>
  blobs: Map<string, BlobRow>
  derivatives: Map<string, DerivativeRow>
  fields: Map<string, FieldRow>
  cameras: Map<string, CameraRow>
  captures: Map<string, CaptureRow>
  gaps: Map<string, GapRow>
}

/** PostgreSQL takes neither NUL nor half a surrogate pair in text; a name that holds one stays findable. */
function clean<T>(value: T): T {
  if (typeof value === 'string') return value.replaceAll('\0', '\uFFFD').toWellFormed() as T
  if (Array.isArray(value)) return value.map(clean) as T
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [clean(key), clean(member)])) as T
  }
  return value
}

const locationKey = (body: OpOf<'location.seen'> | OpOf<'location.gone'>): string =>
  createHash('sha256').update([body.nodeId, body.root, body.path.encoding, body.path.value].join('\0')).digest('hex')

function keep<T>(map: Map<string, T>, key: string, row: T, beats: (row: NoInfer<T>, before: NoInfer<T>) => boolean): void {
  const before = map.get(key)
  if (before === undefined || beats(row, before)) map.set(key, row)
}
const later = (row: { hlc: string }, before: { hlc: string }): boolean => row.hlc > before.hlc

export const cameraModelOf = ({ cameraMake, cameraModel }: MediaInfo): string | null =>
  [cameraMake, cameraModel].filter(Boolean).join(' ').trim() || null

function assetRow(body: OpOf<'asset.ingested'>, hlc: string): AssetRow {
  return {
    id: body.assetId,
    kind: body.assetKind,
    ingestedTitle: body.title,
    ingestedHlc: hlc,
    sizeBytes: body.sizeBytes,
    origin: body.origin,
    media: body.media,
    cameraModel: cameraModelOf(body.media),
    captureId: body.capture?.captureId ?? null,
    captureCameraId: body.capture?.cameraId ?? null,
    captureStartedMs: body.capture?.startedAtMs ?? null,
    captureEndedMs: body.capture?.endedAtMs ?? null,
  }
}

function locationRow(body: OpOf<'location.seen'> | OpOf<'location.gone'>, hlc: string): LocationRow {
  const seen = body.kind === 'location.seen' ? body : null
  return {
    key: locationKey(body),
    assetId: seen?.assetId ?? '',
    nodeId: body.nodeId,
    root: body.root,
    pathEncoding: body.path.encoding,
    path: body.path.value,
    sizeBytes: seen?.sizeBytes ?? 0,
    modifiedAtMs: seen?.modifiedAtMs ?? 0,
    gone: seen === null,
    hlc,
  }
}

function derivativeRow(body: OpOf<'derivative.made'> | OpOf<'derivative.failed'>, hlc: string): DerivativeRow {
  const made = body.kind === 'derivative.made' ? body : null
  return {
    sourceSha256: body.sourceSha256,
    recipeHash: body.recipeHash,
    recipe: body.recipe,
    made: made !== null,
    sha256: made?.sha256 ?? null,
    sizeBytes: made?.sizeBytes ?? null,
    mimeType: made?.mimeType ?? null,
    width: made?.width ?? null,
    height: made?.height ?? null,
    reason: body.kind === 'derivative.failed' ? body.reason : '',
    hlc,
  }
}

/** Of several starts the first counts, of several ends the last: a recording that was found cut off may have been ended twice. */
function putCapture(rows: Rows, { cameraId, captureId }: { cameraId: string; captureId: string }, told: Partial<CaptureRow>): void {
  const row = { id: captureId, cameraId, startedAtMs: null, endedAtMs: null, reason: null, startedHlc: '', endedHlc: '', ...told }
  const before = rows.captures.get(captureId)
  if (before === undefined) {
    rows.captures.set(captureId, row)
    return
  }
  const start = before.startedHlc === '' || (row.startedHlc !== '' && row.startedHlc < before.startedHlc) ? row : before
  const end = row.endedHlc > before.endedHlc ? row : before
  rows.captures.set(captureId, {
    id: captureId,
    cameraId: before.cameraId < cameraId ? before.cameraId : cameraId,
    startedAtMs: start.startedAtMs,
    startedHlc: start.startedHlc,
    endedAtMs: end.endedAtMs,
    endedHlc: end.endedHlc,
    reason: end.reason,
  })
}

function putField(rows: Rows, op: Op, body: OpOf<'asset.set'> | OpOf<'node.set'> | OpOf<'camera.set'>): void {
  const noun = body.kind === 'asset.set' ? 'asset' : body.kind === 'node.set' ? 'node' : 'camera'
  const { subject, field, value, replaces, alsoReplaces = [] } = body
  const row = { noun, subject, field, value, hlc: op.hlc, opId: op.id, replaces, alsoReplaces } as const
  // An op that its author issued again under the same id counts with the earlier stamp.
  keep(rows.fields, op.id, row, (again, before) => again.hlc < before.hlc)
}

function put(rows: Rows, { op, nodeId }: OpFeedEntry, body: OpBody): void {
  switch (body.kind) {
    case 'asset.ingested':
      // The first sight of the same bytes names them, whichever node's op arrives first.
      keep(rows.assets, body.assetId, assetRow(body, op.hlc), (row, before) => row.ingestedHlc < before.ingestedHlc)
      return
    case 'asset.probed':
      keep(rows.probes, body.assetId, { assetId: body.assetId, kind: body.assetKind, media: body.media, hlc: op.hlc }, later)
      return
    case 'location.seen':
    case 'location.gone':
      keep(rows.locations, locationKey(body), locationRow(body, op.hlc), later)
      return
    case 'blob.stored':
      keep(
        rows.blobs,
        `${body.sha256} ${body.nodeId}`,
        { sha256: body.sha256, nodeId: body.nodeId, sizeBytes: body.sizeBytes },
        (row, before) => row.sizeBytes > before.sizeBytes,
      )
      return
    case 'derivative.made':
    case 'derivative.failed':
      keep(rows.derivatives, `${body.sourceSha256} ${body.recipeHash}`, derivativeRow(body, op.hlc), (row, before) =>
        row.made === before.made ? later(row, before) : row.made,
      )
      return
    case 'asset.set':
    case 'node.set':
    case 'camera.set':
      putField(rows, op, body)
      return
    case 'camera.seen':
      keep(
        rows.cameras,
        body.cameraId,
        { id: body.cameraId, nodeId: body.nodeId, seenName: body.name, kind: body.cameraKind, hlc: op.hlc },
        later,
      )
      return
    case 'capture.started':
      putCapture(rows, body, { startedAtMs: body.startedAtMs, startedHlc: op.hlc })
      return
    case 'capture.stopped':
      putCapture(rows, body, { endedAtMs: body.endedAtMs, reason: body.reason, endedHlc: op.hlc })
      return
    case 'capture.gap':
      keep(
        rows.gaps,
        `${op.id} ${nodeId}`,
        { opId: `${op.id} ${nodeId}`, captureId: body.captureId, fromMs: body.fromMs, toMs: body.toMs },
        () => false,
      )
      return
    case 'node.facts':
    case 'policy.set':
    case 'secret.set':
    case 'session.started':
    case 'session.ended':
      // The agents' own: no catalog shows them, and a database is copied more easily than an agent's state.
      return
  }
}

export function rowsOf(entries: readonly OpFeedEntry[]): Rows {
  const rows: Rows = {
    assets: new Map(),
    probes: new Map(),
    locations: new Map(),
    blobs: new Map(),
    derivatives: new Map(),
    fields: new Map(),
    cameras: new Map(),
    captures: new Map(),
    gaps: new Map(),
  }
  for (const entry of entries) put(rows, entry, clean(entry.op.body))
  return rows
}
