import type { Roster } from '@thatdam/control/roster'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { NodeSettings } from '@thatdam/protocol/settings'

export interface KnownOf {
  readonly facts: NodeFacts
  readonly settings: NodeSettings
}

/**
 * The ring as this node's planner sees it: members whose facts have not come yet wait. Index paths are an owner's setting; facts only repeat
 * them.
 */
export function ringNodes(roster: Roster, awake: ReadonlySet<string>, known: (nodeId: string) => KnownOf | null): PlannedNode[] {
  return [...roster.members.values()].flatMap(({ nodeId, publicKey, bootCounter }) => {
    const about = known(nodeId)
    if (about === null) return []
    const { settings } = about
    const facts = { ...about.facts, indexPaths: settings.indexPaths }
    return [{ nodeId, publicKey, facts, settings, bootCounter, alive: awake.has(nodeId) }]
  })
}
