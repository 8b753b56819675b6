import { execFile } from 'node:child_process'
import type { MediaInfo } from '@thatdam/protocol/ops'
import * as z from 'zod/mini'

const LIMIT_MS = 60_000

const Probe = z.object({
  streams: z.array(
    z.object({
      codec_type: z.optional(z.string()),
      codec_name: z.optional(z.string()),
      width: z.optional(z.number()),
      height: z.optional(z.number()),
      avg_frame_rate: z.optional(z.string()),
    }),
  ),
  format: z.object({ duration: z.optional(z.string()), bit_rate: z.optional(z.string()) }),
})

/** What ffprobe says of a recording of ours (MP4, one H.264 video). Throws when it cannot be read or has no length. */
export async function probeRecording(ffprobePath: string, path: string, takenAtMs: number): Promise<MediaInfo> {
  const args = ['-v', 'error', '-protocol_whitelist', 'file,pipe', '-show_streams', '-show_format', '-of', 'json', `file:${path}`]
  const text = await new Promise<string>((resolve, reject) => {
    execFile(ffprobePath, args, { timeout: LIMIT_MS, maxBuffer: 1 << 20, windowsHide: true }, (error, stdout, stderr) => {
      if (error) reject(new Error(`ffprobe: ${stderr.slice(-500) || error.message}`))
      else resolve(stdout)
    })
  })
  const probe = Probe.parse(JSON.parse(text))
  const video = probe.streams.find((stream) => stream.codec_type === 'video')
  const durationMs = Math.round(Number(probe.format.duration) * 1000)
  if (!video || !(durationMs > 0)) throw new Error('ffprobe finds no video with a length in the finished recording')
  return {
    mimeType: 'video/mp4',
    width: video.width ?? null,
    height: video.height ?? null,
    durationMs,
    fps: frameRate(video.avg_frame_rate),
    container: 'mp4',
    videoCodec: video.codec_name ?? null,
    audioCodec: null,
    bitRate: Number(probe.format.bit_rate) || null,
    orientation: null,
    takenAtMs,
    takenAtZone: zoneOf(takenAtMs),
    cameraMake: null,
    cameraModel: null,
    lens: null,
    timecode: null,
    latitude: null,
    longitude: null,
  }
}

function frameRate(fraction: string | undefined): number | null {
  const [over, under] = (fraction ?? '').split('/').map(Number)
  if (!over || !under) return null
  return Math.round((over / under) * 1000) / 1000
}

const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0')

/** This machine's offset from UTC at that moment: "+02:00". */
function zoneOf(timeMs: number): string {
  const minutes = -new Date(timeMs).getTimezoneOffset()
  return `${minutes < 0 ? '-' : '+'}${two(Math.abs(minutes) / 60)}:${two(Math.abs(minutes) % 60)}`
}
