import { Badge } from '@thatdam/ui/badge'
import { Banner } from '@thatdam/ui/banner'
import { Button } from '@thatdam/ui/button'
import { cx } from '@thatdam/ui/cx'
import { RingMark } from '@thatdam/ui/ring'
import { formatInstant } from '@thatdam/ui/ring-timeline-data'
import { RingMoment } from '@thatdam/ui/ring-timeline-now'
import { TimelineLegend, TimelineTracks } from '@thatdam/ui/ring-timeline-track'
import { useEffect, useRef, useState, type RefObject } from 'react'
import type { Act, LiveMachine, LiveRing } from './live.ts'

const LOOK_MS = 400
const EVENTS_SHOWN = 14
const NAMES_CSS = '[--names:104px] sm:[--names:168px]'

type Do = (act: Act, machines: readonly string[]) => void

/** Asks for the ring again and again, one question at a time. `error`: what went wrong with the last thing that was done. */
function useRing(): { ring: LiveRing | null; isLost: boolean; error: string; busy: boolean; act: Do } {
  const [ring, setRing] = useState<LiveRing | null>(null)
  const [isLost, setLost] = useState(false)
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOver = false
    const look = async () => {
      try {
        const answer = await fetch('/ring')
        setRing((await answer.json()) as LiveRing)
        setLost(false)
      } catch {
        setLost(true)
      }
      if (!isOver) timer = setTimeout(() => void look(), LOOK_MS)
    }
    void look()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [])
  const act = async (what: Act, machines: readonly string[]) => {
    setBusy(true)
    setError('')
    try {
      const answer = await fetch('/act', { method: 'POST', body: JSON.stringify({ act: what, machines }) })
      const body = (await answer.json()) as LiveRing | { error: string }
      if ('error' in body) setError(body.error)
      else setRing(body)
    } catch {
      setLost(true)
    }
    setBusy(false)
  }
  return { ring, isLost, error, busy, act: (what, machines) => void act(what, machines) }
}

export function Page() {
  const { ring, isLost, error, busy, act } = useRing()
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [selectedId, setSelectedId] = useState<string>()
  if (ring === null) return <p className="p-6 text-ink-soft">{isLost ? 'Nothing plays here any more.' : 'Looking at the ring …'}</p>
  const toggle = (name: string) =>
    setChosen((before) => new Set(before.has(name) ? [...before].filter((other) => other !== name) : [...before, name]))
  return (
    <main className="mx-auto flex max-w-[1800px] flex-col gap-4 p-3 sm:p-6">
      <Header ring={ring} isLost={isLost} />
      {ring.notice === '' ? null : <p className="max-w-prose text-sm text-ink-faint">{ring.notice}</p>}
      <div className="grid grid-cols-[minmax(0,1fr)] gap-x-6 gap-y-4 lg:grid-cols-[minmax(0,1fr)_360px]">
        <section aria-label="Machines" className="flex min-w-0 flex-col gap-3">
          {ring.hasCables ? <CutBar ring={ring} chosen={chosen} busy={busy} onAct={act} /> : null}
          {error === '' ? null : <Banner tone="error">{error}</Banner>}
          <ul className="flex flex-col divide-y rounded-md border bg-surface">
            {ring.machines.map((machine) => (
              <MachineRow
                key={machine.name}
                {...{ machine, ring, busy }}
                isChosen={chosen.has(machine.name)}
                isSelected={selectedId === machine.name}
                onChoose={() => toggle(machine.name)}
                onAct={act}
              />
            ))}
          </ul>
        </section>
        <aside className="flex min-w-0 flex-col gap-4">
          <RingMoment history={ring.history} atMs={ring.nowMs} selectedId={selectedId} onSelect={setSelectedId} />
        </aside>
      </div>
      <Timeline ring={ring} selectedId={selectedId} onSelect={setSelectedId} />
      <Events ring={ring} />
    </main>
  )
}

