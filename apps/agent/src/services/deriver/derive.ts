import sharp from 'sharp'
import type { DerivativeJob } from '@thatdam/store/derivatives'
import { isPreviewName } from '@thatdam/store/recipe-hash'
import { filmFrame, pictureByFfmpeg, soundPicture } from './film.ts'
import { CannotDerive, decode, decodeEmbedded, encode, NeedsProgram, type Pixels, type Thumbnail } from './picture.ts'

export interface DeriveOptions {
  readonly ffmpegPath: string | null
  readonly signal: AbortSignal
}

/** Libvips in sharp's build reads these by itself. */
const SHARP_TYPES = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/tiff', 'image/avif', 'image/svg+xml'])
const FFMPEG_TYPES = new Set(['image/bmp', 'image/jp2', 'image/jxl', 'image/vnd.adobe.photoshop'])

/** Makes the wanted sizes of one source from one decode. @throws CannotDerive, NeedsProgram. */
export async function derive(path: string, job: DerivativeJob, options: DeriveOptions): Promise<Thumbnail[]> {
  const wanted = job.recipes.flatMap(({ recipe }) => (isPreviewName(recipe) ? [recipe] : []))
  if (wanted.length === 0) return []
  const pixels = await pixelsOf(path, job, options)
  const thumbnails: Thumbnail[] = []
  for (const recipe of wanted) thumbnails.push(await encode(pixels, recipe))
  return thumbnails
}

function pixelsOf(path: string, job: DerivativeJob, options: DeriveOptions): Promise<Pixels> {
  if (job.kind === 'photo') return photo(path, job.mimeType, options)
  const ffmpeg = needed(options)
  return job.kind === 'video' ? filmFrame(path, job.durationMs, ffmpeg) : soundPicture(path, ffmpeg)
}

function needed(options: DeriveOptions): { ffmpegPath: string; signal: AbortSignal } {
  if (options.ffmpegPath === null) throw new NeedsProgram('ffmpeg')
  return { ffmpegPath: options.ffmpegPath, signal: options.signal }
}

async function photo(path: string, mimeType: string, options: DeriveOptions): Promise<Pixels> {
  if (SHARP_TYPES.has(mimeType)) return decode(path)
  if (FFMPEG_TYPES.has(mimeType)) return pictureByFfmpeg(path, null, needed(options))
  try {
    return await decodeEmbedded(path, options.signal)
  } catch (error) {
    const isTried = mimeType === 'image/heic' && (error instanceof CannotDerive || error instanceof NeedsProgram)
    if (!isTried) throw error
  }
  const expected = await sharp(path)
    .metadata()
    .then(
      ({ width, height }) => ({ width, height }),
      () => null,
    )
  return pictureByFfmpeg(path, expected, needed(options))
}
