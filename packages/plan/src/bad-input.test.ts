import { NodeFacts } from '@thatdam/protocol/facts'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { loadProfile } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { expect, test } from 'vitest'
import { synthesise } from './synthesis/synthesise.ts'

const good = loadProfile('pi5-desktop')
const { ramBytes: _, ...withoutMemory } = good
const [store] = good.stores

test.each<[string, unknown, string]>([
  ['negative memory', { ...good, ramBytes: -1 }, 'ramBytes'],
  ['memory that is no number', { ...good, ramBytes: Number.NaN }, 'ramBytes'],
  ['no memory told', withoutMemory, 'ramBytes'],
  ['ten thousand cores', { ...good, cpuCores: 10_000 }, 'cpuCores'],
  ['a disk without a size', { ...good, stores: [{ ...store, diskTotalBytes: Number.NaN }] }, 'stores.0.diskTotalBytes'],
  ['facts of a newer agent', { ...good, version: 2 }, 'version'],
  ['a kind of machine that is not known', { ...good, powerClass: 'mainframe' }, 'powerClass'],
])('the schema refuses %s and names the field', (_what, facts, field) => {
  const { success, error } = NodeFacts.safeParse(facts)
  expect(success).toBe(false)
  expect(error?.issues.map((issue) => issue.path.join('.'))).toContain(field)
})

test('what a newer agent says beyond what is known here is passed over', () => {
  expect(NodeFacts.parse({ ...good, quantumCores: 12 })).toEqual(NodeFacts.parse(good))
})

test.each([
  ['memory', { ramBytes: -4 }],
  ['memory', { ramBytes: Number.NaN }],
  ['processor cores', { cpuCores: 10_000 }],
  ['a disk', { stores: [{ root: '/', diskTotalBytes: Number.NaN, diskFreeBytes: 5 }] }],
])('absurd %s that got past the schema are told to the owner, and the ring is planned on', (what, facts) => {
  const nodes = [machine('pi5-desktop'), machine('win11-editor', { facts })]
  const { plans, warnings, leader } = synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })
  expect(leader).toBe('pi5-desktop')
  expect([...plans.keys()]).toEqual(['pi5-desktop', 'win11-editor'])
  expect(
    warnings
      .filter(({ nodeId }) => nodeId === 'win11-editor')
      .map(({ sentence }) => sentence)
      .join(' '),
  ).toContain(what)
})

const NONSENSE: readonly unknown[] = [undefined, null, Number.NaN, -1, 0, 1e308, '', 'x'.repeat(10_000), [], {}, [null], true]

test.each(Object.keys(good))(
  '%s of an older agent, a newer one or a broken one: the schema names it, or the ring is planned on',
  (field) => {
    let refused = 0
    for (const value of NONSENSE) {
      const { data, error } = NodeFacts.safeParse({ ...good, [field]: value })
      if (data === undefined) {
        refused += 1
        expect(error?.issues.every((issue) => issue.path[0] === field)).toBe(true)
        continue
      }
      const nodes = [machine('pi5-desktop'), machine('win11-editor', { facts: data })]
      const { plans, leader } = synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })
      expect([leader !== null, plans.size]).toEqual([true, 2])
    }
    // Nothing is optional: what is left out is missed.
    expect(refused).toBeGreaterThan(0)
  },
)

test('two machines with one id: the owner hears of it, and every order of arrival gives one plan', () => {
  const twins = [machine('macbook', { nodeId: 'twin' }), machine('pi5-server', { nodeId: 'twin' })]
  const input = { clusterId: CLUSTER_ID, policy: DEFAULT_POLICY }
  const one = synthesise({ ...input, nodes: twins })
  expect(one.warnings.filter(({ sentence }) => sentence.startsWith('Two machines call themselves twin'))).toHaveLength(1)
  expect(synthesise({ ...input, nodes: twins.toReversed() })).toEqual(one)
})
