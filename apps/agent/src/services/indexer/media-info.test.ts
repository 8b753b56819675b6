import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MediaInfo } from '@thatdam/protocol/ops'
import { combine, fromExiftool, fromFfprobe, parseFraction } from './media-info.ts'
import { parseStamp, takenAt, type Tags } from './taken-at.ts'

describe('when a picture was taken', () => {
  const table: [string, Tags, number | null, string | null][] = [
    ['zone in the text', { SubSecDateTimeOriginal: '2022:09:23 13:30:04.630+01:00' }, Date.UTC(2022, 8, 23, 12, 30, 4, 630), '+01:00'],
    ['zone in its own tag', { DateTimeOriginal: '2022:04:23 08:59:35', OffsetTime: '+02:00' }, Date.UTC(2022, 3, 23, 6, 59, 35), '+02:00'],
    ['no zone: the clock as it showed', { DateTimeOriginal: '2023:12:31 08:03:28' }, Date.UTC(2023, 11, 31, 8, 3, 28), null],
    ['before 1970', { DateTimeOriginal: '1950:06:01 12:00:00' }, Date.UTC(1950, 5, 1, 12), null],
    ['QuickTime dates are UTC', { MIMEType: 'video/mp4', CreateDate: '2020:07:15 18:33:43' }, Date.UTC(2020, 6, 15, 18, 33, 43), '+00:00'],
    [
      'a QuickTime date with a zone is better',
      { MIMEType: 'video/quicktime', CreateDate: '2018:09:08 17:20:14', CreationDate: '2018:09:08 19:20:14+02:00' },
      Date.UTC(2018, 8, 8, 17, 20, 14),
      '+02:00',
    ],
    [
      'a GoPro writes local time there',
      { MIMEType: 'video/mp4', CreateDate: '2020:07:15 18:33:43', CompressorName: 'GoPro AVC encoder' },
      Date.UTC(2020, 6, 15, 18, 33, 43),
      null,
    ],
    [
      'a clock that was never set',
      { MIMEType: 'video/mp4', CreateDate: '0000:00:00 00:00:00', MediaCreateDate: '1904:01:01 00:00:00' },
      null,
      null,
    ],
    ['a day that is none', { DateTimeOriginal: '2023:02:30 10:00:00' }, null, null],
    ['an odd zone is no zone', { DateTimeOriginal: '2023:02:03 10:00:00', OffsetTimeOriginal: '+99:00' }, Date.UTC(2023, 1, 3, 10), null],
    ['no date', { DateTimeOriginal: 7, CreateDate: '    :  :     :  :  ' }, null, null],
  ]
  for (const [name, tags, takenAtMs, takenAtZone] of table) {
    test(name, () => expect(takenAt(tags)).toEqual(takenAtMs === null ? null : { takenAtMs, takenAtZone }))
  }
  test('ISO texts of ffprobe', () => {
    expect(parseStamp('2021-03-04T05:06:07.000000Z')).toEqual({ takenAtMs: Date.UTC(2021, 2, 4, 5, 6, 7), takenAtZone: '+00:00' })
    expect(parseStamp('2021-03-04T05:06:07-0330')).toEqual({ takenAtMs: Date.UTC(2021, 2, 4, 8, 36, 7), takenAtZone: '-03:30' })
  })
})

const stream = (width: number, isDefault: number, tags = {}): object => ({
  codec_type: 'video',
  codec_name: `v${width}`,
  width,
  height: 10,
  disposition: { default: isDefault },
  tags,
})

