import type { JoinerReveal, RingReveal } from '@thatdam/protocol/adopt'
import { network } from '../rate-limits.ts'
import { ATTEMPTS_MAX, codeOf, commitmentOf, recent, transcriptOf } from './code.ts'

/*
 * The admitter's side. One entry for each machine that waits:
 *
 *   waiting ──open──▶ opened ──reveal──▶ showing ──both said yes──▶ admitting ──▶ admitted
 *      │                 │                  │ no, cancel, late          │ cannot
 *      └──── silent ─────┴──────────────────┴──────────▶ over ◀─────────┘
 *
 * Digits are made only for a machine that the owner opened: a crowd of strangers waits, fills its bounded places and costs no attempt. Who waits is
 * never pushed out by others.
 */
export const WAITING_MAX = 32
/** Of one address (IPv6: one network). */
export const WAITING_PER_ADDRESS_MAX = 3
/** Not heard from for so long, a waiting machine has gone. */
export const SILENCE_MS = 30_000
/** From opening to both people's word. */
export const OPEN_MS = 180_000
/** How long the outcome is told. */
export const TOLD_MS = 120_000
/** Why it is over when nobody said anything. */
export const LATE = 'Nobody confirmed the six digits within three minutes. Start again on the machine.'

export type RingEntryPhase = 'waiting' | 'opened' | 'showing' | 'admitting' | 'admitted' | 'over'
export type RingEntry = {
  readonly id: string
  readonly commitment: string
  readonly nodeId: string
  readonly hostname: string
  readonly address: string
  readonly own: RingReveal
  readonly phase: RingEntryPhase
  readonly heardAtMs: number
  /** When the phase began. */
  readonly sinceMs: number
  readonly openedAtMs: number | null
  readonly joiner: JoinerReveal | null
  readonly transcript: string | null
  readonly ownerSaid: boolean
  readonly joinerSaid: boolean
  readonly reason: string | null
}
/** `openings`: when the owner opened one; `showings`: the same by the joiner's key. */
export type RingSideState = {
  readonly entries: ReadonlyMap<string, RingEntry>
  readonly openings: readonly number[]
  readonly showings: ReadonlyMap<string, readonly number[]>
}
export const NOBODY_WAITS: RingSideState = { entries: new Map(), openings: [], showings: new Map() }

export type RingSideEvent =
  | {
      readonly kind: 'commit'
      readonly commitment: string
      readonly nodeId: string
      readonly hostname: string
      readonly address: string
      readonly own: Omit<RingReveal, 'nonce'>
    }
  | { readonly kind: 'open'; readonly id: string }
  | { readonly kind: 'confirm'; readonly id: string }
  /** By the owner; or, with a reason, because it cannot be. */
  | { readonly kind: 'cancel'; readonly id: string; readonly reason?: string }
  | { readonly kind: 'reveal'; readonly id: string; readonly reveal: JoinerReveal }
  | { readonly kind: 'heard'; readonly id: string; readonly said: 'nothing' | 'yes' | 'no' }
  /** What became of an `admit`; `reason`: why it could not be. */
  | { readonly kind: 'admitted'; readonly id: string; readonly reason: string | null }
  | { readonly kind: 'tick' }
export type RingSideRefusal = 'full' | 'too-many' | 'unknown' | 'not-now' | 'not-what-was-committed'
export type RingSideAction =
  | { readonly kind: 'admit'; readonly entry: RingEntry }
  | { readonly kind: 'over'; readonly entry: RingEntry }
  | { readonly kind: 'refuse'; readonly why: RingSideRefusal }
export type RingSideStep = { readonly state: RingSideState; readonly actions: readonly RingSideAction[] }

/** The digits of an entry, once both sides are revealed. */
export const codeOfEntry = (entry: RingEntry): string | null => (entry.transcript === null ? null : codeOf(entry.transcript))

