/** Bytes [start, end) of a whole of `sizeBytes`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * The `Range` header (RFC 9110 §14). One range is answered; several, another unit or what cannot be parsed are ignored (the whole is sent,
 * as the RFC allows); one that lies outside is `unsatisfiable`.
 */
export function parseRange(header: string | undefined, sizeBytes: number): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/.exec(header ?? '')
  if (!match) return 'whole'
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return 'whole'
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes)
    return length === 0 ? 'unsatisfiable' : { start: sizeBytes - length, end: sizeBytes }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return 'whole'
  if (start >= sizeBytes) return 'unsatisfiable'
  return { start, end: last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes) }
}

/** True when `If-None-Match` names this entity (weak comparison), so that 304 is the answer. */
export function isNotModified(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header
    .split(',')
    .map((part) => part.trim().replace(/^W\//, ''))
    .some((part) => part === '*' || part === etag)
}

/** `If-Range` (strong comparison): a range is valid only for the bytes the client already has a part of. A date never is. */
export function rangeApplies(header: string | undefined, etag: string): boolean {
  return header === undefined || header.trim() === etag
}

/** `Content-Disposition: attachment` with a name that no client can take for a path or a header (RFC 6266, RFC 8187). */
export function attachment(name: string): string {
  const clean = name
    .toWellFormed()
    .replaceAll(/[\p{Cc}/\\]+/gu, ' ')
    .trim()
    .slice(0, 255)
    .toWellFormed()
  const safe = clean === '' || /^\.+$/.test(clean) ? 'download' : clean
  const ascii = safe.replaceAll(/[^\x20-\x7e]/g, '_').replaceAll(/["%]/g, '_')
  const encoded = encodeURIComponent(safe).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

const INLINE_TYPES = new Set(['jpeg', 'png', 'webp', 'gif', 'avif', 'bmp', 'tiff', 'heic', 'jxl'].map((name) => `image/${name}`))

/** Only pictures, films and sounds are ever shown in place; documents that can run script (SVG, HTML, XML, PDF) are downloads (THREATS 23). */
export function mayShowInline(mimeType: string): boolean {
  return INLINE_TYPES.has(mimeType) || /^(video|audio)\/[a-z0-9.+-]+$/.test(mimeType)
}
