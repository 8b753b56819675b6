import { rankKey } from '../election/elect.ts'
import type { PlannedNode } from '../roster-view.ts'

/**
 * The slow, obvious twin of `elect`: takes the best of those left, one after the other, by asking each pair the design's questions in turn.
 * It shares nothing with the real one but the key's hash. For tests only.
 */
export function dumbRanking(clusterId: string, nodes: readonly PlannedNode[], pinned: string | null): string[] {
  const left = nodes.filter(
    (node) => node.alive && node.facts.powerClass !== 'zero' && node.facts.ramBytes >= 1.8e9 && !node.settings.excludeLeader,
  )
  const ranking: string[] = []
  while (left.length > 0) {
    const best = left.find((node) => left.every((other) => other === node || isBetter(clusterId, node, other, pinned)))
    if (best === undefined) throw new Error('two nodes are equal: the order is not total')
    ranking.push(best.nodeId)
    left.splice(left.indexOf(best), 1)
  }
  return ranking
}

function isBetter(clusterId: string, a: PlannedNode, b: PlannedNode, pinned: string | null): boolean {
  if (a.nodeId === pinned) return true
  if (b.nodeId === pinned) return false
  if (a.facts.alwaysOn && !b.facts.alwaysOn) return true
  if (!a.facts.alwaysOn && b.facts.alwaysOn) return false
  if (a.facts.uiAvailable && !b.facts.uiAvailable) return true
  if (!a.facts.uiAvailable && b.facts.uiAvailable) return false
  const keyOfA = rankKey(clusterId, a.nodeId, a.bootCounter)
  const keyOfB = rankKey(clusterId, b.nodeId, b.bootCounter)
  if (keyOfA !== keyOfB) return keyOfA < keyOfB
  return a.nodeId < b.nodeId
}
