import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { FRAGMENT_MOVFLAGS } from '@thatdam/media/ffmpeg/argv'
import { chooseEncoder, encoderArgs } from '@thatdam/media/ffmpeg/encoders'
import { holdsParameterSets } from '@thatdam/media/fmp4/parameter-sets'
import * as z from 'zod/mini'
import { parseFfmpegVersion, parseVideoEncoders } from './parse/ffmpeg-encoders.ts'
import { listFolder, runTool, runToolForBytes } from './tool.ts'

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
/** Those that a camera is given to: tried too, as some systems ship a libopenh264 that is an empty shell. */
const SOFTWARE_TRIED = ['libx264', 'libopenh264'] as const
const SOFTWARE = [...SOFTWARE_TRIED, 'libx265', 'libsvtav1', 'mjpeg'] as const

const TRIAL_TIMEOUT_MS = 3_000
const TRIALS_AT_ONCE = 4
/** Small, so that it costs little; no smaller, as hardware has a least size. */
const PICTURE = { width: 320, height: 240, fps: 10 }

export type FfmpegFacts = { ffmpegVersion: string | null; encoders: string[] }

/** 2: encoders that leave the head of a film empty are told no more. */
const CacheFile = z.object({ version: z.literal(2), key: z.string(), ffmpegVersion: z.nullable(z.string()), encoders: z.array(z.string()) })

/**
 * What this ffmpeg can encode here. Each listed hardware encoder, and each that cameras are given to, encodes a second as a camera's
 * pipeline does, because every distribution lists NVENC, QSV and VAAPI on machines that have none, and because one that opens may still make
 * films that nobody can play (h264_v4l2m2m of a Pi). The others are taken as listed. Kept in `cacheFile` under the ffmpeg's path, size and
 * time and the graphics devices, so that a start costs no trials.
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
  const tried: readonly string[] = [...HARDWARE, ...SOFTWARE_TRIED]
  const working = new Set(
    await workingOf(
      ffmpegPath,
      tried.filter((name) => listed.has(name)),
    ),
  )
  const facts: FfmpegFacts = {
    ffmpegVersion: parseFfmpegVersion(version.stdout),
    encoders: [...HARDWARE, ...SOFTWARE].filter((name) => (tried.includes(name) ? working.has(name) : listed.has(name))),
  }
  // A run that was cut short is no knowledge: it is not kept.
  if (cacheFile && list.code === 0 && version.code === 0) writeCache(cacheFile, { version: 2, key, ...facts })
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

/** Encodes a second of black into what a camera's pipeline makes; works when a player can open that. */
async function opens(ffmpegPath: string, encoder: string): Promise<boolean> {
  const render = (await listFolder('/dev/dri')).find((name) => name.startsWith('renderD'))
  if (encoder.endsWith('_vaapi') && !render) return false
  const trial = await runToolForBytes(ffmpegPath, trialArgs(encoder, render ?? ''), TRIAL_TIMEOUT_MS)
  // Software that is only slow, on a small machine that is busy starting, is still taken as listed: without it there is no camera at all.
  if (trial.timedOut) return (SOFTWARE_TRIED as readonly string[]).includes(encoder)
  return trial.code === 0 && holdsParameterSets(trial.stdout)
}

function trialArgs(encoder: string, render: string): string[] {
  const plan = chooseEncoder([encoder])
  const vaapi = encoder.endsWith('_vaapi')
  const format = encoder.endsWith('_qsv') ? 'format=nv12' : 'format=yuv420p'
  const device = plan?.globalArgs ?? (vaapi ? ['-vaapi_device', `/dev/dri/${render}`] : [])
  const codec = plan
    ? encoderArgs(plan, PICTURE)
    : ['-vf', vaapi ? 'format=nv12,hwupload' : format, '-c:v', encoder, '-flags', '+global_header']
  return [
    '-hide_banner',
    '-nostdin',
    '-loglevel',
    'error',
    ...device,
    '-f',
    'lavfi',
    '-i',
    `color=black:s=${PICTURE.width}x${PICTURE.height}:r=${PICTURE.fps}`,
    '-t',
    '1',
    ...codec,
    '-f',
    'mp4',
    '-movflags',
    FRAGMENT_MOVFLAGS,
    'pipe:1',
  ]
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
