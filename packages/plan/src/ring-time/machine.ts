import type { NodeId } from '@thatdam/protocol/ids'
import type { Now } from '../election/contract.ts'
import { byText } from '../roster-view.ts'
import type { ClockHeard, ClockWord, RingTimeAction, RingTimeEvent } from './contract.ts'

/** A clock is told to one other member this often: in a ring of n all know all after about log n times this. */
export const TELL_MS = 2_000
/** A clock of which no word came for this long is not reachable. */
export const FORGET_MS = 30_000
/** The median is taken of this many clocks at most, and all nodes take the same ones. Bounds a message too. */
export const CLOCKS_MAX = 32
/** The wall clock went on further than the monotonic one by more than this: the machine slept, or somebody set the clock. */
const LEAP_MS = 1_000

interface Clock {
  readonly nodeId: NodeId
  /** That clock less this node's monotonic one: it stays right while this node's wall clock jumps. */
  readonly offsetMs: number
  readonly isSynchronised: boolean
  /** When its owner told it, by this node's monotonic clock. */
  readonly toldAtMs: number
}

export interface RingTimeState {
  readonly nodeId: NodeId
  readonly isSynchronised: boolean
  readonly alive: ReadonlySet<NodeId>
  /** Of others. After a tick at most twice CLOCKS_MAX. */
  readonly clocks: ReadonlyMap<NodeId, Clock>
  readonly nextTellAtMs: number
  /** Both clocks at the last event. */
  readonly last: Now
}

/**
 * Ring time (DESIGN §5): the median of the reachable clocks, those that follow a time server first; a node alone goes by its own.
 *
 *     own clock ──▶ told to a member, with the clocks of others ──▶ held there for half a minute ──▶ median of the same few everywhere
 *
 * Where no clock follows a time server there is no truth, but all agree: the same clocks are taken everywhere (by node id), and of two in the
 * middle the later one, because a machine without a battery for its clock wakes up in the past. It stamps ops; it never steps a system clock.
 * A machine that slept forgets the others' clocks: they were held against its monotonic clock, which may have stood still.
 */
export const initialRingTime = (nodeId: NodeId, now: Now): RingTimeState => ({
  nodeId,
  isSynchronised: false,
  alive: new Set([nodeId]),
  clocks: new Map(),
  nextTellAtMs: now.monotonicMs,
  last: now,
})

/** `random` is one draw of [0, 1). */
export function stepRingTime(
  before: RingTimeState,
  event: RingTimeEvent,
  now: Now,
  random: number,
): { state: RingTimeState; actions: RingTimeAction[] } {
  const state = { ...before, last: now, clocks: hasLeapt(before, now) ? new Map<NodeId, Clock>() : before.clocks }
  switch (event.kind) {
    case 'alive':
      return { state: { ...state, alive: event.alive }, actions: [] }
    case 'message':
      return { state: takeIn(state, event.from, event.message, now), actions: [] }
    case 'tick':
      return tick(state, event.isSynchronised, now, random)
  }
  return { state, actions: [] }
}

/** Unix milliseconds. Ask at each use: this node's own clock may have jumped since the last event. */
export function ringTimeMs(state: RingTimeState, now: Now): number {
  const offsets = chosen(state, now)
    .map((clock) => clock.offsetMs)
    .toSorted((a, b) => a - b)
  return now.monotonicMs + (offsets[offsets.length >> 1] ?? now.wallMs - now.monotonicMs)
}

/** The clocks that count: of those in reach the synchronised ones, or all where none is; the first by node id, as everywhere. */
function chosen(state: RingTimeState, now: Now): readonly Clock[] {
  const own: Clock = {
    nodeId: state.nodeId,
    offsetMs: now.wallMs - now.monotonicMs,
    isSynchronised: state.isSynchronised,
    toldAtMs: now.monotonicMs,
  }
  if (hasLeapt(state, now)) return [own]
  const reachable = [own, ...[...state.clocks.values()].filter((clock) => state.alive.has(clock.nodeId) && isFresh(clock, now))]
  const synchronised = reachable.filter((clock) => clock.isSynchronised)
  return firstOf(synchronised.length > 0 ? synchronised : reachable)
}

