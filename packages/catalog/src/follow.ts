import type { OpFeed } from '@thatdam/protocol/local'
import type { Pool } from 'pg'
import { ingest, readCursor } from './ingest.ts'

/** Entries asked for at a time. */
const BATCH = 1000
const WAIT_MS = 20_000
const RETRY_MS_MIN = 250
const RETRY_MS_MAX = 10_000

/** Where ops come from: the agent's feed. Rejects when the agent is away. */
export type FeedSource = (after: number, limit: number, waitMs: number, signal: AbortSignal) => Promise<OpFeed>

export interface FollowStatus {
  feedId: string | null
  position: number
  /** True once a whole answer held nothing new: what is shown is what the log holds. */
  caughtUp: boolean
  /** One sentence while the feed cannot be read; else empty. */
  problem: string
}

export interface Follower {
  status(): FollowStatus
  /** Called after each applied batch and change of status. Returns what ends it. */
  onChange(handler: () => void): () => void
  /** True once the position is applied, false when `timeoutMs` went by before. */
  waitFor(position: number, timeoutMs: number): Promise<boolean>
  stop(): Promise<void>
}

/**
 * Keeps the catalog at the feed's end: asks after the stored cursor, applies, asks again. Survives restarts (the cursor is in the
 * same transaction as the rows), an agent that is away (retries with growing pauses, at most 10 s) and a rebuilt feed.
 */
export function follow(pool: Pool, source: FeedSource, log: (message: string, error: unknown) => void): Follower {
  const stopping = new AbortController()
  const handlers = new Set<() => void>()
  let now: FollowStatus = { feedId: null, position: 0, caughtUp: false, problem: '' }
  const set = (next: Partial<FollowStatus>): void => {
    now = { ...now, ...next }
    for (const handler of handlers) handler()
  }

  const step = async (): Promise<void> => {
    const before = now
    const feed = await source(before.position, BATCH, before.caughtUp ? WAIT_MS : 0, stopping.signal)
    if (feed.entries.length === 0 && feed.feedId === before.feedId) {
      if (!before.caughtUp || before.problem !== '') set({ caughtUp: true, problem: '' })
      return
    }
    const cursor = await ingest(pool, feed)
    const moved = cursor.feedId !== before.feedId
    set({ ...cursor, problem: '', caughtUp: !moved && before.caughtUp && feed.entries.length < BATCH })
  }

  const run = async (): Promise<void> => {
    const cursor = await readCursor(pool)
    if (cursor) set(cursor)
    let pauseMs = RETRY_MS_MIN
    while (!stopping.signal.aborted) {
      try {
        await step()
        pauseMs = RETRY_MS_MIN
      } catch (error) {
        if (stopping.signal.aborted) return
        log('the catalog cannot follow the op feed', error)
        set({ problem: 'The list of files is not up to date: the agent does not answer. It is tried again by itself.' })
        await pause(pauseMs * (0.75 + Math.random() / 2), stopping.signal)
        pauseMs = Math.min(RETRY_MS_MAX, pauseMs * 2)
      }
    }
  }

  const ended = run().catch((error: unknown) => {
    if (!stopping.signal.aborted) log('the catalog stopped', error)
  })
  return {
    status: () => now,
    onChange(handler) {
      handlers.add(handler)
      return () => handlers.delete(handler)
    },
    waitFor: (position, timeoutMs) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (now.position >= position) finish(true)
        }
        const finish = (reached: boolean): void => {
          handlers.delete(check)
          clearTimeout(timer)
          resolve(reached)
        }
        const timer = setTimeout(() => finish(false), timeoutMs)
        handlers.add(check)
        check()
      }),
    async stop() {
      stopping.abort()
      await ended
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
