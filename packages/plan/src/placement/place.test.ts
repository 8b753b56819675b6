import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dumbPlace } from '../dumb/place.ts'
import { planMoves, readOrder } from './moves.ts'
import { layoutOf, placeBlob, sharesOf, type StoreNode } from './place.ts'

const node = (nodeId: string, weight: number, changes: Partial<StoreNode> = {}): StoreNode => ({
  nodeId,
  weight,
  site: null,
  state: 'here',
  isFull: false,
  ...changes,
})
const blobs = Array.from({ length: 20_000 }, (_, index) => createHash('sha256').update(`blob ${index}`).digest('hex'))
const ring = (count: number): StoreNode[] => Array.from({ length: count }, (_, index) => node(`n${index}`, 100 + ((index * 37) % 300)))

function loads(nodes: readonly StoreNode[], replicas: number): Map<string, number> {
  const layout = layoutOf(nodes, replicas)
  const counts = new Map(nodes.map(({ nodeId }) => [nodeId, 0]))
  for (const blob of blobs) for (const nodeId of placeBlob(layout, blob).holders) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  return counts
}

describe('shares', () => {
  test('are in proportion to weight, and sum to the number of copies', () => {
    expect(sharesOf([100, 200, 100], 1)).toEqual([0.25, 0.5, 0.25])
    expect(sharesOf([100, 100, 100, 100], 2)).toEqual([0.5, 0.5, 0.5, 0.5])
  })

  test('a node that is larger than its share of one copy holds each blob once, and the others the rest', () => {
    expect(sharesOf([1000, 100, 100], 2)).toEqual([1, 0.5, 0.5])
    expect(layoutOf([node('big', 1000), node('a', 100), node('b', 100)], 2).capped).toEqual(['big'])
    expect(layoutOf([node('a', 100), node('b', 100)], 2).capped).toEqual([])
  })

  test.each([
    ['five unequal nodes, two copies', [7426, 448, 900, 2000, 120], 2],
    ['two copies on three', [100, 200, 300], 2],
    ['three copies on twelve', ring(12).map(({ weight }) => weight), 3],
    ['one copy on forty', ring(40).map(({ weight }) => weight), 1],
  ])('each node holds what it should, within 15 %%: %s', (_what, weights, replicas) => {
    const nodes = weights.map((weight, index) => node(`n${index}`, weight))
    const shares = sharesOf(weights, replicas)
    const counts = loads(nodes, replicas)
    nodes.forEach(({ nodeId }, index) => {
      const expected = (shares[index] ?? 0) * blobs.length
      expect(counts.get(nodeId), `${nodeId} should hold ${expected}`).toBeGreaterThan(expected * 0.85 - 40)
      expect(counts.get(nodeId), `${nodeId} should hold ${expected}`).toBeLessThan(expected * 1.15 + 40)
    })
  })
})

test('a join moves little more than what the new node has to get', () => {
  const before = layoutOf(ring(60), 2)
  const after = layoutOf([...ring(60), node('new', 200)], 2)
  let moved = 0
  let toNew = 0
  for (const blob of blobs) {
    const old = placeBlob(before, blob).holders
    const now = placeBlob(after, blob).holders
    moved += now.filter((nodeId) => !old.includes(nodeId)).length
    if (now.includes('new')) toNew++
  }
  expect(toNew).toBeGreaterThan(0)
  expect(moved).toBeLessThanOrEqual(toNew * 1.1)
})

test('a node that is away, even for long, moves no blob from its place; others stand in for it', () => {
  const nodes = ring(6)
  const away = nodes.map((each) => (each.nodeId === 'n2' ? { ...each, state: 'long-away' as const } : each))
  const layout = layoutOf(nodes, 2)
  const layoutAway = layoutOf(away, 2)
  let standIns = 0
  for (const blob of blobs.slice(0, 2_000)) {
    const place = placeBlob(layoutAway, blob)
    expect(place.holders).toEqual(placeBlob(layout, blob).holders)
    expect(place.standIns).toHaveLength(place.holders.includes('n2') ? 1 : 0)
    expect(place.standIns).not.toContain('n2')
    standIns += place.standIns.length
  }
  expect(standIns).toBeGreaterThan(0)
})

test('copies go to different sites where there are several', () => {
  const nodes = [
    node('a', 100, { site: 'home' }),
    node('b', 100, { site: 'home' }),
    node('c', 100, { site: 'home' }),
    node('d', 10, { site: 'studio' }),
  ]
  const layout = layoutOf(nodes, 2)
  for (const blob of blobs.slice(0, 500)) expect(placeBlob(layout, blob).holders).toContain('d')
})

