import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { layoutOf, REPLICAS_MAX, type StoreNode } from '../placement/layout.ts'
import { sharesOf } from '../placement/odds.ts'
import { placeBlob } from '../placement/place.ts'
import { dumbPlace, dumbShare } from './placement.ts'

const arbitraryNodes = fc
  .array(
    fc.record({
      weight: fc.constantFrom(0, 1, 20, 100, 448, 7_426),
      site: fc.constantFrom(null, 'home', 'studio'),
      state: fc.constantFrom<StoreNode['state']>('here', 'here', 'long-away', 'draining'),
      isFull: fc.boolean(),
    }),
    { maxLength: 40, size: 'max' },
  )
  .map((nodes) => nodes.map((each, index) => ({ ...each, nodeId: `n${index}` })))
const arbitraryBlob = fc.nat().map((index) => createHash('sha256').update(`blob ${index}`).digest('hex'))
const arbitraryReplicas = fc.constantFrom(1, 2, 2, 2, 3, 4, REPLICAS_MAX)

test('placing and its twin agree on any ring, in any order of its nodes', () => {
  let standIns = 0
  fc.assert(
    fc.property(arbitraryNodes, arbitraryReplicas, arbitraryBlob, (nodes, replicas, blob) => {
      const place = placeBlob(layoutOf(nodes, replicas), blob)
      expect(place).toEqual(dumbPlace(nodes, replicas, blob))
      expect(placeBlob(layoutOf(nodes.toReversed(), replicas), blob)).toEqual(place)
      expect(new Set([...place.holders, ...place.standIns]).size).toBe(place.holders.length + place.standIns.length)
      standIns += place.standIns.length
    }),
    { numRuns: 200 },
  )
  expect(standIns).toBeGreaterThan(100)
})

test('so they do on rings of one site', () => {
  fc.assert(
    fc.property(arbitraryNodes, arbitraryReplicas, arbitraryBlob, (given, replicas, blob) => {
      const nodes = given.map((node) => ({ ...node, site: null }))
      expect(placeBlob(layoutOf(nodes, replicas), blob)).toEqual(dumbPlace(nodes, replicas, blob))
    }),
    { numRuns: 150 },
  )
})

test('shares and their twin agree, sum to the number of copies, and none is above one', () => {
  fc.assert(
    fc.property(arbitraryNodes, arbitraryReplicas, (given, replicas) => {
      const nodes = given.filter((node) => node.weight > 0)
      const shares = sharesOf(
        nodes.map((node) => node.weight),
        replicas,
      )
      nodes.forEach((node, index) => expect(shares[index]).toBeCloseTo(dumbShare(node, nodes, replicas), 12))
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(Math.min(replicas, nodes.length), 9)
      expect(Math.max(0, ...shares)).toBeLessThanOrEqual(1)
    }),
  )
})

test('the twins can disagree: a node with another name is noticed', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((nodeId): StoreNode => ({ nodeId, weight: 1, site: null, state: 'here', isFull: false }))
  const blobs = Array.from({ length: 20 }, (_, index) => createHash('sha256').update(`${index}`).digest('hex'))
  const places = (which: readonly StoreNode[]) => blobs.map((blob) => dumbPlace(which, 2, blob).holders)
  const real = blobs.map((blob) => [...placeBlob(layoutOf(nodes, 2), blob).holders])
  expect(real).toEqual(places(nodes))
  expect(real).not.toEqual(places(nodes.map((node) => (node.nodeId === 'a' ? { ...node, nodeId: 'e' } : node))))
})
