import type { NodeId } from '@thatdam/protocol/ids'
import { byText } from '../roster-view.ts'
import type { Capacity } from './capacity.ts'
import { NEAR_NODES_MAX, POOLS, type Job, type WorkNode } from './contract.ts'
import type { LazyHeap } from './heaps.ts'
import { opensAtMs } from './turn.ts'

/* What lies on a board, and in which order. */

/** A queued or running job. Given back, it gets a new card: the old one, dead, may still lie in some heap. */
export interface Card {
  readonly job: Job
  readonly turn: number
  readonly opensAtMs: number
  readonly lane: number
  /** The nodes in whose queues it waits. */
  readonly near: readonly NodeId[]
  /** Null while it waits. */
  place: Place | null
  /** May any node take it by now? */
  isOpen: boolean
  isLive: boolean
}

/** A node, as far as known: a job may name one that nobody has reported yet. */
export interface Place {
  readonly nodeId: NodeId
  node: WorkNode | null
  capacity: Capacity
  readonly running: Set<Card>
  readonly perPool: number[]
  load: number
  changesAtMs: number
  readonly queues: (NearQueue | undefined)[]
}

/** The jobs of one lane that wait for one node, because it has their input. */
export interface NearQueue {
  readonly place: Place
  readonly lane: number
  readonly cards: LazyHeap<Card>
  head: Card | undefined
}

/** Jobs that ask the same of a node: a pool, and whether they come from outside. */
export const LANES = POOLS.length * 2

export const byTurn = (a: Card, b: Card): number => a.turn - b.turn || byText(a.job.jobId, b.job.jobId)
export const byLoad = (a: Place, b: Place): number => a.load - b.load || byText(a.nodeId, b.nodeId)
export const isWaiting = (card: Card): boolean => card.isLive && card.place === null

export const NO_CAPACITY: Capacity = { jobs: 0, pools: { derive: 0, transcode: 0, intel: 0, light: 0 }, takesExternal: false }

const nearOf = (job: Job): readonly NodeId[] => (job.onlyOn === null ? [...new Set(job.near.slice(0, NEAR_NODES_MAX))] : [job.onlyOn])

export const cardOf = (job: Job, turn: number): Card => ({
  job,
  turn,
  opensAtMs: opensAtMs(job),
  lane: POOLS.indexOf(job.pool) * 2 + Number(job.priority === 'external'),
  near: nearOf(job),
  place: null,
  isOpen: false,
  isLive: true,
})

export const newPlace = (nodeId: NodeId): Place => ({
  nodeId,
  node: null,
  capacity: NO_CAPACITY,
  running: new Set(),
  perPool: POOLS.map(() => 0),
  load: Infinity,
  changesAtMs: Infinity,
  queues: [],
})

/** Nobody reported it, and nothing waits for it. */
export const isForgettable = (place: Place): boolean =>
  place.node === null && place.running.size === 0 && place.queues.every((queue) => queue?.cards.first() === undefined)

export function hasRoom(place: Place, lane: number): boolean {
  const pool = POOLS[lane >> 1]
  if (pool === undefined || place.running.size >= place.capacity.jobs) return false
  return (place.perPool[lane >> 1] ?? 0) < place.capacity.pools[pool] && (lane % 2 === 0 || place.capacity.takesExternal)
}

export function byHead(a: NearQueue, b: NearQueue): number {
  const [one, other] = [a.head, b.head]
  if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined)
  return byTurn(one, other) || byLoad(a.place, b.place) || a.lane - b.lane
}
