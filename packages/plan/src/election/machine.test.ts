import { CLUSTER_ID } from '@thatdam/testkit/profiles/machine'
import { expect, test } from 'vitest'
import type { Term } from '@thatdam/protocol/plan'
import type { ElectionMessage, Now } from './contract.ts'
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

const NOW = { monotonicMs: 10_100, wallMs: WALL_MS + 10_100 }
const hears = (state: ElectionState, from: string, message: ElectionMessage): ElectionState =>
  election.step(state, { kind: 'message', from, message }, NOW, 0.5).state
const beat = (number: number, nodeId: string): ElectionMessage => ({
  kind: 'heartbeat',
  term: { number, nodeId },
  uptimeMs: 0,
  returning: [],
})
const seen = (highest: Term | null, of: Term | null): ElectionMessage => {
  return { kind: 'seen', seen: { highest, leader: of && { term: of, ageMs: 0, uptimeMs: 0 } }, returning: [] }
}

/** Of the ring of a and b, which may lead, and z, which may not; a led with 5. */
function follower(): ElectionState {
  const now = { monotonicMs: 0, wallMs: WALL_MS }
  const fresh = election.initial({ clusterId: CLUSTER_ID, nodeId: 'b', highest: { number: 5, nodeId: 'a' } }, now)
  return election.step(fresh, { kind: 'roster', ranking: ['a', 'b'], alive: new Set(['a', 'b', 'z']) }, NOW, 0.5).state
}

test('who may not lead is followed by nobody, whatever term it claims, and none of its orders is taken', () => {
  const claim = { number: 1_000, nodeId: 'z' }
  for (const message of [beat(1_000, 'z'), seen(null, claim)]) {
    const state = hears(follower(), 'z', message)
    expect([election.leader(state, NOW), state.highest?.number]).toEqual([null, 5])
    expect(election.accepts(state, claim)).toBe(false)
  }
  // Nor does a leader step back for it.
  expect(hears(leader(), 'z', beat(1_000, 'z')).phase.kind).toBe('leading')
})

test('nobody speaks in the name of another that may lead', () => {
  expect(election.leader(hears(follower(), 'z', beat(6, 'a')), NOW)).toBeNull()
  expect(election.leader(hears(follower(), 'a', beat(6, 'a')), NOW)).toEqual({ number: 6, nodeId: 'a' })
})

test('a number that nobody could exceed is not noted; one that is out of use is, whoever used it', () => {
  const last = { number: Number.MAX_SAFE_INTEGER, nodeId: 'a' }
  for (const message of [beat(last.number, 'a'), seen(last, null), seen(null, last), beat(2 ** 40, 'a')])
    expect(hears(follower(), 'a', message).highest?.number).toBe(5)
  expect(election.accepts(follower(), last)).toBe(false)
  expect(hears(follower(), 'z', seen({ number: 70_000, nodeId: 'gone' }, null)).highest).toEqual({ number: 70_000, nodeId: 'gone' })
})

test('a leader that its owner has just excluded counts until it has handed over', () => {
  const followed = hears(follower(), 'a', beat(6, 'a'))
  const excluded = election.step(followed, { kind: 'roster', ranking: ['b'], alive: new Set(['a', 'b']) }, NOW, 0.5).state
  const term = { number: 6, nodeId: 'a' }
  expect(election.accepts(excluded, term)).toBe(true)
  const left = hears(excluded, 'a', { kind: 'handover', term, resigning: true, uptimeMs: 0, holdDownMs: 0, returning: [] })
  expect(left.phase).toMatchObject({ kind: 'leading', term: { nodeId: 'b' } })
  expect(election.accepts(excluded, { number: 7, nodeId: 'a' })).toBe(false)
})