const hasLeapt = ({ last }: RingTimeState, now: Now): boolean => now.wallMs - last.wallMs - (now.monotonicMs - last.monotonicMs) > LEAP_MS

const isFresh = (clock: Clock, now: Now): boolean => now.monotonicMs - clock.toldAtMs < FORGET_MS

const firstOf = (clocks: readonly Clock[]): readonly Clock[] =>
  clocks.length <= CLOCKS_MAX ? clocks : clocks.toSorted((a, b) => byText(a.nodeId, b.nodeId)).slice(0, CLOCKS_MAX)

function tick(
  state: RingTimeState,
  isSynchronised: boolean,
  now: Now,
  random: number,
): { state: RingTimeState; actions: RingTimeAction[] } {
  const current = state.isSynchronised === isSynchronised ? state : { ...state, isSynchronised }
  if (now.monotonicMs < state.nextTellAtMs) return { state: current, actions: [] }
  const clocks = kept([...state.clocks.values()].filter((clock) => state.alive.has(clock.nodeId) && isFresh(clock, now)))
  const next = { ...current, clocks, nextTellAtMs: now.monotonicMs + TELL_MS * (0.75 + random / 2) }
  const others = [...state.alive].filter((nodeId) => nodeId !== state.nodeId)
  const to = others[Math.floor(random * others.length)]
  return { state: next, actions: to === undefined ? [] : [{ kind: 'send', to, message: wordOf(next, now) }] }
}

/** In a large ring those that could count, whether some clock follows a time server or not. */
function kept(clocks: readonly Clock[]): Map<NodeId, Clock> {
  const synchronised = firstOf(clocks.filter((clock) => clock.isSynchronised))
  const others = firstOf(clocks.filter((clock) => !clock.isSynchronised))
  return new Map([...synchronised, ...others].map((clock) => [clock.nodeId, clock]))
}

/** Of others those that would count: the synchronised first, else the first by id. */
function wordOf(state: RingTimeState, now: Now): ClockWord {
  const ownMs = now.wallMs - now.monotonicMs
  const all = [...state.clocks.values()]
  const synchronised = firstOf(all.filter((clock) => clock.isSynchronised))
  const told = [...synchronised, ...firstOf(all.filter((clock) => !clock.isSynchronised))].slice(0, CLOCKS_MAX)
  const heard = told.map(({ nodeId, offsetMs, isSynchronised, toldAtMs }): ClockHeard => {
    return { nodeId, aheadMs: offsetMs - ownMs, isSynchronised, ageMs: now.monotonicMs - toldAtMs }
  })
  return { wallMs: now.wallMs, isSynchronised: state.isSynchronised, heard }
}

/** The newer word of each clock is kept. Figures that are none are passed over. */
function takeIn(state: RingTimeState, from: NodeId, word: ClockWord, now: Now): RingTimeState {
  if (!Number.isFinite(word.wallMs)) return state
  const clocks = new Map(state.clocks)
  const theirsMs = word.wallMs - now.monotonicMs
  const keep = (clock: Clock): void => {
    const known = clocks.get(clock.nodeId)
    const isNews = known === undefined || clock.toldAtMs > known.toldAtMs
    if (clock.nodeId !== state.nodeId && isNews && isFresh(clock, now)) clocks.set(clock.nodeId, clock)
  }
  keep({ nodeId: from, offsetMs: theirsMs, isSynchronised: word.isSynchronised, toldAtMs: now.monotonicMs })
  for (const { nodeId, aheadMs, isSynchronised, ageMs } of word.heard.slice(0, CLOCKS_MAX)) {
    if (!Number.isFinite(aheadMs) || !(ageMs >= 0)) continue
    keep({ nodeId, offsetMs: theirsMs + aheadMs, isSynchronised, toldAtMs: now.monotonicMs - ageMs })
  }
  return { ...state, clocks }
}
