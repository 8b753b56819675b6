import { useCallback, useEffect, useState } from 'react'
import { neighbour, type RingHistory } from './ring-timeline-data.tsx'

export interface TimelineClock {
  readonly atMs: number
  readonly isPlaying: boolean
  readonly go: (atMs: number) => void
  /** To the next or the previous event. */
  readonly step: (by: 1 | -1) => void
  readonly play: (isPlaying: boolean) => void
}

/** With reduced motion nothing glides: the clock goes from event to event, one a second. */
const CALM_STEP_MS = 1_000
/** The whole history plays in this time at single speed. */
const WHOLE_MS = 30_000

/** The instant that is looked at. `instants`: where it stops, in order. */
export function useTimelineClock(history: RingHistory, instants: readonly number[], speed: number): TimelineClock {
  const { startMs, endMs } = history
  const [atMs, setAtMs] = useState(() => openingInstant(history))
  const [isPlaying, setPlaying] = useState(false)
  const isMoving = isPlaying && atMs < endMs
  const go = useCallback(
    (to: number) => {
      setPlaying(false)
      setAtMs(Math.round(Math.min(endMs, Math.max(startMs, to))))
    },
    [startMs, endMs],
  )
  const step = useCallback(
    (by: 1 | -1) => {
      setPlaying(false)
      setAtMs((from) => neighbour(instants, from, by) ?? from)
    },
    [instants],
  )
  useEffect(() => {
    if (!isMoving) return undefined
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      const timer = setInterval(() => setAtMs((from) => neighbour(instants, from, 1) ?? endMs), CALM_STEP_MS / speed)
      return () => clearInterval(timer)
    }
    let before = performance.now()
    let frame = requestAnimationFrame(function tick(now) {
      const passedMs = ((now - before) / WHOLE_MS) * (endMs - startMs) * speed
      before = now
      setAtMs((from) => Math.min(endMs, from + passedMs))
      frame = requestAnimationFrame(tick)
    })
    return () => cancelAnimationFrame(frame)
  }, [isMoving, instants, startMs, endMs, speed])
  const play = useCallback(
    (wanted: boolean) => {
      if (wanted) setAtMs((from) => (from >= endMs ? startMs : from))
      setPlaying(wanted)
    },
    [startMs, endMs],
  )
  return { atMs: Math.round(atMs), isPlaying: isMoving, go, step, play }
}

/** What one came to see: the first broken rule, else the first leader. */
function openingInstant({ events, startMs }: RingHistory): number {
  const first = events.find((event) => event.kind === 'violation') ?? events.find((event) => event.kind === 'lead')
  return first?.atMs ?? startMs
}
