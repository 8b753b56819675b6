import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { Now } from '../election/contract.ts'

/** How long a holder keeps a blob for another's sake. */
export const PROMISE_MS = 3_600_000
/** A deletion must be done this long before the first promise ends: clocks of two machines differ. */
export const MARGIN_MS = 600_000
/** How long answers are waited for: a hundred gigabytes are read and hashed in that time. */
export const SEEK_MS = 600_000
/** After a refusal or silence: not again before this, plus up to as much again by chance. */
export const BACKOFF_MS = 300_000
/** At once, by one node: each new one copies the map of all, about 2 ms for so many. Of blobs of 10 MB it frees 200 GB an hour. */
export const PROMISES_MAX = 20_000
/** Surplus copies looked after at once; others wait for their turn. */
export const SEEKS_MAX = 1_000
/** Who waits for the verifying of one blob. */
const ASKERS_MAX = 64

/** Both clocks of a machine; a number stands for both where time is steady, as in the simulator. */
export type Clocks = number | Now

export type PromiseMessage =
  /** “I want to delete my copy: verify yours, and promise to keep it.” */
  | { readonly kind: 'ask'; readonly blob: Sha256Hex; readonly seekId: number }
  | { readonly kind: 'promise'; readonly blob: Sha256Hex; readonly seekId: number; readonly forMs: number }
  | { readonly kind: 'refuse'; readonly blob: Sha256Hex; readonly seekId: number }

export type PromiseEvent =
  | { readonly kind: 'tick' }
  /** This node's copy is surplus: `others` hold one, and `needed` of them have to promise. */
  | { readonly kind: 'seek'; readonly blob: Sha256Hex; readonly others: readonly NodeId[]; readonly needed: number }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: PromiseMessage }
  /** This node's own copy was read whole and hashed, as `verify` asked. */
  | { readonly kind: 'verified'; readonly blob: Sha256Hex; readonly isSound: boolean }
  | { readonly kind: 'deleted'; readonly blob: Sha256Hex }

/**
 * In order, one after the other: a promise is on disk before it is sent. Letters go signed, and come from whom they say: that is the shell's work.
 */
export type PromiseAction =
  /** `keepUntilMs` is of the monotonic clock. The shell may forget what is in `given` no more. */
  | { readonly kind: 'persist'; readonly blob: Sha256Hex; readonly keepUntilMs: number }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: PromiseMessage }
  | { readonly kind: 'verify'; readonly blob: Sha256Hex }
  /**
   * Delete now or never: the right to it ends at `untilMs` of the monotonic clock, or sooner. A process may stand still between looking at a clock and
   * unlinking: rename the blob first, ask `mayDelete`, then unlink it or put it back. Answer with `deleted` in both cases.
   */
  | { readonly kind: 'delete'; readonly blob: Sha256Hex; readonly untilMs: number }

interface Seek {
  readonly seekId: number
  readonly needed: number
  readonly others: readonly NodeId[]
  /** Of `hurriedMs`. */
  readonly askedAtMs: number
  /** Who promised, and for how long, counted from the asking. */
  readonly promises: ReadonlyMap<NodeId, number>
  readonly isDeleting: boolean
}

/**
 * The surplus copies of one node.
 *
 *               ask the others             all needed promised         deleted
 *     keeping ─────────────────▶ seeking ─────────────────────▶ deleting ──────▶ gone
 *        ▲                          │ refused, silence               │ too late
 *        └──────────────────────────┴────────────────────────────────┘
 *
 * Who seeks gives no promise, and who promised does not seek: two holders that each think the other's copy enough both keep theirs.
 *
 * Clocks err to the safe side. Who keeps counts by the monotonic clock, which stands still while a laptop sleeps: too long. Who relies on it
 * counts by whichever of its two clocks went further at each step: too short. A wall clock that jumps makes nobody forget a promise.
 */
export interface PromiseState {
  /** Blobs that this node keeps for others, and until when by the monotonic clock. */
  readonly given: ReadonlyMap<Sha256Hex, number>
  readonly seeking: ReadonlyMap<Sha256Hex, Seek>
  readonly notBeforeMs: ReadonlyMap<Sha256Hex, number>
  /** Who waits for this node to verify its copy. */
  readonly asked: ReadonlyMap<Sha256Hex, readonly { readonly from: NodeId; readonly seekId: number }[]>
  readonly nextSeekId: number
  /** A clock that never goes slower than time: the sum of the greater steps of both. Null before the first step. */
  readonly last: Now | null
  readonly hurriedMs: number
}

