import { statfs } from 'node:fs/promises'
import { ThatdamError } from '@thatdam/protocol/errors'

const GIB = 1024 ** 3

export interface DiskNumbers {
  /** Free for an unprivileged process. */
  readonly diskFreeBytes: number
  readonly diskTotalBytes: number
  /** Kept free: nothing new is stored below it. */
  readonly reserveBytes: number
}

/** The reserve of a disk: 2 % of it and at least 1 GiB, so that the system and its databases go on when the media have filled it. */
export function defaultReserveBytes(diskTotalBytes: number): number {
  return Math.max(GIB, Math.floor(diskTotalBytes / 50))
}

/** Free, total and reserve of the disk that holds `path` (which must exist). */
export async function diskNumbers(path: string, reserveBytes?: number): Promise<DiskNumbers> {
  const numbers = await statfs(path)
  const diskTotalBytes = numbers.blocks * numbers.bsize
  return {
    diskFreeBytes: numbers.bavail * numbers.bsize,
    diskTotalBytes,
    reserveBytes: reserveBytes ?? defaultReserveBytes(diskTotalBytes),
  }
}

/**
 * @throws ThatdamError DISK_FULL when `neededBytes` more would eat into the reserve.
 */
export function refuseWhenFull(root: string, numbers: DiskNumbers, neededBytes: number): void {
  if (numbers.diskFreeBytes - neededBytes >= numbers.reserveBytes) return
  throw diskFull(root, numbers)
}

export function diskFull(root: string, numbers: DiskNumbers, cause?: unknown): ThatdamError {
  return new ThatdamError(
    'DISK_FULL',
    `The disk of ${root} has ${gigabytes(numbers.diskFreeBytes)} free and ${gigabytes(numbers.reserveBytes)} are kept in reserve, so nothing more is stored there. Free some space, or move the store to a larger disk.`,
    { cause },
  )
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
