import { canonicalJson } from '@thatdam/protocol/canonical'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { PROFILE_NAMES, type ProfileName } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine, type Machine } from '@thatdam/testkit/profiles/machine'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planBodyHash } from '../body-hash.ts'
import type { PlannedNode } from '../roster-view.ts'
import { planRing, replan, type PlannedRing, type RingChange } from './replan.ts'
import { synthesise } from './synthesise.ts'

const policies = [DEFAULT_POLICY, { ...DEFAULT_POLICY, replicas: 3 }, { ...DEFAULT_POLICY, pinnedLeader: 'n3' }]

const anyMachine = (index: number) =>
  fc
    .record({
      profile: fc.constantFrom(...PROFILE_NAMES),
      alive: fc.boolean(),
      longAway: fc.boolean(),
      excludeLeader: fc.boolean(),
      off: fc.constantFrom('catalog', 'deriver', 'blob-store', null),
      ramBytes: fc.constantFrom(null, Number.NaN, -1),
    })
    .map(({ profile, alive, longAway, excludeLeader, off, ramBytes }: Drawn): Machine => {
      const settings = { excludeLeader, ...(off === null ? {} : { excludeServices: [off] }) }
      return machine(profile, { nodeId: `n${index}`, alive, longAway, settings, ...(ramBytes === null ? {} : { facts: { ramBytes } }) })
    })
interface Drawn {
  profile: ProfileName
  alive: boolean
  longAway: boolean
  excludeLeader: boolean
  off: 'catalog' | 'deriver' | 'blob-store' | null
  ramBytes: number | null
}

const anyChange = fc.oneof(
  fc
    .nat(14)
    .chain(anyMachine)
    .map((node): RingChange => ({ kind: 'member', node })),
  fc.nat(14).map((index): RingChange => ({ kind: 'gone', nodeId: `n${index}` })),
  fc.constantFrom<RingChange>({ kind: 'leader', leader: undefined }, { kind: 'leader', leader: null }, { kind: 'leader', leader: 'n2' }),
)

const textOf = ({ plans, warnings, leader, standbys }: Pick<PlannedRing, 'plans' | 'warnings' | 'leader' | 'standbys'>): string =>
  canonicalJson({ plans: [...plans.values()], warnings: warnings.map((warning) => ({ ...warning })), leader, standbys })

test('after any changes the plans and their hashes are those of the whole ring, byte for byte', () => {
  const ring = fc.integer({ min: 1, max: 12 }).chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => anyMachine(index))))
  fc.assert(
    fc.property(ring, fc.array(anyChange, { minLength: 1, maxLength: 6 }), fc.constantFrom(...policies), (nodes, changes, policy) => {
      const current = new Map<string, PlannedNode>(nodes.map((node) => [node.nodeId, node]))
      let leader: string | null | undefined
      let planned = planRing({ clusterId: CLUSTER_ID, nodes, policy })
      for (const change of changes) {
        planned = replan(planned, change)
        if (change.kind === 'member') current.set(change.node.nodeId, change.node)
        else if (change.kind === 'gone') current.delete(change.nodeId)
        else leader = change.leader
        const input = { clusterId: CLUSTER_ID, nodes: [...current.values()], policy, ...(leader === undefined ? {} : { leader }) }
        expect(textOf(planned)).toBe(textOf(synthesise(input)))
        for (const [nodeId, body] of planned.plans) expect(planned.hashes.get(nodeId)).toBe(planBodyHash(body))
      }
    }),
    { numRuns: 300 },
  )
})

test('of a thousand machines one change makes few bodies anew', () => {
  const nodes = Array.from({ length: 1_000 }, (_, index) => machine(PROFILE_NAMES[index % 5] ?? 'macbook', { nodeId: `n${index}` }))
  const before = planRing({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })
  const change = { kind: 'member', node: machine('macbook', { nodeId: 'n994', alive: false }) } as const
  const after = replan(before, change)
  const anew = [...after.plans].filter(([nodeId, body]) => before.plans.get(nodeId) !== body)
  expect(anew.length).toBeLessThanOrEqual(4)
  expect([...after.hashes.values()]).toEqual([...after.plans.values()].map(planBodyHash))
})

test('two machines with one id: the one that is planned is told of, and so is its end', () => {
  const twins = [machine('macbook', { nodeId: 'n1' }), machine('pi5-server', { nodeId: 'n1' }), machine('pi5-desktop', { nodeId: 'n2' })]
  const planned = planRing({ clusterId: CLUSTER_ID, nodes: twins, policy: DEFAULT_POLICY })
  expect(planned.warnings.map((warning) => warning.sentence).join()).toContain('Two machines call themselves n1')
  const other = replan(planned, { kind: 'gone', nodeId: 'n2' })
  expect(textOf(other)).toBe(textOf(synthesise({ clusterId: CLUSTER_ID, nodes: twins.slice(0, 2), policy: DEFAULT_POLICY })))
  const one = replan(other, { kind: 'member', node: machine('win11-editor', { nodeId: 'n1' }) })
  expect(one.warnings.map((warning) => warning.sentence).join()).not.toContain('Two machines')
})
