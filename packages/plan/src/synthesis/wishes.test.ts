import { DEFAULT_POLICY, type RingPolicy } from '@thatdam/protocol/settings'
import { expect, test } from 'vitest'
import type { PlannedNode } from '../roster-view.ts'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { synthesise } from './synthesise.ts'

const layoutOf = (nodes: PlannedNode[], policy: Partial<RingPolicy> = {}) =>
  synthesise({ clusterId: CLUSTER_ID, nodes, policy: { ...DEFAULT_POLICY, ...policy } })
const sentences = (nodes: PlannedNode[], policy: Partial<RingPolicy> = {}) =>
  layoutOf(nodes, policy).warnings.map((warning) => warning.sentence)
const services = (nodes: PlannedNode[], nodeId: string) =>
  layoutOf(nodes)
    .plans.get(nodeId)
    ?.services.map((service) => service.name) ?? []

test('an excluded service is not planned there, and its work goes to another machine', () => {
  const nodes = [machine('pi5-desktop'), machine('pi5-server', { settings: { excludeServices: ['deriver'] } }), machine('win11-editor')]
  expect(services(nodes, 'pi5-server')).not.toContain('deriver')
  expect(services(nodes, 'win11-editor')).toContain('deriver')
  expect(sentences(nodes)).toEqual([])
})

test('a quota of 0 is an exclusion', () => {
  const nodes = [machine('pi5-desktop'), machine('pi5-server', { settings: { quotas: { maxDerives: 0 } } }), machine('win11-editor')]
  expect(services(nodes, 'pi5-server')).not.toContain('deriver')
  expect(services(nodes, 'win11-editor')).toContain('deriver')
})

test('quotas and quiet hours of the owner win', () => {
  const quietHours = { from: '22:00', to: '07:00' }
  const node = machine('pi5-server', { settings: { quotas: { maxDerives: 1, cpuReservePercent: 75 }, quietHours } })
  expect(layoutOf([node]).plans.get('pi5-server')?.quotas).toEqual({
    maxDerives: 1,
    maxTranscodes: 0,
    maxIntel: 0,
    cpuReservePercent: 75,
    quietHours,
  })
})

test('quiet hours that are no times are reported and left out', () => {
  const node = machine('pi5-server', { settings: { quietHours: { from: '25:00', to: 'late' } } })
  expect(layoutOf([node]).plans.get('pi5-server')?.quotas.quietHours).toBeNull()
  expect(sentences([node])).toEqual([
    'The quiet hours of pi5-server are not two different times such as 22:00 and 07:00; it works at all hours.',
  ])
})

test('the leader keeps what it cannot do without, and says so', () => {
  const node = machine('pi5-server', { settings: { excludeServices: ['local-console', 'deriver'] } })
  expect(services([node], 'pi5-server')).toContain('local-console')
  expect(services([node], 'pi5-server')).not.toContain('deriver')
  expect(sentences([node])).toEqual([
    'No machine makes previews, as “deriver” is switched off everywhere. Switch it on for one machine.',
    'pi5-server leads the ring and needs local-console, which you switched off there. Let another machine lead instead.',
  ])
})

test('a machine alone that must never lead still opens its own console, or nobody could change that', () => {
  const node = machine('pi5-server', { settings: { excludeLeader: true } })
  const layout = layoutOf([node])
  expect(layout.leader).toBeNull()
  expect(layout.plans.get('pi5-server')?.role).toBe('worker')
  expect(services([node], 'pi5-server')).toEqual(
    expect.arrayContaining(['api-gateway', 'local-console', 'catalog', 'blob-store', 'indexer']),
  )
  expect(sentences([node])).toEqual([
    'Every machine that could lead is set to “never lead”, so each works for itself. Allow one of them to lead.',
  ])
})

test('pinned and excluded at once: never leads, and the contradiction is told', () => {
  const nodes = [machine('pi5-desktop', { settings: { excludeLeader: true } }), machine('pi5-server')]
  expect(layoutOf(nodes, { pinnedLeader: 'pi5-desktop' }).leader).toBe('pi5-server')
  expect(sentences(nodes, { pinnedLeader: 'pi5-desktop' })).toEqual([
    'You chose pi5-desktop to lead and also set it to “never lead”. “Never lead” wins; change one of the two.',
  ])
})

test.each([
  ['nobody', 'You chose nobody to lead, but it is not part of this ring. Choose another machine.'],
  ['pizero-cam1', 'You chose pizero-cam1 to lead, but it is too small: it needs 2 GB of memory. Choose another machine.'],
  ['macbook', 'You chose macbook to lead; it will as soon as it is awake and settled.'],
])('pinned to %s: a sentence says why it does not lead', (pinnedLeader, sentence) => {
  const nodes = [machine('pi5-desktop'), machine('pizero-cam1'), machine('macbook', { alive: false })]
  expect(sentences(nodes, { pinnedLeader })).toEqual([sentence])
})

test('more copies wanted than machines that keep them', () => {
  expect(sentences([machine('pi5-server')], { replicas: 3 })).toEqual([
    'You asked for 3 copies of everything, but 1 machine keeps copies. Add a machine that is always on, or ask for fewer.',
  ])
})

test('folders on a Zero, folders with reading switched off, an unknown part', () => {
  const nodes = [
    machine('pi5-desktop', { settings: { excludeServices: ['indexr'] } }),
    machine('pizero-cam1', { settings: { indexPaths: ['/media/usb'] } }),
    machine('macbook', { settings: { name: 'Ada’s MacBook', excludeServices: ['indexer'] } }),
  ]
  expect(sentences(nodes)).toEqual([
    'Ada’s MacBook has folders to read, but reading is switched off there. Switch “indexer” on, or take its folders away.',
    'pi5-desktop shall not run “indexr”, but there is no part of that name. Check the spelling.',
    'pizero-cam1 is too small to read folders; plug that disk into another machine.',
  ])
})

test('facts that cannot be are told, and the ring is planned all the same', () => {
  const stores = [{ root: '/x', diskTotalBytes: Number.NaN, diskFreeBytes: 5 }]
  const nodes = [machine('pi5-desktop'), machine('pi5-server', { facts: { ramBytes: -5, cpuCores: 10_000, stores } })]
  expect(layoutOf(nodes).leader).toBe('pi5-desktop')
  expect(sentences(nodes)).toEqual([
    'pi5-server reports -5 bytes of memory, which cannot be. Update ThatDAM on that machine.',
    'pi5-server reports 10000 processor cores, which cannot be. Update ThatDAM on that machine.',
    'pi5-server reports a disk with more free than it holds, or with no sane size, which cannot be. Update ThatDAM on that machine.',
  ])
})

test('two machines with one id: one is planned, whichever came first, and it is told', () => {
  const a = machine('pi5-desktop', { nodeId: 'twin' })
  const b = machine('pi5-server', { nodeId: 'twin' })
  expect(layoutOf([a, b])).toEqual(layoutOf([b, a]))
  expect(sentences([a, b])).toEqual([
    'Two machines call themselves twin; only one of them is planned. Register one of them again under another name.',
  ])
})