/** @param random a fresh nonce: 16 random bytes, base64url. Names a new entry, and hides what this side commits to. */
export function stepRingSide(
  before: RingSideState,
  event: RingSideEvent,
  now: { readonly ms: number; readonly random: () => string },
): RingSideStep {
  const swept = sweep(before, now.ms)
  const next = decide(swept.state, event, now)
  return { state: next.state, actions: [...swept.actions, ...next.actions] }
}

function decide(state: RingSideState, event: RingSideEvent, now: { readonly ms: number; readonly random: () => string }): RingSideStep {
  if (event.kind === 'tick') return { state, actions: [] }
  if (event.kind === 'commit') return commit(state, event, now)
  const entry = state.entries.get(event.id)
  return entry === undefined ? refuse(state, 'unknown') : ofEntry(state, entry, event, now.ms)
}

function ofEntry(
  state: RingSideState,
  entry: RingEntry,
  event: Exclude<RingSideEvent, { kind: 'commit' | 'tick' }>,
  nowMs: number,
): RingSideStep {
  if (event.kind === 'open') return open(state, entry, nowMs)
  if (event.kind === 'reveal') return reveal(state, entry, event.reveal, nowMs)
  if (event.kind === 'heard') return heard(state, { ...entry, heardAtMs: nowMs }, event.said, nowMs)
  if (event.kind === 'confirm') {
    return entry.phase === 'showing' ? settle(state, { ...entry, ownerSaid: true }, nowMs) : refuse(state, 'not-now')
  }
  if (event.kind === 'cancel') {
    return isSettled(entry)
      ? refuse(state, 'not-now')
      : end(state, entry, event.reason ?? 'The owner of the ring did not take this machine in.', nowMs)
  }
  if (entry.phase !== 'admitting') return refuse(state, 'not-now')
  if (event.reason !== null) return end(state, entry, event.reason, nowMs)
  return { state: withEntry(state, { ...entry, phase: 'admitted', sinceMs: nowMs }), actions: [] }
}

function heard(state: RingSideState, entry: RingEntry, said: 'nothing' | 'yes' | 'no', nowMs: number): RingSideStep {
  if (said === 'no' && entry.phase === 'waiting') {
    // Nobody has looked at it yet, so it leaves its place at once: no crowd that comes and goes fills them.
    const entries = new Map(state.entries)
    entries.delete(entry.id)
    return { state: { ...state, entries }, actions: [] }
  }
  if (said === 'no' && !isSettled(entry)) return end(state, entry, 'It was cancelled at the machine itself.', nowMs)
  if (said === 'yes' && entry.phase === 'showing') return settle(state, { ...entry, joinerSaid: true }, nowMs)
  return { state: withEntry(state, entry), actions: [] }
}

function commit(
  state: RingSideState,
  event: Extract<RingSideEvent, { kind: 'commit' }>,
  now: { ms: number; random: () => string },
): RingSideStep {
  const { commitment, nodeId, hostname } = event
  const address = network(event.address)
  const entries = [...state.entries.values()]
  if (entries.some((entry) => entry.commitment === commitment)) return { state, actions: [] }
  if (entries.filter((entry) => entry.address === address).length >= WAITING_PER_ADDRESS_MAX) return refuse(state, 'full')
  if (entries.length >= WAITING_MAX) return refuse(state, 'full')
  const entry: RingEntry = {
    id: now.random(),
    commitment,
    nodeId,
    hostname,
    address,
    own: { ...event.own, nonce: now.random() },
    phase: 'waiting',
    heardAtMs: now.ms,
    sinceMs: now.ms,
    openedAtMs: null,
    joiner: null,
    transcript: null,
    ownerSaid: false,
    joinerSaid: false,
    reason: null,
  }
  return { state: withEntry(state, entry), actions: [] }
}

