import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import { byText } from '../roster-view.ts'

/** A member of the roster that keeps copies. Away ones stay in: a sleeping machine moves nothing. */
export interface StoreNode {
  readonly nodeId: NodeId
  /** Share of the ring's bytes, from its plan. 0 keeps nothing. */
  readonly weight: number
  /** Where it stands; null when the owner named no sites. Copies go to different sites where there are several. */
  readonly site: string | null
  /** `long-away`: past the grace time, others keep copies for it until it is back. `draining`: gets nothing new, is read until it is empty. */
  readonly state: 'here' | 'long-away' | 'draining'
  /** Takes no further blob; what it has stays. */
  readonly isFull: boolean
}

export interface Layout {
  readonly replicas: number
  /** Nodes that would hold more than one copy of everything if weight alone decided; they hold one of each, and no more. */
  readonly capped: readonly NodeId[]
  readonly nodes: readonly StoreNode[]
  /** Per node, in the order of `nodes`: two words of its id's hash, and the odds against it. */
  readonly seeds: Uint32Array
  readonly odds: Float64Array
  readonly hasSites: boolean
}

export interface Place {
  /** Who should hold the blob, best first, whether awake or not. */
  readonly holders: readonly NodeId[]
  /** Who should hold it as well while some of the holders are long away or full. */
  readonly standIns: readonly NodeId[]
}

/**
 * Prepares the placing of blobs on these nodes. With R copies a node of weight w in a ring of weight W shall hold the share π = R·w/W of all
 * blobs, at most all. Blobs are drawn by Pareto order sampling (Rosén, 1997): each node gets u/(1−u)·(1−π)/π, where u comes from a hash of blob
 * and node, and the R smallest hold the blob. It is rendezvous hashing whose shares come out right for large nodes in small rings too.
 */
export function layoutOf(nodes: readonly StoreNode[], replicas: number): Layout {
  const taking = nodes.filter((node) => node.weight > 0 && node.state !== 'draining').toSorted((a, b) => byText(a.nodeId, b.nodeId))
  const shares = sharesOf(
    taking.map((node) => node.weight),
    replicas,
  )
  const seeds = new Uint32Array(taking.length * 2)
  taking.forEach((node, index) => {
    const hash = sha256(utf8ToBytes(node.nodeId))
    const view = new DataView(hash.buffer, hash.byteOffset)
    seeds[2 * index] = view.getUint32(0)
    seeds[2 * index + 1] = view.getUint32(4)
  })
  return {
    replicas,
    capped: taking.flatMap((node, index) => (shares[index] === 1 && taking.length > replicas ? [node.nodeId] : [])),
    nodes: taking,
    seeds,
    odds: Float64Array.from(shares, (share) => (1 - share) / share),
    hasSites: new Set(taking.map((node) => node.site)).size > 1,
  }
}

/** R·w/W for each, none above 1: what the capped ones cannot hold is shared out among the others. Sums to R where there are R nodes. */
export function sharesOf(weights: readonly number[], replicas: number): number[] {
  const shares = weights.map(() => 0)
  let left = Math.min(replicas, weights.length)
  let open = weights.map((_, index) => index)
  while (open.length > 0) {
    const total = open.reduce((sum, index) => sum + (weights[index] ?? 0), 0)
    const full = open.filter((index) => ((weights[index] ?? 0) * left) / total >= 1)
    if (full.length === 0) {
      for (const index of open) shares[index] = ((weights[index] ?? 0) * left) / total
      break
    }
    for (const index of full) shares[index] = 1
    left -= full.length
    open = open.filter((index) => !full.includes(index))
    // All copies are given out: the others would get none, but stay drawable for stand-ins.
    if (left <= 0) {
      for (const index of open) shares[index] = Number.MIN_VALUE ** 0.25
      break
    }
  }
  return shares
}

/** Where a blob belongs. The same answer on every node that knows the same roster. About 3 µs with 1,000 nodes. */
export function placeBlob(layout: Layout, sha256Hex: Sha256Hex): Place {
  const { nodes, replicas } = layout
  const wanted = Math.min(replicas, nodes.length)
  const scores = scoresOf(layout, sha256Hex)
  const first = layout.hasSites ? spread(layout, scores, wanted) : smallest(scores, wanted)
  const holders = first.map((index) => nodes[index]).filter((node) => node !== undefined)
  const lacking = holders.filter((node) => node.state === 'long-away' || node.isFull).length
  const ids = holders.map((node) => node.nodeId)
  return { holders: ids, standIns: lacking === 0 ? [] : standIns(layout, scores, new Set(ids), lacking) }
}

function scoresOf({ seeds, odds }: Layout, sha256Hex: Sha256Hex): Float64Array {
  const one = Number.parseInt(sha256Hex.slice(0, 8), 16) | 0
  const two = Number.parseInt(sha256Hex.slice(8, 16), 16) | 0
  const scores = new Float64Array(odds.length)
  for (let index = 0; index < odds.length; index++) {
    let mixed = Math.imul(one ^ (seeds[2 * index] as number), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 15) ^ two, 0xc2b2ae35) ^ (seeds[2 * index + 1] as number)
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    const u = ((mixed ^ (mixed >>> 16)) >>> 0) + 0.5
    scores[index] = (u / (0x1_0000_0000 - u)) * (odds[index] as number)
  }
  return scores
}

/** Indices of the `count` smallest, smallest first; of equal ones the first. */
function smallest(scores: Float64Array, count: number): number[] {
  const best: number[] = []
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index] as number
    if (best.length === count && score >= (scores[best[count - 1] as number] as number)) continue
    let place = best.length
    while (place > 0 && score < (scores[best[place - 1] as number] as number)) place--
    best.splice(place, 0, index)
    if (best.length > count) best.pop()
  }
  return best
}

/** One of each site first, by the best of each; then, with fewer sites than copies, the best that are left. */
function spread({ nodes }: Layout, scores: Float64Array, count: number): number[] {
  const ranked = smallest(scores, scores.length)
  const seen = new Set<string | null>()
  const ofNewSites = ranked.filter((index) => {
    const site = nodes[index]?.site ?? null
    return seen.has(site) ? false : (seen.add(site), true)
  })
  const chosen = ofNewSites.slice(0, count)
  return [...chosen, ...ranked.filter((index) => !chosen.includes(index)).slice(0, count - chosen.length)]
}

function standIns({ nodes }: Layout, scores: Float64Array, holders: ReadonlySet<NodeId>, count: number): NodeId[] {
  const able = smallest(scores, scores.length).flatMap((index) => {
    const node = nodes[index]
    return node === undefined || holders.has(node.nodeId) || node.state !== 'here' || node.isFull ? [] : [node.nodeId]
  })
  return able.slice(0, count)
}
