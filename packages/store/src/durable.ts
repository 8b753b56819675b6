import { randomBytes } from 'node:crypto'
import { open, readFile, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type * as z from 'zod/mini'
import { ThatdamError } from '@thatdam/protocol/errors'

/** Windows cannot open a folder for fsync; NTFS journals the rename itself. */
const DIRECTORY_SYNC = process.platform !== 'win32'

/**
 * Makes renames, creations and removals in a folder survive a power cut: without it a renamed file's *name* may be lost
 * although its bytes were synced.
 */
export async function fsyncDirectory(path: string): Promise<void> {
  if (!DIRECTORY_SYNC) return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Pauses between tries on Windows, about 5 s together: a scanner looks at a new file for that long at most. */
const HELD_PAUSES_MS: readonly number[] = [10, 20, 40, 80, 160, 320, 640, 1_280, 2_500]
/** How Windows says that somebody has the file, or one below the folder, open. */
const HELD: readonly (string | undefined)[] = ['EPERM', 'EACCES', 'EBUSY']

/** For tests: another system, a rename that fails, pauses that take no time. */
export interface RenameHost {
  readonly platform: NodeJS.Platform
  rename(from: string, to: string): Promise<void>
  pause(ms: number): Promise<unknown>
}

/**
 * Renames a file or folder. Windows refuses while anybody has source or target open, a scanner or a reader, which is soon over: it is tried
 * again for about 5 s there. @throws the system's error.
 */
export async function renamePatiently(
  from: string,
  to: string,
  host: RenameHost = { platform: process.platform, rename, pause: (ms) => delay(ms) },
): Promise<void> {
  const pauses = host.platform === 'win32' ? HELD_PAUSES_MS : []
  for (const ms of pauses) {
    try {
      return await host.rename(from, to)
    } catch (error) {
      if (!HELD.includes((error as NodeJS.ErrnoException).code)) throw error
    }
    await host.pause(ms)
  }
  await host.rename(from, to)
}

/**
 * Replaces a file so that after a crash or a power cut it holds either the old or the new bytes, whole.
 * Temporary file in the same folder → write → fsync → rename → fsync of the folder. `mode` (default 0600) is that of the new file.
 * @throws the system's error (ENOSPC, EACCES …); the old file is then untouched and no temporary file stays.
 */
export async function writeFileDurable(path: string, data: string | Uint8Array, options: { readonly mode?: number } = {}): Promise<void> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o600)
    try {
      await handle.writeFile(data)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await renamePatiently(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await fsyncDirectory(folder)
}

/** Moves a damaged file out of the way, for a person to look at; what stood there before is replaced. @returns where it lies now. */
export async function setAside(path: string): Promise<string> {
  const aside = `${path}.damaged`
  await renamePatiently(path, aside)
  return aside
}

/**
 * Reads a JSON file and checks it against its schema. Missing → null.
 * @throws ThatdamError INTERNAL that names the file and what to do when it cannot be read or does not hold what it should:
 * the file is never changed or removed here.
 */
export async function readJson<S extends z.ZodMiniType>(path: string, schema: S): Promise<z.output<S> | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new ThatdamError('INTERNAL', `${path} cannot be read (${errnoText(error)}). Check its permissions and its disk.`, {
      cause: error,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw corrupt(path, 'it is not JSON', error)
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw corrupt(path, `${issue?.path.join('.') || 'its content'}: ${issue?.message ?? 'not as expected'}`, parsed.error)
  }
  return parsed.data
}

function corrupt(path: string, what: string, cause: unknown): ThatdamError {
  return new ThatdamError('INTERNAL', `${path} is damaged (${what}). Restore it from a backup, or move it away and start again.`, { cause })
}

/** "ENOSPC" and the like, for sentences; the message of anything else. */
export function errnoText(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return (error as NodeJS.ErrnoException).code ?? error.message
}
