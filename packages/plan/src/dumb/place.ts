import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { sharesOf, type StoreNode } from '../placement/place.ts'

const WORD = 0xffff_ffffn

/** The slow, obvious twin of `placeBlob`: whole numbers of any size instead of machine words, and everything sorted. For tests only. */
export function dumbPlace(nodes: readonly StoreNode[], replicas: number, blob: string): { holders: string[]; standIns: string[] } {
  const taking = nodes.filter((node) => node.weight > 0 && node.state !== 'draining').toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  const shares = sharesOf(
    taking.map((node) => node.weight),
    replicas,
  )
  const ranked = taking
    .map((node, index) => ({ node, index, score: score(node.nodeId, blob) * ((1 - (shares[index] ?? 0)) / (shares[index] ?? 0)) }))
    .toSorted((a, b) => a.score - b.score || a.index - b.index)
    .map(({ node }) => node)
  const firstOfSites = ranked.filter((node, index) => ranked.findIndex((other) => other.site === node.site) === index).slice(0, replicas)
  const others = ranked.filter((node) => !firstOfSites.includes(node))
  const hasSites = new Set(taking.map((node) => node.site)).size > 1
  const holders = hasSites ? [...firstOfSites, ...others].slice(0, replicas) : ranked.slice(0, replicas)
  const lacking = holders.filter((node) => node.state === 'long-away' || node.isFull).length
  const able = ranked.filter((node) => !holders.includes(node) && node.state === 'here' && !node.isFull)
  return { holders: holders.map((node) => node.nodeId), standIns: able.slice(0, lacking).map((node) => node.nodeId) }
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