export interface PromiseStep {
  readonly state: PromiseState
  readonly actions: readonly PromiseAction[]
}

/**
 * `given` is what the disk holds. With `startedAt` each of its promises holds for a full hour from then on, as a restarted monotonic clock cannot
 * tell how much of it is over; without, its times are taken as they are (steady time). `firstSeekId` is drawn at random below 2^52, so that an answer
 * to a question from before a crash is none to a new one.
 */
export const initialPromises = (given: ReadonlyMap<Sha256Hex, number>, firstSeekId: number, startedAt?: Now): PromiseState => ({
  given: startedAt === undefined ? given : new Map([...given.keys()].map((blob) => [blob, startedAt.monotonicMs + PROMISE_MS])),
  seeking: new Map(),
  notBeforeMs: new Map(),
  asked: new Map(),
  nextSeekId: firstSeekId,
  last: startedAt ?? null,
  hurriedMs: 0,
})

/** `random` is one draw of [0, 1). */
export function stepPromises(before: PromiseState, event: PromiseEvent, clocks: Clocks, random: number): PromiseStep {
  const now = bothOf(clocks)
  const state = { ...before, last: now, hurriedMs: hurried(before, now) }
  switch (event.kind) {
    case 'tick':
      return tick(state, now, random)
    case 'seek':
      return seek(state, event, now)
    case 'verified':
      return answerAsked(state, event.blob, event.isSound, now)
    case 'deleted':
      return { state: { ...state, seeking: without(state.seeking, event.blob) }, actions: [] }
    case 'message':
      return receive(state, event.from, event.message, now, random)
  }
  return { state, actions: [] }
}

const bothOf = (clocks: Clocks): Now => (typeof clocks === 'number' ? { monotonicMs: clocks, wallMs: clocks } : clocks)

const hurried = ({ last, hurriedMs }: PromiseState, now: Now): number =>
  last === null ? hurriedMs : hurriedMs + Math.max(0, now.monotonicMs - last.monotonicMs, now.wallMs - last.wallMs)

/** Asked by the shell at the last moment, of its newest state: do the promises still hold, by the clock that hurries, with a margin? */
export function mayDelete(state: PromiseState, blob: Sha256Hex, clocks: Clocks): boolean {
  const own = state.seeking.get(blob)
  return own !== undefined && own.isDeleting && leftMs(own, hurried(state, bothOf(clocks))) > 0
}

const leftMs = (own: Seek, hurriedMs: number): number => own.askedAtMs + Math.min(...own.promises.values()) - MARGIN_MS - hurriedMs

function seek(state: PromiseState, { blob, others, needed }: Extract<PromiseEvent, { kind: 'seek' }>, now: Now): PromiseStep {
  const isTaken = isBound(state, blob, now) || state.asked.has(blob) || state.seeking.has(blob)
  const isTooSoon = (state.notBeforeMs.get(blob) ?? -Infinity) > now.monotonicMs
  const isFull = state.seeking.size >= SEEKS_MAX || state.notBeforeMs.size >= PROMISES_MAX
  const distinct = [...new Set(others)]
  if (isTaken || isTooSoon || isFull || !(needed >= 1) || distinct.length < needed) return { state, actions: [] }
  const seekId = state.nextSeekId
  const entry: Seek = { seekId, needed, others: distinct, askedAtMs: state.hurriedMs, promises: new Map(), isDeleting: false }
  const actions = distinct.map((to): PromiseAction => ({ kind: 'send', to, message: { kind: 'ask', blob, seekId } }))
  return { state: { ...state, nextSeekId: seekId + 1, seeking: new Map(state.seeking).set(blob, entry) }, actions }
}

