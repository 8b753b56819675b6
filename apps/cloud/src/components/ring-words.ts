import type { NodeView } from '../domain/node-view.ts'
import { plural } from '../domain/plural.ts'
import type { RingView, SortedRing } from '../domain/ring-view.ts'
import { AWAY_AFTER_MS } from './words.ts'

export const isAway = (node: NodeView): boolean => node.locked || node.contactAgeMs > AWAY_AFTER_MS

/** Who lets others in: the leader, else the machine that founded the ring, else any that is in it. */
function doorkeeper(ring: RingView, sorted: SortedRing): NodeView | null {
  const awake = sorted.inRing.filter((node) => !isAway(node))
  return sorted.leader ?? awake.find((node) => node.id === ring.founderId) ?? awake[0] ?? sorted.inRing[0] ?? null
}

/** Where a machine stands in the ring, and what to do about it; empty when it is simply in it. */
export function ringText(node: NodeView, ring: RingView, sorted: SortedRing): string {
  if (ring.state === 'none' && node.ringState !== 'waiting') return ''
  if (node.ringState === 'in') return ring.state === 'founding' ? 'Founds the ring with its first report. Start it if it does not run.' : ''
  if (node.ringState === 'out') {
    return 'Taken out of the ring. Run a fresh command from “Add machine” on it to bring it back.'
  }
  if (node.ringState === null) return 'Has a ring of its own. Run a fresh command from “Add machine” on it to bring it into this one.'
  const door = doorkeeper(ring, sorted)
  if (door === null) return 'Waiting to found the ring. Start it if it does not run.'
  const { name } = door.settings
  if (ring.state === 'founding') return `Waiting for ${name} to found the ring`
  return isAway(door) ? `Waiting for ${name} to let it in. ${name} is away: start it` : `Waiting for ${name} to let it in`
}

/** "4 machines, led by Studio Pi". */
export function ringSentence(ring: RingView, sorted: SortedRing): string {
  if (ring.state === 'none') return 'No machine has founded the ring yet. The first that joins does.'
  const [first] = sorted.inRing
  if (ring.state === 'founding') return first === undefined ? 'The ring is being founded.' : `${first.settings.name} is founding the ring.`
  const count = Math.max(ring.members.length, sorted.inRing.length)
  if (sorted.leader === null) return `${plural(count, 'machine')}. Who leads has not been reported yet.`
  return `${plural(count, 'machine')}, led by ${sorted.leader.settings.name}${isAway(sorted.leader) ? ' when it was last heard' : ''}.`
}
