import { createHash } from 'node:crypto'
import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { expect, test } from 'vitest'
import { synthesise } from '../synthesis/synthesise.ts'
import { layoutOf } from './layout.ts'
import { placeBlob } from './place.ts'
import { siteOf, storeNodesOf } from './store-nodes.ts'

type Nodes = ReturnType<typeof machine>[]
const storeNodes = (nodes: Nodes) => storeNodesOf(nodes, synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY }).plans)
const blobs = Array.from({ length: 300 }, (_, index) => createHash('sha256').update(`blob ${index}`).digest('hex'))
const at = (nodeId: string, site: string) => machine('pi5-server', { nodeId, settings: { labels: ['rack 2', `site:${site}`] } })

test('in the reference ring the two Pis keep everything, twice', () => {
  const nodes = storeNodes(PROFILE_NAMES.map((name) => machine(name)))
  expect(nodes.map(({ nodeId, weight }) => [nodeId, weight])).toEqual([
    ['pi5-desktop', 448],
    ['pi5-server', 7426],
  ])
  for (const blob of blobs) expect(placeBlob(layoutOf(nodes, 2), blob).holders.toSorted()).toEqual(['pi5-desktop', 'pi5-server'])
})

test('three sites: the copies of a blob never share one', () => {
  const nodes = [at('a1', 'home'), at('a2', 'home'), at('b1', 'studio'), at('b2', 'studio'), at('c1', 'Cabin ')]
  const layout = layoutOf(storeNodes(nodes), 2)
  for (const blob of blobs) expect(new Set(placeBlob(layout, blob).holders.map((nodeId) => nodeId[0])).size).toBe(2)
})

test('a label names the site, whatever its case; without one there is none', () => {
  expect(siteOf(machine('pi5-server', { settings: { labels: ['x', 'Site: Studio'] } }))).toBe('studio')
  expect(siteOf(machine('pi5-server'))).toBeNull()
})

test('a machine with full disks takes no more, one that is long away is stood in for', () => {
  const stores = [{ root: '/a', diskTotalBytes: 1e12, diskFreeBytes: 1e10 }]
  const [full, away] = storeNodes([machine('pi5-desktop', { facts: { stores } }), machine('pi5-server', { alive: false, longAway: true })])
  expect(full).toMatchObject({ isFull: true, state: 'here' })
  expect(away).toMatchObject({ isFull: false, state: 'long-away' })
})
