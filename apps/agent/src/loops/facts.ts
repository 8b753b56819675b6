import { watch, type FSWatcher } from 'node:fs'
import type { NodeFacts } from '@thatdam/protocol/facts'
import { sleep } from '../backoff.ts'

const INTERVAL_MS = 60_000
/** A camera that was plugged in gets its device nodes and links within this time. */
const SETTLE_MS = 700

/** Gathers facts every 60 s, and soon after a camera comes or goes (on Linux, where /dev tells). `wake` may be called to gather now. */
export async function factsLoop(
  ports: {
    readonly gather: () => Promise<NodeFacts>
    readonly onFacts: (facts: NodeFacts) => void
    readonly onWake: (wake: () => void) => void
    readonly atOnce: boolean
  },
  signal: AbortSignal,
): Promise<void> {
  let next = new AbortController()
  const wake = () => next.abort()
  ports.onWake(wake)
  const watcher = watchDevices(wake)
  try {
    if (ports.atOnce) ports.onFacts(await ports.gather())
    while (!signal.aborted) {
      next = new AbortController()
      await sleep(INTERVAL_MS, AbortSignal.any([signal, next.signal]))
      if (signal.aborted) return
      if (next.signal.aborted) await sleep(SETTLE_MS, signal)
      ports.onFacts(await ports.gather())
    }
  } finally {
    watcher?.close()
  }
}

function watchDevices(onChange: () => void): FSWatcher | null {
  if (process.platform !== 'linux') return null
  try {
    const watcher = watch('/dev', { persistent: false }, (_event, name) => {
      if (name?.startsWith('video') || name?.startsWith('media')) onChange()
    })
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}
