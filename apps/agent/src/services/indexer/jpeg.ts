import type { Tags } from './taken-at.ts'

/*
 * What a plain camera picture tells, from its first bytes: exiftool is right about everything, and costs ten times as much as the reading
 * of the file. Whatever is out of the ordinary is left to it: null. Nothing is followed outside of `head`.
 */

const MARKER = 0xff
/** Start-of-frame markers: the picture's size. C4, C8 and CC are tables. */
const isFrame = (marker: number): boolean => marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
const ENTRIES_MAX = 256
const TEXT_MAX = 512

const IFD0 = new Map([
  [0x010f, 'Make'],
  [0x0110, 'Model'],
  [0x0112, 'Orientation'],
])
const EXIF = new Map([
  [0x9003, 'DateTimeOriginal'],
  [0x9004, 'CreateDate'],
  [0x9010, 'OffsetTime'],
  [0x9011, 'OffsetTimeOriginal'],
  [0x9012, 'OffsetTimeDigitized'],
  [0x9291, 'SubSecTimeOriginal'],
  [0xa434, 'LensModel'],
])
const EXIF_POINTER = 0x8769
const GPS_POINTER = 0x8825
const MAKER_NOTE = 0x927c

/**
 * Tags as `exiftool -json -n` names them.
 * @returns null when exiftool is to read the file: no whole header in `head`, damage, notes in forms that only it knows.
 */
export function readJpegTags(head: Buffer): Tags | null {
  const segments = findSegments(head)
  if (!segments) return null
  const exif = segments.exif === null ? {} : readExif(segments.exif)
  if (exif === null) return null
  return { ...exif, MIMEType: 'image/jpeg', ImageWidth: segments.width, ImageHeight: segments.height }
}

interface Segments {
  readonly width: number
  readonly height: number
  /** The TIFF structure of the EXIF segment. */
  readonly exif: Buffer | null
}

function findSegments(head: Buffer): Segments | null {
  if (head.length < 4 || head.readUInt16BE(0) !== 0xffd8) return null
  let exif: Buffer | null = null
  for (let at = 2; at + 9 < head.length;) {
    if (head[at] !== MARKER) return null
    const marker = head[at + 1] as number
    const length = head.readUInt16BE(at + 2)
    if (length < 2) return null
    const data = head.subarray(at + 4, at + 2 + length)
    if (isFrame(marker)) {
      const [height, width] = [head.readUInt16BE(at + 5), head.readUInt16BE(at + 7)]
      return width > 0 && height > 0 ? { width, height, exif } : null
    }
    // XMP, IPTC, two EXIF segments, comments of editing programs: they may know better. Colour profiles and JFIF know nothing of ours.
    if (marker === 0xe1) {
      if (exif !== null || data.toString('latin1', 0, 6) !== 'Exif\0\0' || data.length !== length - 2) return null
      exif = data.subarray(6)
    } else if (marker >= 0xe3 && marker <= 0xef && marker !== 0xee) return null
    at += 2 + length
  }
  return null
}

/** One directory's entry: where its value lies and how to read it. */
interface Entry {
  readonly type: number
  readonly count: number
  readonly at: number
}
const SIZES: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8 }

