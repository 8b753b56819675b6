import sharp, { type Sharp } from 'sharp'
import { exiftoolPath } from 'exiftool-vendored'
import { PREVIEWS, type PreviewName } from '@thatdam/protocol/recipes'
import { runTool, ToolError } from '../indexer/tool.ts'

/* Pictures → thumbnails by libvips inside this process: one decode serves all sizes. */

/** 16,383 × 16,383: more is refused before it is decoded. */
const PIXELS_MAX = 268_402_689
const TIMEOUT_SECONDS = 60
const PREVIEW_MAX_BYTES = 128 * 1024 * 1024
const LONGEST = Math.max(...Object.values(PREVIEWS).map((recipe) => recipe.long))

sharp.cache(false)
sharp.concurrency(1)

/** A source that will never have this derivative; `message` is a sentence for a person. */
export class CannotDerive extends Error {
  override readonly name = 'CannotDerive'
}

/** This machine lacks what it takes; another one may have it. ffprobe comes with ffmpeg. */
export class NeedsProgram extends Error {
  override readonly name = 'NeedsProgram'
  readonly program: 'ffmpeg' | 'exiftool'
  constructor(program: NeedsProgram['program'], options?: ErrorOptions) {
    super(program === 'ffmpeg' ? 'This machine has no ffmpeg.' : 'exiftool does not run on this machine.', options)
    this.program = program
  }
}

export interface Thumbnail {
  readonly recipe: PreviewName
  readonly data: Buffer
  readonly width: number
  readonly height: number
  readonly mimeType: 'image/webp'
}

/** Upright sRGB pixels, no side longer than the largest recipe. */
export interface Pixels {
  readonly data: Buffer
  readonly info: { readonly width: number; readonly height: number; readonly channels: 1 | 2 | 3 | 4 }
}

/** `orientation`: EXIF's, for a preview that does not carry that of its file. @throws CannotDerive. */
export async function decode(input: string | Buffer, orientation: number | null = null): Promise<Pixels> {
  try {
    const options = { limitInputPixels: PIXELS_MAX, sequentialRead: true, failOn: 'truncated' as const }
    const upright = orientation === null ? sharp(input, options).autoOrient() : turn(sharp(input, options), orientation)
    const { data, info } = await upright
      .resize({ width: LONGEST, height: LONGEST, fit: 'inside', withoutEnlargement: true })
      .toColourspace('srgb')
      .timeout({ seconds: TIMEOUT_SECONDS })
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { data, info: { width: info.width, height: info.height, channels: info.channels } }
  } catch (error) {
    throw new CannotDerive(reasonOf(error), { cause: error })
  }
}

const TURNS: Readonly<Record<number, readonly [degrees: number, mirrored: boolean]>> = {
  2: [0, true],
  3: [180, false],
  4: [180, true],
  5: [270, true],
  6: [90, false],
  7: [90, true],
  8: [270, false],
}

function turn(image: Sharp, orientation: number): Sharp {
  const [degrees, mirrored] = TURNS[orientation] ?? [0, false]
  const turned = degrees === 0 ? image : image.rotate(degrees)
  return mirrored ? turned.flop() : turned
}

function reasonOf(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
  if (/exceeds pixel limit/i.test(message)) return 'This picture has more than 268 million pixels: no preview is made.'
  if (/timeout/i.test(message)) return `This picture takes longer than ${TIMEOUT_SECONDS} seconds to decode: no preview is made.`
  return `This picture is broken or of an unknown kind (${message.slice(0, 200)}).`
}

export async function encode(pixels: Pixels, recipe: PreviewName): Promise<Thumbnail> {
  const { long, quality } = PREVIEWS[recipe]
  const { data, info } = await sharp(pixels.data, { raw: pixels.info })
    .resize({ width: long, height: long, fit: 'inside', withoutEnlargement: true })
    .webp({ quality, effort: 2 })
    .timeout({ seconds: TIMEOUT_SECONDS })
    .toBuffer({ resolveWithObject: true })
  return { recipe, data, width: info.width, height: info.height, mimeType: 'image/webp' }
}

/** Mean brightness 0–255 of the first three channels; tells a black frame. */
export async function brightness(pixels: Pixels): Promise<number> {
  const { channels } = await sharp(pixels.data, { raw: pixels.info }).stats()
  const means = channels.slice(0, 3).map((channel) => channel.mean)
  return means.reduce((sum, mean) => sum + mean, 0) / Math.max(1, means.length)
}

const EXIFTOOL_LIMITS = { timeoutMs: 30_000, outputMaxBytes: PREVIEW_MAX_BYTES, memoryMaxBytes: 2 * 1024 ** 3 }

/** The largest picture that a RAW or HEIC file carries inside, turned upright. @throws CannotDerive when there is none, NeedsProgram. */
export async function decodeEmbedded(path: string, signal: AbortSignal): Promise<Pixels> {
  for (const tag of ['JpgFromRaw', 'PreviewImage', 'OtherImage', 'ThumbnailImage']) {
    const preview = await exiftool(['-b', `-${tag}`, path], signal)
    if (preview.length < 100) continue
    const orientation = Number((await exiftool(['-n', '-s3', '-Orientation', path], signal)).toString('latin1').trim())
    const own = await sharp(preview)
      .metadata()
      .then(
        (metadata) => metadata.orientation,
        () => undefined,
      )
    try {
      return await decode(preview, own === undefined && orientation >= 1 && orientation <= 8 ? orientation : null)
    } catch (error) {
      if (!(error instanceof CannotDerive)) throw error // else a smaller one may be whole
    }
  }
  throw new CannotDerive('This picture holds no preview, and this machine cannot decode its kind.')
}

async function exiftool(args: readonly string[], signal: AbortSignal): Promise<Buffer> {
  try {
    return (await runTool(await exiftoolPath(), args, { ...EXIFTOOL_LIMITS, signal })).stdout
  } catch (error) {
    if (error instanceof ToolError && error.kind === 'missing') throw new NeedsProgram('exiftool', { cause: error })
    if (error instanceof ToolError && error.kind !== 'aborted') {
      throw new CannotDerive(`Reading the preview of this picture ${error.message}.`, { cause: error })
    }
    throw error
  }
}
