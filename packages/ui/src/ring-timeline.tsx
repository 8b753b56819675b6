import { ChevronLeft, ChevronRight, Pause, Play, ZoomIn, ZoomOut } from 'lucide-react'
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from 'react'
import { Button, IconButton } from './button.tsx'
import { cx } from './cx.tsx'
import { useTimelineClock, type TimelineClock } from './ring-timeline-clock.tsx'
import { formatInstant, instantsOf, nearest, type RingHistory } from './ring-timeline-data.tsx'
import { EventList, RingMoment } from './ring-timeline-now.tsx'
import { TimelineLegend, TimelineTracks } from './ring-timeline-track.tsx'

export interface RingTimelineProps {
  history: RingHistory
  /** The component is all there is on the page: its keys work wherever the focus is. */
  ownsPage?: boolean
}

const ZOOMS = [1, 2, 4, 8, 16] as const
const SPEEDS = [0.25, 1, 4] as const
const THUMB =
  '[&::-webkit-slider-thumb]:size-4 [&::-webkit-slider-thumb]:appearance-none [&::-webkit-slider-thumb]:rounded-full [&::-webkit-slider-thumb]:bg-accent [&::-moz-range-thumb]:size-4 [&::-moz-range-thumb]:rounded-full [&::-moz-range-thumb]:border-0 [&::-moz-range-thumb]:bg-accent'
const NAMES_CSS = '[--names:104px] sm:[--names:168px]'
/** Width assumed before the first measurement, and on the server. */
const TRACK_PX = 760
const SNAP_PX = 8

/**
 * What a ring did, over time: one row for each machine, stepped through with ← and →, played with space. The instant that is looked at is drawn
 * beside it as a ring, and told in words. Takes plain data; draws the same for the same data.
 */
export function RingTimeline({ history, ownsPage = false }: RingTimelineProps) {
  const [isDetailed, setDetailed] = useState(false)
  const [zoom, setZoom] = useState<number>(ZOOMS[0])
  const [speed, setSpeed] = useState<number>(1)
  const [selectedId, setSelectedId] = useState<string>()
  const instants = useMemo(() => instantsOf(history.events, isDetailed), [history, isDetailed])
  const events = useMemo(() => history.events.filter((event) => isDetailed || event.kind !== 'detail'), [history, isDetailed])
  const clock = useTimelineClock(history, instants, speed)
  const root = useRef<HTMLElement>(null)
  const keys = (event: Pick<globalThis.KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'target' | 'preventDefault'>) =>
    obey(event, clock, history)
  useEffect(() => {
    if (!ownsPage) return undefined
    document.addEventListener('keydown', keys)
    return () => document.removeEventListener('keydown', keys)
  })
  return (
    <section
      ref={root}
      aria-label={history.title}
      className="grid grid-cols-[minmax(0,1fr)] gap-x-6 gap-y-4 lg:grid-cols-[minmax(0,1fr)_360px] lg:grid-rows-[auto_1fr]"
      {...(ownsPage ? {} : { onKeyDown: (event: KeyboardEvent) => keys(event.nativeEvent) })}
    >
      <div className="flex min-w-0 flex-col gap-3">
        <Controls {...{ history, clock, zoom, setZoom, speed, setSpeed, isDetailed, setDetailed }} />
        <Tracks {...{ history, clock, zoom, instants, selectedId }} onSelect={setSelectedId} />
      </div>
      <aside className="flex min-w-0 flex-col gap-4 lg:row-span-2">
        <RingMoment history={history} atMs={clock.atMs} selectedId={selectedId} onSelect={setSelectedId} />
        <EventList history={history} events={events} atMs={clock.atMs} onGo={clock.go} />
      </aside>
      <div className="flex min-w-0 flex-col gap-3">
        <TimelineLegend />
        {history.notes.map((note) => (
          <p key={note} className="max-w-prose text-sm text-ink-faint">
            {note}
          </p>
        ))}
      </div>
    </section>
  )
}

/** ← → to an event, Home End, space. A focused button keeps its space. */
function obey(
  event: Pick<globalThis.KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'target' | 'preventDefault'>,
  clock: TimelineClock,
  history: RingHistory,
): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const { target } = event
  if (event.key === ' ' && target instanceof HTMLElement && target.closest('button, a, summary') !== null) return
  if (event.key === 'ArrowRight') clock.step(1)
  else if (event.key === 'ArrowLeft') clock.step(-1)
  else if (event.key === 'Home') clock.go(history.startMs)
  else if (event.key === 'End') clock.go(history.endMs)
  else if (event.key === ' ') clock.play(!clock.isPlaying)
  else return
  event.preventDefault()
}

interface ControlsProps {
  history: RingHistory
  clock: TimelineClock
  zoom: number
  setZoom: (zoom: number) => void
  speed: number
  setSpeed: (speed: number) => void
  isDetailed: boolean
  setDetailed: (isDetailed: boolean) => void
}

