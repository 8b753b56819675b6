import fs from 'node:fs'
import path from 'node:path'
import type { Finding } from '@thatdam/protocol/doctor'
import { defaultReserveBytes } from '@thatdam/store/disk'
import { diskSpace } from '../../facts/disks.ts'
import { parseLsblk } from '../../facts/parse/lsblk.ts'
import type { Check, CheckContext } from '../check.ts'
import { fail, ok, warn } from '../finding.ts'
import type { Machine } from '../machine.ts'
import { tryFolder, type Trial } from '../disk-trial.ts'
import { mountOf } from '../parse/mountinfo.ts'

const NAME = 'Disk'
/** What is saved waits for the disk each time; people feel more than this. */
const SLOW_FSYNC_MS = 100
const NETWORK_TYPES = /^(nfs4?|cifs|smb3?|smbfs|9p|fuse\.(sshfs|rclone|s3fs)|afpfs|webdav)$/
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`

/** The disks of the store and of the state: room, writable, fast enough to save on, and not one that wears out or comes off. */
export const check: Check = {
  name: NAME,
  limitMs: 5_500,
  run: async (context) => {
    const { casRoot, stateDir } = context.env
    const [space, state, medium] = await Promise.all([
      checkSpace(casRoot),
      checkState(stateDir, context),
      checkMedium(casRoot, context.machine),
    ])
    return [...space, ...medium, ...state]
  },
}

async function checkSpace(casRoot: string): Promise<Finding[]> {
  const space = await diskSpace(casRoot)
  if (!space) return [fail(NAME, `The disk of ${casRoot} cannot be read.`, 'Is it mounted? Try: df -h')]
  const reserve = defaultReserveBytes(space.totalBytes)
  const told = `${gigabytes(space.freeBytes)} of ${gigabytes(space.totalBytes)} free where the store lies (${casRoot})`
  if (space.freeBytes < reserve)
    return [
      fail(
        NAME,
        `${told}: less than the reserve of ${gigabytes(reserve)}, so nothing more is recorded.`,
        'Free some space, or set CAS_ROOT to a folder on a larger disk.',
      ),
    ]
  if (space.freeBytes < 2 * reserve) return [warn(NAME, `${told}: recordings stop at ${gigabytes(reserve)}.`, 'Free some space soon.')]
  return [ok(NAME, `${told}.`)]
}

async function checkState(stateDir: string, { machine }: CheckContext): Promise<Finding[]> {
  const folder = await nearest(stateDir)
  const mount = mountOf((await machine.read('/proc/self/mountinfo')) ?? '', folder)
  const where = mount ? ` (${mount.source} on ${mount.mountPoint})` : ''
  if (mount?.readOnly)
    return [
      fail(
        NAME,
        `The disk of ${stateDir}${where} is mounted read-only.`,
        `sudo mount -o remount,rw ${mount.mountPoint}; if it falls back, the disk has errors: sudo dmesg | tail`,
      ),
    ]
  const findings: Finding[] = []
  if (mount && NETWORK_TYPES.test(mount.type))
    findings.push(
      warn(
        NAME,
        `${stateDir} lies on a network share${where}: its databases can be damaged there, and nothing runs while the share is away.`,
        'Set STATE_DIR to a folder on a disk of this machine.',
      ),
    )
  const trial = await tryFolder(folder)
  return [...findings, ...judgeTrial(trial, { stateDir, mountPoint: mount?.mountPoint ?? folder, where })]
}

function judgeTrial(
  trial: Trial | null,
  { stateDir, mountPoint, where }: { stateDir: string; mountPoint: string; where: string },
): Finding[] {
  // Whether it can be written is said by the state directory's own line.
  if (trial === null) return []
  const findings: Finding[] = []
  if (trial.runs === false)
    findings.push(
      fail(
        NAME,
        `Programs may not run from the disk of ${stateDir}${where}: the console and its database start from there.`,
        `sudo mount -o remount,exec ${mountPoint} (and take noexec out of /etc/fstab), or set STATE_DIR to another disk`,
      ),
    )
  if (trial.fsyncMs > SLOW_FSYNC_MS)
    findings.push(
      warn(
        NAME,
        `The disk of ${stateDir}${where} takes ${Math.round(trial.fsyncMs)} ms to save: every edit waits for that.`,
        'Set STATE_DIR to a folder on a faster disk (an SSD instead of an SD card or a USB stick).',
      ),
    )
  return findings.length > 0 ? findings : [ok(NAME, `Saves within ${Math.max(1, Math.round(trial.fsyncMs))} ms where the state lies.`)]
}

/** The folder itself, or the nearest one above it that is there. */
async function nearest(folder: string): Promise<string> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const there = await fs.promises.stat(at).catch(() => null)
    if (there?.isDirectory() || at === path.dirname(at)) return at
  }
}

async function checkMedium(casRoot: string, machine: Machine): Promise<Finding[]> {
  if (machine.platform !== 'linux') return []
  const listed = await machine.run('lsblk', ['-J', '-o', 'NAME,PATH,RM,HOTPLUG,TRAN,MOUNTPOINT'])
  const folder = path.resolve(casRoot)
  const holding = parseLsblk(listed.stdout)
    .filter((device) => folder === device.mountPoint || folder.startsWith(device.mountPoint === '/' ? '/' : `${device.mountPoint}/`))
    .toSorted((a, b) => b.mountPoint.length - a.mountPoint.length)[0]
  if (holding?.transport === 'mmc')
    return [warn(NAME, `The store lies on an SD card (${holding.path}): recording wears it out.`, 'Set CAS_ROOT to a folder on a disk.')]
  if (holding?.removable)
    return [warn(NAME, `The store lies on a removable disk (${holding.path}).`, 'Keep it plugged in while the agent runs.')]
  return []
}
