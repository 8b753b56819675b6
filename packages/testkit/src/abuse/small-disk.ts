import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { command } from '../hosts/command.ts'

/** A disk that only the processes on it see: it is gone with the last of them. */
export interface SmallDisk {
  readonly mountPoint: string
  readonly sizeKilobytes: number
  readonly isReadOnly?: boolean
}

/**
 * Runs a program in a mount namespace in which `mountPoint` (a folder that is there) is a disk of its own. A step of shell may run there before:
 * it finds the program as `"$@"`.
 */
export function spawnOnDisk(
  disk: SmallDisk,
  args: readonly string[],
  options: SpawnOptions & { readonly steps?: string } = {},
): ChildProcess {
  const { steps = 'exec "$@"', ...given } = options
  const flags = `size=${disk.sizeKilobytes}k${disk.isReadOnly === true ? ',ro' : ''}`
  const script = `mount -t tmpfs -o ${flags},mode=700 thatdam-test "$MOUNT_POINT"\n${steps}`
  return spawn('unshare', ['-m', 'sh', '-ec', script, 'sh', ...args], {
    ...given,
    env: { ...given.env, MOUNT_POINT: disk.mountPoint } as NodeJS.ProcessEnv,
  })
}

/** Null: disks can be mounted here; else why not. */
export async function whyNoSmallDisks(folder: string): Promise<string | null> {
  try {
    await command('unshare', ['-m', 'mount', '-t', 'tmpfs', '-o', 'size=64k', 'thatdam-test', folder])
    return null
  } catch (error) {
    return `Disks of a test's own cannot be mounted here: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`
  }
}
