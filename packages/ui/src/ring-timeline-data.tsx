/**
 * What a ring did over some time, as plain data (JSON): of a simulated run, or of a real ring's journal.
 * All times are whole milliseconds of one clock; only their distance counts.
 */
export interface RingHistory {
  readonly title: string
  readonly startMs: number
  readonly endMs: number
  readonly nodes: readonly TimelineNode[]
  readonly cuts: readonly TimelineCut[]
  /** In order of time. */
  readonly events: readonly TimelineEvent[]
  /** Plain sentences about the whole: weather, what was left out of the list. */
  readonly notes: readonly string[]
}
export interface TimelineNode {
  readonly id: string
  readonly name: string
  /** What kind of machine: "Pi 5 with a desktop". */
  readonly profile: string
  /** Without gaps from start to end, in order. */
  readonly segments: readonly TimelineSegment[]
}
export interface TimelineSegment {
  readonly fromMs: number
  readonly toMs: number
  readonly role: TimelineRole
  /** The leadership this machine goes by, or null when it knows of none. */
  readonly term: { readonly number: number; readonly leaderId: string } | null
}
/** `seeking`: up, may lead, and hears no leader. `paused`: its process stands still or the machine sleeps. `outside`: knows that it was removed. */
export type TimelineRole = 'leader' | 'standby' | 'follower' | 'proxy' | 'seeking' | 'paused' | 'down' | 'outside'

/** While it lasts, nothing goes from `from` to `to`; nor back, where it is both ways. */
export interface TimelineCut {
  readonly fromMs: number
  readonly toMs: number
  readonly from: readonly string[]
  readonly to: readonly string[]
  readonly bothWays: boolean
}
export interface TimelineEvent {
  readonly atMs: number
  /** `detail` may be thinned by whoever made the history; the others are complete. */
  readonly kind: 'fault' | 'lead' | 'network' | 'plan' | 'violation' | 'detail'
  /** A word or two for the timeline. */
  readonly mark: string
  /** The whole sentence. */
  readonly text: string
  readonly nodeIds: readonly string[]
  /** Of a plan: how many services it starts, stops or changes. */
  readonly changes?: number
}

export const ROLE_WORDS: Readonly<Record<TimelineRole, string>> = {
  leader: 'leads',
  standby: 'stands by',
  follower: 'follows',
  proxy: 'cameras only',
  seeking: 'hears no leader',
  paused: 'stands still',
  down: 'off',
  outside: 'removed',
}

/** The segment an instant lies in; the last one at the very end. */
export function segmentAt(node: TimelineNode, atMs: number): TimelineSegment | undefined {
  return node.segments.find((segment) => atMs >= segment.fromMs && atMs < segment.toMs) ?? node.segments.at(-1)
}

/** The instants at which something happened, each once, in order. */
export function instantsOf(events: readonly TimelineEvent[], isDetailed: boolean): number[] {
  return [...new Set(events.filter((event) => isDetailed || event.kind !== 'detail').map((event) => event.atMs))].toSorted((a, b) => a - b)
}

/** The instant after (`by` 1) or before (`by` -1) another; null where there is none. */
export function neighbour(instants: readonly number[], atMs: number, by: 1 | -1): number | null {
  const found = by === 1 ? instants.find((instant) => instant > atMs) : instants.findLast((instant) => instant < atMs)
  return found ?? null
}

export function nearest(instants: readonly number[], atMs: number): number | null {
  let best: number | null = null
  for (const instant of instants) if (best === null || Math.abs(instant - atMs) < Math.abs(best - atMs)) best = instant
  return best
}

const two = (value: number) => String(value).padStart(2, '0')

/** "12.300 s" in runs of minutes, "1:02:03" where the whole is longer than an hour. */
export function formatInstant(history: Pick<RingHistory, 'startMs' | 'endMs'>, atMs: number): string {
  const sinceMs = atMs - history.startMs
  if (history.endMs - history.startMs <= 3_600_000) return `${(sinceMs / 1000).toFixed(3)} s`
  const seconds = Math.floor(sinceMs / 1000)
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

const TICK_STEPS_MS = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000]

/** Round instants for the axis, at least `gapPx` apart on a track of `trackPx`. */
export function ticksOf(history: RingHistory, trackPx: number, gapPx = 64): number[] {
  const spanMs = history.endMs - history.startMs
  const leastMs = (gapPx / Math.max(trackPx, 1)) * spanMs
  const stepMs = TICK_STEPS_MS.find((step) => step >= leastMs) ?? Math.ceil(leastMs / 3_600_000) * 3_600_000
  return Array.from({ length: Math.floor(spanMs / stepMs) + 1 }, (_, index) => history.startMs + index * stepMs)
}

/** Spans that overlap in time get rows of their own: the row of each, from 0. In order of their start. */
export function rowsOf(spans: readonly { readonly fromMs: number; readonly toMs: number }[]): number[] {
  const endsMs: number[] = []
  return spans.map((span) => {
    const free = endsMs.findIndex((endMs) => endMs <= span.fromMs)
    const row = free < 0 ? endsMs.length : free
    endsMs[row] = span.toMs
    return row
  })
}

const NAMES_MAX = 4

/** "a, b, c, d and 3 more" */
export function namesOf(history: RingHistory, ids: readonly string[]): string {
  const names = ids.map((id) => history.nodes.find((node) => node.id === id)?.name ?? id)
  if (names.length === 0) return 'nobody'
  if (names.length > NAMES_MAX + 1) return `${names.slice(0, NAMES_MAX).join(', ')} and ${names.length - NAMES_MAX} more`
  return names.length === 1 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

export function cutSentence(history: RingHistory, cut: TimelineCut): string {
  const from = namesOf(history, cut.from)
  const to = namesOf(history, cut.to)
  return cut.bothWays ? `${from} cut from ${to}` : `${to} cannot hear ${from}`
}

/** The state of the ring at an instant, in words: one sentence each for leaders, standbys, and whoever is not well. */
export function sentencesAt(history: RingHistory, atMs: number): string[] {
  const byRole = new Map<TimelineRole, string[]>()
  const leading: string[] = []
  for (const node of history.nodes) {
    const segment = segmentAt(node, atMs)
    if (segment === undefined) continue
    byRole.set(segment.role, [...(byRole.get(segment.role) ?? []), node.id])
    if (segment.role === 'leader') leading.push(`${node.name} leads${segment.term === null ? '' : ` in term ${segment.term.number}`}`)
  }
  const say = (role: TimelineRole, one: string, many: string) => {
    const ids = byRole.get(role) ?? []
    return ids.length === 0 ? [] : [`${namesOf(history, ids)} ${ids.length === 1 ? one : many}`]
  }
  return [
    leading.length === 0 ? 'Nobody leads' : leading.join(', '),
    ...say('standby', 'stands by', 'stand by'),
    ...say('seeking', 'hears no leader', 'hear no leader'),
    ...say('paused', 'stands still', 'stand still'),
    ...say('down', 'is off', 'are off'),
    ...say('outside', 'is no longer a member', 'are no longer members'),
    ...history.cuts.filter((cut) => atMs >= cut.fromMs && atMs < cut.toMs).map((cut) => cutSentence(history, cut)),
  ].map((text) => `${text}.`)
}
