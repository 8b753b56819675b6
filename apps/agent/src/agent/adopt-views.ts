import { codeOf } from '@thatdam/control/adopt/code'
import type { Exchange } from '@thatdam/control/adopt/joiner-side'
import { codeOfEntry, LATE, OPEN_MS, type RingEntry } from '@thatdam/control/adopt/ring-side'
import type { Adoption } from '@thatdam/protocol/ring-door'

/** Grows evenly, also while the wall clock is set: minutes are counted by it. */
export const steadyMs = (): number => Math.round(performance.timeOrigin + performance.now())
/** As the wall clock of whoever reads it will be. */
const onWallClock = (atSteadyMs: number): number => Math.max(0, Math.round(Date.now() + atSteadyMs - steadyMs()))

export const isUnderWay = ({ state }: Adoption): boolean => state === 'waiting' || state === 'compare' || state === 'confirmed'

/** An exchange that somebody at the ring has opened, as the joiner tells it. */
export interface ShownExchange {
  exchange: Exchange
  /** Of the ring’s machine. */
  readonly nodeId: string
  readonly openedAtMs: number
  /** Also: when this machine has gone over to the ring. */
  endedAtMs: number | null
  /** The ring took it in, and it could not go over. */
  failure: string | null
}

/** At the ring, of one that the owner opened. */
export function viewOfEntry(entry: RingEntry, now: { publicKey: string; attemptsLeft: number; nowMs: number }): Adoption {
  return {
    id: entry.id,
    nodeId: entry.nodeId,
    publicKey: now.publicKey,
    direction: 'in',
    code: digitsOf(codeOfEntry(entry)),
    state: stateOfEntry(entry),
    attemptsLeft: now.attemptsLeft,
    expiresAtMs: onWallClock((entry.openedAtMs ?? now.nowMs) + OPEN_MS),
    reason: entry.reason ?? '',
  }
}

/** At the joiner. */
export function viewOfExchange(shown: ShownExchange, attemptsLeft: number): Adoption {
  const { exchange, nodeId, openedAtMs, failure } = shown
  const { transcript } = exchange
  return {
    id: exchange.commitment,
    nodeId,
    publicKey: exchange.target,
    direction: 'out',
    code: digitsOf(transcript === null ? null : codeOf(transcript)),
    state: stateOfExchange(shown),
    attemptsLeft,
    expiresAtMs: onWallClock(openedAtMs + OPEN_MS),
    reason: failure ?? (exchange.phase === 'over' ? (exchange.reason ?? '') : ''),
  }
}

const digitsOf = (code: string | null): string | null => code?.replace(' ', '') ?? null

function stateOfEntry({ phase, ownerSaid, reason }: RingEntry): Adoption['state'] {
  if (phase === 'showing') return ownerSaid ? 'confirmed' : 'compare'
  if (phase === 'admitting') return 'confirmed'
  if (phase === 'admitted') return 'done'
  if (phase === 'over') return reason === LATE ? 'expired' : 'refused'
  return 'waiting'
}

function stateOfExchange({ exchange: { phase, said, reason }, endedAtMs, failure }: ShownExchange): Adoption['state'] {
  if (failure !== null) return 'refused'
  if (phase === 'joined') return endedAtMs === null ? 'confirmed' : 'done'
  if (phase === 'over') return reason === LATE ? 'expired' : 'refused'
  if (phase === 'showing') return said === 'yes' ? 'confirmed' : 'compare'
  return 'waiting'
}
