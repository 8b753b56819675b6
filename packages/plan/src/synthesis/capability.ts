import { ineligible, LEADER_RAM_BYTES_MIN } from '../election/elect.ts'
import type { PlannedNode } from '../roster-view.ts'

const GB = 1_000_000_000

/** A Zero or less than 1 GB as sold: it carries cameras and nothing else. */
export const isSmall = (node: PlannedNode): boolean => node.facts.powerClass === 'zero' || !(node.facts.ramBytes >= 0.9 * GB)

/** Has the hardware of a leader; the owner's wish is not asked. */
export const canCarryConsole = (node: PlannedNode): boolean => !isSmall(node) && node.facts.ramBytes >= LEADER_RAM_BYTES_MIN

export const mayLead = (node: PlannedNode): boolean => ineligible(node) === null

export const onMains = (node: PlannedNode): boolean => node.facts.battery === null

/** Cores as planned with: a figure that no machine has counts as one core. */
export const coresOf = (node: PlannedNode): number => {
  const { cpuCores } = node.facts
  return Number.isInteger(cpuCores) && cpuCores >= 1 && cpuCores <= 1024 ? cpuCores : 1
}

/** Enough cores to do work for others beside its own. */
export const hasSpareCores = (node: PlannedNode): boolean => !isSmall(node) && coresOf(node) >= 4

/** Many cores and much memory (8 and 8 GB as sold). */
export const isStrong = (node: PlannedNode): boolean => coresOf(node) >= 8 && node.facts.ramBytes >= 7 * GB

/** Strong, plugged in, 16 GB as sold: long jobs are at home here. */
export const isWorkhorse = (node: PlannedNode): boolean => isStrong(node) && onMains(node) && node.facts.ramBytes >= 14 * GB

/** Strong, but carried about. */
export const isStrongPortable = (node: PlannedNode): boolean => isStrong(node) && !onMains(node)

export const hasGpu = (node: PlannedNode): boolean => node.facts.gpus.length > 0

/** Folders to index: the owner's, else those the machine was started with. */
export const hasIndexPaths = (node: PlannedNode): boolean => node.settings.indexPaths.length > 0 || node.facts.indexPaths.length > 0

export const hasCameras = (node: PlannedNode): boolean => node.facts.cameras.length > 0
