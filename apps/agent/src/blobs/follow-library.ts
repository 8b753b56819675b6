import { setImmediate } from 'node:timers/promises'
import type { OpLog } from '@thatdam/oplog/disk/log'
import type { LibraryIndex } from './library-index.ts'

/** So many entries at once hold the agent up for a few milliseconds; between them it does what else it has to. */
const PAGE = 250

/** Keeps the index at the end of the log, for ever. `news`: it has taken entries in, or is at the end for the first time. */
export async function followLibrary(
  index: LibraryIndex,
  oplog: OpLog,
  { news, signal }: { news: () => void; signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    index.follow(oplog.feedId)
    const entries = oplog.read(index.position, PAGE)
    index.take(entries)
    if (entries.length === PAGE) {
      await setImmediate()
      continue
    }
    news()
    await oplog.waitFor(oplog.position, signal)
  }
}
