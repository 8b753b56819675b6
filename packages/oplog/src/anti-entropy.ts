import type { LogSummary } from '@thatdam/protocol/op-sync'

/**
 * How machines bring their logs to the same state, by comparing and asking, over a network that loses, repeats and reorders.
 *
 *     tick ──▶ heights ──▶ (peer) heights back ──▶ want(log, from) ──▶ batches ──▶ imported ──▶ want the next part …
 *
 * Pure: the caller sends what the actions say, reads and imports batches, and reports what became of them. Losing any message only costs
 * time: the next tick compares anew. Retries are this machine's; the caller retries nothing.
 */

export type SyncEvent =
  /** Every few seconds, with jitter of the caller. `peers`: machines in reach that carry logs. */
  | { type: 'tick'; peers: readonly string[] }
  /** A peer told what it holds. `answer`: it answers ours, so it wants none back. */
  | { type: 'heights'; from: string; logs: readonly LogSummary[]; answer: boolean }
  | { type: 'want'; from: string; logId: string; sequence: number }
  /** Batches of one log from a peer went through `importBatch`, which said this of the last one. `next`: the sequence after it. */
  | { type: 'imported'; from: string; logId: string; next: number; outcome: 'stored' | 'known' | 'gap' | 'own-epoch' | 'faulty' }

export type SyncAction =
  | { type: 'send-heights'; to: string; answer: boolean }
  | { type: 'send-want'; to: string; logId: string; sequence: number }
  /** A page of batches of this log from this sequence on. */
  | { type: 'send-batches'; to: string; logId: string; sequence: number }

/** What was asked and has not come: by log id. `from`: the sequence asked for. `full`: from the beginning, as the chains differ somewhere below. */
export type SyncState = ReadonlyMap<string, { peer: string; askedAtMs: number; from: number; reach: number; full: boolean }>
export const SYNC_START: SyncState = new Map()

/** An answer that has not come by then is asked of whoever shows up next. */
export const WANT_MS_MAX = 5000
/** Logs asked for at once: bounds what may be on its way to us. */
export const WANTS_MAX = 16

type Context = { own: readonly LogSummary[]; nowMs: number; random: number }

/** @param context.own what this machine holds now; `random`: 0 ≤ x < 1, drawn for this step. */
export function syncStep(state: SyncState, event: SyncEvent, context: Context): { state: SyncState; actions: SyncAction[] } {
  if (event.type === 'heights') return compare(state, event, context)
  if (event.type === 'imported') return goOn(state, event, context)
  if (event.type === 'want') {
    const sequence = Math.max(1, event.sequence)
    return { state, actions: [{ type: 'send-batches', to: event.from, logId: event.logId, sequence }] }
  }
  const peer = event.peers[Math.floor(context.random * event.peers.length)]
  const alive = new Map([...state].filter(([, ask]) => context.nowMs - ask.askedAtMs < WANT_MS_MAX))
  return { state: alive, actions: peer === undefined ? [] : [{ type: 'send-heights', to: peer, answer: false }] }
}

function compare(state: SyncState, event: Extract<SyncEvent, { type: 'heights' }>, context: Context): ReturnType<typeof syncStep> {
  const own = new Map(context.own.map((log) => [log.logId, log]))
  const next = new Map(state)
  const actions: SyncAction[] = event.answer ? [] : [{ type: 'send-heights', to: event.from, answer: true }]
  for (const theirs of event.logs) {
    const mine = own.get(theirs.logId)
    const ask = next.get(theirs.logId)
    if (ask !== undefined && context.nowMs - ask.askedAtMs < WANT_MS_MAX) continue
    if (ask === undefined && next.size >= WANTS_MAX) continue
    const sequence = firstWanted(mine, theirs)
    if (sequence === null) continue
    next.set(theirs.logId, { peer: event.from, askedAtMs: context.nowMs, from: sequence, reach: theirs.sequence, full: sequence === 1 })
    actions.push({ type: 'send-want', to: event.from, logId: theirs.logId, sequence })
  }
  return { state: next, actions }
}

/** From where on we want a peer's log; null when it has nothing for us. Equal heights with another head or more batches: a fork below. */
function firstWanted(mine: LogSummary | undefined, theirs: LogSummary): number | null {
  if (mine === undefined) return 1
  if (theirs.sequence > mine.sequence) return mine.sequence + 1
  const differs = theirs.sequence === mine.sequence && theirs.head !== mine.head
  return differs || theirs.batches > mine.batches ? 1 : null
}

function goOn(state: SyncState, event: Extract<SyncEvent, { type: 'imported' }>, context: Context): ReturnType<typeof syncStep> {
  const ask = state.get(event.logId)
  if (ask === undefined || ask.peer !== event.from) return { state, actions: [] }
  // An answer to an earlier question, or to none: going on with it, a peer could keep this machine asking for ever.
  if (event.outcome !== 'faulty' && event.next <= ask.from) return { state, actions: [] }
  const next = new Map(state)
  const stopped = event.outcome === 'faulty' || event.outcome === 'own-epoch'
  const again = event.outcome === 'gap' && !ask.full
  if (stopped || (event.outcome === 'gap' && ask.full) || (!again && event.next > ask.reach)) {
    next.delete(event.logId)
    return { state: next, actions: [] }
  }
  // A gap right above what we hold means that the peer's chain is another one: take it from its beginning.
  const sequence = again ? 1 : event.next
  next.set(event.logId, { ...ask, askedAtMs: context.nowMs, from: sequence, full: ask.full || again })
  return { state: next, actions: [{ type: 'send-want', to: event.from, logId: event.logId, sequence }] }
}
