import { tier } from '../election/elect.ts'
import type { PlannedNode } from '../roster-view.ts'
import { coresOf, hasGpu } from './capability.ts'
import { isAlone, isLeader, type RingView } from './ring-view.ts'

/**
 * Sentences for the person who owns the machine. They speak of this machine's own traits only, never of another machine's name:
 * renaming a laptop changes nobody else's plan.
 */
export function whyConsole(node: PlannedNode, ring: RingView): string {
  const opens = 'so your library and cameras open here.'
  if (!isLeader(node, ring)) return `No machine leads this ring, ${opens}`
  if (isAlone(ring)) return `This is your only machine so far, ${opens}`
  if (ring.policy.pinnedLeader === node.nodeId) return `You chose this machine to lead, ${opens}`
  return `${WHY_OF_TIER[tier(node)]}, ${opens}`
}

const WHY_OF_TIER = {
  0: 'This machine is always on and has a screen',
  1: 'This machine is always on',
  2: 'No better machine is awake, and this one has a screen',
  3: 'No better machine is awake',
} as const

export function whyStore(node: PlannedNode, ring: RingView): string {
  if (isAlone(ring)) return 'Keeps your recordings and previews on the disk of this machine.'
  if (node.facts.alwaysOn) return 'It is always on, so it keeps copies of your recordings and previews.'
  if (isLeader(node, ring)) return 'It leads, so it keeps copies of your recordings and previews.'
  return 'Few of your machines are always on, so this one keeps copies of your recordings and previews too.'
}

export function whyDerive(node: PlannedNode): string {
  if (!node.facts.uiAvailable) return 'Makes thumbnails and previews, as nobody works in front of this machine.'
  return 'Makes thumbnails and previews while leaving you enough power to work.'
}

export function whyTranscode(node: PlannedNode): string {
  const means = hasGpu(node) ? 'a graphics card and many cores' : `${coresOf(node)} cores`
  return `Converts video into other formats, as it has ${means}.`
}

export function whyIntel(node: PlannedNode): string {
  const means = hasGpu(node) ? 'its graphics card is made for such work' : 'it is the strongest machine for it'
  return `Finds people, speech and scenes in your media, as ${means}.`
}

export function whyStreams(node: PlannedNode): string {
  if (node.facts.battery !== null) return 'Works on live pictures while it is awake, as it is fast and close to you.'
  return 'Works on live pictures, as it has power to spare.'
}

export function whyProxy(node: PlannedNode, small: boolean): string {
  const count = node.facts.cameras.length
  const cameras = count === 1 ? 'its camera' : `its ${count} cameras`
  if (!small) return `Sends ${cameras} live to you and to whatever records.`
  if (count === 0) return 'This small machine only sends cameras, and waits for one to be plugged in.'
  return `This small machine has one task: it sends ${cameras} live.`
}