function receive(state: PromiseState, from: NodeId, message: PromiseMessage, now: Now, random: number): PromiseStep {
  const { blob, seekId } = message
  if (message.kind === 'ask') return hearAsk(state, from, blob, seekId)
  const own = state.seeking.get(blob)
  if (own === undefined || own.seekId !== seekId || own.isDeleting || !own.others.includes(from)) return { state, actions: [] }
  if (message.kind === 'refuse') return giveUp(state, blob, now, random)
  if (!(message.forMs > 0)) return { state, actions: [] }
  // Counted from the asking: the promise was given later than that, so it ends later too.
  const promises = new Map(own.promises).set(from, Math.min(message.forMs, PROMISE_MS))
  const next = { ...own, promises }
  const forMs = leftMs(next, state.hurriedMs)
  const isEnough = promises.size >= own.needed && forMs > 0
  const seeking = new Map(state.seeking).set(blob, { ...next, isDeleting: isEnough })
  return { state: { ...state, seeking }, actions: isEnough ? [{ kind: 'delete', blob, untilMs: now.monotonicMs + forMs }] : [] }
}

/** Who seeks itself refuses; else the own copy is read first. From now on, and not only from the promise on, this node does not seek. */
function hearAsk(state: PromiseState, from: NodeId, blob: Sha256Hex, seekId: number): PromiseStep {
  const waiting = state.asked.get(blob) ?? []
  const isFull = state.given.size + state.asked.size >= PROMISES_MAX || waiting.length >= ASKERS_MAX
  if (state.seeking.has(blob) || isFull) {
    return { state, actions: [{ kind: 'send', to: from, message: { kind: 'refuse', blob, seekId } }] }
  }
  const others = waiting.filter((each) => each.from !== from)
  const asked = new Map(state.asked).set(blob, [...others, { from, seekId }])
  return { state: { ...state, asked }, actions: waiting.length === 0 ? [{ kind: 'verify', blob }] : [] }
}

/** The copy was verified, or it is broken. Meanwhile nothing changed: who was asked does not seek. */
function answerAsked(state: PromiseState, blob: Sha256Hex, isSound: boolean, now: Now): PromiseStep {
  const waiting = state.asked.get(blob) ?? []
  const asked = without(state.asked, blob)
  const answer = (message: Pick<Extract<PromiseMessage, { kind: 'promise' }>, 'kind' | 'forMs'> | { kind: 'refuse' }): PromiseAction[] =>
    waiting.map(({ from, seekId }) => ({ kind: 'send', to: from, message: { ...message, blob, seekId } }))
  if (!isSound || waiting.length === 0) return { state: { ...state, asked }, actions: answer({ kind: 'refuse' }) }
  const keepUntilMs = now.monotonicMs + PROMISE_MS
  return {
    state: { ...state, asked, given: new Map(state.given).set(blob, keepUntilMs) },
    actions: [{ kind: 'persist', blob, keepUntilMs }, ...answer({ kind: 'promise', forMs: PROMISE_MS })],
  }
}

function tick(state: PromiseState, now: Now, random: number): PromiseStep {
  let next = state
  for (const [blob, own] of state.seeking) {
    const forMs = own.isDeleting ? PROMISE_MS : SEEK_MS
    if (state.hurriedMs - own.askedAtMs >= forMs) next = giveUp(next, blob, now, random).state
  }
  const given = running(next.given, now)
  const notBeforeMs = running(next.notBeforeMs, now)
  return { state: { ...next, given, notBeforeMs }, actions: [] }
}

function giveUp(state: PromiseState, blob: Sha256Hex, now: Now, random: number): PromiseStep {
  const notBeforeMs = new Map(state.notBeforeMs).set(blob, now.monotonicMs + BACKOFF_MS * (1 + random))
  return { state: { ...state, seeking: without(state.seeking, blob), notBeforeMs }, actions: [] }
}

/** The same map when nothing in it is over: a quiet tick copies nothing. */
function running(map: ReadonlyMap<Sha256Hex, number>, now: Now): ReadonlyMap<Sha256Hex, number> {
  const isOver = (untilMs: number): boolean => untilMs <= now.monotonicMs
  return map.size > 0 && map.values().some(isOver) ? new Map([...map].filter(([, untilMs]) => !isOver(untilMs))) : map
}

function without<V>(map: ReadonlyMap<Sha256Hex, V>, key: Sha256Hex): ReadonlyMap<Sha256Hex, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}

/** May this node's copy not go for any other reason either (a rebalance, a full disk)? Another relies on it. */
export const isBound = (state: PromiseState, blob: Sha256Hex, clocks: Clocks): boolean =>
  (state.given.get(blob) ?? -Infinity) > bothOf(clocks).monotonicMs
