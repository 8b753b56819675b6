import { NodeFacts } from '@thatdam/protocol/facts'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { loadProfile, PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { coarseFacts } from './coarse-facts.ts'
import { storeNodesOf } from './placement/store-nodes.ts'
import { synthesise } from './synthesis/synthesise.ts'

const GB = 1_000_000_000
const disk = fc.record({
  total: fc.constantFrom(8 * GB, 500 * GB, 500 * GB + 1, 4000 * GB),
  freeShare: fc.double({ min: 0, max: 1, noNaN: true }),
})
const arbitraryMachine = fc.record({ profile: fc.constantFrom(...PROFILE_NAMES), disks: fc.array(disk, { maxLength: 3 }) })
const arbitraryRing = fc.array(arbitraryMachine, { minLength: 1, maxLength: 8 }).map((machines) =>
  machines.map(({ profile, disks }, index) => {
    const node = machine(profile, { nodeId: `n${index}` })
    const stores = disks.map(({ total, freeShare }, at) => {
      return { root: `/disk${at}`, diskTotalBytes: total, diskFreeBytes: Math.floor(total * freeShare) }
    })
    return { ...node, facts: { ...node.facts, stores: stores.length > 0 ? stores : node.facts.stores } }
  }),
)

test('plans and store nodes of coarse facts equal those of the facts themselves', () => {
  fc.assert(
    fc.property(arbitraryRing, (nodes) => {
      const coarse = nodes.map((node) => ({ ...node, facts: NodeFacts.parse(coarseFacts(node.facts)) }))
      const [full, less] = [nodes, coarse].map((all) => synthesise({ clusterId: CLUSTER_ID, nodes: all, policy: DEFAULT_POLICY }))
      expect([...(less?.plans ?? [])]).toEqual([...(full?.plans ?? [])])
      expect(less?.warnings).toEqual(full?.warnings)
      if (full === undefined || less === undefined) return
      expect(storeNodesOf(coarse, less.plans)).toEqual(storeNodesOf(nodes, full.plans))
    }),
    { numRuns: 300 },
  )
})

test('what changes by the hour changes nothing, and what was coarse stays as it is', () => {
  for (const name of PROFILE_NAMES) {
    const facts = loadProfile(name)
    const told = coarseFacts(facts)
    expect(coarseFacts(told)).toEqual(told)
    const later: NodeFacts = {
      ...facts,
      bootCounter: facts.bootCounter + 1,
      battery: facts.battery && { percent: 3, charging: false },
      netInterfaces: [],
      reachability: { ...facts.reachability, lanAddresses: ['10.0.0.9'] },
      cameras: facts.cameras.toReversed().map((camera) => ({ ...camera, locator: '/dev/video9' })),
      stores: facts.stores.map((store) => ({ ...store, diskFreeBytes: Math.floor(store.diskFreeBytes * 0.99) })),
    }
    expect(coarseFacts(later, told)).toEqual(told)
    expect(JSON.stringify(told).length).toBeLessThan(4096)
  }
})

test('a disk at the edge of two steps does not go to and fro; one that fills up is told', () => {
  const facts = loadProfile('pi5-desktop')
  const withFree = (percent: number): NodeFacts => ({
    ...facts,
    stores: [{ root: '/srv', diskTotalBytes: 1000 * GB, diskFreeBytes: percent * 10 * GB }],
  })
  let told = coarseFacts(withFree(50))
  const changes: number[] = []
  for (const percent of [49.9, 50.1, 49.8, 50.2, 46, 44.9, 44, 40, 45.1, 30, 4.9, 5.1, 20]) {
    const next = coarseFacts(withFree(percent), told)
    if (JSON.stringify(next) !== JSON.stringify(told)) changes.push(percent)
    told = next
  }
  expect(changes).toEqual([46, 40, 30, 4.9, 5.1, 20])
})
