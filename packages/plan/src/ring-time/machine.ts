import type { NodeId } from '@thatdam/protocol/ids'
import type { Now } from '../election/contract.ts'
import { byText } from '../roster-view.ts'
import type { ClockHeard, ClockWord, RingTimeAction, RingTimeEvent } from './contract.ts'

/** A clock is told to one other member this often: in a ring of n all know all after about log n times this. */
export const TELL_MS = 2_000
/** As often while a clock that could count is unknown: two sides of a cut that find each other soon agree. */
export const SEARCH_MS = 1_000
/** Answers keep this apart, whoever asks: views of a large ring that differ would answer each other for ever. */
export const ANSWER_MS = 250
/** The clock of a member that fell silent counts for this long: taken for away by mistake, it is back sooner, and nobody's median has moved. */
export const AWAY_GRACE_MS = 15_000
/** The median is taken of this many clocks at most, and all nodes take the same ones. Bounds a message too. */
export const CLOCKS_MAX = 32
/** A time that a server gave is kept for this long by those who heard it: by then clocks that nobody corrects are some seconds off. */
export const HOLD_OVER_MS = 24 * 3_600_000
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
  /** Of others, the newest word. After a tick at most twice CLOCKS_MAX. */
  readonly clocks: ReadonlyMap<NodeId, Clock>
  /** The newest word that each clock gave while it followed a time server, this node's own among them. After a tick at most CLOCKS_MAX. */
  readonly vouched: ReadonlyMap<NodeId, Clock>
  /** When a member whose clock is held fell silent, by this node's monotonic clock. */
  readonly leftAtMs: ReadonlyMap<NodeId, number>
  readonly nextTellAtMs: number
  readonly nextAnswerAtMs: number
  /** Both clocks at the last event. */
  readonly last: Now
}

/**
 * Ring time: the median of the reachable clocks, those that follow a time server first; a node alone goes by its own. Where none in
 * reach follows one, but some did, what they said then goes on to count for a day: who knew the time does not lose it with its one teacher.
 *
 *     own clock ──▶ told to a member, with the clocks of others ──▶ held there while its owner answers ──▶ median of the same few everywhere
 *
 * Whoever tells less than the other one knows is answered at once: a clock that is missing is missed, and not waited for.
 *
 * Word of a clock does not age: as both clocks go on, its offset stays right until its owner says otherwise. Who forgot a clock because no word
 * of it came by for a while would take the median of others than its neighbours do, and clocks that nobody vouches for lie years apart.
 * Where no clock ever followed a time server there is no truth, but all agree: the same clocks are taken everywhere (by node id), and of two in the
 * middle the later one, because a machine without a battery for its clock wakes up in the past. It stamps ops; it never steps a system clock.
 * A machine that slept forgets the others' clocks: they were held against its monotonic clock, which may have stood still.
 */
export const initialRingTime = (nodeId: NodeId, now: Now): RingTimeState => ({
  nodeId,
  isSynchronised: false,
  alive: new Set([nodeId]),
  clocks: new Map(),
  vouched: new Map(),
  leftAtMs: new Map(),
  nextTellAtMs: now.monotonicMs,
  nextAnswerAtMs: now.monotonicMs,
  last: now,
})

const NONE: ReadonlyMap<NodeId, Clock> = new Map()

/** `random` is one draw of [0, 1). */
export function stepRingTime(
  before: RingTimeState,
  event: RingTimeEvent,
  now: Now,
  random: number,
): { state: RingTimeState; actions: RingTimeAction[] } {
  const state = hasLeapt(before, now) ? { ...before, last: now, clocks: NONE, vouched: NONE } : { ...before, last: now }
  switch (event.kind) {
    case 'alive':
      return { state: withAlive(state, event.alive, now), actions: [] }
    case 'message': {
      const next = takeIn(state, event.from, event.message, now)
      if (now.monotonicMs < next.nextAnswerAtMs || !lacks(event.from, event.message, next, now)) return { state: next, actions: [] }
      const answer: RingTimeAction = { kind: 'send', to: event.from, message: wordOf(next, now) }
      return { state: { ...next, nextAnswerAtMs: now.monotonicMs + ANSWER_MS }, actions: [answer] }
    }
    case 'tick':
      return tick(state, event.isSynchronised, now, random)
  }
  return { state, actions: [] }
}

