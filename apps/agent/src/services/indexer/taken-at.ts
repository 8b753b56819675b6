/** Tags of one file as `exiftool -json -n` gives them. */
export type Tags = Readonly<Record<string, unknown>>

export interface TakenAt {
  /** Unix time in ms. Without a zone: what the camera's clock showed, read as if it were UTC. */
  readonly takenAtMs: number
  /** "+02:00"; null when the file does not tell. */
  readonly takenAtZone: string | null
}

const STAMP = /^(\d{4})[:-](\d{2})[:-](\d{2})[ T](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?\s*(Z|[+-]\d{2}:?\d{2})?$/
/** Years in which a photograph can have been taken; clocks that were never set say 0000, 1904, 1970-01-01. */
const FIRST_YEAR = 1826

/**
 * One date of a file. `zone` applies when the text itself has none.
 * Returns null for what is no date, and for clocks that were never set.
 */
export function parseStamp(text: unknown, zone: unknown = null): TakenAt | null {
  if (typeof text !== 'string') return null
  const match = STAMP.exec(text.trim())
  if (!match) return null
  const [, year, month, day, hour, minute, second = '0', fraction = '', ownZone] = match
  const numbers = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number]
  const wallMs =
    Date.UTC(numbers[0], numbers[1] - 1, numbers[2], numbers[3], numbers[4], numbers[5]) + Math.trunc(Number(`0${fraction}`) * 1000)
  const check = new Date(wallMs)
  if (check.getUTCMonth() !== numbers[1] - 1 || check.getUTCDate() !== numbers[2]) return null
  if (numbers[0] < FIRST_YEAR || isUnsetClock(wallMs)) return null
  const offset = normaliseZone(ownZone ?? zone)
  return offset === null
    ? { takenAtMs: wallMs, takenAtZone: null }
    : { takenAtMs: wallMs - offset.minutes * 60_000, takenAtZone: offset.text }
}

/** The zero of Unix and of QuickTime clocks, to the day: no camera took a picture then. */
function isUnsetClock(wallMs: number): boolean {
  const day = Math.floor(wallMs / 86_400_000)
  return day === 0 || day === Date.UTC(1904, 0, 1) / 86_400_000
}

function normaliseZone(zone: unknown): { readonly text: string; readonly minutes: number } | null {
  if (zone === 'Z') return { text: '+00:00', minutes: 0 }
  if (typeof zone !== 'string') return null
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(zone.trim())
  if (!match) return null
  const minutes = (Number(match[2]) * 60 + Number(match[3])) * (match[1] === '-' ? -1 : 1)
  return Math.abs(minutes) <= 14 * 60 ? { text: `${match[1]}${match[2]}:${match[3]}`, minutes } : null
}

const isGoPro = (tags: Tags): boolean =>
  [tags['CompressorName'], tags['HandlerDescription'], tags['Make']].some((value) => typeof value === 'string' && value.includes('GoPro'))

const isQuickTime = (tags: Tags): boolean =>
  ['video/mp4', 'video/quicktime', 'video/3gpp', 'video/3gpp2', 'video/x-m4v', 'audio/mp4'].includes(String(tags['MIMEType']))

/**
 * When a picture or film was taken, best source first:
 * - an EXIF original date, with its own zone tag;
 * - in QuickTime files: CreationDate, which has the zone; else CreateDate, which the format defines as UTC without saying so
 *   (exiftool's QuickTimeUTC rule), but which GoPro cameras fill with local time;
 * - a date of creation elsewhere, local unless it says more.
 */
export function takenAt(tags: Tags): TakenAt | null {
  const originalZone = tags['OffsetTimeOriginal'] ?? tags['OffsetTime']
  const original = parseStamp(tags['SubSecDateTimeOriginal'], originalZone) ?? parseStamp(tags['DateTimeOriginal'], originalZone)
  if (isQuickTime(tags)) {
    const zoned = parseStamp(tags['CreationDate']) ?? parseStamp(tags['ContentCreateDate'])
    if (zoned) return zoned
    if (original) return original
    const zone = isGoPro(tags) ? null : 'Z'
    return parseStamp(tags['CreateDate'], zone) ?? parseStamp(tags['MediaCreateDate'], zone)
  }
  return (
    original ??
    parseStamp(tags['CreateDate'], tags['OffsetTimeDigitized'] ?? tags['OffsetTime']) ??
    parseStamp(tags['CreationDate']) ??
    parseStamp(tags['DateCreated'])
  )
}
