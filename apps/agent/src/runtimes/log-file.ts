import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

const SIZE_MAX_BYTES = 4 * 1024 * 1024
const OLD_FILES = 2

/**
 * A log file that never takes more than three times `sizeMaxBytes`: when full it becomes `.1`, `.1` becomes `.2`, `.2` goes.
 * A disk that is full loses log lines, never the program.
 */
export class LogFile {
  private descriptor: number | null = null
  private sizeBytes = 0
  private readonly path: string
  private readonly sizeMaxBytes: number

  constructor(path: string, sizeMaxBytes = SIZE_MAX_BYTES) {
    this.path = path
    this.sizeMaxBytes = sizeMaxBytes
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    try {
      if (this.descriptor === null) this.open()
      if (this.sizeBytes + bytes.length > this.sizeMaxBytes) this.rotate()
      if (this.descriptor !== null) this.sizeBytes += writeSync(this.descriptor, bytes)
    } catch {
      this.close()
    }
  }

  close(): void {
    if (this.descriptor !== null) closeSync(this.descriptor)
    this.descriptor = null
  }

  private open(): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
    this.descriptor = openSync(this.path, 'a', 0o600)
    this.sizeBytes = fstatSync(this.descriptor).size
  }

  private rotate(): void {
    if (this.sizeBytes === 0) return
    this.close()
    rmSync(`${this.path}.${OLD_FILES}`, { force: true })
    for (let number = OLD_FILES - 1; number >= 0; number--) {
      try {
        renameSync(number === 0 ? this.path : `${this.path}.${number}`, `${this.path}.${number + 1}`)
      } catch {
        // that one is not there yet
      }
    }
    this.open()
  }
}
