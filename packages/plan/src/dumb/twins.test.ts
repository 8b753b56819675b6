import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine, type Machine } from '@thatdam/testkit/profiles/machine'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { elect } from '../election/elect.ts'
import { synthesise } from '../synthesis/synthesise.ts'
import { dumbRanking } from './elect.ts'
import { dumbLayout } from './layout.ts'

const arbitraryMachine: fc.Arbitrary<Machine> = fc
  .record({
    profile: fc.constantFrom(...PROFILE_NAMES),
    alwaysOn: fc.boolean(),
    uiAvailable: fc.boolean(),
    cpuCores: fc.constantFrom(1, 2, 4, 8, 16),
    ramBytes: fc.constantFrom(0.5e9, 1e9, 2e9, 8.4e9, 16e9, 64e9),
    battery: fc.constantFrom(null, { percent: 50, charging: false }),
    alive: fc.boolean(),
    longAway: fc.boolean(),
    excludeLeader: fc.boolean(),
    excludeServices: fc.subarray(['deriver', 'blob-store', 'indexer', 'camera-proxy', 'catalog', 'live-hub', 'intel'], { maxLength: 3 }),
    quotas: fc.constantFrom({}, { maxDerives: 0 }, { maxTranscodes: 0, maxIntel: 3 }),
    indexPaths: fc.constantFrom<string[]>([], ['/media/a']),
  })
  .map(({ profile, alive, longAway, excludeLeader, excludeServices, quotas, indexPaths, ...facts }) =>
    machine(profile, { facts, settings: { excludeLeader, excludeServices, quotas, indexPaths }, alive, longAway: longAway && !alive }),
  )

/** Rings of up to 40 machines with ids of their own; sometimes one of them is pinned. */
const arbitraryRing = fc
  .record({ machines: fc.array(arbitraryMachine, { minLength: 1, maxLength: 40, size: 'max' }), pin: fc.option(fc.nat(39)) })
  .map(({ machines, pin }) => {
    const nodes = machines.map((node, index) => ({ ...node, nodeId: `n${index}`, bootCounter: index % 3 }))
    return { nodes, pinned: pin === null ? null : (nodes[pin]?.nodeId ?? null) }
  })

test('elect and its twin rank every ring alike', () => {
  fc.assert(
    fc.property(arbitraryRing, ({ nodes, pinned }) => {
      expect(elect({ clusterId: CLUSTER_ID, nodes, pinnedLeader: pinned }).ranking).toEqual(dumbRanking(CLUSTER_ID, nodes, pinned))
    }),
    { numRuns: 300 },
  )
})

test('synthesise and its twin give every machine the same services', () => {
  fc.assert(
    fc.property(arbitraryRing, ({ nodes, pinned }) => {
      const { plans } = synthesise({ clusterId: CLUSTER_ID, nodes, policy: { ...DEFAULT_POLICY, pinnedLeader: pinned } })
      const real = Object.fromEntries([...plans].map(([nodeId, body]) => [nodeId, body.services.map((service) => service.name)]))
      expect(real).toEqual(dumbLayout(CLUSTER_ID, nodes, pinned))
    }),
    { numRuns: 300 },
  )
})

test('the twins can disagree: a layout with one service moved is noticed', () => {
  const nodes = PROFILE_NAMES.map((name) => machine(name))
  const moved = nodes.map((node) =>
    node.nodeId === 'pi5-server' ? machine('pi5-server', { settings: { excludeServices: ['deriver'] } }) : node,
  )
  expect(dumbLayout(CLUSTER_ID, moved, null)).not.toEqual(dumbLayout(CLUSTER_ID, nodes, null))
})
