import type { MediaInfo } from '@thatdam/protocol/ops'
import { parseStamp, takenAt, type TakenAt, type Tags } from './taken-at.ts'
import type { MediaType } from './kinds.ts'

/* Pure: what ffprobe and exiftool printed → MediaInfo in standard units. Nothing here trusts a type: every value may be missing or odd. */

type Loose = Readonly<Record<string, unknown>>
const isLoose = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)
const list = (value: unknown): Loose[] => (Array.isArray(value) ? value.filter(isLoose) : [])

/** A finite number from a number or a numeric text; null else ("N/A", "", NaN). */
function number(value: unknown): number | null {
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return null
  const parsed = Number(value)
  return Number.isFinite(parsed) ? parsed : null
}

const positive = (value: unknown): number | null => {
  const parsed = number(value)
  return parsed !== null && parsed > 0 ? parsed : null
}

/** Text of at most 200 characters without control characters; numbers are taken as text (a camera model "7"). */
function words(value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number') return null
  const clean = String(value)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .toWellFormed()
  return clean === '' ? null : clean.slice(0, 200).toWellFormed()
}

/** "30000/1001", "25/1", 25, "0/0" → frames a second, or null. */
export function parseFraction(value: unknown): number | null {
  const match = typeof value === 'string' ? /^(\d+)\/(\d+)$/.exec(value) : null
  const result = match ? Number(match[1]) / Number(match[2]) : positive(value)
  return result !== null && Number.isFinite(result) && result > 0 && result <= 1000 ? Math.round(result * 1000) / 1000 : null
}

/** What ffprobe tells. `kinds`: which kinds of streams are in it, cover pictures not counted as video. */
export interface ProbedStreams {
  readonly hasVideo: boolean
  readonly hasAudio: boolean
  readonly hasCover: boolean
  readonly media: Partial<MediaInfo>
  readonly takenAt: TakenAt | null
}

/** `json`: the parsed output of `ffprobe -of json -show_format -show_streams`. */
export function fromFfprobe(json: unknown): ProbedStreams {
  const root = isLoose(json) ? json : {}
  const streams = list(root['streams'])
  const format = isLoose(root['format']) ? root['format'] : {}
  const disposition = (stream: Loose, name: string): boolean => isLoose(stream['disposition']) && stream['disposition'][name] === 1
  const covers = streams.filter((stream) => stream['codec_type'] === 'video' && disposition(stream, 'attached_pic'))
  const videos = streams.filter((stream) => stream['codec_type'] === 'video' && !covers.includes(stream))
  const audios = streams.filter((stream) => stream['codec_type'] === 'audio')
  const area = (stream: Loose): number => (positive(stream['width']) ?? 0) * (positive(stream['height']) ?? 0)
  const video = videos.toSorted((a, b) => Number(disposition(b, 'default')) - Number(disposition(a, 'default')) || area(b) - area(a))[0]
  const audio = audios[0]
  const tags = isLoose(format['tags']) ? format['tags'] : {}
  const seconds = positive(format['duration']) ?? positive(video?.['duration']) ?? positive(audio?.['duration'])
  const turned = video ? isQuarterTurned(video) : false
  const width = positive(video?.['width'])
  const height = positive(video?.['height'])
  return {
    hasVideo: videos.length > 0,
    hasAudio: audios.length > 0,
    hasCover: covers.length > 0,
    takenAt: parseStamp(tags['com.apple.quicktime.creationdate']) ?? parseStamp(tags['creation_time']),
    media: {
      width: turned ? height : width,
      height: turned ? width : height,
      durationMs: seconds === null ? null : Math.round(seconds * 1000),
      fps: video ? (parseFraction(video['avg_frame_rate']) ?? parseFraction(video['r_frame_rate'])) : null,
      container: words(format['format_name']),
      videoCodec: video ? words(video['codec_name']) : null,
      audioCodec: audio ? words(audio['codec_name']) : null,
      bitRate: positive(format['bit_rate']) ?? positive(video?.['bit_rate']),
      timecode: timecodeOf([...streams, format]),
    },
  }
}

