import type { ClusterFile } from '@thatdam/protocol/cluster'
import { writeFileDurable } from '@thatdam/store/durable'
import { sleep } from '../backoff.ts'
import type { Version } from '../state/version.ts'

const SETTLE_MS = 1_000
/** Without a change: only so that `last_seen` stays true, as each write wears a memory card. */
const REFRESH_MS = 60_000

/** Keeps `cluster.json` for other programs: within a second of a change, else once a minute. `version` grows with whatever it tells of. */
export async function clusterFileLoop(path: string, compose: () => ClusterFile, version: Version, signal: AbortSignal): Promise<void> {
  let written = ''
  let writtenAtMs = 0
  while (!signal.aborted) {
    const told = version.value
    const file = compose()
    const key = JSON.stringify(file, (name, value: unknown) => (name === 'last_seen' || name === 'last_seen_ms' ? null : value))
    if (key !== written || Date.now() - writtenAtMs >= REFRESH_MS) {
      await writeFileDurable(path, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o644 })
      written = key
      writtenAtMs = Date.now()
    }
    await version.waitNewer(told, REFRESH_MS, signal)
    await sleep(SETTLE_MS, signal)
  }
}
