import type { Quotas } from '@thatdam/protocol/plan'
import type { PlannedNode } from '../roster-view.ts'
import { coresOf } from './capability.ts'
import type { RingView } from './ring-view.ts'

const JOBS_MAX = 8
const RESERVE_HEADLESS_PERCENT = 10
const TIME = /^([01]\d|2[0-3]):[0-5]\d$/

/** How much a machine does for the ring at once. The owner's figures win over ours. */
export function quotasOf(node: PlannedNode, ring: RingView): Quotas {
  const reserve = node.settings.quotas.cpuReservePercent ?? reservePercent(node)
  const spareCores = Math.max(1, Math.floor((coresOf(node) * (100 - reserve)) / 100))
  const has = (duty: keyof RingView['duties']): boolean => ring.duties[duty].has(node.nodeId)
  const own = node.settings.quotas
  return {
    maxDerives: own.maxDerives ?? (has('deriver') ? Math.min(JOBS_MAX, spareCores) : 0),
    maxTranscodes: own.maxTranscodes ?? (has('transcoder') ? (node.facts.gpus.length > 0 ? 2 : 1) : 0),
    maxIntel: own.maxIntel ?? (has('intel') ? 1 : 0),
    cpuReservePercent: reserve,
    quietHours: validQuietHours(node) ? node.settings.quietHours : null,
  }
}

/** With a person in front of it a machine keeps 30–50 % for them, the more the fewer cores it has. */
function reservePercent(node: PlannedNode): number {
  if (!node.facts.uiAvailable) return RESERVE_HEADLESS_PERCENT
  if (coresOf(node) <= 4) return 50
  return coresOf(node) <= 8 ? 40 : 30
}

/** Both ends are times of a day and differ; over midnight is fine. */
export function validQuietHours(node: PlannedNode): boolean {
  const hours = node.settings.quietHours
  return hours !== null && TIME.test(hours.from) && TIME.test(hours.to) && hours.from !== hours.to
}