function Header({ ring, isLost }: { ring: LiveRing; isLost: boolean }) {
  const { isSettled, sentence } = ring.state
  return (
    <header className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <RingMark />
      <h1 className="text-xl font-semibold">{ring.title}</h1>
      <p className={cx('flex min-w-0 items-center gap-2', isSettled && !isLost ? 'text-ink-soft' : 'text-accent-text')} aria-live="polite">
        <span className={cx('size-2 shrink-0 rounded-full', isLost ? 'bg-danger' : isSettled ? 'bg-healthy' : 'bg-accent')} aria-hidden />
        <span className="min-w-0 wrap-anywhere">{isLost ? 'Nothing plays here any more: this is how it was at last.' : sentence}</span>
      </p>
      <Button variant="primary" asChild className="sm:ml-auto">
        <a href={ring.leaderConsoleUrl} target="_blank" rel="noreferrer">
          The leader’s console
        </a>
      </Button>
    </header>
  )
}

function CutBar({ ring, chosen, busy, onAct }: { ring: LiveRing; chosen: ReadonlySet<string>; busy: boolean; onAct: Do }) {
  const isCut = ring.machines.some((machine) => machine.side > 0)
  const canCut = chosen.size > 0 && chosen.size < ring.machines.length
  return (
    <div className="flex flex-wrap items-center gap-2">
      <Button disabled={!canCut || busy} onClick={() => onAct('cut', [...chosen])}>
        Cut the chosen off
      </Button>
      <Button disabled={!isCut || busy} onClick={() => onAct('heal', [])}>
        Heal
      </Button>
      <p className="text-sm text-ink-faint">
        {isCut
          ? 'The network is in two parts, A and B.'
          : canCut
            ? 'The chosen machines will hear only each other.'
            : 'Choose machines to cut them off from the rest.'}
      </p>
    </div>
  )
}

interface RowProps {
  machine: LiveMachine
  ring: LiveRing
  busy: boolean
  isChosen: boolean
  isSelected: boolean
  onChoose: () => void
  onAct: Do
}

const SIDES = ['', 'A', 'B'] as const
const POWER_WORDS = { off: 'off', on: '', paused: 'stands still' } as const

function MachineRow({ machine, ring, busy, isChosen, isSelected, onChoose, onAct }: RowProps) {
  const { name, power, says } = machine
  return (
    <li
      className={cx(
        'grid gap-x-4 gap-y-2 p-3 md:grid-cols-[minmax(0,13.5rem)_minmax(0,1fr)_auto] md:items-center',
        isSelected && 'bg-hover',
      )}
      data-machine={name}
    >
      <div className="flex min-w-0 items-start gap-2.5">
        {ring.hasCables ? (
          <input
            type="checkbox"
            checked={isChosen}
            onChange={onChoose}
            aria-label={`Choose ${name}`}
            className="mt-1 size-4 accent-(--c-accent)"
          />
        ) : null}
        <div className="min-w-0">
          <p className="flex flex-wrap items-center gap-1.5 font-semibold">
            <span className="truncate">{name}</span>
            {says?.role === 'leader' ? <Badge tone="accent">leader</Badge> : null}
            {machine.side > 0 ? <Badge>{SIDES[machine.side]}</Badge> : null}
            {power === 'on' ? null : <Badge>{POWER_WORDS[power]}</Badge>}
            {machine.isPlugged ? null : <Badge>unplugged</Badge>}
          </p>
          <p className="truncate text-sm text-ink-faint">{machine.kind}</p>
        </div>
      </div>
      <Says machine={machine} ring={ring} />
      <Buttons {...{ machine, ring, busy, onAct }} />
    </li>
  )
}

