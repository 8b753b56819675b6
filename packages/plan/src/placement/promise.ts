import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'

/** How long a holder keeps a blob for another's sake. */
export const PROMISE_MS = 3_600_000
/** A deletion must be done this long before the first promise ends: clocks of two machines differ. */
export const MARGIN_MS = 600_000
/** How long answers are waited for; verifying a large blob takes its time. */
export const SEEK_MS = 120_000
/** After a refusal or silence: not again before this, plus up to as much again by chance. */
export const BACKOFF_MS = 300_000
export const PROMISES_MAX = 100_000

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

/** In order, one after the other: a promise is on disk before it is sent. */
export type PromiseAction =
  | { readonly kind: 'persist'; readonly blob: Sha256Hex; readonly keepUntilMs: number }
  | { readonly kind: 'send'; readonly to: NodeId; readonly message: PromiseMessage }
  | { readonly kind: 'verify'; readonly blob: Sha256Hex }
  /** Delete now or never: the right to it ends at `untilMs`. Answer with `deleted`. */
  | { readonly kind: 'delete'; readonly blob: Sha256Hex; readonly untilMs: number }

interface Seek {
  readonly seekId: number
  readonly needed: number
  readonly others: readonly NodeId[]
  readonly askedAtMs: number
  /** Who promised, and until when by this node's clock, counted from the asking. */
  readonly promises: ReadonlyMap<NodeId, number>
  readonly isDeleting: boolean
}

/**
 * The surplus copies of one node (DESIGN §7). Times are of a clock that goes on over restarts.
 *
 *               ask the others             all needed promised         deleted
 *     keeping ─────────────────▶ seeking ─────────────────────▶ deleting ──────▶ gone
 *        ▲                          │ refused, silence               │ too late
 *        └──────────────────────────┴────────────────────────────────┘
 *
 * Who seeks gives no promise, and who promised does not seek: two holders that each think the other's copy enough both keep theirs.
 */
export interface PromiseState {
  /** Blobs that this node keeps for others, and until when. */
  readonly given: ReadonlyMap<Sha256Hex, number>
  readonly seeking: ReadonlyMap<Sha256Hex, Seek>
  readonly notBeforeMs: ReadonlyMap<Sha256Hex, number>
  /** Who waits for this node to verify its copy. */
  readonly asked: ReadonlyMap<Sha256Hex, readonly { readonly from: NodeId; readonly seekId: number }[]>
  readonly nextSeekId: number
}

export interface PromiseStep {
  readonly state: PromiseState
  readonly actions: readonly PromiseAction[]
}

/** `given` is what the disk holds; `firstSeekId` has to be greater than any used before (the start time will do). */
export const initialPromises = (given: ReadonlyMap<Sha256Hex, number>, firstSeekId: number): PromiseState => ({
  given,
  seeking: new Map(),
  notBeforeMs: new Map(),
  asked: new Map(),
  nextSeekId: firstSeekId,
})

export function stepPromises(state: PromiseState, event: PromiseEvent, nowMs: number, random: number): PromiseStep {
  switch (event.kind) {
    case 'tick':
      return tick(state, nowMs, random)
    case 'seek':
      return seek(state, event, nowMs)
    case 'verified':
      return answerAsked(state, event.blob, event.isSound, nowMs)
    case 'deleted':
      return { state: { ...state, seeking: without(state.seeking, event.blob) }, actions: [] }
    case 'message':
      return receive(state, event.from, event.message, nowMs, random)
  }
  return { state, actions: [] }
}

function seek(state: PromiseState, { blob, others, needed }: Extract<PromiseEvent, { kind: 'seek' }>, nowMs: number): PromiseStep {
  const isBound = (state.given.get(blob) ?? 0) > nowMs || state.asked.has(blob)
  const isTooSoon = (state.notBeforeMs.get(blob) ?? 0) > nowMs
  const distinct = [...new Set(others)]
  if (isBound || isTooSoon || state.seeking.has(blob) || needed < 1 || distinct.length < needed) return { state, actions: [] }
  const seekId = state.nextSeekId
  const entry: Seek = { seekId, needed, others: distinct, askedAtMs: nowMs, promises: new Map(), isDeleting: false }
  const actions = distinct.map((to): PromiseAction => ({ kind: 'send', to, message: { kind: 'ask', blob, seekId } }))
  return { state: { ...state, nextSeekId: seekId + 1, seeking: new Map(state.seeking).set(blob, entry) }, actions }
}

