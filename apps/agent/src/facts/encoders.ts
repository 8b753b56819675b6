import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import * as z from 'zod/mini'
import { parseFfmpegVersion, parseVideoEncoders } from './parse/ffmpeg-encoders.ts'
import { listFolder, runTool } from './tool.ts'

/** Encoders worth knowing, in the order in which a pipeline would like them: hardware first. */
const HARDWARE = [
  'h264_videotoolbox',
  'h264_nvenc',
  'h264_qsv',
  'h264_vaapi',
  'h264_amf',
  'h264_mf',
  'h264_v4l2m2m',
  'hevc_videotoolbox',
  'hevc_nvenc',
  'hevc_qsv',
  'hevc_vaapi',
  'hevc_amf',
  'av1_nvenc',
  'av1_qsv',
  'av1_vaapi',
] as const
const SOFTWARE = ['libx264', 'libopenh264', 'libx265', 'libsvtav1', 'mjpeg'] as const

const TRIAL_TIMEOUT_MS = 3_000
const TRIALS_AT_ONCE = 4

export type FfmpegFacts = { ffmpegVersion: string | null; encoders: string[] }

const CacheFile = z.object({ version: z.literal(1), key: z.string(), ffmpegVersion: z.nullable(z.string()), encoders: z.array(z.string()) })

/**
 * What this ffmpeg can encode here. Software encoders are taken as listed; each listed hardware encoder encodes one frame, because every
 * distribution lists NVENC, QSV and VAAPI on machines that have none. Kept in `cacheFile` under the ffmpeg's path, size and time and the
 * graphics devices, so that a start costs no trials.
 */
export async function probeFfmpeg(ffmpegPath: string, cacheFile: string | null): Promise<FfmpegFacts> {
  const key = await cacheKey(ffmpegPath)
  const cached = cacheFile ? readCache(cacheFile, key) : null
  if (cached) return cached
  const [version, list] = await Promise.all([
    runTool(ffmpegPath, ['-hide_banner', '-version']),
    runTool(ffmpegPath, ['-hide_banner', '-encoders']),
  ])
  const listed = new Set(parseVideoEncoders(list.stdout))
  const hardware = await workingOf(
    ffmpegPath,
    HARDWARE.filter((name) => listed.has(name)),
  )
  const facts: FfmpegFacts = {
    ffmpegVersion: parseFfmpegVersion(version.stdout),
    encoders: [...hardware, ...SOFTWARE.filter((name) => listed.has(name))],
  }
  // A run that was cut short is no knowledge: it is not kept.
  if (cacheFile && list.code === 0 && version.code === 0) writeCache(cacheFile, { version: 1, key, ...facts })
  return facts
}

async function workingOf(ffmpegPath: string, names: readonly string[]): Promise<string[]> {
  const works = new Set<string>()
  const queue = [...names]
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) if (await opens(ffmpegPath, name)) works.add(name)
  }
  await Promise.all(Array.from({ length: TRIALS_AT_ONCE }, worker))
  return names.filter((name) => works.has(name))
}

/** Encodes one frame of black to nowhere. */
async function opens(ffmpegPath: string, encoder: string): Promise<boolean> {
  const vaapi = encoder.endsWith('_vaapi')
  const render = (await listFolder('/dev/dri')).find((name) => name.startsWith('renderD'))
  if (vaapi && !render) return false
  const device = vaapi ? ['-vaapi_device', `/dev/dri/${render}`] : []
  const filter = vaapi ? ['-vf', 'format=nv12,hwupload'] : ['-pix_fmt', encoder.endsWith('_qsv') ? 'nv12' : 'yuv420p']
  const source = ['-f', 'lavfi', '-i', 'color=black:s=640x480:r=25']
  const args = [
    '-hide_banner',
    '-nostdin',
    '-loglevel',
    'error',
    ...device,
    ...source,
    ...filter,
    '-frames:v',
    '1',
    '-c:v',
    encoder,
    '-f',
    'null',
    '-',
  ]
  return (await runTool(ffmpegPath, args, TRIAL_TIMEOUT_MS)).code === 0
}

async function cacheKey(ffmpegPath: string): Promise<string> {
  const stat = await fs.promises.stat(ffmpegPath)
  const devices = [...(await listFolder('/dev/dri')), ...(await listFolder('/dev')).filter((name) => /^(nvidia\d|video1\d$)/.test(name))]
  return createHash('sha256')
    .update(JSON.stringify([ffmpegPath, stat.mtimeMs, stat.size, devices]))
    .digest('hex')
}

function readCache(file: string, key: string): FfmpegFacts | null {
  try {
    const cache = z.parse(CacheFile, JSON.parse(fs.readFileSync(file, 'utf8')))
    return cache.key === key ? { ffmpegVersion: cache.ffmpegVersion, encoders: cache.encoders } : null
  } catch {
    return null // absent, torn or of another version: made again
  }
}

/** A cache needs no fsync: a torn one is read as absent. It is still renamed into place, for a second process that reads. */
function writeCache(file: string, cache: z.infer<typeof CacheFile>): void {
  const temporary = `${file}.${process.pid}.tmp`
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(temporary, JSON.stringify(cache))
    fs.renameSync(temporary, file)
  } catch {
    fs.rmSync(temporary, { force: true }) // a full or read-only disk costs the trials again, nothing else
  }
}
