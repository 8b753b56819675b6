import type { AssetKind } from '@thatdam/protocol/ops'

export interface MediaType {
  readonly kind: Exclude<AssetKind, 'other'>
  readonly mimeType: string
}

/** Of a file's beginning: enough for its type, and for the whole header of most pictures. */
export const HEAD_BYTES = 64 * 1024

const photo = (mimeType: string): MediaType => ({ kind: 'photo', mimeType })
const video = (mimeType: string): MediaType => ({ kind: 'video', mimeType })
const audio = (mimeType: string): MediaType => ({ kind: 'audio', mimeType })

/** What is taken as media, by extension. RAW formats carry the vendors' media types as exiftool names them. */
const BY_EXTENSION: Readonly<Record<string, MediaType>> = {
  ...same(['jpg', 'jpeg', 'jpe', 'jfif', 'insp'], photo('image/jpeg')),
  ...same(['png', 'apng'], photo('image/png')),
  ...same(['tif', 'tiff'], photo('image/tiff')),
  ...same(['heic', 'heif', 'hif'], photo('image/heic')),
  ...same(['mp4', 'm4v', 'insv', 'lrv'], video('video/mp4')),
  ...same(['mov', 'qt'], video('video/quicktime')),
  ...same(['mkv'], video('video/x-matroska')),
  ...same(['ts', 'mts', 'm2ts', 'm2t'], video('video/mp2t')),
  ...same(['mpg', 'mpeg', 'mpe', 'm2v', 'vob', 'mod'], video('video/mpeg')),
  ...same(['wmv', 'asf'], video('video/x-ms-wmv')),
  ...same(['3gp', '3g2'], video('video/3gpp')),
  ...same(['ogv'], video('video/ogg')),
  ...same(['ogg', 'oga', 'opus'], audio('audio/ogg')),
  ...same(['m4a', 'm4b'], audio('audio/mp4')),
  ...same(['wav', 'wave', 'bwf', 'rf64'], audio('audio/wav')),
  ...same(['aif', 'aiff', 'aifc'], audio('audio/aiff')),
  webp: photo('image/webp'),
  gif: photo('image/gif'),
  bmp: photo('image/bmp'),
  avif: photo('image/avif'),
  jxl: photo('image/jxl'),
  jp2: photo('image/jp2'),
  psd: photo('image/vnd.adobe.photoshop'),
  svg: photo('image/svg+xml'),
  dng: photo('image/x-adobe-dng'),
  ...same(['cr2', 'crw'], photo('image/x-canon-cr2')),
  cr3: photo('image/x-canon-cr3'),
  ...same(['nef', 'nrw'], photo('image/x-nikon-nef')),
  ...same(['arw', 'srf', 'sr2'], photo('image/x-sony-arw')),
  raf: photo('image/x-fujifilm-raf'),
  orf: photo('image/x-olympus-orf'),
  rw2: photo('image/x-panasonic-rw2'),
  pef: photo('image/x-pentax-pef'),
  srw: photo('image/x-samsung-srw'),
  x3f: photo('image/x-sigma-x3f'),
  '3fr': photo('image/x-hasselblad-3fr'),
  fff: photo('image/x-hasselblad-fff'),
  iiq: photo('image/x-phaseone-iiq'),
  rwl: photo('image/x-leica-rwl'),
  gpr: photo('image/x-gopro-gpr'),
  erf: photo('image/x-epson-erf'),
  kdc: photo('image/x-kodak-kdc'),
  dcr: photo('image/x-kodak-dcr'),
  mos: photo('image/x-leaf-mos'),
  mef: photo('image/x-mamiya-mef'),
  webm: video('video/webm'),
  avi: video('video/x-msvideo'),
  flv: video('video/x-flv'),
  mxf: video('application/mxf'),
  braw: video('video/x-blackmagic-raw'),
  r3d: video('video/x-red-r3d'),
  dv: video('video/dv'),
  mp3: audio('audio/mpeg'),
  aac: audio('audio/aac'),
  flac: audio('audio/flac'),
  wma: audio('audio/x-ms-wma'),
  mka: audio('audio/x-matroska'),
  amr: audio('audio/amr'),
  ac3: audio('audio/ac3'),
  ape: audio('audio/x-ape'),
  wv: audio('audio/x-wavpack'),
  dsf: audio('audio/x-dsf'),
}

function same(extensions: readonly string[], type: MediaType): Record<string, MediaType> {
  return Object.fromEntries(extensions.map((extension) => [extension, type]))
}