class Tiff {
  private readonly bytes: Buffer
  private readonly little: boolean

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.little = bytes.toString('latin1', 0, 2) === 'II'
  }

  get isSound(): boolean {
    const order = this.bytes.toString('latin1', 0, 2)
    return this.bytes.length >= 14 && (order === 'II' || order === 'MM') && this.short(2) === 42
  }

  short(at: number): number {
    return this.little ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at)
  }

  long(at: number): number {
    return this.little ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at)
  }

  /** @throws RangeError for a directory or value outside of the segment. */
  directory(at: number): Map<number, Entry> {
    const count = this.short(at)
    if (count > ENTRIES_MAX) throw new RangeError('a directory with too many entries')
    const entries = new Map<number, Entry>()
    for (let index = 0; index < count; index++) {
      const place = at + 2 + index * 12
      const [type, length] = [this.short(place + 2), this.long(place + 4)]
      const sizeBytes = (SIZES[type] ?? 1) * length
      const valueAt = sizeBytes <= 4 ? place + 8 : this.long(place + 8)
      if (valueAt + sizeBytes > this.bytes.length) throw new RangeError('a value outside of its segment')
      entries.set(this.short(place), { type, count: length, at: valueAt })
    }
    return entries
  }

  /** Null: of another type than its tag asks for. */
  text({ type, count, at }: Entry): string | null {
    if (type !== 2) return null
    const bytes = this.bytes.subarray(at, at + Math.min(count, TEXT_MAX))
    const end = bytes.indexOf(0)
    return bytes.toString('utf8', 0, end === -1 ? bytes.length : end).trim()
  }

  number({ type, at }: Entry): number | null {
    if (type === 3) return this.short(at)
    return type === 4 ? this.long(at) : null
  }

  /** Degrees, minutes, seconds. */
  angle({ type, count, at }: Entry): number | null {
    if (type !== 5 || count !== 3) return null
    const part = (index: number): number => this.long(at + index * 8) / this.long(at + index * 8 + 4)
    const degrees = part(0) + part(1) / 60 + (Number.isFinite(part(2)) ? part(2) / 3600 : 0)
    return Number.isFinite(degrees) ? degrees : null
  }
}

function readExif(bytes: Buffer): Record<string, unknown> | null {
  try {
    const tiff = new Tiff(bytes)
    if (!tiff.isSound) return null
    const main = tiff.directory(tiff.long(4))
    const tags: Record<string, unknown> = {}
    if (!fill(tags, tiff, main, IFD0)) return null
    const exifAt = main.get(EXIF_POINTER)
    if (exifAt) {
      const exif = tiff.directory(tiff.long(exifAt.at))
      if (!fill(tags, tiff, exif, EXIF)) return null
      // The lens, and more, may be in the maker's own notes.
      if (exif.has(MAKER_NOTE) && tags['LensModel'] === undefined) return null
    }
    const gpsAt = main.get(GPS_POINTER)
    if (gpsAt) fillPosition(tags, tiff, tiff.directory(tiff.long(gpsAt.at)))
    const { SubSecTimeOriginal: fraction, DateTimeOriginal: original, OffsetTimeOriginal: zone } = tags
    if (typeof fraction === 'string' && /^\d{1,9}$/.test(fraction) && typeof original === 'string')
      tags['SubSecDateTimeOriginal'] = `${original}.${fraction}${typeof zone === 'string' ? zone : ''}`
    return tags
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** False: a tag has another type than it should; exiftool knows what makers do. */
function fill(
  tags: Record<string, unknown>,
  tiff: Tiff,
  directory: ReadonlyMap<number, Entry>,
  names: ReadonlyMap<number, string>,
): boolean {
  for (const [tag, name] of names) {
    const entry = directory.get(tag)
    if (!entry) continue
    const value = name === 'Orientation' ? tiff.number(entry) : tiff.text(entry)
    if (value === null) return false
    if (value !== '') tags[name] = value
  }
  return true
}

function fillPosition(tags: Record<string, unknown>, tiff: Tiff, gps: ReadonlyMap<number, Entry>): void {
  const signed = (reference: number, value: number, negative: string): number | null => {
    const [side, angle] = [gps.get(reference), gps.get(value)]
    const degrees = angle ? tiff.angle(angle) : null
    if (!side || degrees === null) return null
    return tiff.text(side) === negative ? -degrees : degrees
  }
  const [latitude, longitude] = [signed(1, 2, 'S'), signed(3, 4, 'W')]
  if (latitude === null || longitude === null) return
  tags['GPSLatitude'] = latitude
  tags['GPSLongitude'] = longitude
}
