import type { Json } from '@thatdam/protocol/canonical'
import { sleep } from '../backoff.ts'
import type { ServiceView } from '../services/service.ts'
import type { Version } from '../state/version.ts'

const RETRY_MS = 2_000

/** Tells the camera service what people call its cameras: once it is up, and at each change. A name restarts nothing. */
export async function cameraNamesLoop(
  ports: {
    readonly version: Version
    readonly names: () => Readonly<Record<string, string>>
    readonly view: () => ServiceView | null
    readonly tell: (params: Readonly<Record<string, Json>>) => Promise<Json>
  },
  signal: AbortSignal,
): Promise<void> {
  let told = ''
  while (!signal.aborted) {
    const seen = ports.version.value
    const url = ports.view()?.url ?? null
    const names = ports.names()
    const key = JSON.stringify([url, names])
    if (url !== null && key !== told) {
      const taken = await ports.tell({ names }).then(
        () => true,
        () => false,
      )
      if (taken) told = key
      else await sleep(RETRY_MS, signal)
      if (!taken) continue
    }
    await ports.version.waitNewer(seen, 3600_000, signal)
  }
}