function withAlive(state: RingTimeState, alive: ReadonlySet<NodeId>, now: Now): RingTimeState {
  const leftAtMs = new Map(state.leftAtMs)
  for (const nodeId of state.clocks.keys()) {
    if (alive.has(nodeId)) leftAtMs.delete(nodeId)
    else if (state.alive.has(nodeId)) leftAtMs.set(nodeId, now.monotonicMs)
  }
  return { ...state, alive, leftAtMs }
}

/** Where no clock in reach follows a time server, and none is held over: those that all have to know to agree. Else none has to be looked for. */
function wanted(state: RingTimeState, now: Now): readonly NodeId[] {
  const isVouched =
    state.isSynchronised || lasting(state.vouched, now).length > 0 || inReach(state, now).some((clock) => clock.isSynchronised)
  if (isVouched) return []
  const ids = [...state.alive]
  return ids.length <= CLOCKS_MAX ? ids : ids.toSorted(byText).slice(0, CLOCKS_MAX)
}

const isSearching = (state: RingTimeState, now: Now): boolean =>
  wanted(state, now).some((nodeId) => nodeId !== state.nodeId && !state.clocks.has(nodeId))

/** A clock that this node holds, and that all have to know. */
function lacks(from: NodeId, { heard }: ClockWord, state: RingTimeState, now: Now): boolean {
  const told = new Set([from, ...heard.map(({ nodeId }) => nodeId)])
  return wanted(state, now).some((nodeId) => !told.has(nodeId) && nodeId !== state.nodeId && state.clocks.has(nodeId))
}

/** Unix milliseconds. Ask at each use: this node's own clock may have jumped since the last event. */
export function ringTimeMs(state: RingTimeState, now: Now): number {
  const offsets = chosen(state, now)
    .map((clock) => clock.offsetMs)
    .toSorted((a, b) => a - b)
  return now.monotonicMs + (offsets[offsets.length >> 1] ?? now.wallMs - now.monotonicMs)
}

/**
 * The clocks that count: of those in reach the synchronised ones, else those held over, else all in reach; the first by node id, as everywhere. One that
 * is still missing counts as this node's own: of two clocks, the other one a year ahead, nobody should take that for the time before a third is heard.
 */
function chosen(state: RingTimeState, now: Now): readonly Clock[] {
  const own = ownClock(state, now)
  if (hasLeapt(state, now)) return [own]
  const reachable = [own, ...inReach(state, now)]
  const synchronised = reachable.filter((clock) => clock.isSynchronised)
  if (synchronised.length > 0) return firstOf(synchronised)
  const heldOver = lasting(state.vouched, now)
  if (heldOver.length > 0) return firstOf(heldOver)
  const missing = wanted(state, now).filter((nodeId) => nodeId !== state.nodeId && !state.clocks.has(nodeId))
  return firstOf([...reachable, ...missing.map((nodeId) => ({ ...own, nodeId }))])
}

const ownClock = ({ nodeId, isSynchronised }: RingTimeState, now: Now): Clock => ({
  nodeId,
  offsetMs: now.wallMs - now.monotonicMs,
  isSynchronised,
  toldAtMs: now.monotonicMs,
})

const lasting = (vouched: ReadonlyMap<NodeId, Clock>, now: Now): Clock[] =>
  [...vouched.values()].filter((clock) => now.monotonicMs - clock.toldAtMs < HOLD_OVER_MS)

const hasLeapt = ({ last }: RingTimeState, now: Now): boolean => now.wallMs - last.wallMs - (now.monotonicMs - last.monotonicMs) > LEAP_MS

