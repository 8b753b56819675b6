import type { NodeId } from '@thatdam/protocol/ids'
import type { Quotas } from '@thatdam/protocol/plan'

/** What a quota counts. `light`: work that mostly waits for disk or network (index, sync, backup, publish). */
export const POOLS = ['derive', 'transcode', 'intel', 'light'] as const
export type Pool = (typeof POOLS)[number]

/** For whom: the person at this ring's own pages, the ring itself in the background, somebody outside. Best first. */
export const PRIORITIES = ['local', 'distributed', 'external'] as const
export type Priority = (typeof PRIORITIES)[number]

/** A unit of queued work, as far as sharing it out is concerned. Leases and fences are the queue's. */
export interface Job {
  /** Unique in the queue; equal turns are broken by its text. */
  readonly jobId: string
  readonly pool: Pool
  readonly priority: Priority
  /** The node that asked, and pays. */
  readonly asker: NodeId
  readonly queuedAtMs: number
  /** What it costs the asker and brings the worker: minutes of one core, estimated when it was asked. */
  readonly credits: number
  /** Bytes of its input: how long waiting for a node that has them is worth while. */
  readonly inputBytes: number
  /** Nodes that hold the input, the best NEAR_NODES_MAX of them. */
  readonly near: readonly NodeId[]
  /** Can be done there only (index a folder, copy from a card). Null: anywhere. */
  readonly onlyOn: NodeId | null
}

/** A node that may work, from its plan and its own report. */
export interface WorkNode {
  readonly nodeId: NodeId
  readonly cpuCores: number
  readonly quotas: Quotas
  /** Minutes east of UTC, now: quiet hours are local times. A change of summer time is a change of the node. */
  readonly utcOffsetMinutes: number
  /** Answers, and is not about to stop. */
  readonly isTaking: boolean
}

export interface Assignment {
  readonly jobId: string
  readonly nodeId: NodeId
  /** The node has the input, or is the only one that can do it. */
  readonly isNear: boolean
}

/** The pool of a kind of job: `intel.l2` and what listens or looks counts as intel, what is not known is light. */
export function poolOf(kind: string): Pool {
  if (kind === 'derive' || kind === 'transcode') return kind
  return /^(intel(\..+)?|transcribe|motion|audio-sync)$/.test(kind) ? 'intel' : 'light'
}

export const NEAR_NODES_MAX = 4
export const JOBS_MAX = 1_000_000
export const NODES_MAX = 10_000
