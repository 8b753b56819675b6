import type { VideoMode } from '@thatdam/protocol/facts'

/** Pixel formats that V4L2 and ffmpeg name differently; others go through in lower case. */
const CODECS: Readonly<Record<string, string>> = {
  MJPG: 'mjpeg',
  JPEG: 'mjpeg',
  YUYV: 'yuyv422',
  UYVY: 'uyvy422',
  H264: 'h264',
  HEVC: 'hevc',
  NV12: 'nv12',
  YU12: 'yuv420p',
}

/** Modes out of `v4l2-ctl --list-formats-ext`. Stepwise sizes without an interval give no mode. */
export function parseV4l2Formats(text: string): VideoMode[] {
  const modes: VideoMode[] = []
  let codec = ''
  let size: { width: number; height: number } | null = null
  for (const line of text.split(/\r?\n/)) {
    const format = /\[\d+\]: '(.{4})'/.exec(line)?.[1]?.trim()
    if (format) {
      codec = CODECS[format] ?? format.toLowerCase()
      size = null
    }
    const discrete = /Size: Discrete (\d+)x(\d+)/.exec(line)
    if (discrete) size = { width: Number(discrete[1]), height: Number(discrete[2]) }
    const fps = Number(/Interval: Discrete [\d.]+s \(([\d.]+) fps\)/.exec(line)?.[1])
    if (codec && size && fps > 0) modes.push({ codec, ...size, fps })
  }
  return modes
}

/**
 * Modes out of `ffmpeg -f v4l2 -list_formats all -i DEVICE` (it says them on stderr, then fails: that is how it works).
 * It tells no rates: 30 is written, and the driver gives the nearest it can.
 */
export function parseFfmpegV4l2Formats(text: string): VideoMode[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const match = /(?:Raw|Compressed)\s*:\s*(\S+) :[^:]*(?::[^:]*)*: ((?:\d+x\d+ ?)+)\s*$/.exec(line)
    const codec = match?.[1]
    if (!codec || codec === 'Unsupported') return []
    return (match[2] ?? '')
      .trim()
      .split(' ')
      .map((size) => {
        const [width = 0, height = 0] = size.split('x').map(Number)
        return { codec, width, height, fps: 30 }
      })
  })
}

/** `v4l2-ctl --info`: does this node (not only its device) capture video? Metadata and codec nodes do not. */
export function capturesVideo(text: string): boolean {
  const own = /Device Caps\s*:.*\n((?:\t\t.*\n?)*)/.exec(text)?.[1] ?? ''
  return /^\t\tVideo Capture( Multiplanar)?$/m.test(own)
}
