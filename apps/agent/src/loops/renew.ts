import { Backoff, sleep } from '../backoff.ts'
import type { Cloud } from '../cloud/cloud.ts'

const WAIT_MAX_MS = 600_000

/** Renews the access token at a third of its life, so that two tries fit before it ends. */
export async function renewLoop(cloud: Cloud, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff()
  while (!signal.aborted) {
    if (cloud.renewInMs > 0) {
      await sleep(Math.min(cloud.renewInMs, WAIT_MAX_MS), signal)
      continue
    }
    try {
      await cloud.renew(signal)
      backoff.reset()
    } catch (error) {
      if (signal.aborted) return
      cloud.failed(error)
      await sleep(backoff.nextMs(), signal)
    }
  }
}