/** What the machine itself says: term, health, whom it takes for awake. */
function Says({ machine, ring }: { machine: LiveMachine; ring: LiveRing }) {
  const { says, power } = machine
  if (says === null) return <p className="text-sm text-ink-faint">{power === 'on' ? 'does not answer yet' : 'says nothing'}</p>
  const unknown = says.awake.filter((nodeId) => !ring.machines.some((other) => other.name === nodeId))
  return (
    <div className="min-w-0 text-sm">
      <p className="text-ink-soft">
        {says.term === null ? 'knows no term' : `term ${says.term.number} of ${says.term.nodeId}`}
        {' · '}
        <span className={says.health === 'degraded' ? 'text-danger-text' : ''} title={says.failed.join('\n')}>
          {says.health === 'ok' ? 'its plan runs' : says.health === 'starting' ? 'is starting' : (says.failed[0] ?? 'something fails')}
        </span>
      </p>
      <ul className="mt-1 flex flex-wrap gap-1" aria-label={`Whom ${machine.name} takes for awake`}>
        {[...ring.machines.map((other) => other.name), ...unknown].map((name) => {
          const isAwake = says.awake.includes(name)
          return (
            <li
              key={name}
              className={cx(
                'rounded-sm border px-1 text-xs',
                isAwake ? 'border-line-strong! bg-raised text-ink' : 'border-dashed! text-ink-faint line-through',
              )}
              title={`${machine.name} takes ${name} for ${isAwake ? 'awake' : 'away'}`}
            >
              {name}
            </li>
          )
        })}
      </ul>
    </div>
  )
}

function Buttons({ machine, ring, busy, onAct }: { machine: LiveMachine; ring: LiveRing; busy: boolean; onAct: Do }) {
  const { name, power } = machine
  const button = (act: Act, words: string) => (
    <Button size="sm" disabled={busy} onClick={() => onAct(act, [name])} aria-label={`${words}: ${name}`}>
      {words}
    </Button>
  )
  return (
    <div className="flex flex-wrap gap-1.5 md:justify-end">
      {power === 'off' ? button('start', 'Switch on') : button('power-cut', 'Power cut')}
      {power === 'on' ? button('pause', 'Pause') : null}
      {power === 'paused' ? button('resume', 'Go on') : null}
      {power === 'on' ? button('shut-down', 'Shut down') : null}
      {!ring.hasCables ? null : machine.isPlugged ? button('unplug', 'Pull cable') : button('plug', 'Plug in')}
      {power === 'on' && machine.says !== null ? (
        <Button size="sm" variant="quiet" asChild>
          <a href={machine.consoleUrl} target="_blank" rel="noreferrer" aria-label={`Console of ${name}`}>
            Console
          </a>
        </Button>
      ) : null}
    </div>
  )
}

function Timeline({ ring, selectedId, onSelect }: { ring: LiveRing; selectedId: string | undefined; onSelect: (id: string) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const trackPx = useTrackWidth(box)
  return (
    <section aria-label="The last two minutes" className="flex min-w-0 flex-col gap-2">
      <h2 className="font-semibold">The last two minutes</h2>
      <div ref={box} className={cx('relative overflow-auto rounded-md border bg-surface', NAMES_CSS)}>
        <div className="relative min-w-[720px]">
          <TimelineTracks history={ring.history} trackPx={trackPx} selectedId={selectedId} onSelect={onSelect} />
        </div>
      </div>
      <TimelineLegend />
    </section>
  )
}

/** Of the track beside the names, in pixels. */
function useTrackWidth(box: RefObject<HTMLDivElement | null>): number {
  const [px, setPx] = useState(760)
  useEffect(() => {
    const { current } = box
    if (current === null) return undefined
    const observer = new ResizeObserver(() => setPx(Math.max(552, current.clientWidth - 168)))
    observer.observe(current)
    return () => observer.disconnect()
  }, [box])
  return px
}

function Events({ ring }: { ring: LiveRing }) {
  const newest = ring.history.events.slice(-EVENTS_SHOWN).toReversed()
  return (
    <section aria-label="What happened" className="flex min-w-0 flex-col gap-2">
      <h2 className="font-semibold">What happened</h2>
      <ol className="flex flex-col gap-0.5">
        {newest.map((event, index) => (
          <li key={`${event.atMs}-${newest.length - index}`} className="flex gap-3">
            <span className="w-20 shrink-0 text-right text-sm text-ink-faint">{formatInstant({ startMs: 0, endMs: 0 }, event.atMs)}</span>
            <span className={cx('min-w-0 wrap-anywhere', event.kind === 'lead' && 'text-accent-text')}>{event.text}</span>
          </li>
        ))}
      </ol>
    </section>
  )
}
