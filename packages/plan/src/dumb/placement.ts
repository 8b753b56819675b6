import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { StoreNode } from '../placement/layout.ts'
import { oddsOf } from '../placement/odds.ts'

const WORD = 0xffff_ffffn

/**
 * The slow, obvious twin of `placeBlob`: whole numbers of any size instead of machine words, and everything sorted. The odds it takes from the real one:
 * whether they are right is seen in the loads. For tests only.
 */
export function dumbPlace(nodes: readonly StoreNode[], replicas: number, blob: string): { holders: string[]; standIns: string[] } {
  const taking = nodes.filter((node) => node.weight > 0 && node.state !== 'draining').toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  const odds = oddsOf(taking.map((node) => dumbShare(node, taking, replicas)))
  const ranked = taking
    .map((node, index) => ({ node, score: score(node.nodeId, blob) * (odds[index] ?? 0) }))
    .toSorted((a, b) => a.score - b.score || taking.indexOf(a.node) - taking.indexOf(b.node))
    .map(({ node }) => node)
  const holders = pick(ranked, replicas, [])
  const present = holders.filter(isAble)
  const others = ranked.filter((node) => isAble(node) && !holders.includes(node))
  const standIns = pick(others, holders.length - present.length, present)
  return { holders: holders.map((node) => node.nodeId), standIns: standIns.map((node) => node.nodeId) }
}

const isAble = (node: StoreNode): boolean => node.state === 'here' && !node.isFull

/** One after the other: the best at a site that has none yet, or, when every site has one, the best. */
function pick(ranked: readonly StoreNode[], count: number, present: readonly StoreNode[]): StoreNode[] {
  const picked: StoreNode[] = []
  while (picked.length < Math.min(count, ranked.length)) {
    const left = ranked.filter((node) => !picked.includes(node))
    const next = left.find((node) => ![...present, ...picked].some((other) => other.site === node.site)) ?? left[0]
    if (next !== undefined) picked.push(next)
  }
  return picked
}

/** Gives everybody its part of the copies, and hands what is too much for one to the others, until nobody has too much. */
export function dumbShare(node: StoreNode, nodes: readonly StoreNode[], replicas: number): number {
  const whole = new Set<StoreNode>()
  for (;;) {
    const open = nodes.filter((each) => !whole.has(each))
    const copies = Math.min(replicas, nodes.length) - whole.size
    const weight = open.reduce((sum, each) => sum + each.weight, 0)
    if (whole.has(node)) return 1
    if (copies === 0) return 1e-80
    const tooLarge = open.filter((each) => (each.weight * copies) / weight >= 1)
    if (tooLarge.length === 0) return (node.weight * copies) / weight
    for (const each of tooLarge) whole.add(each)
  }
}

/** u/(1−u) of the hash of blob and node. */
function score(nodeId: string, blob: string): number {
  const hash = sha256(utf8ToBytes(nodeId))
  const word = (from: number): bigint => [0, 1, 2, 3].reduce((sum, offset) => (sum << 8n) | BigInt(hash[from + offset] ?? 0), 0n)
  const one = BigInt(`0x${blob.slice(0, 8)}`)
  const two = BigInt(`0x${blob.slice(8, 16)}`)
  let mixed = times(one ^ word(0), 0x85ebca6bn)
  mixed = times(mixed ^ (mixed >> 15n) ^ two, 0xc2b2ae35n) ^ word(4)
  mixed = times(mixed ^ (mixed >> 16n), 0x85ebca6bn)
  mixed = times(mixed ^ (mixed >> 13n), 0xc2b2ae35n)
  const u = Number(mixed ^ (mixed >> 16n)) + 0.5
  return u / (2 ** 32 - u)
}

const times = (a: bigint, b: bigint): bigint => ((a & WORD) * b) & WORD
