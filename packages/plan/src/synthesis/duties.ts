import type { NodeId } from '@thatdam/protocol/ids'
import type { PlannedNode } from '../roster-view.ts'
import { hasCameras, hasGpu, hasSpareCores, isSmall, isStrong, isStrongPortable, isWorkhorse, onMains } from './capability.ts'

/** Work that is given to the fittest machines of the ring rather than to each. */
export const DUTIES = ['deriver', 'transcoder', 'stream-processor', 'intel'] as const
export type Duty = (typeof DUTIES)[number]
export type Duties = Readonly<Record<Duty, ReadonlySet<NodeId>>>

/** A choice of machines. The first group with anybody in it does the work, all of the group; later groups are for rings that lack the earlier. */
type Group = (node: PlannedNode, place: Place) => boolean
interface Place {
  readonly leads: boolean
  readonly alone: boolean
  readonly ringHasCameras: boolean
}

const GROUPS: Readonly<Record<Duty, readonly Group[]>> = {
  deriver: [
    (node) => node.facts.alwaysOn && !node.facts.uiAvailable && hasSpareCores(node),
    (node, { leads }) => !leads && onMains(node) && hasSpareCores(node),
    (node, { leads }) => leads || isStrong(node),
    (node) => !isSmall(node),
  ],
  transcoder: [
    (node, { leads }) => !leads && isWorkhorse(node),
    (node) => isWorkhorse(node),
    (node, { leads, alone }) => !alone && !leads && isStrong(node),
    (node, { leads, alone }) => !alone && !leads && onMains(node) && hasSpareCores(node),
  ],
  'stream-processor': [
    (node, { leads, alone }) => !alone && !leads && isStrongPortable(node),
    (node, { leads, ringHasCameras }) => !leads && ringHasCameras && isWorkhorse(node),
  ],
  intel: [
    (node, { leads }) => !leads && isWorkhorse(node) && hasGpu(node),
    (node) => isWorkhorse(node) && hasGpu(node),
    (node, { leads, alone }) => !alone && !leads && isStrong(node),
  ],
}

/** Duties that come to nothing without ffmpeg: machines that have it are asked first, whatever their group. */
const NEEDS_FFMPEG: ReadonlySet<Duty> = new Set(['deriver', 'transcoder', 'stream-processor'])

/** Quota that, set to 0 by the owner, keeps a machine out of a duty as an exclusion does. */
const QUOTA_OF = { deriver: 'maxDerives', transcoder: 'maxTranscodes', intel: 'maxIntel', 'stream-processor': null } as const

/**
 * Who does which work. Asks the whole roster, awake or not, so that a laptop that sleeps moves nothing;
 * only one that has been away for longer than the grace time is passed over.
 */
export function assignDuties(members: readonly PlannedNode[], leader: NodeId | null): Duties {
  const present = members.filter((node) => node.longAway !== true)
  const alone = members.length === 1
  const ringHasCameras = members.some(hasCameras)
  const holders = (duty: Duty): ReadonlySet<NodeId> => {
    const willing = present.filter((node) => isWilling(node, duty) && !isSmall(node))
    const equipped = NEEDS_FFMPEG.has(duty) ? willing.filter((node) => node.facts.hasFfmpeg) : willing
    for (const choice of [equipped, willing]) {
      for (const group of GROUPS[duty]) {
        const chosen = choice.filter((node) => group(node, { leads: node.nodeId === leader, alone, ringHasCameras }))
        if (chosen.length > 0) return new Set(chosen.map((node) => node.nodeId))
      }
    }
    return new Set()
  }
  return {
    deriver: holders('deriver'),
    transcoder: holders('transcoder'),
    'stream-processor': holders('stream-processor'),
    intel: holders('intel'),
  }
}

function isWilling(node: PlannedNode, duty: Duty): boolean {
  if (node.settings.excludeServices.includes(duty)) return false
  const quota = QUOTA_OF[duty]
  return quota === null || node.settings.quotas[quota] !== 0
}
