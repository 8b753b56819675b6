import { createHash } from 'node:crypto'

/** A camera id out of what the system tells: characters that ids may not hold become `-`, what is too long ends in a hash. */
export function cameraId(kind: string, ...parts: readonly (string | null)[]): string {
  const text = [kind, ...parts]
    .filter((part) => part !== null && part !== '')
    .join(':')
    .replace(/[^A-Za-z0-9._:@-]+/g, '-')
  if (text.length <= 128) return text
  return `${text.slice(0, 111)}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`
}