function isQuarterTurned(video: Loose): boolean {
  const sides = list(video['side_data_list']).map((side) => number(side['rotation']))
  const tagged = isLoose(video['tags']) ? number(video['tags']['rotate']) : null
  const rotation = sides.find((value) => value !== null) ?? tagged ?? 0
  return Math.abs(Math.round(rotation / 90)) % 2 === 1
}

function timecodeOf(parts: readonly Loose[]): string | null {
  for (const part of parts) {
    const value = isLoose(part['tags']) ? words(part['tags']['timecode']) : null
    if (value !== null && /^\d{2}:\d{2}:\d{2}[:;.]\d{2,3}$/.test(value)) return value
  }
  return null
}

export interface ProbedTags {
  readonly media: Partial<MediaInfo>
  readonly takenAt: TakenAt | null
  /** What exiftool says is wrong with the file. */
  readonly error: string | null
}

/** `raw`: one object of `exiftool -json -n`. Keys with a language ("CreationDate-fra-FR") stand in for those without. */
export function fromExiftool(raw: Tags): ProbedTags {
  const tags: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(raw)) {
    const plain = key.replace(/-[a-z]{3}(-[A-Z]{2})?$/, '')
    if (plain === key || !(plain in raw)) tags[plain] = value
  }
  const orientationNumber = number(tags['Orientation'])
  const orientation = orientationNumber !== null && [1, 2, 3, 4, 5, 6, 7, 8].includes(orientationNumber) ? orientationNumber : null
  const rotation = number(tags['Rotation']) ?? 0
  const turned = orientation === null ? Math.abs(rotation) % 180 === 90 : orientation >= 5
  const width = positive(tags['ImageWidth']) ?? positive(tags['ExifImageWidth'])
  const height = positive(tags['ImageHeight']) ?? positive(tags['ExifImageHeight'])
  const seconds = positive(tags['Duration'])
  return {
    takenAt: takenAt(tags),
    error: words(tags['Error']),
    media: {
      width: turned ? height : width,
      height: turned ? width : height,
      orientation,
      durationMs: seconds === null ? null : Math.round(seconds * 1000),
      fps: parseFraction(tags['VideoFrameRate']),
      cameraMake: words(tags['Make']),
      cameraModel: words(tags['Model']),
      lens: words(tags['LensModel']) ?? words(tags['Lens']),
      timecode: words(tags['StartTimecode']),
      ...position(tags),
    },
  }
}

function position(tags: Tags): Pick<MediaInfo, 'latitude' | 'longitude'> {
  const latitude = number(tags['GPSLatitude'])
  const longitude = number(tags['GPSLongitude'])
  const usable =
    latitude !== null && longitude !== null && Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 && (latitude !== 0 || longitude !== 0)
  return usable ? { latitude, longitude } : { latitude: null, longitude: null }
}

const EMPTY: Omit<MediaInfo, 'mimeType'> = {
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
}

/** The part of a probe's answer that is not null. */
function told(part: Partial<MediaInfo> | undefined): Partial<MediaInfo> {
  return Object.fromEntries(Object.entries(part ?? {}).filter(([, value]) => value !== null))
}

/** Joins both probes: exiftool knows cameras and places, ffprobe streams and lengths. Either may be missing. */
export function combine(
  type: MediaType,
  tags: ProbedTags | null,
  streams: ProbedStreams | null,
): { readonly kind: MediaType['kind']; readonly media: MediaInfo } {
  const media: MediaInfo = { mimeType: type.mimeType, ...EMPTY }
  Object.assign(media, told(tags?.media), told(streams?.media), tags?.takenAt ?? streams?.takenAt ?? {})
  if (type.kind === 'photo') media.durationMs = null
  const onlySound = type.kind === 'video' && streams !== null && !streams.hasVideo && streams.hasAudio
  if (!onlySound) return { kind: type.kind, media }
  return { kind: 'audio', media: { ...media, mimeType: type.mimeType === 'video/mp4' ? 'audio/mp4' : media.mimeType } }
}
