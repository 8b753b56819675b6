import fs from 'node:fs'
import path from 'node:path'
import type { Finding } from '@thatdam/protocol/doctor'
import type { Check } from '../check.ts'
import { fail, ok, reasonOf, warn } from '../finding.ts'

const NAME = 'Index'
const FOLDER_LIMIT_MS = 3_000

/** Every folder that is indexed: there, readable, and not inside the store or another one. */
export const check: Check = {
  name: NAME,
  limitMs: 5_000,
  run: async ({ agent, env }) => {
    const folders = agent?.settings.indexPaths ?? env.indexPaths ?? []
    if (folders.length === 0) return [ok(NAME, 'No folders are indexed yet: choose some in the console.')]
    return await Promise.all(folders.slice(0, 64).map((folder) => checkFolder(folder, { folders, casRoot: env.casRoot })))
  },
}

async function checkFolder(folder: string, { folders, casRoot }: { folders: readonly string[]; casRoot: string }): Promise<Finding> {
  if (isWithin(folder, casRoot) || isWithin(casRoot, folder))
    return fail(NAME, `${folder} and the store (${casRoot}) lie in one another.`, 'Index another folder, or move the store with CAS_ROOT.')
  const other = folders.find((another) => another !== folder && isWithin(folder, another))
  if (other) return warn(NAME, `${folder} lies in ${other}, which is indexed too.`, `Remove ${folder} from the indexed folders.`)
  try {
    const items = await Promise.race([fs.promises.readdir(folder), silence()])
    if (items === null)
      return fail(
        NAME,
        `${folder} does not answer: a network share whose server is away?`,
        `mount | grep '${folder}'; bring its server back, or unmount it: sudo umount -l '${folder}'`,
      )
    return ok(NAME, `${folder} can be read (${items.length} ${items.length === 1 ? 'item' : 'items'}).`)
  } catch (error) {
    return unreadable(folder, reasonOf(error))
  }
}

/** A share whose server went away never answers; the waiting itself cannot be ended, but nobody waits for it. */
const silence = () => new Promise<null>((resolve) => void setTimeout(resolve, FOLDER_LIMIT_MS, null).unref())

function unreadable(folder: string, reason: string): Finding {
  if (reason === 'ENOENT') return fail(NAME, `${folder} is not there.`, 'Plug in its disk, or remove it from the indexed folders.')
  if (reason === 'ENOTDIR') return fail(NAME, `${folder} is a file, not a folder.`, 'Index the folder that holds it.')
  const fix =
    process.platform === 'linux'
      ? `sudo setfacl -R -m u:${process.getuid?.() ?? 'thatdam'}:rX '${folder}', or run the agent as its owner.`
      : process.platform === 'darwin'
        ? 'System Settings, Privacy & Security, Full Disk Access: add the program that runs the agent.'
        : `icacls "${folder}" /grant "%USERNAME%:(OI)(CI)RX" in a prompt as administrator`
  return fail(NAME, `${folder} may not be read (${reason}).`, fix)
}

function isWithin(inner: string, outer: string): boolean {
  const relative = path.relative(path.resolve(outer), path.resolve(inner))
  return relative === '' || (!relative.startsWith('..') && !path.isAbsolute(relative))
}
