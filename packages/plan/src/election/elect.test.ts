import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { elect, heldToLeast, ineligible, rankKey, tier } from './elect.ts'

const ring = (...nodes: ReturnType<typeof machine>[]) => elect({ clusterId: CLUSTER_ID, nodes })

test('the reference ring is led by the Pi with a desktop, and the Pi without one stands by first', () => {
  const elected = ring(machine('macbook'), machine('pizero-cam1'), machine('win11-editor'), machine('pi5-server'), machine('pi5-desktop'))
  expect(elected.leader).toBe('pi5-desktop')
  expect(elected.standbys[0]).toBe('pi5-server')
  expect(elected.standbys).toHaveLength(2)
  expect(elected.ranking).not.toContain('pizero-cam1')
})

test('tiers: always on with a desktop, always on, desktop, the rest', () => {
  expect([
    tier(machine('pi5-desktop')),
    tier(machine('pi5-server')),
    tier(machine('win11-editor')),
    tier(machine('pi5-server', { facts: { alwaysOn: false } })),
  ]).toEqual([0, 1, 2, 3])
})

test('the rank key is the SHA-256 of cluster, node and boot counter, as Node computes it', () => {
  const expected = createHash('sha256').update(`${CLUSTER_ID}pi5-desktop7`).digest('hex')
  expect(rankKey(CLUSTER_ID, 'pi5-desktop', 7)).toBe(expected)
})

test('two Zeros have no leader', () => {
  expect(ring(machine('pizero-cam1', { nodeId: 'a' }), machine('pizero-cam1', { nodeId: 'b' }))).toEqual({
    leader: null,
    standbys: [],
    ranking: [],
  })
})

test('who may not lead, and why', () => {
  expect(ineligible(machine('pizero-cam1'))).toBe('zero')
  expect(ineligible(machine('pi5-server', { facts: { ramBytes: 1_023_000_000 } }))).toBe('small-memory')
  expect(ineligible(machine('pi5-server', { facts: { ramBytes: Number.NaN } }))).toBe('small-memory')
  expect(ineligible(machine('pi5-server', { settings: { excludeLeader: true } }))).toBe('excluded-by-owner')
  // A Pi sold with 2 GB reports a little less.
  expect(ineligible(machine('pi5-server', { facts: { ramBytes: 1_939_000_000 } }))).toBeNull()
})

test('a sleeping node neither leads nor stands by', () => {
  const elected = ring(
    machine('pi5-desktop', { alive: false }),
    machine('pi5-server'),
    machine('macbook', { alive: false }),
    machine('win11-editor'),
  )
  expect(elected).toEqual({ leader: 'pi5-server', standbys: ['win11-editor'], ranking: ['pi5-server', 'win11-editor'] })
})

test('a pinned node leads when it may and is awake, else the ranking decides', () => {
  const nodes = [machine('pi5-desktop'), machine('macbook')]
  expect(elect({ clusterId: CLUSTER_ID, nodes, pinnedLeader: 'macbook' }).leader).toBe('macbook')
  const asleep = [machine('pi5-desktop'), machine('macbook', { alive: false })]
  expect(elect({ clusterId: CLUSTER_ID, nodes: asleep, pinnedLeader: 'macbook' }).leader).toBe('pi5-desktop')
})

test('equal machines are ordered by their keys, not by their names', () => {
  const names = Array.from({ length: 10 }, (_, index) => `win-${index}`)
  const elected = ring(...names.map((nodeId) => machine('win11-editor', { nodeId })))
  const expected = names.toSorted((a, b) => (rankKey(CLUSTER_ID, a, 0) < rankKey(CLUSTER_ID, b, 0) ? -1 : 1))
  expect(elected.ranking).toEqual(expected)
})

test('a machine that could not lead once never leads, whatever it says of itself later; others grow as they like', () => {
  const { facts } = machine('pi5-desktop')
  const held = (isZero: boolean, ramBytes: number) =>
    ineligible(machine('pi5-desktop', { facts: heldToLeast(facts, { isZero, ramBytes }) }))
  expect([held(true, 512_000_000), held(false, 1_023_000_000), held(false, 2_000_000_000)]).toEqual(['zero', 'small-memory', null])
  expect(heldToLeast(facts, { isZero: false, ramBytes: 2_000_000_000 })).toBe(facts)
})