function Controls({ history, clock, zoom, setZoom, speed, setSpeed, isDetailed, setDetailed }: ControlsProps) {
  const nextSpeed = SPEEDS[(SPEEDS.findIndex((each) => each === speed) + 1) % SPEEDS.length] ?? 1
  return (
    <div className="sticky top-0 z-30 flex flex-wrap items-center gap-2 bg-ground py-2">
      <IconButton label="Previous event (←)" variant="secondary" onClick={() => clock.step(-1)}>
        <ChevronLeft className="size-4" aria-hidden />
      </IconButton>
      <Button variant="primary" className="w-24" onClick={() => clock.play(!clock.isPlaying)} title="Space">
        {clock.isPlaying ? <Pause className="size-4" aria-hidden /> : <Play className="size-4" aria-hidden />}
        {clock.isPlaying ? 'Pause' : 'Play'}
      </Button>
      <IconButton label="Next event (→)" variant="secondary" onClick={() => clock.step(1)}>
        <ChevronRight className="size-4" aria-hidden />
      </IconButton>
      <output className="w-24 text-right font-mono text-lg" aria-label="Instant" data-instant={clock.atMs}>
        {formatInstant(history, clock.atMs)}
      </output>
      <input
        type="range"
        aria-label="Time"
        aria-valuetext={formatInstant(history, clock.atMs)}
        min={history.startMs}
        max={history.endMs}
        value={clock.atMs}
        onChange={(event) => clock.go(event.currentTarget.valueAsNumber)}
        className={cx('h-1.5 min-w-40 flex-1 cursor-pointer appearance-none rounded-full bg-line-strong', THUMB)}
      />
      <div className="flex items-center gap-1">
        <Button variant="quiet" onClick={() => setSpeed(nextSpeed)} aria-label={`Speed, now times ${speed}`} className="w-16">
          × {speed}
        </Button>
        <IconButton label="Shorter time, wider" disabled={zoom === ZOOMS.at(-1)} onClick={() => setZoom(zoom * 2)}>
          <ZoomIn className="size-4" aria-hidden />
        </IconButton>
        <IconButton label="Longer time, narrower" disabled={zoom === ZOOMS[0]} onClick={() => setZoom(zoom / 2)}>
          <ZoomOut className="size-4" aria-hidden />
        </IconButton>
        <label className="flex items-center gap-1.5 px-2 text-ink-soft">
          <input
            type="checkbox"
            checked={isDetailed}
            onChange={(event) => setDetailed(event.currentTarget.checked)}
            className="accent-(--c-accent)"
          />
          Every detail
        </label>
      </div>
    </div>
  )
}

interface TracksViewProps {
  history: RingHistory
  clock: TimelineClock
  zoom: number
  instants: readonly number[]
  selectedId: string | undefined
  onSelect: (id: string) => void
}

function Tracks({ history, clock, zoom, instants, selectedId, onSelect }: TracksViewProps) {
  const scroller = useRef<HTMLDivElement>(null)
  const track = useRef<HTMLDivElement>(null)
  const trackPx = useWidth(track)
  const spanMs = Math.max(1, history.endMs - history.startMs)
  const share = (clock.atMs - history.startMs) / spanMs
  useKeptInView(scroller, share, trackPx)

  const point = (event: PointerEvent<HTMLDivElement>) => {
    const box = track.current?.getBoundingClientRect()
    if (box === undefined || event.clientX < box.left || event.target !== event.currentTarget) return
    const pointedMs = history.startMs + ((event.clientX - box.left) / box.width) * spanMs
    const close = nearest(instants, pointedMs)
    const isClose = close !== null && (Math.abs(close - pointedMs) / spanMs) * box.width < SNAP_PX
    clock.go(isClose ? close : pointedMs)
  }
  return (
    <div ref={scroller} className={`relative max-h-[70dvh] overflow-auto rounded-md border bg-surface ${NAMES_CSS}`} data-timeline>
      <div className="relative min-w-[720px]" style={{ width: `${zoom * 100}%` }}>
        <TimelineTracks {...{ history, trackPx, selectedId, onSelect }} />
        <div
          ref={track}
          className="absolute inset-y-0 right-0 left-(--names) cursor-crosshair"
          onPointerDown={point}
          onPointerMove={(event) => (event.buttons === 1 && event.pointerType === 'mouse' ? point(event) : undefined)}
        >
          <div
            className="pointer-events-none absolute inset-y-0 w-0 border-l-2 border-accent!"
            style={{ left: `${Math.round(share * 1e6) / 1e4}%` }}
            data-cursor
          />
        </div>
      </div>
    </div>
  )
}

function useWidth(of: RefObject<HTMLElement | null>): number {
  const [px, setPx] = useState(TRACK_PX)
  useEffect(() => {
    const { current } = of
    if (current === null) return undefined
    const observer = new ResizeObserver(() => setPx(Math.round(current.clientWidth)))
    observer.observe(current)
    return () => observer.disconnect()
  }, [of])
  return px
}

/** Scrolls the timeline, and nothing else, as far as the cursor needs it. */
function useKeptInView(scroller: RefObject<HTMLElement | null>, share: number, trackPx: number): void {
  useLayoutEffect(() => {
    const box = scroller.current
    if (box === null) return
    const namesPx = box.scrollWidth - trackPx
    const seenPx = box.clientWidth - namesPx
    const fromLeftPx = share * trackPx - box.scrollLeft
    if (fromLeftPx < 16 || fromLeftPx > seenPx - 16) box.scrollTo({ left: share * trackPx - seenPx / 3 })
  }, [scroller, share, trackPx])
}
