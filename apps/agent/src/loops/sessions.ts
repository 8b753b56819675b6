import { sleep } from '../backoff.ts'
import type { SessionStore } from '../gateway/session-store.ts'

const INTERVAL_MS = 60_000

/** Ends sessions whose time is over: their live pictures would go on otherwise. */
export async function sessionsLoop(sessions: SessionStore, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    sessions.endExpired()
    await sleep(INTERVAL_MS, signal)
  }
}
