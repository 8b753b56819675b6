import { canonicalJson } from '@thatdam/protocol/canonical'
import type { NodeId } from '@thatdam/protocol/ids'
import { byText, type PlanWarning } from '../roster-view.ts'
import { Board } from './board.ts'
import { capacityWarnings } from './capacity.ts'
import type { Assignment, Job, WorkNode } from './contract.ts'
import type { Ledger } from './credits.ts'

/** A job and, when it has been given out, to whom. */
export interface KnownJob {
  readonly job: Job
  readonly runningOn: NodeId | null
}

/** A board with these jobs on it. `ledger` is what each node had before they were asked; they are paid in the order of their asking. */
export function boardOf(jobs: readonly KnownJob[], nodes: readonly WorkNode[], ledger: Ledger, nowMs: number): Board {
  const board = new Board(ledger)
  for (const node of distinctNodes(nodes).nodes) board.setNode(node, nowMs)
  const asked = jobs.toSorted((a, b) => a.job.queuedAtMs - b.job.queuedAtMs || byText(a.job.jobId, b.job.jobId))
  for (const { job, runningOn } of asked) board.add(job, nowMs, runningOn)
  return board
}

/**
 * Who does what now. The same answer for the same jobs, nodes, ledger and time, in whatever order they are given. Whoever asks often keeps a `Board`
 * and tells it what changed. @throws ThatdamError BAD_REQUEST for a job that cannot be, with the field's name.
 */
export const assign = (jobs: readonly KnownJob[], nodes: readonly WorkNode[], ledger: Ledger, nowMs: number): Assignment[] =>
  boardOf(jobs, nodes, ledger, nowMs).dispatch(nowMs)

/** Each node once, with what its owner should know. Of two with one id the same is kept whatever came first. */
export function distinctNodes(nodes: readonly WorkNode[]): { nodes: WorkNode[]; warnings: PlanWarning[] } {
  const byId = new Map<NodeId, WorkNode>()
  const twice = new Set<NodeId>()
  for (const node of nodes) {
    const other = byId.get(node.nodeId)
    if (other !== undefined) twice.add(node.nodeId)
    if (other === undefined || comparable(node) > comparable(other)) byId.set(node.nodeId, node)
  }
  const kept = [...byId.values()].toSorted((a, b) => byText(a.nodeId, b.nodeId))
  const warnings = kept.flatMap((node) =>
    [
      ...(twice.has(node.nodeId)
        ? [`Two machines call themselves ${node.nodeId}; only one of them gets work. Register one of them again under another name.`]
        : []),
      ...capacityWarnings(node),
    ].map((sentence): PlanWarning => ({ nodeId: node.nodeId, sentence })),
  )
  return { nodes: kept, warnings }
}

function comparable(node: WorkNode): string {
  try {
    return canonicalJson({ ...node })
  } catch {
    return JSON.stringify(node)
  }
}
