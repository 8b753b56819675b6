import fs from 'node:fs'
import path from 'node:path'
import type { StoreRoot } from '@thatdam/protocol/facts'

/** Size and free bytes (those that an ordinary user may fill) of the disk below each root; a root that is not made yet counts as its nearest parent. */
export async function gatherStores(roots: readonly string[]): Promise<StoreRoot[]> {
  const unique = [...new Set(roots)].slice(0, 32)
  return await Promise.all(
    unique.map(async (root) => {
      const space = await diskSpace(root)
      return { root, diskTotalBytes: space?.totalBytes ?? 0, diskFreeBytes: space?.freeBytes ?? 0 }
    }),
  )
}

export async function diskSpace(folder: string): Promise<{ totalBytes: number; freeBytes: number } | null> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    try {
      const space = await fs.promises.statfs(at)
      return { totalBytes: space.blocks * space.bsize, freeBytes: space.bavail * space.bsize }
    } catch {
      if (path.dirname(at) === at) return null
    }
  }
}