describe('what ffprobe tells', () => {
  test('fractions', () => {
    const table: [unknown, number | null][] = [
      ['30000/1001', 29.97],
      ['25/1', 25],
      ['11600/401', 28.928],
      ['0/0', null],
      ['90000/1', null],
      ['', null],
      [24, 24],
      ['N/A', null],
    ]
    for (const [given, expected] of table) expect([given, parseFraction(given)]).toEqual([given, expected])
  })

  test('a turned phone film beside data streams, without format', () => {
    const probed = fromFfprobe({
      streams: [
        { codec_type: 'data' },
        {
          codec_type: 'video',
          codec_name: 'hevc',
          width: 1920,
          height: 1440,
          r_frame_rate: '240/1',
          avg_frame_rate: '11600/401',
          duration: '2.673333',
          disposition: { default: 1, attached_pic: 0 },
          side_data_list: [{ side_data_type: 'Frame Cropping' }, { side_data_type: 'Display Matrix', rotation: -90 }],
        },
        { codec_type: 'audio', codec_name: 'pcm_s16le' },
      ],
    })
    expect(probed).toMatchObject({
      hasVideo: true,
      hasAudio: true,
      media: { width: 1440, height: 1920, fps: 28.928, durationMs: 2673, videoCodec: 'hevc', audioCodec: 'pcm_s16le', container: null },
    })
  })

  test('a song with a cover is no film', () => {
    const probed = fromFfprobe({
      streams: [
        { codec_type: 'audio', codec_name: 'flac' },
        { codec_type: 'video', codec_name: 'mjpeg', width: 600, height: 600, duration: '200', disposition: { attached_pic: 1 } },
      ],
      format: { format_name: 'flac', duration: '200.5', bit_rate: '900000', tags: { TITLE: 'x' } },
    })
    expect(probed).toMatchObject({
      hasVideo: false,
      hasCover: true,
      media: { width: null, durationMs: 200_500, bitRate: 900_000, videoCodec: null },
    })
    expect(combine({ kind: 'video', mimeType: 'video/mp4' }, null, probed)).toMatchObject({
      kind: 'audio',
      media: { mimeType: 'audio/mp4' },
    })
  })

  test('two pictures: the default one, then the larger; a timecode from any stream', () => {
    expect(fromFfprobe({ streams: [stream(640, 1), stream(1920, 1), stream(3840, 0, { timecode: '01:02:03;04' })] }).media).toMatchObject({
      videoCodec: 'v1920',
      timecode: '01:02:03;04',
    })
  })

  test('nonsense is not believed', () => {
    for (const odd of [
      null,
      [],
      'x',
      { streams: 'x', format: [] },
      { streams: [null, 1, { codec_type: 'video', width: -1, height: 'NaN', duration: 'N/A' }] },
    ]) {
      expect(fromFfprobe(odd).media).toMatchObject({ width: null, height: null, durationMs: null, fps: null })
    }
  })
})

describe('what exiftool tells', () => {
  test('one turn told twice turns once; numbers in text; keys with a language', () => {
    const probed = fromExiftool({
      Orientation: 6,
      Rotation: 270,
      ImageWidth: 4032,
      ImageHeight: 3024,
      'Make-fra': 'Apple',
      Model: 7,
      GPSLatitude: 51.5,
      GPSLongitude: -0.1,
    })
    expect(probed.media).toMatchObject({
      width: 3024,
      height: 4032,
      orientation: 6,
      cameraMake: 'Apple',
      cameraModel: '7',
      latitude: 51.5,
      longitude: -0.1,
    })
    expect(fromExiftool({ Rotation: 90, ImageWidth: 10, ImageHeight: 20 }).media).toMatchObject({
      width: 20,
      height: 10,
      orientation: null,
    })
  })

  test('positions that are none, orientations that are none, control characters and lone surrogates', () => {
    for (const [GPSLatitude, GPSLongitude] of [
      [0, 0],
      [91, 1],
      ['52 deg', 1],
      [1, undefined],
    ]) {
      expect(fromExiftool({ GPSLatitude, GPSLongitude }).media).toMatchObject({ latitude: null, longitude: null })
    }
    expect(fromExiftool({ Orientation: 9, Model: 'A\u0000B\ud800', Make: '  ' }).media).toMatchObject({
      orientation: null,
      cameraModel: 'A B\ufffd',
      cameraMake: null,
    })
  })
})

describe('recorded outputs of many devices', () => {
  const recorded = join(import.meta.dirname, 'testdata')
  const read = (file: string): unknown => JSON.parse(readFileSync(join(recorded, file), 'utf8'))
  test.each(['exiftool-phone-still.json', 'exiftool-action-camera.json'])('%s', (file) => {
    expect(existsSync(join(recorded, file))).toBe(true)
    const [tags] = read(file) as Tags[]
    const { media } = combine({ kind: 'photo', mimeType: 'image/jpeg' }, fromExiftool(tags ?? {}), null)
    expect(MediaInfo.safeParse(media).success).toBe(true)
    expect(media.takenAtMs).not.toBeNull()
    expect(media.width).not.toBeNull()
  })
  test.each(['ffprobe-broadcast.json'])('%s', (file) => {
    const { media } = combine({ kind: 'video', mimeType: 'application/mxf' }, null, fromFfprobe(read(file)))
    expect(MediaInfo.safeParse(media).success).toBe(true)
    expect(media).toMatchObject({
      width: 1920,
      height: 1080,
      fps: 25,
      timecode: '10:00:00:00',
      videoCodec: 'h264',
      audioCodec: 'pcm_s24le',
      durationMs: 40_000,
    })
  })
})
