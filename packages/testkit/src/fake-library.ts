import { createHash } from 'node:crypto'
import type { AssetKind, MediaInfo, OpBody } from '@thatdam/protocol/ops'

/*
 * A library such as an editor has: camera files, phone pictures, footage, sound, a recording and a broken file; made from a counter, so
 * that the same library comes out each time. Bytes do not exist; thumbnails are painted by paint.ts.
 */

export const LIBRARY_NOW_MS = Date.UTC(2026, 4, 17, 9, 30)
const NODE = 'pi5-desktop-4f2a90'
const DAY_MS = 86_400_000

export const sha = (text: string): string => createHash('sha256').update(text).digest('hex')

interface Kind {
  assetKind: AssetKind
  title: (n: number) => string
  folder: string
  media: Partial<MediaInfo>
  bytes: number
}

const KINDS: readonly Kind[] = [
  {
    assetKind: 'photo',
    title: (n) => `DSC0${4100 + n}.ARW`,
    folder: 'Iceland 2026',
    bytes: 34_800_000,
    media: {
      mimeType: 'image/x-sony-arw',
      width: 7008,
      height: 4672,
      cameraMake: 'Sony',
      cameraModel: 'ILCE-7M4',
      lens: 'FE 24-105mm F4 G OSS',
    },
  },
  {
    assetKind: 'video',
    title: (n) => `A${1000 + n}C010_drone.mov`,
    folder: 'Iceland 2026/drone',
    bytes: 812_000_000,
    media: {
      mimeType: 'video/quicktime',
      width: 3840,
      height: 2160,
      durationMs: 42_400,
      fps: 25,
      videoCodec: 'hevc',
      audioCodec: 'aac',
      container: 'mov',
      cameraMake: 'DJI',
      cameraModel: 'Mavic 3',
    },
  },
  {
    assetKind: 'photo',
    title: (n) => `IMG_${2200 + n}.HEIC`,
    folder: 'Phone',
    bytes: 2_900_000,
    media: { mimeType: 'image/heic', width: 3024, height: 4032, cameraMake: 'Apple', cameraModel: 'iPhone 16', lens: 'main 24mm f/1.8' },
  },
  {
    assetKind: 'photo',
    title: (n) => `Schloß Grünes Tal ${n}.jpg`,
    folder: 'Reisen/Süden',
    bytes: 6_100_000,
    media: { mimeType: 'image/jpeg', width: 6000, height: 4000, cameraMake: 'FUJIFILM', cameraModel: 'X-T5', lens: 'XF16-55mm F2.8' },
  },
  {
    assetKind: 'video',
    title: (n) => `interview take ${n}.mp4`,
    folder: 'Interview 🎬',
    bytes: 264_000_000,
    media: {
      mimeType: 'video/mp4',
      width: 1920,
      height: 1080,
      durationMs: 318_000,
      fps: 25,
      videoCodec: 'h264',
      audioCodec: 'aac',
      container: 'mp4',
      timecode: '10:14:22:05',
    },
  },
  {
    assetKind: 'audio',
    title: (n) => `boom_${100 + n}.wav`,
    folder: 'Interview 🎬/sound',
    bytes: 48_000_000,
    media: { mimeType: 'audio/wav', durationMs: 317_500, audioCodec: 'pcm_s24le', container: 'wav' },
  },
]

export const fullMedia = (extra: Partial<MediaInfo>): MediaInfo => ({
  mimeType: 'application/octet-stream',
  width: null,
  height: null,
  durationMs: null,
  fps: null,
  container: null,
  videoCodec: null,
  audioCodec: null,
  bitRate: null,
  orientation: null,
  takenAtMs: null,
  takenAtZone: null,
  cameraMake: null,
  cameraModel: null,
  lens: null,
  timecode: null,
  latitude: null,
  longitude: null,
  ...extra,
})

