export type Entry = { name: string; mode?: number } & ({ source: string } | { text: string } | { link: string })
export const GZIP_LEVEL: number
export function sorted(entries: readonly Entry[]): Entry[]
export function contentHash(entries: readonly Entry[]): string
export function writeTarGz(
  file: string,
  entries: readonly Entry[],
  options?: { level?: number },
): Promise<{ sha256: string; sizeBytes: number; contentBytes: number }>
