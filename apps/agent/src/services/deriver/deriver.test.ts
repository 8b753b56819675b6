import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync, crc32 } from 'node:zlib'
import { recipeHash } from '@thatdam/store/recipe-hash'
import { waitFor } from '@thatdam/testkit/service-host'
import sharp from 'sharp'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ingested, isBlack, sha, TestDeriver } from './testing/deriver.ts'

// Real processes on a machine that may be busy: deadlines, not expectations.
vi.setConfig({ testTimeout: 120_000 })

let deriver: TestDeriver
beforeEach(async () => {
  deriver = await TestDeriver.open()
})
afterEach(() => deriver.close())

test('pictures get both sizes, upright, in sRGB, never enlarged', async () => {
  const half = sharp({ create: { width: 1000, height: 1500, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  const picture = await sharp({ create: { width: 2000, height: 1500, channels: 3, background: 'blue' } })
    .composite([{ input: await half, left: 0, top: 0 }])
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
  deriver.start()
  const made = await deriver.thumbs(await deriver.add(picture, 'photo', 'image/jpeg'))
  expect(await sharp(made['thumb-1280']).metadata()).toMatchObject({ width: 960, height: 1280, space: 'srgb' })
  expect(await sharp(made['thumb-320']).metadata()).toMatchObject({ width: 240, height: 320 })
  // Turned to the right, the red left half is on top.
  const top = await sharp(made['thumb-320']).extract({ left: 100, top: 40, width: 1, height: 1 }).raw().toBuffer()
  expect([Number(top[0]) > 200, Number(top[2]) < 60]).toEqual([true, true])
  const small = await sharp({ create: { width: 40, height: 30, channels: 4, background: '#00ff0080' } })
    .png()
    .toBuffer()
  const tiny = await deriver.thumbs(await deriver.add(small, 'photo', 'image/png'))
  expect(await sharp(tiny['thumb-1280']).metadata()).toMatchObject({ width: 40, height: 30 })
  const bitmap = deriver.ffmpeg('a.bmp', '-f', 'lavfi', '-i', 'testsrc=s=640x360', '-frames:v', '1')
  expect(await sharp((await deriver.thumbs(await deriver.add(bitmap, 'photo', 'image/bmp')))['thumb-320']).metadata()).toMatchObject({
    width: 320,
    height: 180,
  })
  expect(deriver.status()).toMatchObject({ failed: 0 })
})

test('a film shows a frame that is not black, turned as it is played; sounds show their cover or their wave', async () => {
  const late = deriver.lateFilm('late.mp4')
  deriver.start()
  const frame = (await deriver.thumbs(await deriver.add(late, 'video', 'video/mp4', 8000)))['thumb-320']
  expect(await isBlack(frame)).toBe(false)
  deriver.ffmpeg('flat.mp4', '-f', 'lavfi', '-i', 'testsrc=s=320x180:r=10:d=1', '-pix_fmt', 'yuv420p')
  const turned = deriver.ffmpeg('turned.mp4', '-i', join(deriver.folder, 'flat.mp4'), '-c', 'copy', '-metadata:s:v:0', 'rotate=90')
  expect(await sharp((await deriver.thumbs(await deriver.add(turned, 'video', 'video/mp4', 1000)))['thumb-320']).metadata()).toMatchObject({
    width: 180,
    height: 320,
  })
  const wave = deriver.ffmpeg('a.flac', '-f', 'lavfi', '-i', 'sine=d=1')
  expect(await sharp((await deriver.thumbs(await deriver.add(wave, 'audio', 'audio/flac', 1000)))['thumb-320']).metadata()).toMatchObject({
    width: 320,
    height: 180,
  })
  writeFileSync(
    join(deriver.folder, 'cover.png'),
    await sharp({ create: { width: 200, height: 200, channels: 3, background: 'red' } })
      .png()
      .toBuffer(),
  )
  const song = deriver.ffmpeg(
    'c.mp3',
    '-i',
    join(deriver.folder, 'a.flac'),
    '-i',
    join(deriver.folder, 'cover.png'),
    '-map',
    '0',
    '-map',
    '1',
    '-c:v',
    'copy',
    '-disposition:v',
    'attached_pic',
  )
  expect(await sharp((await deriver.thumbs(await deriver.add(song, 'audio', 'audio/mpeg', 1000)))['thumb-320']).metadata()).toMatchObject({
    width: 200,
    height: 200,
  })
})

test('a RAW picture shows the preview it carries, turned by its own orientation', async () => {
  const preview = await sharp({ create: { width: 800, height: 600, channels: 3, background: 'orange' } })
    .jpeg()
    .toBuffer()
  // exiftool writes previews into JPEG containers only: this one stands for a RAW file, its own picture is 16 × 12.
  const raw = join(deriver.folder, 'raw.jpg')
  writeFileSync(join(deriver.folder, 'p.jpg'), preview)
  writeFileSync(
    raw,
    await sharp({ create: { width: 16, height: 12, channels: 3, background: 'orange' } })
      .jpeg()
      .toBuffer(),
  )
  const { exiftoolPath } = await import('exiftool-vendored')
  execFileSync(await exiftoolPath(), [
    '-q',
    '-overwrite_original',
    '-n',
    '-Orientation=6',
    `-ThumbnailImage<=${join(deriver.folder, 'p.jpg')}`,
    raw,
  ])
  deriver.start()
  const made = await deriver.thumbs(await deriver.add(readFileSync(raw), 'photo', 'image/x-adobe-dng'))
  expect(await sharp(made['thumb-1280']).metadata()).toMatchObject({ width: 600, height: 800 })
  writeFileSync(
    join(deriver.folder, 'b.dng'),
    await sharp({ create: { width: 16, height: 12, channels: 3, background: 'orange' } })
      .tiff()
      .toBuffer(),
  )
  expect(await deriver.failure(await deriver.add(readFileSync(join(deriver.folder, 'b.dng')), 'photo', 'image/x-adobe-dng'))).toMatch(
    /holds no preview/,
  )
})

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, check])
}

