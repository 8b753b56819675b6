import { Fragment, memo, type CSSProperties, type ReactNode } from 'react'
import { cx } from './cx.tsx'
import {
  rowsOf,
  cutSentence,
  ROLE_WORDS,
  ticksOf,
  type RingHistory,
  type TimelineCut,
  type TimelineEvent,
  type TimelineNode,
  type TimelineRole,
  type TimelineSegment,
} from './ring-timeline-data.tsx'

const hatch = (angle: number, colour: string): CSSProperties => ({
  backgroundImage: `repeating-linear-gradient(${angle}deg, ${colour} 0 1px, transparent 1px 5px)`,
})

/** Told apart by shape as well: full, half filled, grey, thin, dotted, hatched, hollow. */
const ROLE_LOOKS: Readonly<Record<TimelineRole, { className: string; style?: CSSProperties }>> = {
  leader: { className: 'top-1.5 h-4 bg-accent text-accent-ink font-semibold' },
  standby: { className: 'top-1.5 h-4 border border-accent! bg-accent/20 text-ink' },
  follower: { className: 'top-1.5 h-4 bg-ink-faint/45 text-ink' },
  proxy: { className: 'top-3 h-1.5 bg-ink-faint/70' },
  seeking: { className: 'top-1.5 h-4 border border-dashed border-ink-faint! text-ink-soft' },
  paused: { className: 'top-1.5 h-4 border border-ink-soft! text-ink', style: hatch(90, 'var(--c-ink-faint)') },
  down: { className: 'top-1.5 h-4 border border-line-strong!' },
  outside: { className: 'top-[13px] border-t border-dotted border-ink-faint!' },
}
const ROLES = ['leader', 'standby', 'follower', 'proxy', 'seeking', 'paused', 'down', 'outside'] as const

const SIDES = [hatch(45, 'var(--c-line-strong)'), hatch(-45, 'var(--c-line-strong)')] as const

export function TimelineLegend() {
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-sm text-ink-soft" aria-label="What the bars mean">
      {ROLES.map((role) => (
        <li key={role} className="flex items-center gap-1.5">
          <span className="relative block h-7 w-6" aria-hidden>
            <span className={cx('absolute inset-x-0 rounded-sm', ROLE_LOOKS[role].className)} style={ROLE_LOOKS[role].style} />
          </span>
          {ROLE_WORDS[role]}
        </li>
      ))}
      {(['A', 'B'] as const).map((side, index) => (
        <li key={side} className="flex items-center gap-1.5">
          <span className="grid h-4 w-6 place-items-center rounded-sm bg-hover text-xs font-semibold" style={SIDES[index]} aria-hidden>
            {side}
          </span>
          side {side} of a cut
        </li>
      ))}
    </ul>
  )
}

export interface TracksProps {
  readonly history: RingHistory
  /** Width of the track in pixels, for what has room: words, numbers, ticks. */
  readonly trackPx: number
  readonly selectedId: string | undefined
  readonly onSelect: (id: string) => void
}

/** All that does not change while the cursor moves. */
export const TimelineTracks = memo(function TimelineTracks({ history, trackPx, selectedId, onSelect }: TracksProps) {
  const scale = scaleOf(history, trackPx)
  const violations = history.events.filter((event) => event.kind === 'violation')
  return (
    <>
      <div className="sticky top-0 z-20 flex bg-surface">
        <LaneName>Time</LaneName>
        <div className="relative h-6 flex-1 border-b">
          {ticksOf(history, trackPx).map((tickMs) => (
            <span
              key={tickMs}
              className="absolute bottom-0 h-2 border-l border-line-strong! text-xs text-ink-faint"
              style={scale.at(tickMs)}
            >
              <span className={cx('absolute bottom-1 whitespace-nowrap', scale.px(tickMs) > trackPx - 32 ? 'right-1' : 'left-1')}>
                {(tickMs - history.startMs) / 1000}
                {tickMs === history.startMs ? ' s' : ''}
              </span>
            </span>
          ))}
        </div>
      </div>
      {violations.length > 0 ? (
        <Lane name="Broken rules" height={24} isDanger>
          <Marks events={violations} scale={scale} className="top-1 font-semibold text-danger-text" glyph="✕" />
        </Lane>
      ) : null}
      <LeaderLane history={history} scale={scale} />
      <CutLane history={history} scale={scale} />
      <PlanLane history={history} scale={scale} />
      <ul aria-label="Machines">
        {history.nodes.map((node) => (
          <NodeRow key={node.id} node={node} {...{ history, scale, onSelect }} isSelected={node.id === selectedId} />
        ))}
      </ul>
    </>
  )
})