/** Extension in lower case, without its dot; empty when there is none. */
export function extensionOf(name: Buffer): string {
  return /[^/]\.([A-Za-z0-9]{1,8})$/.exec(name.subarray(-10).toString('latin1'))?.[1]?.toLowerCase() ?? ''
}

export function typeByName(name: Buffer): MediaType | null {
  const extension = extensionOf(name)
  return Object.hasOwn(BY_EXTENSION, extension) ? (BY_EXTENSION[extension] ?? null) : null
}

const text = (head: Buffer, start: number, end: number): string => head.subarray(start, end).toString('latin1')

const ISO_BRANDS: readonly (readonly [RegExp, MediaType])[] = [
  [/^(heic|heix|heim|heis|hevc|mif1|msf1)/, photo('image/heic')],
  [/^avi[fs]/, photo('image/avif')],
  [/^crx /, photo('image/x-canon-cr3')],
  [/^qt {2}/, video('video/quicktime')],
  [/^M4[AB] /, audio('audio/mp4')],
  [/^3g[2pegrst]/, video('video/3gpp')],
]

/**
 * What the first bytes say; null when they are none of the common forms, which proves nothing (RAW formats, old containers).
 * `head` are the first 64 or more bytes, fewer only when the file is shorter.
 */
export function typeByContent(head: Buffer): MediaType | null {
  if (text(head, 4, 8) === 'ftyp') {
    const brand = text(head, 8, 12)
    return ISO_BRANDS.find(([pattern]) => pattern.test(brand))?.[1] ?? video('video/mp4')
  }
  if (['moov', 'mdat', 'wide', 'free', 'skip'].includes(text(head, 4, 8))) return video('video/quicktime')
  if (head[0] === 0xff && head[1] === 0xd8 && head[2] === 0xff) return photo('image/jpeg')
  if (text(head, 0, 8) === '\x89PNG\r\n\x1a\n') return photo('image/png')
  if (text(head, 0, 4) === 'GIF8') return photo('image/gif')
  if (text(head, 0, 4) === 'RIFF') return riff(text(head, 8, 12))
  if (['II*\0', 'MM\0*'].includes(text(head, 0, 4))) return photo('image/tiff')
  if (text(head, 0, 4) === '\x1a\x45\xdf\xa3') return video(matroska(head))
  if (text(head, 0, 4) === 'fLaC') return audio('audio/flac')
  if (text(head, 0, 4) === 'OggS') return head.includes('theora') ? video('video/ogg') : audio('audio/ogg')
  if (text(head, 0, 3) === 'ID3') return audio('audio/mpeg')
  if (text(head, 0, 4) === '8BPS') return photo('image/vnd.adobe.photoshop')
  return null
}

function riff(form: string): MediaType | null {
  if (form === 'WEBP') return photo('image/webp')
  if (form === 'AVI ') return video('video/x-msvideo')
  return form === 'WAVE' ? audio('audio/wav') : null
}

function matroska(head: Buffer): string {
  return head.subarray(0, 64).includes('webm') ? 'video/webm' : 'video/x-matroska'
}

/** Formats whose first bytes must be as named: anything else under the name is a broken file. */
const SURE_BY_CONTENT = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp', 'image/heic', 'audio/flac'])
const FAMILIES: Readonly<Record<string, string>> = { 'image/tiff': 'photo' }

/**
 * The type of a file from its name and first bytes. Content wins where it is certain; a RAW file that looks like TIFF keeps its name's type.
 * `problem`: the name says a format whose mark the bytes do not bear.
 */
export function decideType(name: Buffer, head: Buffer): { readonly type: MediaType | null; readonly problem: string | null } {
  const named = typeByName(name)
  const seen = typeByContent(head)
  if (!named) return { type: seen, problem: null }
  if (!seen) {
    const problem = SURE_BY_CONTENT.has(named.mimeType)
      ? `This file is named .${extensionOf(name)} but its content is not: it is broken or has a wrong name.`
      : null
    return { type: named, problem }
  }
  if (FAMILIES[seen.mimeType] === named.kind) return { type: named, problem: null }
  // One container, several media: what is in it decides, which only a probe can tell.
  const containers = ['video/mp4', 'video/quicktime', 'video/3gpp', 'video/x-matroska', 'audio/ogg']
  if (containers.includes(seen.mimeType) && named.kind !== 'photo') return { type: named, problem: null }
  if (seen.kind === named.kind && named.mimeType.includes('x-')) return { type: named, problem: null }
  return { type: seen, problem: null }
}
