import { stat } from 'node:fs/promises'
import { diskNumbers } from '@thatdam/store/disk'

/** Free bytes of the disk of a folder, above its reserve. Given to the recorder so that a test can fill a disk. */
export type SpareBytes = (folder: string) => Promise<number>

export function spareBytesWith(reserveBytes?: number): SpareBytes {
  return async (folder) => {
    const numbers = await diskNumbers(folder, reserveBytes)
    return numbers.diskFreeBytes - numbers.reserveBytes
  }
}

/**
 * How much more all recordings together may write. Finishing a recording needs its size once more until the raw parts are
 * removed, so that what is recorded and not yet sealed is kept free as well.
 */
export class CaptureSpace {
  private readonly capturesDir: string
  private readonly casRoot: string
  private readonly spare: SpareBytes
  private sameDisk: boolean | null = null

  constructor(capturesDir: string, casRoot: string, spare: SpareBytes) {
    this.capturesDir = capturesDir
    this.casRoot = casRoot
    this.spare = spare
  }

  /** Bytes that may still be recorded while `unsealedBytes` wait to be sealed; negative when it is too late. */
  async recordableBytes(unsealedBytes: number): Promise<number> {
    this.sameDisk ??= (await stat(this.capturesDir)).dev === (await stat(this.casRoot)).dev
    const [raw, sealed] = await Promise.all([this.spare(this.capturesDir), this.spare(this.casRoot)])
    if (this.sameDisk) return (Math.min(raw, sealed) - unsealedBytes) / 2
    return Math.min(raw, sealed - unsealedBytes)
  }
}