interface Scale {
  readonly trackPx: number
  px(atMs: number): number
  at(atMs: number): CSSProperties
  span(fromMs: number, toMs: number): CSSProperties
}

/** Percent of the track, so that nothing has to be drawn anew when it grows. */
function scaleOf(history: RingHistory, trackPx: number): Scale {
  const spanMs = Math.max(1, history.endMs - history.startMs)
  const percent = (ms: number) => `${Math.round((ms / spanMs) * 1e6) / 1e4}%`
  return {
    trackPx,
    px: (atMs) => ((atMs - history.startMs) / spanMs) * trackPx,
    at: (atMs) => ({ left: percent(atMs - history.startMs) }),
    span: (fromMs, toMs) => ({ left: percent(fromMs - history.startMs), width: percent(toMs - fromMs) }),
  }
}

function LaneName({ children, className }: { children: ReactNode; className?: string }) {
  return (
    <div
      className={cx('sticky left-0 z-10 flex w-(--names) shrink-0 items-center border-r bg-surface px-2 text-sm text-ink-faint', className)}
    >
      {children}
    </div>
  )
}

function Lane({ name, height, isDanger = false, children }: { name: string; height: number; isDanger?: boolean; children: ReactNode }) {
  return (
    <div className="flex border-b">
      <LaneName className={isDanger ? 'font-semibold text-danger-text!' : ''}>{name}</LaneName>
      <div className={cx('relative flex-1 overflow-hidden', isDanger && 'bg-danger/10')} style={{ height }}>
        {children}
      </div>
    </div>
  )
}

const CUT_ROW_PX = 22

/** Who leads, whatever row that machine has: several where the ring is in pieces. */
function LeaderLane({ history, scale }: { history: RingHistory; scale: Scale }) {
  const terms = history.nodes
    .flatMap((node) => node.segments.filter((segment) => segment.role === 'leader').map((segment) => ({ ...segment, name: node.name })))
    .toSorted((a, b) => a.fromMs - b.fromMs)
  const rows = rowsOf(terms)
  return (
    <Lane name="Leader" height={Math.max(1, ...rows.map((row) => row + 1)) * CUT_ROW_PX + 4}>
      {terms.map((leading, index) => (
        <div
          key={`${leading.name} ${leading.fromMs}`}
          title={`${leading.name} leads, term ${leading.term?.number ?? ''}`}
          className="absolute h-5 min-w-px truncate rounded-sm bg-accent text-xs leading-5 font-semibold text-accent-ink"
          style={{ ...scale.span(leading.fromMs, leading.toMs), top: (rows[index] ?? 0) * CUT_ROW_PX + 3 }}
        >
          {scale.px(leading.toMs) - scale.px(leading.fromMs) > 12 + leading.name.length * 7 ? (
            <span className="px-1">{leading.name}</span>
          ) : (
            ''
          )}
        </div>
      ))}
    </Lane>
  )
}

function CutLane({ history, scale }: { history: RingHistory; scale: Scale }) {
  if (history.cuts.length === 0) return null
  const rows = rowsOf(history.cuts)
  return (
    <Lane name="Cut off" height={(Math.max(...rows) + 1) * CUT_ROW_PX + 4}>
      {history.cuts.map((cut, index) => (
        <div
          key={`${cut.fromMs}-${index}`}
          title={cutSentence(history, cut)}
          className="absolute h-5 truncate rounded-sm border border-ink-faint! bg-hover px-1 text-xs leading-[18px] text-ink"
          style={{ ...scale.span(cut.fromMs, cut.toMs), top: (rows[index] ?? 0) * CUT_ROW_PX + 3 }}
        >
          {scale.px(cut.toMs) - scale.px(cut.fromMs) > 90 ? cutSentence(history, cut) : ''}
        </div>
      ))}
    </Lane>
  )
}

function PlanLane({ history, scale }: { history: RingHistory; scale: Scale }) {
  const plans = history.events.filter((event) => event.kind === 'plan')
  if (plans.length === 0) return null
  return (
    <Lane name="Plan changes" height={24}>
      <Marks events={plans} scale={scale} className="top-1 text-ink-soft" glyph="│" />
    </Lane>
  )
}

const GLYPHS: Readonly<Record<string, string>> = {
  starts: '▲',
  'power cut': '✕',
  clock: '◷',
  sleeps: '☾',
  paused: '‖',
  'goes on': '▸',
  wakes: '▸',
}
const CHARACTER_PX = 5.6

