import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import type { NodeId } from '@thatdam/protocol/ids'
import { byText, type PlanWarning } from '../roster-view.ts'
import { oddsOf, sharesOf } from './odds.ts'

/** A member of the roster that keeps copies. Away ones stay in: a sleeping machine moves nothing. */
export interface StoreNode {
  readonly nodeId: NodeId
  /** Share of the ring's bytes, from its plan (GiB, in coarse steps). 0 keeps nothing. */
  readonly weight: number
  /** Where it stands; null when the owner named no sites. Copies go to different sites where there are several. */
  readonly site: string | null
  /** `long-away`: past the grace time, others keep copies for it until it is back. `draining`: gets nothing new, is read until it is empty. */
  readonly state: 'here' | 'long-away' | 'draining'
  /** Takes no further blob; what it has stays. */
  readonly isFull: boolean
}

/** What the placing of every blob needs to know of a ring, worked out once. */
export interface Layout {
  readonly replicas: number
  /** Those that take copies, each once, in order of their ids. */
  readonly nodes: readonly StoreNode[]
  readonly byId: ReadonlyMap<NodeId, StoreNode>
  /** Nodes that would hold more than one copy of everything if weight alone decided; they hold one of each, and no more. */
  readonly capped: readonly NodeId[]
  /** What was not taken as given, and what the layout lacks, as sentences for the owner. */
  readonly warnings: readonly PlanWarning[]
  /** Of the ring's blobs, the share that each node should hold, in the order of `nodes`. Sums to `replicas` where there are as many nodes. */
  readonly shares: Float64Array
  /** In the order of `nodes`: two words of the id's hash, the odds against holding a blob, the number of its site, and whether it can take one now. */
  readonly seeds: Int32Array
  readonly odds: Float64Array
  readonly sites: Int32Array
  readonly siteCount: number
  readonly able: Uint8Array
}

export const REPLICAS_MAX = 8
/** A thousand petabytes. What reports more is mistaken. */
const WEIGHT_MAX = 1_000_000_000

/**
 * Prepares the placing of blobs on these nodes. With R copies a node of weight w in a ring of weight W shall hold the share π = R·w/W of all
 * blobs, at most all. Each node draws u/(1−u)·odds for a blob, where u comes from a hash of both, and the R smallest hold it: rendezvous hashing
 * whose shares come out right for large nodes in small rings too, which −ln(u)/w does not give for R > 1: there a node of half the weight of a
 * ring of four holds 20 % less than its due.
 */
export function layoutOf(given: readonly StoreNode[], replicasGiven: number): Layout {
  const { nodes, warnings } = checked(given)
  const replicas = wholeWithin(replicasGiven, REPLICAS_MAX)
  if (replicas !== replicasGiven) {
    warnings.push({ nodeId: null, sentence: `${replicasGiven} copies of each file are not possible; ${replicas} are kept.` })
  }
  const shares = sharesOf(
    nodes.map((node) => node.weight),
    replicas,
  )
  const capped = nodes.filter((_, index) => shares[index] === 1 && nodes.length > replicas)
  for (const { nodeId } of capped) warnings.push({ nodeId, sentence: cappedSentence(nodeId, replicas) })
  const siteNames = [...new Set(nodes.map((node) => node.site))]
  return {
    replicas,
    nodes,
    byId: new Map(nodes.map((node) => [node.nodeId, node])),
    capped: capped.map((node) => node.nodeId),
    warnings,
    shares: Float64Array.from(shares),
    seeds: Int32Array.from(nodes.flatMap((node) => seedsOf(node.nodeId))),
    odds: Float64Array.from(oddsOf(shares)),
    sites: Int32Array.from(nodes, (node) => siteNames.indexOf(node.site)),
    siteCount: siteNames.length,
    able: Uint8Array.from(nodes, (node) => Number(node.state === 'here' && !node.isFull)),
  }
}

const cappedSentence = (nodeId: string, replicas: number): string =>
  `${nodeId} has more than 1/${replicas} of the ring's space: it keeps one copy of everything, and the rest of its space stays free. ` +
  'Add space to the other machines to use it.'

/** The id's hash, not the key's: a machine that is registered anew under its name finds its blobs where they were. */
function seedsOf(nodeId: NodeId): [number, number] {
  const hash = sha256(utf8ToBytes(nodeId))
  const view = new DataView(hash.buffer, hash.byteOffset)
  return [view.getInt32(0), view.getInt32(4)]
}

/** Those that take copies, each once. Of two with one id the lighter is kept, whatever came first: it promises less. */
function checked(given: readonly StoreNode[]): { nodes: StoreNode[]; warnings: PlanWarning[] } {
  const byId = new Map<NodeId, StoreNode>()
  const warnings: PlanWarning[] = []
  const say = (nodeId: NodeId, sentence: string): void => void warnings.push({ nodeId, sentence })
  for (const node of given.toSorted((a, b) => byText(a.nodeId, b.nodeId) || byText(JSON.stringify(a), JSON.stringify(b)))) {
    const { nodeId, weight } = node
    const counted = weight > WEIGHT_MAX ? WEIGHT_MAX : weight > 0 ? weight : 0
    if (counted !== weight) say(nodeId, `${nodeId} reports storage.weight ${weight}; it is counted as ${counted}.`)
    const other = byId.get(nodeId)
    if (other !== undefined)
      say(nodeId, `Two machines call themselves ${nodeId}; only one of them keeps copies. Register one of them again under another name.`)
    if (other === undefined || counted < other.weight) byId.set(nodeId, { ...node, weight: counted })
  }
  return { nodes: [...byId.values()].filter((node) => node.weight > 0 && node.state !== 'draining'), warnings }
}

const wholeWithin = (value: number, max: number): number => (value >= 1 ? Math.min(max, Math.floor(value)) : 1)
