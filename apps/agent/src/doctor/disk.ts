import fs from 'node:fs'
import path from 'node:path'
import { defaultReserveBytes } from '@thatdam/store/disk'
import { diskSpace } from '../facts/disks.ts'
import { parseLsblk } from '../facts/parse/lsblk.ts'
import { findTool, runTool } from '../facts/tool.ts'
import { fail, type Finding, ok, reasonOf, warn } from './finding.ts'

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`

/** Free space of the store's disk against what is kept in reserve, and whether that disk is one that wears out or comes off. */
export async function checkDisk(casRoot: string): Promise<Finding[]> {
  const name = 'Disk'
  const space = await diskSpace(casRoot)
  if (!space) return [fail(name, `The disk of ${casRoot} cannot be read.`, 'Is it mounted? Try: df -h')]
  const reserve = defaultReserveBytes(space.totalBytes)
  const told = `${gigabytes(space.freeBytes)} of ${gigabytes(space.totalBytes)} free where the store lies (${casRoot})`
  if (space.freeBytes < reserve)
    return [
      fail(
        name,
        `${told}: less than the reserve of ${gigabytes(reserve)}, so nothing more is recorded.`,
        'Free some space, or set CAS_ROOT to a folder on a larger disk.',
      ),
    ]
  const free =
    space.freeBytes < 2 * reserve
      ? warn(name, `${told}: recordings stop at ${gigabytes(reserve)}.`, 'Free some space soon.')
      : ok(name, `${told}.`)
  return [free, ...(await checkMedium(casRoot))]
}

async function checkMedium(casRoot: string): Promise<Finding[]> {
  const lsblk = process.platform === 'linux' ? findTool(['lsblk']) : null
  if (!lsblk) return []
  const listed = await runTool(lsblk, ['-J', '-o', 'NAME,PATH,RM,HOTPLUG,TRAN,MOUNTPOINT'])
  const folder = path.resolve(casRoot)
  const holding = parseLsblk(listed.stdout)
    .filter((device) => folder === device.mountPoint || folder.startsWith(device.mountPoint === '/' ? '/' : `${device.mountPoint}/`))
    .toSorted((a, b) => b.mountPoint.length - a.mountPoint.length)[0]
  if (holding?.transport === 'mmc')
    return [warn('Disk', `The store lies on an SD card (${holding.path}): recording wears it out.`, 'Set CAS_ROOT to a folder on a disk.')]
  if (holding?.removable)
    return [warn('Disk', `The store lies on a removable disk (${holding.path}).`, 'Keep it plugged in while the agent runs.')]
  return []
}

/** Every folder that is indexed: there, readable, and not inside the store or another one. */
export async function checkIndexPaths(indexPaths: readonly string[], casRoot: string): Promise<Finding[]> {
  const name = 'Index'
  if (indexPaths.length === 0) return [ok(name, 'No folders are indexed yet: choose some in the console.')]
  const findings = await Promise.all(
    indexPaths.map(async (folder): Promise<Finding> => {
      if (isWithin(folder, casRoot) || isWithin(casRoot, folder))
        return fail(
          name,
          `${folder} and the store (${casRoot}) lie in one another.`,
          'Index another folder, or move the store with CAS_ROOT.',
        )
      const other = indexPaths.find((another) => another !== folder && isWithin(folder, another))
      if (other) return warn(name, `${folder} lies in ${other}, which is indexed too.`, `Remove ${folder} from the indexed folders.`)
      try {
        const items = await fs.promises.readdir(folder)
        return ok(name, `${folder} can be read (${items.length} ${items.length === 1 ? 'item' : 'items'}).`)
      } catch (error) {
        return unreadable(folder, reasonOf(error))
      }
    }),
  )
  return findings.slice(0, 64)
}

function unreadable(folder: string, reason: string): Finding {
  if (reason === 'ENOENT') return fail('Index', `${folder} is not there.`, 'Plug in its disk, or remove it from the indexed folders.')
  if (reason === 'ENOTDIR') return fail('Index', `${folder} is a file, not a folder.`, 'Index the folder that holds it.')
  return fail(
    'Index',
    `${folder} may not be read (${reason}).`,
    `sudo setfacl -R -m u:${process.getuid?.() ?? 'thatdam'}:rX '${folder}', or run the agent as its owner.`,
  )
}

function isWithin(inner: string, outer: string): boolean {
  const relative = path.relative(path.resolve(outer), path.resolve(inner))
  return relative === '' || (!relative.startsWith('..') && !path.isAbsolute(relative))
}
