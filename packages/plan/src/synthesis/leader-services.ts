import type { PlannedService } from '@thatdam/protocol/plan'
import type { PlannedNode } from '../roster-view.ts'
import { canCarryConsole } from './capability.ts'
import { excludes, isAlone, isLeader, type RingView } from './ring-view.ts'
import { whyConsole } from './why.ts'

/** Parts without which the machine that leads could not be reached: an exclusion is answered with a warning. */
export const LEADER_CORE = ['supervisor', 'discovery', 'api-gateway', 'local-console', 'media-api', 'catalog'] as const

/** The leader's parts. In a ring that nobody may lead each able machine opens its own console, or its owner could not change that. */
export function leaderServices(node: PlannedNode, ring: RingView): PlannedService[] {
  const leads = isLeader(node, ring)
  if (!leads && !(ring.leader === null && canCarryConsole(node))) return []
  const services: PlannedService[] = [
    service('supervisor', 'full', 'Looks after the other parts, and starts again what stops.'),
    service('discovery', 'full', 'Lets your machines find each other without any set-up.'),
    service('api-gateway', 'full', 'The one door for browsers, where sign-in is checked.'),
    service('local-console', 'full', whyConsole(node, ring)),
    service('media-api', 'full', 'Hands pictures, films and downloads to your browser.'),
    service('catalog', 'lead', 'Keeps the list of everything you have, so that search is quick.'),
    service('live-hub', 'embedded', 'Lets several people watch a camera while the camera sends only once.'),
  ]
  if (leads && !isAlone(ring)) services.push(service('overlay-hub', 'full', 'Lets your machines at other places reach the ring.'))
  return services
}

/**
 * A standby follows the catalog when it is always on. A workstation or laptop does so only when no standby is always on:
 * it stands by for the lead all the same, but nobody's editing machine runs a database without need.
 */
export function standbyServices(node: PlannedNode, ring: RingView): PlannedService[] {
  if (!followsCatalog(node, ring)) return []
  return [
    service('catalog', 'follow', 'Keeps a second copy of the list of everything, ready to take over.'),
    service('media-api', 'replica', 'Hands out pictures and films too, ready to take over.'),
  ]
}

function followsCatalog(node: PlannedNode, ring: RingView): boolean {
  if (!ring.standbys.includes(node.nodeId)) return false
  if (node.facts.alwaysOn) return true
  const standbys = ring.members.filter((member) => ring.standbys.includes(member.nodeId))
  const steady = standbys.some((member) => member.facts.alwaysOn && !excludes(member, 'catalog'))
  const first = ring.standbys.find((nodeId) => standbys.some((member) => member.nodeId === nodeId && !excludes(member, 'catalog')))
  return !steady && first === node.nodeId
}

function service(name: PlannedService['name'], mode: string, why: string): PlannedService {
  return { name, mode, params: {}, why }
}
