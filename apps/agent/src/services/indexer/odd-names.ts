import { isUtf8 } from 'node:buffer'
import { mkdirSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'

/** A path as a program can be given it. */
export interface NamedFile {
  readonly path: string
  release(): void
}

/**
 * Names that are not UTF-8 cannot be an argument from Node, and a line end cannot be in a list of file names: such a file is shown to
 * programs through a link with a plain name. Everything else goes by its own path.
 */
export class OddNames {
  private readonly folder: string
  private next = 0

  /** `folder` is this process's own: what an earlier one left in it goes. */
  constructor(folder: string) {
    this.folder = folder
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** `absolute` must be an absolute path. */
  name(absolute: Buffer): NamedFile {
    if (isUtf8(absolute) && !/\p{Cc}/u.test(absolute.toString('utf8'))) {
      return { path: absolute.toString('utf8'), release: () => {} }
    }
    const extension = /\.[A-Za-z0-9]{1,5}$/.exec(absolute.subarray(-6).toString('latin1'))?.[0] ?? ''
    const path = join(this.folder, `${this.next++}${extension}`)
    symlinkSync(absolute, path)
    return { path, release: () => unlinkSync(path) }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