/** Marks with their words where there is room before the next one, else the sign alone. */
function Marks(props: { events: readonly TimelineEvent[]; scale: Scale; className: string; glyph?: string }) {
  const { events, scale, className, glyph } = props
  return events.map((event, index) => {
    const next = events[index + 1]
    const roomPx = (next === undefined ? scale.trackPx : scale.px(next.atMs)) - scale.px(event.atMs)
    const hasRoom = roomPx > 14 + event.mark.length * CHARACTER_PX
    const sign = glyph ?? GLYPHS[event.mark.split(' ', 1)[0] ?? ''] ?? GLYPHS[event.mark] ?? '•'
    return (
      <span
        key={`${event.atMs}-${index}`}
        title={event.text}
        className={cx('absolute -ml-[3px] flex items-center gap-0.5 text-[10px] leading-4 whitespace-nowrap', className)}
        style={scale.at(event.atMs)}
      >
        <span aria-hidden>{sign}</span>
        {hasRoom ? <span>{event.mark}</span> : null}
      </span>
    )
  })
}

function NodeRow(props: { node: TimelineNode; history: RingHistory; scale: Scale; isSelected: boolean; onSelect: (id: string) => void }) {
  const { node, history, scale, isSelected, onSelect } = props
  const marks = history.events.filter((event) => event.kind === 'fault' && event.nodeIds.includes(node.id))
  return (
    <li className={cx('flex border-b', isSelected && 'bg-hover')}>
      <div className={cx('sticky left-0 z-10 w-(--names) shrink-0 border-r', isSelected ? 'bg-hover' : 'bg-surface')}>
        <button
          type="button"
          aria-pressed={isSelected}
          onClick={() => onSelect(node.id)}
          className="block size-full px-2 py-1 text-left -outline-offset-2!"
        >
          <span className="block truncate leading-4 text-ink">{node.name}</span>
          <span className="block truncate text-xs leading-4 text-ink-faint">{node.profile}</span>
        </button>
      </div>
      <div className="relative h-[42px] flex-1 overflow-hidden" data-track={node.id}>
        {history.cuts.map((cut, index) => (
          <CutShade key={`${cut.fromMs}-${index}`} cut={cut} nodeId={node.id} scale={scale} />
        ))}
        {node.segments.map((segment, index) => (
          <SegmentBar key={segment.fromMs} {...{ segment, history, scale }} before={node.segments[index - 1]} />
        ))}
        <Marks events={marks} scale={scale} className="top-[24px] text-ink-soft" />
      </div>
    </li>
  )
}

function CutShade({ cut, nodeId, scale }: { cut: TimelineCut; nodeId: string; scale: Scale }) {
  const side = cut.from.includes(nodeId) ? 0 : cut.to.includes(nodeId) ? 1 : null
  if (side === null) return null
  return (
    <div
      className="absolute inset-y-0 border-x border-line-strong! bg-hover/60"
      style={{ ...scale.span(cut.fromMs, cut.toMs), ...SIDES[side] }}
    >
      <span className="absolute right-0.5 bottom-0 text-[10px] leading-4 font-semibold text-ink-soft">{'AB'[side]}</span>
    </div>
  )
}

function SegmentBar(props: { segment: TimelineSegment; before: TimelineSegment | undefined; history: RingHistory; scale: Scale }) {
  const { segment, before, history, scale } = props
  const look = ROLE_LOOKS[segment.role]
  const { term } = segment
  const isNewTerm = term !== null && (segment.role === 'leader' || before?.term?.number !== term.number)
  const roomPx = scale.px(segment.toMs) - scale.px(segment.fromMs)
  const leader = term === null ? undefined : history.nodes.find((node) => node.id === term.leaderId)
  const title = `${ROLE_WORDS[segment.role]}${term === null ? '' : `, term ${term.number} of ${leader?.name ?? term.leaderId}`}`
  return (
    <div
      title={title}
      data-role={segment.role}
      className={cx('absolute min-w-px overflow-hidden rounded-[2px] px-1 text-xs leading-[15px] whitespace-nowrap', look.className)}
      style={{ ...scale.span(segment.fromMs, segment.toMs), ...look.style, ...(roomPx < 10 ? { padding: 0 } : {}) }}
    >
      {isNewTerm && segment.role !== 'proxy' ? <Fragment>{termText(term.number, roomPx)}</Fragment> : null}
    </div>
  )
}

function termText(number: number, roomPx: number): string {
  const short = String(number)
  if (roomPx > 40 + short.length * 7) return `term ${short}`
  return roomPx > 10 + short.length * 7 ? short : ''
}
