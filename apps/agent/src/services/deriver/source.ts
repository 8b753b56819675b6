import { lstatSync } from 'node:fs'
import type { BlobStore } from '@thatdam/store/blob-store'
import { joinPath, type Location, type Locations } from '@thatdam/store/locations'
import { realPath } from '@thatdam/store/real-path'
import type { NamedFile, OddNames } from '../indexer/odd-names.ts'

/** Where the bytes of a source can be read on this node, as a path a program can be given: the store first, then an original. Null: nowhere. */
export async function findSource(
  sha256: string,
  places: { readonly store: BlobStore; readonly locations: Locations; readonly names: OddNames },
): Promise<NamedFile | null> {
  const stored = await places.store.localPath(sha256)
  if (stored !== null) return { path: stored, release: () => {} }
  for (const location of places.locations.find(sha256)) {
    const absolute = unchangedOriginal(location)
    if (absolute) return places.names.name(absolute)
  }
  return null
}

/** The original's path when it is still the file that was indexed. */
function unchangedOriginal(location: Location): Buffer | null {
  try {
    const absolute = joinPath(Buffer.from(realPath(location.root)), location.path)
    const stats = lstatSync(absolute, { bigint: true })
    return stats.isFile() && Number(stats.size) === location.sizeBytes && stats.mtimeNs === location.mtimeNs ? absolute : null
  } catch {
    return null
  }
}
