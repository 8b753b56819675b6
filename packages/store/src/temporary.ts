import { createHash, randomBytes } from 'node:crypto'
import { readdir, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** A file of another machine or container that nobody wrote to for so long is a left-over. */
const FOREIGN_STALE_MS = 24 * 60 * 60 * 1000
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8)

/** `<host>-<pid>-<random>`: tells at the next open whether its writer still lives. */
export function temporaryName(): string {
  return `${HOST}-${process.pid}-${randomBytes(8).toString('hex')}`
}

/** Removes what dead writers left. A file of a living process of this host is never touched. */
export async function sweepTemporary(folder: string, now: number = Date.now()): Promise<number> {
  let removed = 0
  for (const name of await readdir(folder)) {
    const path = join(folder, name)
    const [host, pid] = name.split('-')
    const stale = host === HOST && !isAlive(Number(pid))
    const old =
      host !== HOST &&
      (await stat(path).then(
        (found) => now - found.mtimeMs > FOREIGN_STALE_MS,
        () => false,
      ))
    if (!stale && !old) continue
    await unlink(path).then(
      () => removed++,
      () => {}, // another process sweeps at the same time
    )
  }
  return removed
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
