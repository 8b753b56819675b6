import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ExifReader } from './exiftool.ts'
import { readJpegTags } from './jpeg.ts'
import { fromExiftool } from './media-info.ts'

let directory: string
beforeAll(() => (directory = mkdtempSync(join(tmpdir(), 'thatdam-jpeg-'))))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

type Exif = Parameters<ReturnType<typeof sharp>['withExif']>[0]
const picture = (exif: Exif | null, options: { orientation?: number; progressive?: boolean } = {}): Promise<Buffer> => {
  const image = sharp({ create: { width: 64, height: 48, channels: 3, background: 'red' } })
  if (exif) image.withExif(exif)
  if (options.orientation !== undefined) image.withMetadata({ orientation: options.orientation })
  return image.jpeg({ progressive: options.progressive ?? false }).toBuffer()
}
async function byExiftool(bytes: Buffer): Promise<ReturnType<typeof fromExiftool>> {
  const path = join(directory, `picture-${bytes.length}-${Math.random()}.jpg`)
  writeFileSync(path, bytes)
  return fromExiftool(await new ExifReader(new AbortController().signal).read(path))
}

const IFD0 = { Make: 'Acme', Model: 'Nine É' }
const IFD2 = { DateTimeOriginal: '2022:01:02 03:04:05', OffsetTimeOriginal: '+02:00', SubSecTimeOriginal: '250', LensModel: 'Acme 50 mm' }
const IFD3 = { GPSLatitudeRef: 'S', GPSLatitude: '33/1 51/1 2154/100', GPSLongitudeRef: 'E', GPSLongitude: '151/1 12/1 40/1' }

test.each<[string, Exif | null, { orientation?: number; progressive?: boolean }]>([
  ['everything that we read', { IFD0, IFD2, IFD3 }, { orientation: 6 }],
  ['no zone, no fraction', { IFD0, IFD2: { DateTimeOriginal: '2019:12:31 23:59:59' } }, {}],
  ['only a date of digitising', { IFD2: { DateTimeDigitized: '2011:01:01 00:00:01', OffsetTimeDigitized: '-05:00' } }, {}],
  ['an unset clock', { IFD0, IFD2: { DateTimeOriginal: '0000:00:00 00:00:00' } }, { progressive: true }],
  ['nothing at all', null, {}],
])('tells the same as exiftool: %s', async (_name, exif, options) => {
  const bytes = await picture(exif, options)
  const tags = readJpegTags(bytes.subarray(0, 4096))
  expect(tags).not.toBeNull()
  const ours = fromExiftool(tags ?? {})
  const theirs = await byExiftool(bytes)
  const near = ({ latitude, longitude }: typeof ours.media) => [latitude?.toFixed(6) ?? null, longitude?.toFixed(6) ?? null]
  expect(near(ours.media)).toEqual(near(theirs.media))
  const place = { latitude: null, longitude: null }
  expect({ ...ours, media: { ...ours.media, ...place } }).toEqual({ ...theirs, media: { ...theirs.media, ...place } })
})

test('leaves to exiftool what it does not know: XMP, a maker’s notes, a header that is cut, damage anywhere', async () => {
  const bytes = await picture({ IFD0, IFD2, IFD3 }, { orientation: 6 })
  expect(readJpegTags(bytes.subarray(0, 60))).toBeNull()
  const xmp = Buffer.from('http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>', 'latin1')
  const segment = Buffer.concat([Buffer.from([0xff, 0xe1, 0, xmp.length + 2]), xmp])
  expect(readJpegTags(Buffer.concat([bytes.subarray(0, 2), segment, bytes.subarray(2)]))).toBeNull()
  // Any byte may be wrong: never a throw, never an endless loop.
  const head = Buffer.from(bytes.subarray(0, 1024))
  let refused = 0
  for (let at = 0; at < head.length; at++) {
    const before = head[at] as number
    for (const value of [0, 0xff, before ^ 0x80]) {
      head[at] = value
      if (readJpegTags(head) === null) refused++
    }
    head[at] = before
  }
  expect(refused).toBeGreaterThan(50)
})
