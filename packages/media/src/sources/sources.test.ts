import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CameraFacts, VideoMode } from '@thatdam/protocol/facts'
import { expect, test } from 'vitest'
import { cameraArgv } from '../ffmpeg/argv.ts'
import { chooseEncoder } from '../ffmpeg/encoders.ts'
import { chooseMode, COPY_LIMIT, SMALL_ENCODE_LIMIT } from './mode.ts'
import { sourceOf } from './registry.ts'
import { readClockBar } from './test/clock.ts'

const mode = (codec: string, width: number, height: number, fps: number): VideoMode => ({ codec, width, height, fps })
/** A webcam that makes H.264 itself. */
const C920 = [
  mode('yuyv422', 1920, 1080, 5),
  mode('yuyv422', 1280, 720, 10),
  mode('yuyv422', 640, 480, 30),
  mode('mjpeg', 1920, 1080, 30),
  mode('mjpeg', 1280, 720, 30),
  mode('h264', 1920, 1080, 30),
  mode('h264', 640, 480, 30),
]
const PLAIN = C920.filter(({ codec }) => codec !== 'h264')
const ports = { to: 5000, fromRtp: 5002, fromRtcp: 5004 }
const camera = (kind: CameraFacts['kind'], locator: string): CameraFacts => ({ cameraId: 'c', kind, name: 'Cam', locator, modes: [] })

test('the best mode: H.264 of the camera, else JPEG, bounded by what the machine encodes', () => {
  expect(chooseMode(C920, COPY_LIMIT)).toEqual(mode('h264', 1920, 1080, 30))
  expect(chooseMode(C920, SMALL_ENCODE_LIMIT)).toEqual(mode('h264', 1920, 1080, 30))
  expect(chooseMode(PLAIN, COPY_LIMIT)).toEqual(mode('mjpeg', 1920, 1080, 30))
  expect(chooseMode(PLAIN, SMALL_ENCODE_LIMIT)).toEqual(mode('mjpeg', 1280, 720, 30))
  const raw = PLAIN.filter(({ codec }) => codec === 'yuyv422')
  expect(chooseMode(raw, COPY_LIMIT)).toEqual(mode('yuyv422', 640, 480, 30)) // large pictures at 5 a second are no film
  expect(chooseMode([mode('mjpeg', 1280, 720, 60), mode('mjpeg', 1280, 720, 30)], COPY_LIMIT)?.fps).toBe(30)
  expect(chooseMode([mode('mjpeg', 3840, 2160, 30)], COPY_LIMIT)).toEqual(mode('mjpeg', 3840, 2160, 30))
  expect(chooseMode([], COPY_LIMIT)).toBeNull()
})

test('a V4L2 camera that gives H.264 is copied: no encoder in the argv', () => {
  const path = '/dev/v4l/by-path/pci-0000:00:14.0-usb-0:1:1.0-video-index0'
  const input = sourceOf('v4l2')?.ffmpegInput(camera('v4l2', path), mode('h264', 1920, 1080, 30))
  if (!input) throw new Error('no source')
  const argv = cameraArgv(input, null, ports)
  expect(argv.join(' ')).toContain(`-f v4l2 -input_format h264 -video_size 1920x1080 -framerate 30 -i ${path} -map 0:v:0`)
  expect(argv.join(' ')).toContain('-c:v copy -bsf:v h264_mp4toannexb')
  expect(argv.some((word) => word.includes('264') && word.startsWith('lib'))).toBe(false)
  expect(argv.at(-1)).toContain('rtp://127.0.0.1:5000?pkt_size=1200&rtcpport=5000&localrtpport=5002&localrtcpport=5004')
})