const inReach = ({ clocks, alive, leftAtMs }: RingTimeState, now: Now): Clock[] =>
  [...clocks.values()].filter(
    ({ nodeId }) => alive.has(nodeId) || now.monotonicMs - (leftAtMs.get(nodeId) ?? Number.NEGATIVE_INFINITY) < AWAY_GRACE_MS,
  )

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
  const clocks = kept(inReach(state, now))
  const leftAtMs = new Map([...state.leftAtMs].filter(([nodeId]) => clocks.has(nodeId)))
  const vouched = byId(firstOf(lasting(isSynchronised ? withOwn(current, now) : state.vouched, now)))
  const told = { ...current, clocks, leftAtMs, vouched }
  const next = { ...told, nextTellAtMs: now.monotonicMs + (isSearching(told, now) ? SEARCH_MS : TELL_MS) * (0.75 + random / 2) }
  const others = [...state.alive].filter((nodeId) => nodeId !== state.nodeId)
  const to = others[Math.floor(random * others.length)]
  return { state: next, actions: to === undefined ? [] : [{ kind: 'send', to, message: wordOf(next, now) }] }
}

const withOwn = (state: RingTimeState, now: Now): ReadonlyMap<NodeId, Clock> =>
  new Map(state.vouched).set(state.nodeId, ownClock(state, now))

const byId = (clocks: readonly Clock[]): Map<NodeId, Clock> => new Map(clocks.map((clock) => [clock.nodeId, clock]))

/** In a large ring those that could count, whether some clock follows a time server or not. */
function kept(clocks: readonly Clock[]): Map<NodeId, Clock> {
  const synchronised = firstOf(clocks.filter((clock) => clock.isSynchronised))
  const others = firstOf(clocks.filter((clock) => !clock.isSynchronised))
  return byId([...synchronised, ...others])
}

/** Those that would count: the synchronised first, then those held over, then the first by id. */
function wordOf(state: RingTimeState, now: Now): ClockWord {
  const ownMs = now.wallMs - now.monotonicMs
  const all = [...state.clocks.values()]
  const synchronised = firstOf(all.filter((clock) => clock.isSynchronised))
  const isFollowing = (nodeId: NodeId): boolean =>
    nodeId === state.nodeId ? state.isSynchronised : state.clocks.get(nodeId)?.isSynchronised === true
  const heldOver = [...state.vouched.values()].filter((clock) => !isFollowing(clock.nodeId))
  const told = [...synchronised, ...heldOver, ...firstOf(all.filter((clock) => !clock.isSynchronised))].slice(0, CLOCKS_MAX)
  const heard = told.map(({ nodeId, offsetMs, isSynchronised, toldAtMs }): ClockHeard => {
    return { nodeId, aheadMs: offsetMs - ownMs, isSynchronised, ageMs: now.monotonicMs - toldAtMs }
  })
  return { wallMs: now.wallMs, isSynchronised: state.isSynchronised, heard }
}

/** The newer word of each clock is kept. Figures that are none are passed over. */
function takeIn(state: RingTimeState, from: NodeId, word: ClockWord, now: Now): RingTimeState {
  if (!Number.isFinite(word.wallMs)) return state
  const clocks = new Map(state.clocks)
  let vouched: Map<NodeId, Clock> | null = null
  const theirsMs = word.wallMs - now.monotonicMs
  const keep = (clock: Clock): void => {
    if (clock.nodeId !== state.nodeId && isNews(clocks, clock)) clocks.set(clock.nodeId, clock)
    if (clock.isSynchronised && isNews(vouched ?? state.vouched, clock))
      vouched = (vouched ?? new Map(state.vouched)).set(clock.nodeId, clock)
  }
  keep({ nodeId: from, offsetMs: theirsMs, isSynchronised: word.isSynchronised, toldAtMs: now.monotonicMs })
  for (const { nodeId, aheadMs, isSynchronised, ageMs } of word.heard.slice(0, CLOCKS_MAX)) {
    if (!Number.isFinite(aheadMs) || !(ageMs >= 0)) continue
    keep({ nodeId, offsetMs: theirsMs + aheadMs, isSynchronised, toldAtMs: now.monotonicMs - ageMs })
  }
  return { ...state, clocks, vouched: vouched ?? state.vouched }
}

const isNews = (known: ReadonlyMap<NodeId, Clock>, clock: Clock): boolean =>
  clock.toldAtMs > (known.get(clock.nodeId)?.toldAtMs ?? Number.NEGATIVE_INFINITY)
