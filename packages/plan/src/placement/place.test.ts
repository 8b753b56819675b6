import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { layoutOf, type StoreNode } from './layout.ts'
import { chancesOf, oddsOf, sharesOf } from './odds.ts'
import { placeBlob } from './place.ts'

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

/** Weights from 1 to 16, by the step: many kinds of small rings. */
const unequal = (count: number, step: number): number[] =>
  Array.from({ length: count }, (_, index) => Math.round(100 * 2 ** ((index * step) % 4)))

describe('odds', () => {
  const cases = [3, 4, 5, 6, 8, 12].flatMap((count) =>
    [0.7, 1.3, 2.9, 3.7].flatMap((step) => [1, 2, 3].map((replicas) => [count, step, replicas] as const)),
  )
  test.each(cases)('%i unequal nodes (step %f), %i copies: every load within 5 percent of its share', (count, step, replicas) => {
    const nodes = unequal(count, step).map((weight, index) => node(`m${index}`, weight))
    const counts = loads(nodes, replicas)
    const { shares, nodes: placed } = layoutOf(nodes, replicas)
    placed.forEach(({ nodeId }, index) => {
      const expected = (shares[index] ?? 0) * blobs.length
      // 5 % and four standard deviations of chance.
      const slack = 0.05 * expected + 4 * Math.sqrt(expected)
      expect(Math.abs((counts.get(nodeId) ?? 0) - expected), `${nodeId}, which should hold ${expected}`).toBeLessThan(slack)
    })
  })

  test('uncorrected, one of four would be a quarter off', () => {
    expect(oddsOf([0.5, 0.5])).toEqual([1, 1])
    const shares = sharesOf([100, 100, 1_600, 800], 2)
    const plain = chancesOf(
      shares
        .slice(0, 2)
        .concat(shares[3] ?? 0)
        .map((share) => (1 - share) / share),
      1,
    )
    expect(Math.abs((plain[0] ?? 0) / (shares[0] ?? 1) - 1)).toBeGreaterThan(0.15)
  })
})

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

test('what is not at once a number of copies, a weight or a single machine is counted as possible, and the owner is told', () => {
  const given = [node('a', NaN), node('b', -5), node('c', Infinity), node('d', 10), node('d', 20), node('e', 1e15)]
  const layout = layoutOf(given, NaN)
  expect(layout.nodes.map(({ nodeId, weight }) => [nodeId, weight])).toEqual([
    ['c', 1e9],
    ['d', 10],
    ['e', 1e9],
  ])
  expect(layout.warnings.map(({ sentence }) => sentence)).toEqual([
    'a reports storage.weight NaN; it is counted as 0.',
    'b reports storage.weight -5; it is counted as 0.',
    'c reports storage.weight Infinity; it is counted as 1000000000.',
    'Two machines call themselves d; only one of them keeps copies. Register one of them again under another name.',
    'e reports storage.weight 1000000000000000; it is counted as 1000000000.',
    'NaN copies of each file are not possible; 1 are kept.',
  ])
  expect(layoutOf(given.toReversed(), NaN)).toEqual(layout)
  expect(layoutOf([node('a', 1)], 1e9).replicas).toBe(8)
})

test('a node that is too large for the others is named to its owner', () => {
  const { capped, warnings } = layoutOf([node('big', 1_000), node('a', 100), node('b', 100)], 2)
  expect(capped).toEqual(['big'])
  expect(warnings).toMatchObject([{ nodeId: 'big', sentence: expect.stringContaining('more than 1/2 of the ring') as string }])
})

test('on a thousand nodes loads differ from their shares as much as chance makes them differ, neither more nor less', () => {
  const layout = layoutOf(ring(1_000), 2)
  const counts = new Map<string, number>()
  const count = 100_000
  for (let index = 0; index < count; index++) {
    const blob = createHash('sha256').update(`file ${index}`).digest('hex')
    for (const nodeId of placeBlob(layout, blob).holders) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  }
  const chi = layout.nodes.reduce((sum, { nodeId }, index) => {
    const share = layout.shares[index] ?? 0
    return sum + ((counts.get(nodeId) ?? 0) - share * count) ** 2 / (share * count * (1 - share))
  }, 0)
  expect(chi / 999).toBeGreaterThan(0.82)
  expect(chi / 999).toBeLessThan(1.18)
})

test('each pair of nodes shares as many blobs as chance gives it, and no node is drawn with another', () => {
  const layout = layoutOf(ring(40), 2)
  const pairs = new Map<string, number>()
  for (const blob of blobs) {
    const key = placeBlob(layout, blob).holders.toSorted().join(' ')
    pairs.set(key, (pairs.get(key) ?? 0) + 1)
  }
  // χ² of 780 pairs against the product of their shares (a first-order approximation), in standard deviations of χ².
  const { nodes, shares } = layout
  let sum = 0
  const weights = nodes.flatMap((a, i) =>
    nodes.slice(i + 1).map((b, j) => [[a.nodeId, b.nodeId].toSorted().join(' '), (shares[i] ?? 0) * (shares[i + 1 + j] ?? 0)] as const),
  )
  for (const [, weight] of weights) sum += weight
  const chi = weights.reduce((total, [key, weight]) => {
    const expected = (weight / sum) * blobs.length
    return total + ((pairs.get(key) ?? 0) - expected) ** 2 / expected
  }, 0)
  expect((chi - 779) / Math.sqrt(2 * 779)).toBeLessThan(4)
})

test('a stand-in is of another site than the holder that is left, where there is one', () => {
  const nodes = [
    node('a', 100, { site: 'home' }),
    node('b', 100, { site: 'home' }),
    node('c', 100, { site: 'studio', state: 'long-away' }),
    node('d', 1, { site: 'studio' }),
  ]
  const layout = layoutOf(nodes, 2)
  for (const blob of blobs.slice(0, 500)) {
    const { holders, standIns } = placeBlob(layout, blob)
    if (holders.includes('c')) expect(standIns).toEqual(['d'])
  }
})