/** A PNG of 100,000 × 100,000 pixels in a few bytes. */
function bomb(): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(100_000, 0)
  header.writeUInt32BE(100_000, 4)
  header.set([1, 0, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(1_000_000))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

test('broken and hostile files fail in words, once, and the next one is made', async () => {
  const whole = await sharp({ create: { width: 600, height: 400, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer()
  deriver.start()
  const cut = await deriver.add(whole.subarray(0, whole.length / 2), 'photo', 'image/jpeg')
  const huge = await deriver.add(bomb(), 'photo', 'image/png')
  const playlist = await deriver.add(
    Buffer.from('#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n'),
    'video',
    'video/mp4',
    1000,
  )
  const concat = await deriver.add(Buffer.from("ffconcat version 1.0\nfile '/etc/passwd'\n"), 'video', 'video/mp4', 1000)
  expect(await deriver.failure(cut)).toMatch(/This picture is broken/)
  expect(await deriver.failure(huge)).toMatch(/268 million pixels|broken/)
  expect(await deriver.failure(playlist)).toMatch(/This film is broken or of an unknown kind/)
  expect(await deriver.failure(concat)).toMatch(/This film is broken or of an unknown kind/)
  await deriver.thumbs(await deriver.add(whole, 'photo', 'image/jpeg'))
  await deriver.stop()
  const failures = deriver.agent.ops('derivative.failed').length
  deriver.start()
  await deriver.thumbs(await deriver.add(Buffer.concat([whole, Buffer.from('x')]), 'photo', 'image/jpeg'))
  expect(deriver.agent.ops('derivative.failed')).toHaveLength(failures)
  expect(deriver.status()).toMatchObject({ failed: 8 })
})

test('work goes on where it was after a kill, is not done twice, and waits for sources and ffmpeg that are away', async () => {
  const film = deriver.ffmpeg('a.mp4', '-f', 'lavfi', '-i', 'testsrc=s=64x64:d=1', '-pix_fmt', 'yuv420p')
  const source = await deriver.add(film, 'video', 'video/mp4', 1000)
  const elsewhere = await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  deriver.agent.add([ingested(sha(elsewhere), 'photo', 'image/png')])
  deriver.start(null)
  await waitFor(() => deriver.hasSaid(/until ffmpeg is installed/))
  await waitFor(() => deriver.status()?.waiting === 4)
  await deriver.kill()
  deriver.start()
  await deriver.thumbs(source)
  await deriver.store.put(elsewhere)
  deriver.agent.add([{ kind: 'blob.stored', sha256: sha(elsewhere), sizeBytes: elsewhere.length, nodeId: deriver.agent.nodeId }])
  await deriver.thumbs(sha(elsewhere))
  await waitFor(() => deriver.status()?.state === 'idle')
  await deriver.kill()
  deriver.agent.feedId = 'rebuilt'
  deriver.start()
  const last = await sharp({ create: { width: 8, height: 9, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  await deriver.thumbs(await deriver.add(last, 'photo', 'image/png'))
  expect(deriver.agent.ops('derivative.made')).toHaveLength(6)
  expect(deriver.agent.ops('derivative.made').map((op) => op.recipeHash)).toContain(recipeHash('thumb-320'))
})

test('pause holds, resume goes on', async () => {
  deriver.start()
  await waitFor(() => deriver.status())
  await deriver.command('pause')
  const source = await deriver.add(
    await sharp({ create: { width: 9, height: 9, channels: 3, background: 'red' } })
      .png()
      .toBuffer(),
    'photo',
    'image/png',
  )
  await waitFor(() => deriver.status()?.state === 'paused' && deriver.status()?.waiting === 2)
  expect(deriver.agent.ops('derivative.made')).toEqual([])
  await deriver.command('resume')
  await deriver.thumbs(source)
})
