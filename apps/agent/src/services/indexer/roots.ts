import { readdirSync, statSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { realPath } from '@thatdam/store/real-path'

export interface CheckedRoot {
  /** As the owner wrote it, made absolute: its name everywhere. */
  readonly path: string
  /** Where it really lies; null when it is not there. */
  readonly real: string | null
  /** One sentence for the page; null: all is well. */
  readonly problem: string | null
  /** Walked, although there may be something to say. */
  readonly usable: boolean
}

export interface OwnFolders {
  readonly casRoot: string
  readonly stateDir: string
}

const inside = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)

/**
 * Looks at each folder of INDEX_PATHS. A problem of one leaves the others alone. `ours`: the store and the state folder, never indexed.
 */
export function checkRoots(indexPaths: readonly string[], ours: OwnFolders): CheckedRoot[] {
  const own = realOwnFolders(ours)
  const checked: CheckedRoot[] = []
  for (const given of indexPaths) {
    const path = resolve(given)
    if (checked.some((one) => one.path === path)) continue
    checked.push(checkRoot(path, own))
  }
  return checked.map((root) => {
    const outer = checked.find(
      (other) => other !== root && other.usable && root.real !== null && other.real !== null && contains(other, root, checked),
    )
    if (!outer || !root.usable) return root
    return { ...root, usable: false, problem: `${root.path} lies inside ${outer.path}, which is indexed already: remove one of the two.` }
  })
}

/** Two roots that are the same place: the first one counts. */
function contains(outer: CheckedRoot, inner: CheckedRoot, all: readonly CheckedRoot[]): boolean {
  if (outer.real === inner.real) return all.indexOf(outer) < all.indexOf(inner)
  return inside(inner.real ?? '', outer.real ?? '')
}

function checkRoot(path: string, own: readonly string[]): CheckedRoot {
  let real: string
  try {
    real = realPath(path)
    if (!statSync(real).isDirectory()) return refused(path, null, `${path} is not a folder: choose the folder it lies in.`)
    readdirSync(real)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EPERM') return refused(path, null, `${path} cannot be read: give this user the right to read it.`)
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return refused(path, null, `${path} is not there. Connect its disk, or correct the name. What was indexed from it stays.`)
    }
    return refused(path, null, `${path} does not answer (${code ?? 'unknown'}). Check its disk or network. What was indexed from it stays.`)
  }
  const around = own.find((folder) => inside(real, folder))
  if (around !== undefined) return refused(path, real, `${path} lies inside ThatDAM's own folder ${around}: choose another one.`)
  const within = own.find((folder) => inside(folder, real))
  const problem = within === undefined ? null : `${within}, ThatDAM's own folder, lies inside ${path} and is left out.`
  return { path, real, problem, usable: true }
}

function refused(path: string, real: string | null, problem: string): CheckedRoot {
  return { path, real, problem, usable: false }
}

/** Where the store and the state folder really lie. */
export function realOwnFolders(ours: OwnFolders): string[] {
  return [ours.casRoot, ours.stateDir].map(realOrSame)
}

function realOrSame(path: string): string {
  try {
    return realPath(path)
  } catch {
    return resolve(path)
  }
}
