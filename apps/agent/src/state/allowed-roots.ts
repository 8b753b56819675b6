import { realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import * as z from 'zod/mini'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const AllowedFile = z.object({ version: z.literal(1), roots: z.array(z.string().check(z.maxLength(1024))).check(z.maxLength(64)) })

/** Folders within which the cloud may set index paths; the owner decides them on the machine (THREATS 24). */
export function defaultAllowedRoots(indexPaths: readonly string[]): string[] {
  const system =
    process.platform === 'win32'
      ? Array.from('DEFGHIJKLMNOPQRSTUVWXYZ', (letter) => `${letter}:\\`)
      : process.platform === 'darwin'
        ? ['/Volumes']
        : ['/media', '/mnt', '/srv', '/run/media']
  return [...new Set([homedir(), ...system, ...indexPaths])]
}

export async function readAllowedRoots(path: string, indexPaths: readonly string[]): Promise<string[]> {
  const file = await readJson(path, AllowedFile)
  return file ? [...new Set([...file.roots, ...indexPaths])] : defaultAllowedRoots(indexPaths)
}

export const writeAllowedRoots = (path: string, roots: readonly string[]): Promise<void> =>
  writeFileDurable(path, `${JSON.stringify({ version: 1, roots })}\n`)

/** True when the folder lies in one of the roots, links followed as far as they exist. */
export function isAllowed(path: string, roots: readonly string[]): boolean {
  if (!isAbsolute(path) || path.includes('\0')) return false
  const real = followed(resolve(path))
  return roots.some((root) => {
    const below = relative(followed(resolve(root)), real)
    return below === '' || (below !== '..' && !below.startsWith(`..${sep}`) && !isAbsolute(below))
  })
}

/** The path with links followed; of one that does not exist, its nearest existing folder is followed. */
function followed(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(followed(parent), relative(parent, path))
  }
}
