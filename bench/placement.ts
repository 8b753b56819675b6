import { createHash } from 'node:crypto'
import { dumbPlace } from '@thatdam/plan/dumb/placement'
import { layoutOf, type Layout, type StoreNode } from '@thatdam/plan/placement/layout'
import { placeBlob } from '@thatdam/plan/placement/place'
import { median, round, type Bench } from './contract.ts'

const NODES = 1_000
const REPLICAS = 2
/** So many that chance alone takes the emptiest node hardly further than 12 % from its weight. */
const BLOBS = 1_000_000
const BLOBS_PER_SAMPLE = 20_000
const TWIN_BLOBS_PER_SAMPLE = 40

/** The largest node has four times the space of the smallest. */
const node = (index: number, site: string | null): StoreNode => ({
  nodeId: `node-${index}`,
  weight: 100 + ((index * 37) % 301),
  site,
  state: 'here',
  isFull: false,
})
const ring = (sites: number): StoreNode[] =>
  Array.from({ length: NODES }, (_, index) => node(index, sites === 1 ? null : `site ${index % sites}`))
const blobs = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => createHash('sha256').update(`blob ${index}`).digest('hex'))

/** Where 1,000 nodes keep each blob, beside the twin that sorts them all; then how even the load is, and what a join moves. */
export const placement: Bench = {
  name: 'placement',
  about:
    'blobs placed per second on 1,000 nodes, beside the dumb twin (aim ≥ 50,000; load within ±15 % of weight; a join ≤ 1.1 × the ideal)',
  run({ quick, say }) {
    const names = blobs(BLOBS)
    const nodes = ring(1)
    const [layout, withSites] = [layoutOf(nodes, REPLICAS), layoutOf(ring(3), REPLICAS)]
    const ours: number[] = []
    const sited: number[] = []
    const twin: number[] = []
    for (let sample = 0; sample < (quick ? 5 : 9); sample++) {
      const some = names.slice(sample * BLOBS_PER_SAMPLE, (sample + 1) * BLOBS_PER_SAMPLE)
      ours.push(perSecond(some, (blob) => placeBlob(layout, blob)))
      twin.push(perSecond(some.slice(0, TWIN_BLOBS_PER_SAMPLE), (blob) => dumbPlace(nodes, REPLICAS, blob)))
      sited.push(perSecond(some, (blob) => placeBlob(withSites, blob)))
      say(`ours ${round(ours.at(-1) ?? 0, 0)}/s, with three sites ${round(sited.at(-1) ?? 0, 0)}/s, twin ${round(twin.at(-1) ?? 0, 0)}/s`)
    }
    const value = median(ours)
    const peer = { name: 'dumb twin, the same ring', value: round(median(twin)) }
    return Promise.resolve({
      name: 'placement',
      unit: 'blobs/s',
      ours: value,
      peer,
      limit: 50_000,
      ratio: value / peer.value,
      samples: ours.length,
      more: {
        'blobs/s with three sites': round(median(sited), 0),
        ...loadOf(layout, names),
        ...joinOf(layout, nodes, names.slice(0, 200_000)),
      },
    })
  },
}

function perSecond(names: readonly string[], place: (blob: string) => unknown): number {
  const startedAt = performance.now()
  for (const blob of names) place(blob)
  return (names.length / (performance.now() - startedAt)) * 1_000
}

/** How far the fullest and the emptiest node are from what their weight gives them; and χ² per degree of freedom: 1 is what chance does. */
function loadOf(layout: Layout, names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const blob of names) for (const nodeId of placeBlob(layout, blob).holders) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1)
  let chi = 0
  const deviations = layout.nodes.map(({ nodeId }, index) => {
    const share = layout.shares[index] ?? 0
    const expected = share * names.length
    const difference = (counts.get(nodeId) ?? 0) - expected
    chi += difference ** 2 / (expected * (1 - share))
    return difference / expected
  })
  return {
    'fullest node, % over its weight': round(100 * Math.max(...deviations)),
    'emptiest node, % under its weight': round(-100 * Math.min(...deviations)),
    'χ² per degree of freedom': round(chi / (layout.nodes.length - 1), 3),
  }
}

/** Copies that a join moves, ÷ those that the new node gets: what it has to get is the ideal. */
function joinOf(before: Layout, nodes: readonly StoreNode[], names: readonly string[]): Record<string, number> {
  const after = layoutOf([...nodes, { ...node(NODES, null), weight: 400 }], REPLICAS)
  let moved = 0
  let gained = 0
  for (const blob of names) {
    const old = placeBlob(before, blob).holders
    const now = placeBlob(after, blob).holders
    for (const nodeId of now) if (!old.includes(nodeId)) moved++
    if (now.includes(`node-${NODES}`)) gained++
  }
  return { 'a join moves, × the ideal': round(moved / gained, 3) }
}