test('one that gives JPEG is encoded once, with a key frame each second and no B-frames', () => {
  const input = sourceOf('v4l2')?.ffmpegInput(camera('v4l2', '/dev/video0'), mode('mjpeg', 1280, 720, 30))
  if (!input) throw new Error('no source')
  expect(() => cameraArgv(input, null, ports)).toThrow(/needs an encoder/)
  const argv = cameraArgv(input, chooseEncoder(['libx264', 'libx265']), ports).join(' ')
  expect(argv.match(/-c:v/g)).toHaveLength(1)
  expect(argv).toMatch(/-c:v libx264 .*-tune zerolatency .*-bf 0 -g 30 /)
  expect(chooseEncoder(['libx264', 'h264_vaapi'])?.name).toBe('h264_vaapi')
  expect(chooseEncoder(null)?.name).toBe('libx264')
  expect(chooseEncoder(['hevc_nvenc'])).toBeNull()
})

test('names with blanks, semicolons and dollars stay one word of the argv; an index is never opened', () => {
  const odd = '/media/a; rm -rf $(x) "y".mp4'
  expect(sourceOf('file')?.ffmpegInput(camera('file', odd), null).args.at(-1)).toBe(`file:${odd}`)
  expect(sourceOf('file')?.ffmpegInput(camera('file', 'concat:a|b'), null).args.at(-1)).toBe('file:concat:a|b')
  expect(sourceOf('dshow')?.ffmpegInput(camera('dshow', '@device_pnp_\\\\?\\usb#vid'), null).args.at(-1)).toBe(
    'video=@device_pnp_\\\\?\\usb#vid',
  )
  expect(sourceOf('avfoundation')?.ffmpegInput(camera('avfoundation', 'FaceTime HD Camera'), null).args.at(-1)).toBe(
    'FaceTime HD Camera:none',
  )
  expect(sourceOf('rtsp')?.ffmpegInput(camera('rtsp', 'rtsp://10.0.0.9/1'), null)).toMatchObject({ copy: true })
  expect(sourceOf('csi')).toBeNull()
})

test.skipIf(process.platform === 'win32')(
  'a Mac camera whose name ffmpeg would take for an index is looked up for each opening',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thatdam-sources-'))
    try {
      const ffmpeg = join(folder, 'ffmpeg')
      const lines = [
        'AVFoundation video devices:',
        '[0] FaceTime HD Camera',
        '[1] 1080P Web Camera',
        '[2] Desk: left',
        '[3] Capture screen 0',
      ]
      const listing = [...lines, 'AVFoundation audio devices:', '[0] 2K Camera'].map((line) => `[AVFoundation indev @ 0x7f] ${line}`)
      writeFileSync(ffmpeg, `#!/bin/sh\ncat >&2 <<'END'\n${listing.join('\n')}\nEND\nexit 1\n`, { mode: 0o755 })
      const source = sourceOf('avfoundation')
      const ask = (name: string) => source?.deviceIndex?.(camera('avfoundation', name), ffmpeg)
      expect(await ask('FaceTime HD Camera')).toBeNull()
      expect(await ask('1080P Web Camera')).toBe(1)
      expect(await ask('Desk: left')).toBe(2)
      expect(await ask('2K Camera')).toMatchObject({ state: 'gone' })
      const args = source?.ffmpegInput(camera('avfoundation', '1080P Web Camera'), null, 1).args.join(' ')
      expect(args).toMatch(/-video_device_index 1 -i none:none$/)
      rmSync(ffmpeg)
      expect(await ask('1080P Web Camera')).toMatchObject({ state: 'gone' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

test('a missing device says what to do', async () => {
  const missing = await sourceOf('v4l2')?.missing(camera('v4l2', '/dev/v4l/by-path/none'))
  expect(missing).toEqual({ state: 'gone', sentence: 'The camera "Cam" is not there. Plug it in again; it goes on by itself.' })
})

test('the clock bar is read back, and its absence is seen', () => {
  const value = 0x9abc_def0
  const row = new Uint8Array(1280)
  for (let cell = 0; cell < 33; cell++) {
    const white = cell === 0 || Math.floor(value / 2 ** (cell - 1)) % 2 === 1
    row.fill(white ? 235 : 16, cell * 37, (cell + 1) * 37)
  }
  expect(readClockBar(row, 1280)).toBe(value)
  expect(readClockBar(new Uint8Array(1280), 1280)).toBeNull()
})
