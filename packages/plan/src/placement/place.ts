import type { NodeId, Sha256Hex } from '@thatdam/protocol/ids'
import type { Layout } from './layout.ts'

export interface Place {
  /** Who should hold the blob, best first, whether awake or not. */
  readonly holders: readonly NodeId[]
  /** Who should hold it as well while some of the holders are long away or full. */
  readonly standIns: readonly NodeId[]
}

/** 2^32: hashes are whole numbers below it, taken as u = (hash + ½) / 2^32. */
const HASHES = 0x1_0000_0000

/**
 * Where a blob belongs. The same answer on every node that knows the same roster. Each site first gets one copy, where there are several: a site with
 * little space then holds more than its weight, which is what the owner named sites for.
 */
export function placeBlob(layout: Layout, sha256Hex: Sha256Hex): Place {
  const { nodes, able, sites } = layout
  const one = Number.parseInt(sha256Hex.slice(0, 8), 16) | 0
  const two = Number.parseInt(sha256Hex.slice(8, 16), 16) | 0
  const chosen = choose(layout, one, two, { count: layout.replicas, passedOver: null, taken: null })
  const holders = chosen.map((index) => nodes[index]?.nodeId ?? '')
  const present = chosen.filter((index) => able[index] === 1)
  if (present.length === chosen.length) return { holders, standIns: [] }
  const passedOver = able.map((isAble) => 1 - isAble)
  for (const index of present) passedOver[index] = 1
  const taken = new Set(present.map((index) => sites[index] ?? 0))
  const standIns = choose(layout, one, two, { count: chosen.length - present.length, passedOver, taken })
  return { holders, standIns: standIns.map((index) => nodes[index]?.nodeId ?? '') }
}

interface Choice {
  readonly count: number
  /** Per node: 1 for those that are not asked. Null: all are. */
  readonly passedOver: Uint8Array | null
  /** Sites that have a copy already. */
  readonly taken: ReadonlySet<number> | null
}

/** Indices of the nodes that come first: the best of each site that has no copy yet, then the best of all that are left. */
function choose(layout: Layout, one: number, two: number, { count, passedOver, taken }: Choice): number[] {
  const { best, bestOfSites } =
    layout.siteCount > 1 ? firstOfSites(layout, one, two, count, passedOver) : firstOfAll(layout, one, two, count, passedOver)
  const ofNewSites = bestOfSites.filter(({ index }) => taken?.has(layout.sites[index] ?? 0) !== true).slice(0, count)
  const chosen = ofNewSites.map(({ index }) => index)
  return [...chosen, ...best.filter((index) => !chosen.includes(index)).slice(0, count - chosen.length)]
}

interface Ranked {
  /** The `count` best of all, best first. */
  readonly best: readonly number[]
  /** The best of each site, best first; empty where there is one site. */
  readonly bestOfSites: readonly { readonly index: number; readonly score: number }[]
}

/*
 * The two loops below are one thing, written twice for speed: with one site no array per site is touched, and a node that cannot be among the best
 * costs two multiplications more than its hash. u/(1−u)·odds < cut is asked as u·odds < cut·(1−u), without a division.
 *
 * The hash: both words of the blob's SHA-256 are mixed with both words of the node's, by the rounds of MurmurHash3's finaliser. Its input is
 * uniform already, on both sides; all it has to do is to make the numbers of one blob independent from node to node, and of one node from blob to
 * blob. The tests look at load, at pairs and at moves. Whoever can choose a blob's bytes could aim at a node, and gains nothing by it.
 */

function firstOfAll({ seeds, odds }: Layout, one: number, two: number, count: number, passedOver: Uint8Array | null): Ranked {
  const best: number[] = []
  const scores: number[] = []
  let cut = Infinity
  for (let index = 0; index < odds.length; index++) {
    const u = hash(one, two, seeds[2 * index] as number, seeds[2 * index + 1] as number)
    const odd = odds[index] as number
    if (u * odd >= cut * (HASHES - u) || (passedOver !== null && passedOver[index] === 1)) continue
    const score = (u / (HASHES - u)) * odd
    insert(best, scores, index, score)
    if (best.length > count) {
      best.pop()
      scores.pop()
    }
    if (best.length === count) cut = scores[count - 1] as number
  }
  return { best, bestOfSites: [] }
}

function firstOfSites(
  { seeds, odds, sites, siteCount }: Layout,
  one: number,
  two: number,
  count: number,
  passedOver: Uint8Array | null,
): Ranked {
  const best: number[] = []
  const scores: number[] = []
  const siteScores = new Float64Array(siteCount).fill(Infinity)
  const siteFirsts = new Int32Array(siteCount).fill(-1)
  let cut = Infinity
  for (let index = 0; index < odds.length; index++) {
    const u = hash(one, two, seeds[2 * index] as number, seeds[2 * index + 1] as number)
    const odd = odds[index] as number
    const site = sites[index] as number
    const siteScore = siteScores[site] as number
    if ((u * odd >= cut * (HASHES - u) && u * odd >= siteScore * (HASHES - u)) || (passedOver !== null && passedOver[index] === 1)) continue
    const score = (u / (HASHES - u)) * odd
    if (score < siteScore) {
      siteScores[site] = score
      siteFirsts[site] = index
    }
    if (score >= cut) continue
    insert(best, scores, index, score)
    if (best.length > count) {
      best.pop()
      scores.pop()
    }
    if (best.length === count) cut = scores[count - 1] as number
  }
  const bestOfSites = Array.from(siteFirsts, (index, site) => ({ index, score: siteScores[site] as number })).filter(
    ({ index }) => index >= 0,
  )
  return { best, bestOfSites: bestOfSites.toSorted((a, b) => a.score - b.score || a.index - b.index) }
}

/** Of equal scores the first stays first. */
function insert(best: number[], scores: number[], index: number, score: number): void {
  let place = best.length
  while (place > 0 && score < (scores[place - 1] as number)) place--
  best.splice(place, 0, index)
  scores.splice(place, 0, score)
}

function hash(one: number, two: number, seedOne: number, seedTwo: number): number {
  let mixed = Math.imul(one ^ seedOne, 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ two, 0xc2b2ae35) ^ seedTwo
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return ((mixed ^ (mixed >>> 16)) >>> 0) + 0.5
}
