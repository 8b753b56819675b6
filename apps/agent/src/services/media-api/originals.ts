import { constants } from 'node:fs'
import { open, realpath, stat, type FileHandle } from 'node:fs/promises'
import { resolve, sep } from 'node:path'
import { ThatdamError } from '@thatdam/protocol/errors'
import { joinPath, type Location, type Locations } from '@thatdam/store/locations'
import { realPath } from '@thatdam/store/real-path'

export interface OpenOriginal {
  readonly handle: FileHandle
  readonly sizeBytes: number
}

/**
 * Opens an original at one of its places, only while it is the very file that was indexed: below a root the owner chose now, no link on
 * its way out of it (THREATS 17), same size and modification time.
 * Null: no place is known here. @throws ThatdamError SOURCE_CHANGED, UNAVAILABLE.
 */
export async function openOriginal(assetId: string, locations: Locations, indexPaths: readonly string[]): Promise<OpenOriginal | null> {
  const allowed = new Set(indexPaths.map((path) => resolve(path)))
  const known = locations.find(assetId).filter((location) => allowed.has(location.root))
  const first = known[0]
  if (!first) return null
  let changed = false
  for (const location of known) {
    const found = await openAt(location)
    if (found !== 'changed' && found !== 'away') return found
    changed ||= found === 'changed'
  }
  if (changed) {
    throw new ThatdamError(
      'SOURCE_CHANGED',
      'This original was changed since it was indexed. It is being looked at again: reload in a moment.',
    )
  }
  throw new ThatdamError('UNAVAILABLE', `The original lies in ${first.root}, which is not connected now. Connect its disk and try again.`)
}

async function openAt(location: Location): Promise<OpenOriginal | 'changed' | 'away'> {
  let handle: FileHandle
  let real: Buffer
  let root: string
  try {
    root = realPath(location.root)
    const absolute = joinPath(Buffer.from(root), location.path)
    handle = await open(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      real = await realFile(absolute)
    } catch (error) {
      await handle.close()
      throw error
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ELOOP' ? 'changed' : 'away'
  }
  const opened = await handle.stat({ bigint: true })
  const prefix = Buffer.from(root.endsWith(sep) ? root : root + sep)
  const inside = real.subarray(0, prefix.length).equals(prefix)
  // What lies at the real path must be what was opened: nothing was swapped in between.
  const named = inside ? await stat(real, { bigint: true }).catch(() => null) : null
  const same =
    named !== null && opened.isFile() && named.ino === opened.ino && named.dev === opened.dev && Number(opened.size) === location.sizeBytes
  if (same && opened.mtimeNs === location.mtimeNs) return { handle, sizeBytes: location.sizeBytes }
  await handle.close()
  return 'changed'
}

/** Names are bytes; `realPath` is for the volumes of Windows whose names the system does not tell. */
async function realFile(absolute: Buffer): Promise<Buffer> {
  return realpath(absolute, { encoding: 'buffer' }).catch(() => Buffer.from(realPath(absolute.toString('utf8'))))
}
