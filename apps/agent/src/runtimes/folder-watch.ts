import { stat } from 'node:fs/promises'

const LOOK_INTERVAL_MS = 10_000

/**
 * A container sees the folders that were there at its start: a drive that was plugged in later, or again, is another folder under the same
 * name. This says so once, so that the service is started anew.
 */
export class FolderWatch {
  /** The sentence for the person; empty: nothing changed. */
  changed = ''
  private readonly paths: readonly string[]
  private readonly onChange: () => void
  private readonly timer: NodeJS.Timeout
  private before: readonly string[] | null = null
  private looking = false

  constructor(paths: readonly string[], onChange: () => void, intervalMs = LOOK_INTERVAL_MS) {
    this.paths = paths
    this.onChange = onChange
    this.timer = setInterval(() => void this.look(), intervalMs)
    this.timer.unref()
    void this.look()
  }

  close(): void {
    clearInterval(this.timer)
  }

  private async look(): Promise<void> {
    // A network drive that hangs holds one question, not one more every ten seconds.
    if (this.looking) return
    this.looking = true
    const now = await Promise.all(this.paths.map(identityOf))
    this.looking = false
    this.before ??= now
    const at = now.findIndex((identity, index) => identity !== this.before?.[index])
    if (at < 0 || this.changed !== '') return
    this.close()
    this.changed = `The folder ${this.paths[at] ?? ''} came or went`
    this.onChange()
  }
}

async function identityOf(path: string): Promise<string> {
  return await stat(path).then(
    ({ dev, ino }) => `${dev}:${ino}`,
    () => '',
  )
}
