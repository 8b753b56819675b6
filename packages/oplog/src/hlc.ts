/** Stamps further ahead of ring time than this are held, not merged. */
export const FUTURE_MS_MAX = 60_000
const COUNTER_MAX = 999_999

/** The highest time and counter that this clock has given or seen. Start: HLC_ZERO. */
export type HlcState = { readonly ms: number; readonly counter: number }
export const HLC_ZERO: HlcState = { ms: 0, counter: 0 }

export type HlcParts = { ms: number; counter: number; nodeId: string }

/** Text that compares like (ms, counter, nodeId). @throws RangeError outside 13 digits of milliseconds. */
export function formatHlc(parts: HlcParts): string {
  const { ms, counter, nodeId } = parts
  if (!Number.isSafeInteger(ms) || ms < 0 || ms > 9_999_999_999_999) throw new RangeError(`not a time in unix milliseconds: ${ms}`)
  return `${String(ms).padStart(13, '0')}-${String(counter).padStart(6, '0')}-${nodeId}`
}

/** @throws RangeError for text that is not a stamp. */
export function parseHlc(stamp: string): HlcParts {
  const match = /^(\d{13})-(\d{6})-([a-z0-9][a-z0-9-]{0,62})$/.exec(stamp)
  if (match === null) throw new RangeError(`not a hybrid logical clock stamp: ${stamp.slice(0, 100)}`)
  return { ms: Number(match[1]), counter: Number(match[2]), nodeId: match[3] as string }
}

function next(state: HlcState): HlcState {
  return state.counter < COUNTER_MAX ? { ms: state.ms, counter: state.counter + 1 } : { ms: state.ms + 1, counter: 0 }
}

/** A new stamp, above every one given or seen before, even when the machine's clock was set back. `nowMs`: ring time. */
export function tick(state: HlcState, nowMs: number, nodeId: string): { state: HlcState; stamp: string } {
  const wall = Math.floor(nowMs)
  const after = wall > state.ms ? { ms: wall, counter: 0 } : next(state)
  return { state: after, stamp: formatHlc({ ...after, nodeId }) }
}

/**
 * Takes another node's stamp in, so that what this node writes next comes after it. `future`: more than FUTURE_MS_MAX ahead of ring time;
 * the state stays as it was, or one wrong clock would drag every clock with it.
 */
export function receive(state: HlcState, stamp: string, nowMs: number): { state: HlcState; verdict: 'merged' | 'future' } {
  const { ms, counter } = parseHlc(stamp)
  if (ms > nowMs + FUTURE_MS_MAX) return { state, verdict: 'future' }
  const newer = ms > state.ms || (ms === state.ms && counter > state.counter)
  return { state: newer ? { ms, counter } : state, verdict: 'merged' }
}

export function isFuture(stamp: string, nowMs: number): boolean {
  return parseHlc(stamp).ms > nowMs + FUTURE_MS_MAX
}