test('no node, one node, fewer nodes than copies', () => {
  expect(placeBlob(layoutOf([], 2), blobs[0] ?? '')).toEqual({ holders: [], standIns: [] })
  expect(placeBlob(layoutOf([node('only', 5)], 3), blobs[0] ?? '')).toEqual({ holders: ['only'], standIns: [] })
  expect(
    placeBlob(layoutOf([node('zero', 0), node('only', 5), node('leaving', 9, { state: 'draining' })], 2), blobs[0] ?? '').holders,
  ).toEqual(['only'])
})

const arbitraryNodes = fc
  .array(
    fc.record({
      weight: fc.constantFrom(0, 1, 20, 100, 448, 7426),
      site: fc.constantFrom(null, 'home', 'studio'),
      state: fc.constantFrom<StoreNode['state']>('here', 'here', 'long-away', 'draining'),
      isFull: fc.boolean(),
    }),
    { maxLength: 40, size: 'max' },
  )
  .map((nodes) => nodes.map((each, index) => ({ ...each, nodeId: `n${index}` })))

test('placing and its twin agree on any ring, in any order of its nodes', () => {
  fc.assert(
    fc.property(arbitraryNodes, fc.integer({ min: 1, max: 4 }), fc.nat(blobs.length - 1), (nodes, replicas, index) => {
      const blob = blobs[index] ?? ''
      const place = placeBlob(layoutOf(nodes, replicas), blob)
      expect(place).toEqual(dumbPlace(nodes, replicas, blob))
      expect(placeBlob(layoutOf(nodes.toReversed(), replicas), blob)).toEqual(place)
      expect(new Set([...place.holders, ...place.standIns]).size).toBe(place.holders.length + place.standIns.length)
    }),
    { numRuns: 400 },
  )
})

const all = (nodes: readonly StoreNode[]): Set<string> => new Set(nodes.map(({ nodeId }) => nodeId))
const holder = (nodeId: string, site: string, load: number, isAlive = true) => ({ nodeId, site, load, isAlive })

describe('moves', () => {
  test('from any start a blob ends where it belongs, and never has fewer copies on the way', () => {
    fc.assert(
      fc.property(arbitraryNodes, fc.nat(blobs.length - 1), fc.nat(), (nodes, index, start) => {
        const layout = layoutOf(nodes, 2)
        fc.pre(layout.nodes.length > 0)
        const blob = blobs[index] ?? ''
        let have = new Set([nodes[start % nodes.length]?.nodeId ?? ''])
        for (let round = 0; round < 10; round++) {
          const { copies, surplus } = planMoves(layout, blob, have, all(nodes))
          if (copies.length > 0) expect(surplus).toEqual([])
          have = new Set([...have, ...copies.map(({ to }) => to)].filter((nodeId) => !surplus.includes(nodeId)))
          expect(have.size).toBeGreaterThan(0)
        }
        expect(planMoves(layout, blob, have, all(nodes))).toEqual({ copies: [], surplus: [] })
      }),
      { numRuns: 300 },
    )
  })

  test('repair comes before rebalance, and nothing is copied from or to who is out of reach', () => {
    const nodes = ring(5)
    const layout = layoutOf(nodes, 2)
    const blob = blobs[0] ?? ''
    const [first = '', second = ''] = placeBlob(layout, blob).holders
    const [third = '', fourth = ''] = nodes.map(({ nodeId }) => nodeId).filter((nodeId) => nodeId !== first && nodeId !== second)
    expect(planMoves(layout, blob, new Set([third]), all(nodes)).copies.map(({ to, reason }) => [to, reason])).toEqual([
      [first, 'repair'],
      [second, 'rebalance'],
    ])
    expect(planMoves(layout, blob, new Set([third, fourth]), all(nodes)).copies.map(({ reason }) => reason)).toEqual([
      'rebalance',
      'rebalance',
    ])
    expect(planMoves(layout, blob, new Set([third]), new Set([first])).copies).toEqual([])
  })

  test('reading: here, then at this site, then the least loaded', () => {
    const holders = [
      holder('far', 'studio', 0),
      holder('busy', 'home', 0.9),
      holder('idle', 'home', 0.1),
      holder('me', 'home', 1),
      holder('off', 'home', 0, false),
    ]
    expect(readOrder(holders, { nodeId: 'me', site: 'home' })).toEqual(['me', 'idle', 'busy', 'far'])
  })
})