/** `count` assets with their places; `thumbsOf` says of which the thumbnail is made already. */
export function libraryOps(count: number, thumbsOf: (index: number) => boolean = () => true): OpBody[] {
  const pattern = [0, 0, 1, 2, 0, 3, 4, 0, 2, 5, 3, 0]
  return Array.from({ length: count }, (_, index) =>
    assetOps(index, KINDS[pattern[index % pattern.length] ?? 0] as Kind, thumbsOf(index)),
  ).flat()
}

function assetOps(index: number, kind: Kind, thumb: boolean): OpBody[] {
  const assetId = sha(`asset ${index}`)
  const takenAtMs = LIBRARY_NOW_MS - Math.floor(index / 9) * DAY_MS - (index % 9) * 700_000
  const title = kind.title(index)
  const media = fullMedia({ ...kind.media, takenAtMs, takenAtZone: '+02:00' })
  const ops: OpBody[] = [
    {
      kind: 'asset.ingested',
      assetId,
      sizeBytes: kind.bytes + index * 1013,
      assetKind: kind.assetKind,
      title,
      origin: 'indexed',
      media,
      capture: null,
    },
    {
      kind: 'location.seen',
      assetId,
      nodeId: NODE,
      root: '/home/anna/Pictures',
      path: { encoding: 'utf8', value: `${kind.folder}/${title}` },
      sizeBytes: kind.bytes + index * 1013,
      modifiedAtMs: takenAtMs,
    },
  ]
  if (thumb && kind.assetKind !== 'audio') ops.push(thumbOp(assetId, media.width ?? 3, media.height ?? 2))
  return ops
}

export function thumbOp(assetId: string, width: number, height: number): OpBody {
  const scale = 320 / Math.max(width, height)
  return {
    kind: 'derivative.made',
    sourceSha256: assetId,
    recipe: 'thumb-320',
    recipeHash: sha('thumb-320'),
    sha256: sha(`thumb ${assetId}`),
    sizeBytes: 14_000,
    mimeType: 'image/webp',
    width: Math.round(width * scale),
    height: Math.round(height * scale),
  }
}

/** One that cannot be shown, and why. */
export function brokenOps(): OpBody[] {
  const assetId = sha('broken')
  return [
    {
      kind: 'asset.ingested',
      assetId,
      sizeBytes: 18_231,
      assetKind: 'photo',
      title: 'broken.jpg',
      origin: 'indexed',
      media: fullMedia({ mimeType: 'image/jpeg', takenAtMs: LIBRARY_NOW_MS - 400_000 }),
      capture: null,
    },
    {
      kind: 'location.seen',
      assetId,
      nodeId: NODE,
      root: '/home/anna/Pictures',
      path: { encoding: 'utf8', value: 'Phone/broken.jpg' },
      sizeBytes: 18_231,
      modifiedAtMs: LIBRARY_NOW_MS,
    },
    {
      kind: 'derivative.failed',
      sourceSha256: assetId,
      recipe: 'thumb-320',
      recipeHash: sha('thumb-320'),
      reason: 'The JPEG data ends too early.',
    },
  ]
}

/** A recording of a camera that the store keeps. */
export function recordingOps(cameraId: string): OpBody[] {
  const assetId = sha('recording')
  const startedAtMs = LIBRARY_NOW_MS + 60_000
  const media = fullMedia({
    mimeType: 'video/mp4',
    width: 1280,
    height: 720,
    durationMs: 94_000,
    fps: 30,
    videoCodec: 'h264',
    container: 'mp4',
  })
  return [
    {
      kind: 'asset.ingested',
      assetId,
      sizeBytes: 41_000_000,
      assetKind: 'video',
      title: 'Front door, 17 May 09:31',
      origin: 'recorded',
      media,
      capture: { captureId: 'capture-1', cameraId, startedAtMs, endedAtMs: startedAtMs + 94_000 },
    },
    { kind: 'blob.stored', sha256: assetId, sizeBytes: 41_000_000, nodeId: NODE },
    thumbOp(assetId, 1280, 720),
  ]
}
