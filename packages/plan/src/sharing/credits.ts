import type { NodeId } from '@thatdam/protocol/ids'

/** One credit is one core working for one minute. */
export interface Account {
  readonly credits: number
  readonly atMs: number
}

/** What each node has; who is not in it has the baseline. */
export type Ledger = ReadonlyMap<NodeId, Account>

/** What everybody has who neither worked nor asked: a Pi Zero never earns and may still ask for an hour of a core at once. */
export const BASELINE_CREDITS = 60
/** Half of what an account is above or below the baseline is forgotten in a week: the bank decays, and so does debt. */
export const HALF_LIFE_MS = 7 * 24 * 3_600_000
export const CREDITS_MAX = 10_000
export const CREDITS_MIN = -1_000
/** For keeping copies of others' blobs. A terabyte earns as much in a day as 100 minutes of a core. */
const CREDITS_PER_GIB_DAY = 0.1
const GIB = 1024 ** 3
const DAY_MS = 24 * 3_600_000

/** Credits at an instant. Time that goes backwards forgets nothing. */
export function creditsAt(account: Account | undefined, nowMs: number): number {
  if (account === undefined) return BASELINE_CREDITS
  const elapsedMs = Math.max(0, nowMs - account.atMs)
  return BASELINE_CREDITS + (account.credits - BASELINE_CREDITS) * 2 ** (-elapsedMs / HALF_LIFE_MS)
}

/** The account after a gain, or a loss below 0. An amount that is no number changes nothing. */
export function changed(account: Account | undefined, amount: number, nowMs: number): Account {
  const atMs = Math.max(nowMs, account?.atMs ?? nowMs)
  const credits = creditsAt(account, nowMs) + (Number.isFinite(amount) ? amount : 0)
  return { credits: Math.min(CREDITS_MAX, Math.max(CREDITS_MIN, credits)), atMs }
}

/** By asking: paid when the job is queued. */
export const spend = (ledger: Ledger, nodeId: NodeId, credits: number, nowMs: number): Ledger =>
  new Map(ledger).set(nodeId, changed(ledger.get(nodeId), -Math.max(0, credits), nowMs))

/** By a finished job, also of one's own: who does its own work pays itself. */
export const earn = (ledger: Ledger, nodeId: NodeId, credits: number, nowMs: number): Ledger =>
  new Map(ledger).set(nodeId, changed(ledger.get(nodeId), Math.max(0, credits), nowMs))

/** By `bytes` of others' blobs kept for `forMs`, booked when that time is over. */
export const earnByKeeping = (ledger: Ledger, nodeId: NodeId, kept: { bytes: number; forMs: number }, nowMs: number): Ledger =>
  earn(ledger, nodeId, (Math.max(0, kept.bytes) / GIB) * (Math.max(0, kept.forMs) / DAY_MS) * CREDITS_PER_GIB_DAY, nowMs)
