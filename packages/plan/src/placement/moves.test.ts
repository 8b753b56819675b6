import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { layoutOf, type StoreNode } from './layout.ts'
import { changeOf, moveList, planMoves } from './moves.ts'
import { placeBlob } from './place.ts'
import { readOrder } from './read-order.ts'

const blobs = Array.from({ length: 2_000 }, (_, index) => createHash('sha256').update(`blob ${index}`).digest('hex'))
const node = (nodeId: string, weight: number): StoreNode => ({ nodeId, weight, site: null, state: 'here', isFull: false })
const ring = (count: number): StoreNode[] => Array.from({ length: count }, (_, index) => node(`n${index}`, 100 + ((index * 37) % 300)))

const all = (nodes: readonly StoreNode[]): Set<string> => new Set(nodes.map(({ nodeId }) => nodeId))
const holder = (nodeId: string, site: string, load: number, isAlive = true) => ({ nodeId, site, load, isAlive })

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

describe('lists', () => {
  test('repairs first, of these the most endangered; what was cut off is said', () => {
    const nodes = ring(6)
    const layout = layoutOf(nodes, 3)
    const everybody = all(nodes)
    const holdings = blobs.slice(0, 60).map((blob, index): [string, Set<string>] => {
      const { holders } = placeBlob(layout, blob)
      const elsewhere = [...everybody].filter((nodeId) => !holders.includes(nodeId))
      return [blob, new Set(index % 3 === 0 ? elsewhere.slice(0, 3) : holders.slice(0, index % 3))]
    })
    const { copies, surplus, isCut } = moveList(layout, holdings, everybody, 1_000)
    const firsts = copies.map(({ reason, from, blob }) => [reason, from.length, blob])
    expect(firsts.slice(0, 20).every(([reason, count]) => reason === 'repair' && count === 1)).toBe(true)
    expect(copies.findLastIndex(({ reason }) => reason === 'repair')).toBeLessThan(copies.findIndex(({ reason }) => reason === 'rebalance'))
    expect(surplus).toEqual([])
    expect(isCut).toBe(false)
    const few = moveList(layout, holdings.toReversed(), everybody, 7)
    expect(few.copies).toEqual(copies.slice(0, 7))
    expect(few.isCut).toBe(true)
  })

  test('between two layouts: a join gives to the new node, a leave takes from the old one, and the reverse is the reverse', () => {
    const [small, large] = [layoutOf(ring(30), 2), layoutOf([...ring(30), node('new', 200)], 2)]
    const leaving = layoutOf(
      ring(30).map((each) => (each.nodeId === 'n3' ? { ...each, state: 'draining' } : each)),
      2,
    )
    let gainsOfNew = 0
    for (const blob of blobs) {
      const change = changeOf(small, large, blob)
      expect(changeOf(large, small, blob)).toEqual({ gains: change.losses, losses: change.gains })
      expect(change.gains).toHaveLength(change.losses.length)
      if (change.gains.includes('new')) gainsOfNew++
      if (placeBlob(small, blob).holders.includes('n3')) expect(changeOf(small, leaving, blob).losses).toContain('n3')
    }
    expect(gainsOfNew).toBe(blobs.filter((blob) => placeBlob(large, blob).holders.includes('new')).length)
  })

  test('a full disk keeps what it has and gets nothing; a stand-in keeps the copy meanwhile', () => {
    const nodes = ring(4)
    const layout = layoutOf(nodes, 2)
    const blob = blobs[0] ?? ''
    const [first = '', second = ''] = placeBlob(layout, blob).holders
    const everybody = all(nodes)
    const full = layoutOf(
      nodes.map((each) => (each.nodeId === second ? { ...each, isFull: true } : each)),
      2,
    )
    const { standIns } = placeBlob(full, blob)
    expect(standIns).toHaveLength(1)
    expect(planMoves(full, blob, new Set([first]), everybody).copies).toEqual([{ to: standIns[0], from: [first], reason: 'repair' }])
    expect(planMoves(full, blob, new Set([first, standIns[0] ?? '']), everybody)).toEqual({ copies: [], surplus: [] })
    // There is room again: the holder gets its copy first, then the stand-in's is surplus.
    expect(planMoves(layout, blob, new Set([first, standIns[0] ?? '']), everybody)).toMatchObject({ copies: [{ to: second }], surplus: [] })
    expect(planMoves(layout, blob, new Set([first, second, standIns[0] ?? '']), everybody).surplus).toEqual(standIns)
  })
})
