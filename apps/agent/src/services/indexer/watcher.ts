import { watch, type FSWatcher } from 'node:fs'

/** Folders that are watched; beyond it the periodic walk has to do, and no memory is lost to a large library. */
const FOLDERS_MAX = 4_096
const SETTLE_MS = 2_000

/**
 * Tells soon that something changed below the roots, best effort: network drives and large libraries are found by the periodic walk.
 */
export class Watcher {
  private readonly watchers = new Map<string, FSWatcher>()
  private readonly changed: () => void
  private timer: NodeJS.Timeout | null = null

  constructor(changed: () => void) {
    this.changed = changed
  }

  /** Watches one folder, not those in it. Asking twice is harmless. */
  add(absolute: Buffer): void {
    const path = absolute.toString('utf8')
    if (this.watchers.size >= FOLDERS_MAX || this.watchers.has(path)) return
    try {
      const watcher = watch(path, { persistent: false })
      watcher.on('change', () => this.settle())
      watcher.on('error', () => this.drop(path))
      this.watchers.set(path, watcher)
    } catch {
      // out of inotify watches, or gone: the periodic walk finds its changes
    }
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer)
    for (const watcher of this.watchers.values()) watcher.close()
    this.watchers.clear()
  }

  private drop(path: string): void {
    this.watchers.get(path)?.close()
    this.watchers.delete(path)
  }

  private settle(): void {
    this.timer ??= setTimeout(() => {
      this.timer = null
      this.changed()
    }, SETTLE_MS)
  }
}
