import { useLayoutEffect, useRef } from 'react'
import { cx } from './cx.tsx'
import { formatInstant, ROLE_WORDS, segmentAt, sentencesAt, type RingHistory, type TimelineEvent } from './ring-timeline-data.tsx'
import { Ring, type RingNode } from './ring.tsx'

/** More names than this run into each other on the drawn ring: then only leaders and the selected machine are named. */
const NAMED_MAX = 14

export interface MomentProps {
  readonly history: RingHistory
  readonly atMs: number
  readonly selectedId: string | undefined
  readonly onSelect: (id: string) => void
}

/** The ring as it was at one instant: drawn, and in words. */
export function RingMoment({ history, atMs, selectedId, onSelect }: MomentProps) {
  const isCrowded = history.nodes.length > NAMED_MAX
  const nodes = history.nodes.map((node): RingNode => {
    const segment = segmentAt(node, atMs)
    const role = segment?.role ?? 'down'
    const isNamed = !isCrowded || role === 'leader' || node.id === selectedId
    const detail =
      role === 'leader' && segment !== undefined && segment.term !== null ? `leads, term ${segment.term.number}` : ROLE_WORDS[role]
    const ringNode = {
      id: node.id,
      name: node.name,
      leader: role === 'leader',
      away: role === 'down' || role === 'paused' || role === 'outside',
    }
    return isNamed ? { ...ringNode, detail } : ringNode
  })
  const named = isCrowded ? { named: new Set(nodes.filter((node) => node.detail !== undefined).map((node) => node.id)) } : {}
  return (
    <section aria-label="The ring at this instant">
      <Ring
        nodes={nodes}
        {...named}
        {...(selectedId === undefined ? {} : { selectedId })}
        onSelect={onSelect}
        className="mx-auto w-full max-w-[360px] overflow-visible"
      />
      <ul className="min-h-20 text-base text-ink-soft">
        {sentencesAt(history, atMs).map((sentence, index) => (
          <li key={sentence} className={index === 0 ? 'font-semibold text-ink' : ''}>
            {sentence}
          </li>
        ))}
      </ul>
    </section>
  )
}

const KIND_WORDS: Readonly<Record<TimelineEvent['kind'], string>> = {
  fault: 'machine',
  lead: 'leader',
  network: 'network',
  plan: 'plan',
  violation: 'broken rule',
  detail: 'detail',
}
/** Rows of the list on either side of the instant: enough to scroll a little, few enough to be drawn at every step. */
const AROUND = 40

export interface EventListProps {
  readonly history: RingHistory
  /** The events to list, in order of time. */
  readonly events: readonly TimelineEvent[]
  readonly atMs: number
  readonly onGo: (atMs: number) => void
}

/** What happened around the instant. The last event before it stands in the middle of a box that keeps its size. */
export function EventList({ history, events, atMs, onGo }: EventListProps) {
  const box = useRef<HTMLOListElement>(null)
  const last = events.findLastIndex((event) => event.atMs <= atMs)
  const from = Math.max(0, last - AROUND)
  const shown = events.slice(from, last + 1 + AROUND)
  useLayoutEffect(() => {
    const current = box.current?.querySelector<HTMLElement>('[data-last]')
    if (box.current !== null && current) box.current.scrollTop = current.offsetTop - box.current.clientHeight / 2 + current.clientHeight
    else if (box.current !== null) box.current.scrollTop = 0
  })
  return (
    <ol ref={box} aria-label="Events around this instant" className="relative h-80 overflow-y-auto rounded-md border bg-surface">
      {shown.map((event, index) => {
        const isNow = event.atMs === atMs
        return (
          <li key={from + index} {...(from + index === last ? { 'data-last': '' } : {})} className={cx(event.atMs > atMs && 'opacity-80')}>
            <button
              type="button"
              onClick={() => onGo(event.atMs)}
              {...(isNow ? { 'aria-current': 'step' } : {})}
              className={cx(
                'flex w-full gap-2 border-l-2 px-2 py-1 text-left -outline-offset-2! hover:bg-hover',
                isNow ? 'border-accent! bg-raised' : 'border-transparent!',
              )}
            >
              <span className="w-16 shrink-0 text-right text-sm text-ink-faint">{formatInstant(history, event.atMs)}</span>
              <span className="min-w-0 wrap-anywhere">
                <span className={cx('mr-1.5 text-xs', event.kind === 'violation' ? 'font-semibold text-danger-text' : 'text-ink-faint')}>
                  {KIND_WORDS[event.kind]}
                </span>
                <span className={event.kind === 'violation' ? 'text-danger-text' : event.kind === 'lead' ? 'text-accent-text' : ''}>
                  {event.text}
                </span>
              </span>
            </button>
          </li>
        )
      })}
    </ol>
  )
}
