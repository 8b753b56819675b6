import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { WorkNode } from '@thatdam/plan/sharing/contract'
import type { MemberReport } from '@thatdam/protocol/member'
import type { PlanBody } from '@thatdam/protocol/plan'

export interface WorkerPorts {
  readonly planOf: (nodeId: string) => PlanBody | null
  /** What a machine told of itself last; null: nothing yet. */
  readonly reportOf: (nodeId: string) => Pick<MemberReport, 'plan' | 'derive'> | null
  /** Of this machine: others do not tell theirs, and a ring mostly stands in one zone. */
  readonly utcOffsetMinutes: number
}

/** Machines that make previews now: awake, planned to, and their deriver runs and is not paused. */
export function workNodes(nodes: readonly PlannedNode[], { planOf, reportOf, utcOffsetMinutes }: WorkerPorts): WorkNode[] {
  return nodes.flatMap((node) => {
    const { nodeId, facts } = node
    const quotas = planOf(nodeId)?.quotas
    const report = reportOf(nodeId)
    const runs = report?.plan.services.some(({ name, state }) => name === 'deriver' && state === 'running') === true
    if (!node.alive || quotas === undefined || !runs) return []
    return [{ nodeId, cpuCores: facts.cpuCores, quotas, utcOffsetMinutes, isTaking: report?.derive?.state !== 'paused' }]
  })
}
