import type { NodeFacts } from '@thatdam/protocol/facts'
import { DEFAULT_SETTINGS, type NodeSettings } from '@thatdam/protocol/settings'
import { loadProfile, type ProfileName } from './load.ts'

/** The ring id that tests of layouts share. */
export const CLUSTER_ID = 'c0ffee00-0000-4000-8000-000000000001'

/** A member of a ring as a planner sees it (`PlannedNode` of packages/plan), awake unless told otherwise. */
export interface Machine {
  readonly nodeId: string
  readonly facts: NodeFacts
  readonly settings: NodeSettings
  readonly bootCounter: number
  readonly alive: boolean
  readonly longAway?: boolean
}

/** A machine made from a reference profile with a few traits changed. */
export function machine(
  profile: ProfileName,
  changes: { nodeId?: string; facts?: Partial<NodeFacts>; settings?: Partial<NodeSettings>; alive?: boolean; longAway?: boolean } = {},
): Machine {
  const nodeId = changes.nodeId ?? profile
  return {
    nodeId,
    facts: { ...loadProfile(profile), ...changes.facts },
    settings: { ...DEFAULT_SETTINGS(nodeId), ...changes.settings },
    bootCounter: 0,
    alive: changes.alive ?? true,
    ...(changes.longAway === undefined ? {} : { longAway: changes.longAway }),
  }
}
