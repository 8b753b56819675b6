import { setTimeout as delay } from 'node:timers/promises'
import type { FragmentIndex } from '@thatdam/protocol/capture'

export interface PulledFragment {
  readonly number: number
  readonly generation: string
  readonly key: boolean
  readonly timeMs: number
  readonly durationMs: number
  /** Ours alone: the recorder writes into it. */
  readonly bytes: Buffer
}

/** Where fragments come from: a camera-proxy. Nothing of it throws but for defects. */
export interface FragmentReader {
  /** Null: the camera or its service is away. */
  index(): Promise<FragmentIndex | null>
  /** Null: it left the ring. */
  init(generation: string): Promise<Buffer | null>
  /** `later`: none came while it was held; `gone`: it left the ring or was never there; `away`: no answer. */
  fragment(number: number, signal: AbortSignal): Promise<PulledFragment | 'later' | 'gone' | 'away'>
}

const AWAY_MS = 250
const LOST_MS = 100
/** Clocks of two runs of a camera's ffmpeg differ by no more. */
const OVERLAP_MS = 50

/**
 * Fragments in order from the key frame at or before `fromMs`, until aborted. A short loss of the connection leaves no hole, because the
 * ring still has what was missed. Gives 'away' whenever the camera cannot be read.
 */
export async function* pullFragments(
  reader: FragmentReader,
  options: { fromMs: number; signal: AbortSignal },
): AsyncGenerator<PulledFragment | 'away'> {
  const { signal } = options
  let next: number | null = null
  let endMs: number | null = null
  while (!signal.aborted) {
    if (next === null) {
      const index = await reader.index()
      if (!index) {
        yield 'away'
        await pause(AWAY_MS, signal)
        continue
      }
      next = whereToBegin(index, endMs, options.fromMs)
    }
    const got = await reader.fragment(next, signal)
    if (got === 'later') {
      yield 'away'
    } else if (got === 'gone') {
      next = null
      await pause(LOST_MS, signal)
    } else if (got === 'away') {
      yield 'away'
      await pause(AWAY_MS, signal)
    } else {
      yield got
      next = got.number + 1
      endMs = got.timeMs + got.durationMs
    }
  }
}

/** The first fragment to take: the pre-roll's key frame, or after a loss the first key frame that we do not have. */
export function whereToBegin(index: FragmentIndex, endMs: number | null, fromMs: number): number {
  const keys = index.fragments.filter((fragment) => fragment.key)
  if (endMs !== null) return keys.find((key) => key.timeMs >= endMs - OVERLAP_MS)?.number ?? index.next
  const before = keys.findLast((key) => key.timeMs <= fromMs)
  return (before ?? keys[0])?.number ?? index.next
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
