import fs from 'node:fs'
import type { CameraFacts } from '@thatdam/protocol/facts'
import { listFolder } from '../tool.ts'
import { discoverCameras, type CameraOptions } from './discover.ts'

/** Where the kernel does not tell, a look now and then: a listing of a folder on Linux, a run of ffmpeg elsewhere. */
const POLL_MS = process.platform === 'linux' ? 5_000 : 15_000
/** udev makes a device's nodes and links one after the other, within this time. */
const SETTLE_MS = 500

/**
 * Calls `onChange` with all cameras whenever one comes, goes or changes; not at the start. Looks never overlap.
 * Give `initial` (what facts said) to have only differences from it told. Returns the function that stops it.
 */
export function watchCameras(
  options: CameraOptions & { initial?: readonly CameraFacts[]; devFolder?: string },
  onChange: (cameras: CameraFacts[]) => void,
): () => void {
  const devFolder = options.devFolder ?? '/dev'
  let known = options.initial ? JSON.stringify(options.initial) : null
  let nodes: string | null = null
  let stopped = false
  let looking = false
  let settle: NodeJS.Timeout | null = null

  const look = async () => {
    if (looking || stopped) return
    looking = true
    try {
      const present = await videoNodes(devFolder)
      // On Linux an unchanged folder needs no probing; elsewhere the probing is the look.
      if (process.platform === 'linux' && present === nodes) return
      const cameras = await discoverCameras(options)
      const now = JSON.stringify(cameras)
      const first = known === null
      const changed = known !== now
      nodes = present
      known = now
      if (changed && !first && !stopped) onChange(cameras)
    } finally {
      looking = false
    }
  }
  const soon = () => {
    if (settle) clearTimeout(settle)
    settle = setTimeout(() => void look(), SETTLE_MS)
  }
  const watcher = process.platform === 'linux' ? watchFolder(devFolder, soon) : null
  const poll = setInterval(() => void look(), POLL_MS)
  poll.unref()
  void look()
  return () => {
    stopped = true
    watcher?.close()
    clearInterval(poll)
    if (settle) clearTimeout(settle)
  }
}

async function videoNodes(devFolder: string): Promise<string> {
  return (await listFolder(devFolder)).filter((name) => /^video\d+$/.test(name)).join(' ')
}

function watchFolder(folder: string, onVideoNode: () => void): fs.FSWatcher | null {
  try {
    const watcher = fs.watch(folder, { persistent: false }, (_event, name) => {
      if (name === null || /^(video\d+|v4l)$/.test(name)) onVideoNode()
    })
    // Out of inotify watches, or the folder went: the poll goes on.
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}
