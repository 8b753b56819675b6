import sharp from 'sharp'
import { safeInput } from '../indexer/ffprobe.ts'
import { lastWords, runTool, ToolError } from '../indexer/tool.ts'
import { brightness, CannotDerive, decode, NeedsProgram, type Pixels } from './picture.ts'

/* Films and sounds → one picture by ffmpeg, inside limits; libvips makes the sizes of it. */

const LIMITS = { timeoutMs: 60_000, outputMaxBytes: 64 * 1024 * 1024, memoryMaxBytes: 3 * 1024 ** 3 }
/** Square pixels, then no side longer than 1280, never enlarged. */
const SCALE = "scale=iw*max(sar\\,0.01):ih,setsar=1,scale='min(1280,iw)':'min(1280,ih)':force_original_aspect_ratio=decrease"
/** Where a frame is looked for, as parts of the length: the first that is not black is taken. */
const PLACES = [0.1, 0.3, 0.55, 0]
/** Below this mean of 0–255 a frame counts as black. */
const BLACK = 14

export interface FfmpegOptions {
  readonly ffmpegPath: string
  readonly signal: AbortSignal
}

/** A frame at a tenth of the film, or the first later one that shows something. @throws CannotDerive. */
export async function filmFrame(path: string, durationMs: number | null, options: FfmpegOptions): Promise<Pixels> {
  const places = durationMs === null ? [0] : PLACES
  let darkest: Pixels | null = null
  let reason = 'no frame can be decoded'
  for (const place of places) {
    const seek = place === 0 ? [] : ['-ss', String(((durationMs ?? 0) * place) / 1000)]
    const frame = await oneFrame([...seek, ...safeInput(path), '-map', '0:V:0', '-an', '-sn', '-dn', '-vf', SCALE], options)
    if ('error' in frame) {
      reason = frame.error
      continue
    }
    const pixels = await decode(frame.png)
    if ((await brightness(pixels)) >= BLACK) return pixels
    darkest ??= pixels
  }
  if (darkest) return darkest
  throw new CannotDerive(`This film is broken or of an unknown kind (${reason}).`)
}

/** The cover of a sound, else its wave form. @throws CannotDerive. */
export async function soundPicture(path: string, options: FfmpegOptions): Promise<Pixels> {
  const cover = await oneFrame([...safeInput(path), '-map', '0:v:0', '-an', '-vf', SCALE], options)
  if (!('error' in cover)) return decode(cover.png)
  const wave = 'aformat=channel_layouts=mono,showwavespic=s=1280x720:colors=0x8aa4ff'
  const drawn = await oneFrame([...safeInput(path), '-filter_complex', `[0:a:0]${wave}[w]`, '-map', '[w]'], options)
  if ('error' in drawn) throw new CannotDerive(`This sound is broken or of an unknown kind (${drawn.error}).`)
  const flat = await sharp(drawn.png).flatten({ background: '#12151f' }).png().toBuffer()
  return decode(flat)
}

/** A picture that libvips does not read. `expected`: its size when something knows it; a part of it (one tile) is refused. */
export async function pictureByFfmpeg(
  path: string,
  expected: { readonly width: number; readonly height: number } | null,
  options: FfmpegOptions,
): Promise<Pixels> {
  const frame = await oneFrame([...safeInput(path), '-map', '0:v:0'], options)
  if ('error' in frame) throw new CannotDerive(`This picture is broken, or this machine cannot decode its kind (${frame.error}).`)
  const { width, height } = await sharp(frame.png).metadata()
  if (expected && Math.max(width, height) < Math.max(expected.width, expected.height) * 0.9) {
    throw new CannotDerive('This machine decodes this kind of picture only in parts: ffmpeg 7 or newer shows it whole.')
  }
  return decode(frame.png)
}

async function oneFrame(args: readonly string[], options: FfmpegOptions): Promise<{ readonly png: Buffer } | { readonly error: string }> {
  const whole = ['-v', 'error', '-nostdin', '-threads', '1', ...args, '-frames:v', '1', '-c:v', 'png', '-f', 'image2pipe', 'pipe:1']
  try {
    const output = await runTool(options.ffmpegPath, whole, { ...LIMITS, signal: options.signal })
    return output.code === 0 && output.stdout.length > 0 ? { png: output.stdout } : { error: lastWords(output.stderr) }
  } catch (error) {
    if (error instanceof ToolError && (error.kind === 'timeout' || error.kind === 'output')) return { error: `decoding ${error.message}` }
    if (error instanceof ToolError && error.kind === 'missing') throw new NeedsProgram('ffmpeg', { cause: error })
    throw error
  }
}