function open(state: RingSideState, entry: RingEntry, nowMs: number): RingSideStep {
  if (entry.phase === 'opened' || entry.phase === 'showing') return { state, actions: [] }
  if (entry.phase !== 'waiting') return refuse(state, 'not-now')
  const openings = recent(state.openings, nowMs)
  if (openings.length >= ATTEMPTS_MAX) return refuse(state, 'too-many')
  const opened = { ...entry, phase: 'opened' as const, sinceMs: nowMs, openedAtMs: nowMs }
  return { state: { ...withEntry(state, opened), openings: [...openings, nowMs] }, actions: [] }
}

function reveal(state: RingSideState, entry: RingEntry, joiner: JoinerReveal, nowMs: number): RingSideStep {
  if (entry.joiner !== null && commitmentOf({ joiner }) === entry.commitment) return { state, actions: [] }
  if (entry.phase !== 'opened') return refuse(state, 'not-now')
  if (commitmentOf({ joiner }) !== entry.commitment || joiner.nodeId !== entry.nodeId) {
    const over = end(state, entry, 'The machine did not show what it had promised to. Somebody may be between it and the ring.', nowMs)
    return { state: over.state, actions: [...over.actions, { kind: 'refuse', why: 'not-what-was-committed' }] }
  }
  const showings = recent(state.showings.get(joiner.nodeKey) ?? [], nowMs)
  if (showings.length >= ATTEMPTS_MAX) return refuse(state, 'too-many')
  const shown = {
    ...entry,
    phase: 'showing' as const,
    sinceMs: nowMs,
    heardAtMs: nowMs,
    joiner,
    transcript: transcriptOf(joiner, entry.own),
  }
  const next = withEntry(state, shown)
  return { state: { ...next, showings: new Map(state.showings).set(joiner.nodeKey, [...showings, nowMs]) }, actions: [] }
}

function settle(state: RingSideState, entry: RingEntry, nowMs: number): RingSideStep {
  if (!entry.ownerSaid || !entry.joinerSaid) return { state: withEntry(state, entry), actions: [] }
  const admitting = { ...entry, phase: 'admitting' as const, sinceMs: nowMs }
  return { state: withEntry(state, admitting), actions: [{ kind: 'admit', entry: admitting }] }
}

function end(state: RingSideState, entry: RingEntry, reason: string, nowMs: number): RingSideStep {
  const over = { ...entry, phase: 'over' as const, sinceMs: nowMs, reason }
  return { state: withEntry(state, over), actions: [{ kind: 'over', entry: over }] }
}

/** What time alone ends. An `admitting` one is ended by its outcome. */
function sweep(state: RingSideState, nowMs: number): RingSideStep {
  const actions: RingSideAction[] = []
  const entries = new Map(state.entries)
  for (const [id, entry] of state.entries) {
    const isTold = (entry.phase === 'admitted' || entry.phase === 'over') && nowMs - entry.sinceMs >= TOLD_MS
    const isGone = entry.phase === 'waiting' && nowMs - entry.heardAtMs >= SILENCE_MS
    const isLate = (entry.phase === 'opened' || entry.phase === 'showing') && nowMs - (entry.openedAtMs ?? 0) >= OPEN_MS
    if (isTold || isGone) entries.delete(id)
    if (!isLate) continue
    const over = end({ ...state, entries }, entry, LATE, nowMs)
    for (const [key, value] of over.state.entries) entries.set(key, value)
    actions.push(...over.actions)
  }
  const showings = new Map(
    [...state.showings].map(([key, times]) => [key, recent(times, nowMs)] as const).filter(([, times]) => times.length > 0),
  )
  return { state: { entries, openings: recent(state.openings, nowMs), showings }, actions }
}

const isSettled = (entry: RingEntry): boolean => entry.phase === 'admitting' || entry.phase === 'admitted' || entry.phase === 'over'
const withEntry = (state: RingSideState, entry: RingEntry): RingSideState => ({
  ...state,
  entries: new Map(state.entries).set(entry.id, entry),
})
const refuse = (state: RingSideState, why: RingSideRefusal): RingSideStep => ({ state, actions: [{ kind: 'refuse', why }] })
