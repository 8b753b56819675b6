import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { PlanBody } from '@thatdam/protocol/plan'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planBodyHash } from '../body-hash.ts'
import type { PlannedNode } from '../roster-view.ts'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { synthesise } from './synthesise.ts'

const layoutOf = (nodes: PlannedNode[]) => synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY })
const table = (nodes: PlannedNode[]): Record<string, string[]> =>
  Object.fromEntries(
    [...layoutOf(nodes).plans].map(([nodeId, body]) => [
      nodeId,
      body.services.map((service) => (service.mode === 'full' ? service.name : `${service.name}:${service.mode}`)),
    ]),
  )
const bytes = (nodes: PlannedNode[]): string => canonicalJson([...layoutOf(nodes).plans].map(([, body]) => body))
const five = (): PlannedNode[] => PROFILE_NAMES.map((name) => machine(name))

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]]
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]))
}

const LEADER = ['supervisor', 'discovery', 'api-gateway', 'local-console', 'media-api', 'catalog:lead', 'live-hub:embedded']

describe('the reference ring', () => {
  test('has exactly the layout of the design', () => {
    const layout = layoutOf(five())
    expect(table(five())).toEqual({
      macbook: ['capture-daemon', 'camera-proxy', 'indexer', 'stream-processor'],
      'pi5-desktop': [
        'supervisor',
        'discovery',
        'overlay-hub',
        'api-gateway',
        'local-console',
        'media-api',
        'catalog:lead',
        'live-hub:embedded',
        'blob-store',
        'capture-daemon:light',
      ],
      'pi5-server': ['media-api:replica', 'catalog:follow', 'blob-store', 'capture-daemon:headless', 'deriver'],
      'pizero-cam1': ['camera-proxy:light'],
      'win11-editor': ['capture-daemon', 'camera-proxy', 'indexer', 'transcoder', 'intel'],
    })
    expect([...layout.plans.values()].map((body) => body.role)).toEqual(['worker', 'leader', 'worker', 'proxy', 'worker'])
    expect(layout.plans.get('pi5-server')?.standby).toBe(true)
    expect([...layout.plans.values()].map((body) => body.storage.replicas)).toEqual([2, 2, 2, 2, 2])
    expect(layout.warnings).toEqual([])
  })

  test('is byte for byte the same in all 120 orders of arrival', () => {
    const orders = permutations(five())
    expect(orders).toHaveLength(120)
    const expected = bytes(five())
    for (const order of orders) expect(bytes(order)).toBe(expected)
  })

  test('an editing machine without cameras does not record', () => {
    const nodes = five().map((node) => (node.nodeId === 'win11-editor' ? machine('win11-editor', { facts: { cameras: [] } }) : node))
    expect(table(nodes)['win11-editor']).toEqual(['indexer', 'transcoder', 'intel'])
  })

  test('a macbook that falls asleep changes nobody else but who stands by second', () => {
    const before = table(five())
    const nodes = five().map((node) => (node.nodeId === 'macbook' ? machine('macbook', { alive: false }) : node))
    expect(table(nodes)).toEqual(before)
  })

  test('without its leader the server Pi leads, and each worker keeps its work', () => {
    const before = table(five())
    const nodes = five().map((node) => (node.nodeId === 'pi5-desktop' ? machine('pi5-desktop', { alive: false }) : node))
    const after = table(nodes)
    expect(after['pi5-server']).toEqual(
      expect.arrayContaining([...LEADER, 'overlay-hub', 'blob-store', 'capture-daemon:headless', 'deriver']),
    )
    expect(after['pizero-cam1']).toEqual(before['pizero-cam1'])
    expect(after['macbook']?.filter((name) => !/catalog|media-api/.test(name))).toEqual(before['macbook'])
    expect(after['win11-editor']?.filter((name) => !/catalog|media-api/.test(name))).toEqual(before['win11-editor'])
  })
})

describe('a ring of one', () => {
  const ordinary = { cameras: [], indexPaths: [], gpus: [] }
  test.each([
    [
      'a Linux server with 2 cores and 2 GB',
      machine('pi5-server', { facts: { ...ordinary, arch: 'x64', powerClass: 'linux', cpuCores: 2, ramBytes: 2_050_000_000 } }),
    ],
    ['a Pi with a desktop', machine('pi5-desktop', { facts: ordinary })],
    ['a Mac', machine('macbook', { facts: ordinary })],
    [
      'a small Windows laptop',
      machine('win11-editor', { facts: { ...ordinary, cpuCores: 4, ramBytes: 8_400_000_000, battery: { percent: 50, charging: true } } }),
    ],
  ])('%s leads itself and does all that a person needs', (_what, node) => {
    const layout = layoutOf([node])
    const body = layout.plans.get(node.nodeId)
    expect(layout.leader).toBe(node.nodeId)
    expect(body?.role).toBe('leader')
    expect(body?.services.map((service) => service.name)).toEqual([
      'supervisor',
      'discovery',
      'api-gateway',
      'local-console',
      'media-api',
      'catalog',
      'live-hub',
      'blob-store',
      'capture-daemon',
      'indexer',
      'deriver',
    ])
    expect(body?.quotas.maxDerives).toBeGreaterThan(0)
    expect(body?.storage.replicas).toBe(1)
    expect(body?.storage.weight).toBeGreaterThan(0)
    expect(layout.warnings).toEqual([])
  })

  test('sends its cameras when it has some', () => {
    const body = layoutOf([machine('macbook')]).plans.get('macbook')
    expect(body?.services.map((service) => service.name)).toContain('camera-proxy')
    expect(body?.cameras.map((camera) => camera.name)).toEqual(['FaceTime HD Camera (Built-in)', 'Screen of macbook'])
  })
})