function receive(state: PromiseState, from: NodeId, message: PromiseMessage, nowMs: number, random: number): PromiseStep {
  const { blob, seekId } = message
  if (message.kind === 'ask') {
    const waiting = state.asked.get(blob) ?? []
    const isFull = state.given.size + state.asked.size >= PROMISES_MAX
    if (state.seeking.has(blob) || isFull)
      return { state, actions: [{ kind: 'send', to: from, message: { kind: 'refuse', blob, seekId } }] }
    const others = waiting.filter((each) => each.from !== from)
    const asked = new Map(state.asked).set(blob, [...others, { from, seekId }])
    return { state: { ...state, asked }, actions: waiting.length === 0 ? [{ kind: 'verify', blob }] : [] }
  }
  const own = state.seeking.get(blob)
  if (own === undefined || own.seekId !== seekId || own.isDeleting || !own.others.includes(from)) return { state, actions: [] }
  if (message.kind === 'refuse') return giveUp(state, blob, nowMs, random)
  // Counted from the asking: the promise was given later than that, so it ends later too.
  const promises = new Map(own.promises).set(from, own.askedAtMs + Math.min(message.forMs, PROMISE_MS))
  const untilMs = Math.min(...promises.values()) - MARGIN_MS
  const isEnough = promises.size >= own.needed && nowMs < untilMs
  const seeking = new Map(state.seeking).set(blob, { ...own, promises, isDeleting: isEnough })
  return { state: { ...state, seeking }, actions: isEnough ? [{ kind: 'delete', blob, untilMs }] : [] }
}

/** The copy was verified, or it is broken. Meanwhile nothing changed: who was asked does not seek. */
function answerAsked(state: PromiseState, blob: Sha256Hex, isSound: boolean, nowMs: number): PromiseStep {
  const waiting = state.asked.get(blob) ?? []
  const asked = without(state.asked, blob)
  if (!isSound || waiting.length === 0) {
    const actions = waiting.map(({ from, seekId }): PromiseAction => ({
      kind: 'send',
      to: from,
      message: { kind: 'refuse', blob, seekId },
    }))
    return { state: { ...state, asked }, actions }
  }
  const keepUntilMs = nowMs + PROMISE_MS
  const promises = waiting.map(({ from, seekId }): PromiseAction => ({
    kind: 'send',
    to: from,
    message: { kind: 'promise', blob, seekId, forMs: PROMISE_MS },
  }))
  return {
    state: { ...state, asked, given: new Map(state.given).set(blob, keepUntilMs) },
    actions: [{ kind: 'persist', blob, keepUntilMs }, ...promises],
  }
}

function tick(state: PromiseState, nowMs: number, random: number): PromiseStep {
  let next = state
  for (const [blob, own] of state.seeking) {
    const untilMs = own.isDeleting ? own.askedAtMs + PROMISE_MS : own.askedAtMs + SEEK_MS
    if (nowMs >= untilMs) next = giveUp(next, blob, nowMs, random).state
  }
  return { state: { ...next, given: current(next.given, nowMs), notBeforeMs: current(next.notBeforeMs, nowMs) }, actions: [] }
}

/** What is not over yet; the same map where that is all of it. */
function current(times: ReadonlyMap<Sha256Hex, number>, nowMs: number): ReadonlyMap<Sha256Hex, number> {
  for (const untilMs of times.values()) {
    if (untilMs <= nowMs) return new Map([...times].filter(([, each]) => each > nowMs))
  }
  return times
}

function giveUp(state: PromiseState, blob: Sha256Hex, nowMs: number, random: number): PromiseStep {
  const notBeforeMs = new Map(state.notBeforeMs).set(blob, nowMs + BACKOFF_MS * (1 + random))
  return { state: { ...state, seeking: without(state.seeking, blob), notBeforeMs }, actions: [] }
}

function without<V>(map: ReadonlyMap<Sha256Hex, V>, key: Sha256Hex): ReadonlyMap<Sha256Hex, V> {
  const rest = new Map(map)
  rest.delete(key)
  return rest
}

/** May this node's copy go for any other reason (a rebalance, a full disk)? Not while another relies on it. */
export const isBound = (state: PromiseState, blob: Sha256Hex, nowMs: number): boolean => (state.given.get(blob) ?? 0) > nowMs
