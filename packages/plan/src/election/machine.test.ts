import { CLUSTER_ID } from '@thatdam/testkit/profiles/machine'
import { expect, test } from 'vitest'
import type { Now } from './contract.ts'
import { rankedElection as election } from './machine.ts'
import { ELECTION_TIMING, type ElectionState } from './state.ts'

const WALL_MS = 1_800_000_000_000

/** A leader at 10 s, that ticked until then. */
function leader(): ElectionState {
  let state = election.initial({ clusterId: CLUSTER_ID, nodeId: 'a', highest: null }, { monotonicMs: 0, wallMs: WALL_MS })
  const step = (event: Parameters<typeof election.step>[1], atMs: number): void => {
    state = election.step(state, event, { monotonicMs: atMs, wallMs: WALL_MS + atMs }, 0.5).state
  }
  step({ kind: 'roster', ranking: ['a', 'b'], alive: new Set(['a', 'b']) }, 0)
  for (let atMs = 100; atMs <= 10_000; atMs += 100) step({ kind: 'tick' }, atMs)
  return state
}

const awoke: readonly (readonly [string, Now])[] = [
  ['stood still (SIGSTOP)', { monotonicMs: 12_000, wallMs: WALL_MS + 12_000 }],
  ['slept, its monotonic clock too', { monotonicMs: 10_050, wallMs: WALL_MS + 3_600_000 }],
  ['slept, and its clock chip is spent', { monotonicMs: 10_050, wallMs: 0 }],
]

test.each(awoke)('a leader that %s gives no order, and follows', (_, now) => {
  const state = leader()
  expect(election.mayOrder(state, { monotonicMs: 10_500, wallMs: WALL_MS + 10_500 })).not.toBeNull()
  expect(election.mayOrder(state, now)).toBeNull()
  const { state: after, actions } = election.step(state, { kind: 'tick' }, now, 0.5)
  expect(actions).toContainEqual({ kind: 'follow' })
  expect(election.leader(after, now)).toBeNull()
})

test('a clock that is set right by a little ends no leadership', () => {
  const state = leader()
  for (const byMs of [-1_000, 1_000]) {
    expect(election.mayOrder(state, { monotonicMs: 10_100, wallMs: WALL_MS + 10_100 + byMs })).not.toBeNull()
  }
})

test('a second machine with one’s own id is not heard: a leader goes on, and a follower does not take it for its leader', () => {
  const now = { monotonicMs: 10_100, wallMs: WALL_MS + 10_100 }
  const message = { kind: 'heartbeat', term: { number: 9_000, nodeId: 'a' }, uptimeMs: 3_600_000, returning: [] } as const
  const first = leader()
  expect(election.step(first, { kind: 'message', from: 'a', message }, now, 0.5).state.phase).toEqual(first.phase)
  const fresh = election.initial({ clusterId: CLUSTER_ID, nodeId: 'a', highest: null }, now)
  expect(election.leader(election.step(fresh, { kind: 'message', from: 'a', message }, now, 0.5).state, now)).toBeNull()
})

test('in calm a follower is due after its leader has been silent for a while, a leader with its heartbeats; without a leader often', () => {
  const first = leader()
  const now = { monotonicMs: 10_100, wallMs: WALL_MS + 10_100 }
  expect(election.tickDueMs(first) - 10_000).toBeLessThanOrEqual(ELECTION_TIMING.stallMs / 4)
  const alone = election.initial({ clusterId: CLUSTER_ID, nodeId: 'b', highest: null }, now)
  const fresh = election.step(alone, { kind: 'roster', ranking: ['a', 'b'], alive: new Set(['a', 'b']) }, now, 0.5).state
  expect(election.tickDueMs(fresh) - now.monotonicMs).toBeLessThanOrEqual(100)
  // Who may not lead has nothing to wait for.
  expect(election.tickDueMs(alone) - now.monotonicMs).toBe(ELECTION_TIMING.stallMs / 2)
  const message = { kind: 'heartbeat', term: { number: 1, nodeId: 'a' }, uptimeMs: 10_000, returning: [] } as const
  const { state } = election.step(fresh, { kind: 'message', from: 'a', message }, now, 0.5)
  const waitMs = election.tickDueMs(state) - now.monotonicMs
  expect(waitMs).toBeGreaterThan(ELECTION_TIMING.heartbeatMs)
  // Far enough from what counts as a standstill.
  expect(waitMs).toBeLessThanOrEqual(ELECTION_TIMING.stallMs / 2)
})
