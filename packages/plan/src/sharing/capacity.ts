import type { Pool, WorkNode } from './contract.ts'
import { isFullSpeed, localMinute } from './quiet-hours.ts'

const CORES_MAX = 1_024
const QUOTA_MAX = 64
const RESERVE_PERCENT_MAX = 90
const LIGHT_JOBS_MAX = 2

/** How much a node takes at this moment. */
export interface Capacity {
  /** Jobs at once, of all pools together: one for each core that is not reserved for the person in front of it. */
  readonly jobs: number
  readonly pools: Readonly<Record<Pool, number>>
  readonly takesExternal: boolean
}

const NOTHING: Capacity = { jobs: 0, pools: { derive: 0, transcode: 0, intel: 0, light: 0 }, takesExternal: false }

/**
 * Outside its quiet hours a node is gentle: half of the jobs (at least one), one heavy job of a kind, nothing for outsiders.
 * Figures that no machine has count as the nearest that one may have; `check.ts` tells the owner.
 */
export function capacityOf(node: WorkNode, nowMs: number): Capacity {
  if (!node.isTaking) return NOTHING
  const { quotas } = node
  const reserve = within(quotas.cpuReservePercent, 0, RESERVE_PERCENT_MAX)
  const jobs = Math.max(1, Math.floor((within(node.cpuCores, 1, CORES_MAX) * (100 - reserve)) / 100))
  const isGentle = !isFullSpeed(quotas.quietHours, localMinute(nowMs, within(node.utcOffsetMinutes, -1_440, 1_440)))
  const heavy = (quota: number): number => Math.min(within(quota, 0, QUOTA_MAX), isGentle ? 1 : QUOTA_MAX)
  return {
    jobs: isGentle ? Math.max(1, Math.floor(jobs / 2)) : jobs,
    pools: {
      derive: within(quotas.maxDerives, 0, QUOTA_MAX),
      transcode: heavy(quotas.maxTranscodes),
      intel: heavy(quotas.maxIntel),
      light: LIGHT_JOBS_MAX,
    },
    takesExternal: !isGentle,
  }
}

/** The whole number nearest to it in the range; the lower end for what is no number. */
export const within = (value: number, from: number, to: number): number =>
  Number.isNaN(value) ? from : Math.floor(Math.min(to, Math.max(from, value)))

/** What of a node's figures was not taken as given, as sentences for its owner. */
export function capacityWarnings(node: WorkNode): string[] {
  const { quotas } = node
  const figures: readonly (readonly [string, number, number, number])[] = [
    ['cpuCores', node.cpuCores, 1, CORES_MAX],
    ['utcOffsetMinutes', node.utcOffsetMinutes, -1_440, 1_440],
    ['quotas.cpuReservePercent', quotas.cpuReservePercent, 0, RESERVE_PERCENT_MAX],
    ['quotas.maxDerives', quotas.maxDerives, 0, QUOTA_MAX],
    ['quotas.maxTranscodes', quotas.maxTranscodes, 0, QUOTA_MAX],
    ['quotas.maxIntel', quotas.maxIntel, 0, QUOTA_MAX],
  ]
  return figures
    .filter(([, value, from, to]) => within(value, from, to) !== value)
    .map(([name, value, from, to]) => `${node.nodeId} reports ${name} ${value}; it is counted as ${within(value, from, to)}.`)
}