describe('other rings', () => {
  test('two Zeros alone: no leader, each shows its own cameras', () => {
    const zeros = [machine('pizero-cam1', { nodeId: 'a' }), machine('pizero-cam1', { nodeId: 'b' })]
    expect(table(zeros)).toEqual({ a: ['camera-proxy:light', 'proxy-viewer'], b: ['camera-proxy:light', 'proxy-viewer'] })
    expect(layoutOf(zeros).warnings.map((warning) => warning.sentence)).toEqual([
      'No machine here is large enough to lead, so each shows its own cameras. Add a machine with 2 GB of memory for one library.',
    ])
  })

  test('ten Windows machines: one leads, two stand by, the others do the heavy work, at least two keep copies', () => {
    const layout = layoutOf(Array.from({ length: 10 }, (_, index) => machine('win11-editor', { nodeId: `win-${index}` })))
    const bodies = [...layout.plans.values()]
    const holders = (name: string): number => bodies.filter((body) => body.services.some((service) => service.name === name)).length
    expect(holders('local-console')).toBe(1)
    expect(holders('catalog')).toBe(2)
    expect(holders('transcoder')).toBe(9)
    expect(holders('blob-store')).toBe(10)
    expect(holders('stream-processor')).toBe(9)
  })

  test('no desktop anywhere: a server leads', () => {
    const layout = layoutOf([machine('pi5-server', { nodeId: 'one' }), machine('pi5-server', { nodeId: 'two' })])
    expect(layout.leader).not.toBeNull()
    expect([...layout.plans.values()].filter((body) => body.services.some((service) => service.name === 'deriver'))).toHaveLength(2)
  })

  test('a desktop Pi and a laptop: the Pi leads and makes previews, both keep copies', () => {
    const layout = table([machine('pi5-desktop'), machine('macbook')])
    expect(layout['pi5-desktop']).toContain('deriver')
    expect(layout['macbook']).toContain('blob-store')
    expect(layout['macbook']).toContain('catalog:follow')
  })

  test('a sole preview maker that is away for long hands its work over, and takes it back', () => {
    const gone = five().map((node) => (node.nodeId === 'pi5-server' ? machine('pi5-server', { alive: false, longAway: true }) : node))
    expect(table(gone)['win11-editor']).toContain('deriver')
    expect(table(five())['win11-editor']).not.toContain('deriver')
  })

  test('without ffmpeg a machine makes no previews while another has it; where nobody has it, pictures are made all the same', () => {
    const without = (...names: string[]) =>
      table(PROFILE_NAMES.map((name) => machine(name, { facts: { hasFfmpeg: !names.includes(name) } })))
    expect(without('pi5-server')['pi5-server']).not.toContain('deriver')
    expect(without('pi5-server')['win11-editor']).toContain('deriver')
    expect(without('win11-editor')['win11-editor']).not.toContain('transcoder')
    expect(without(...PROFILE_NAMES)).toEqual(table(five()))
  })

  test('while another node still holds the lead, the layout is its', () => {
    const layout = synthesise({ clusterId: CLUSTER_ID, nodes: five(), policy: DEFAULT_POLICY, leader: 'pi5-server' })
    expect(layout.plans.get('pi5-server')?.role).toBe('leader')
    expect(layout.plans.get('pi5-desktop')?.role).toBe('worker')
    expect(layout.standbys[0]).toBe('pi5-desktop')
  })
})

test('any ring: bodies fit the schema, hash, say why, and do not depend on the order', () => {
  const arbitraryNode = fc
    .record({
      profile: fc.constantFrom(...PROFILE_NAMES),
      suffix: fc.integer({ min: 0, max: 99 }),
      alive: fc.boolean(),
      longAway: fc.boolean(),
      alwaysOn: fc.boolean(),
      uiAvailable: fc.boolean(),
      cpuCores: fc.constantFrom(1, 2, 4, 8, 16, 10_000, Number.NaN),
      ramBytes: fc.constantFrom(-1, Number.NaN, 512e6, 2e9, 4e9, 8.4e9, 64e9),
      excludeLeader: fc.boolean(),
      excludeServices: fc.subarray(['deriver', 'blob-store', 'local-console', 'camera-proxy', 'catalog', 'made-up']),
    })
    .map(({ profile, suffix, alive, longAway, excludeLeader, excludeServices, ...facts }) =>
      machine(profile, {
        nodeId: `${profile}-${suffix}`,
        facts,
        settings: { excludeLeader, excludeServices },
        alive,
        longAway: longAway && !alive,
      }),
    )
  fc.assert(
    fc.property(fc.array(arbitraryNode, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (nodes, draws) => {
      const shuffled = nodes.map((node) => ({ node, draw: draws.next().value as number })).toSorted((a, b) => a.draw - b.draw)
      const layout = layoutOf(nodes)
      const again = layoutOf(shuffled.map(({ node }) => node))
      expect(canonicalJson([...again.plans.values()])).toBe(canonicalJson([...layout.plans.values()]))
      expect(again.warnings).toEqual(layout.warnings)
      expect(layout.plans.size).toBe(new Set(nodes.map((node) => node.nodeId)).size)
      for (const body of layout.plans.values()) {
        expect(PlanBody.parse(body)).toEqual(body)
        expect(planBodyHash(body)).toMatch(/^[0-9a-f]{64}$/)
        expect(new Set(body.services.map((service) => service.name)).size).toBe(body.services.length)
        for (const service of body.services) expect(service.why).toMatch(/^[A-Z].*\.$/)
      }
      const leaders = [...layout.plans.values()].filter((body) => body.role === 'leader')
      expect(leaders.map((body) => body.nodeId)).toEqual(layout.leader === null ? [] : [layout.leader])
    }),
    { numRuns: 200 },
  )
})
