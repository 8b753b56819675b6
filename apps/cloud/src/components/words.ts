import type { NodeView } from '../domain/node-view.ts'

/** A machine that polls is heard from at least every 15 s; after this it counts as away. */
export const AWAY_AFTER_MS = 90_000

/** "now", "12 s", "3 min", "5 h", "2 days". */
export function ageText(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 2) return 'now'
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/** How long ago, as a phrase. */
export const agoText = (ms: number): string => (ageText(ms) === 'now' ? 'just now' : `${ageText(ms)} ago`)

const ROLES = { leader: 'Leader', worker: 'Worker', proxy: 'Cameras only' } as const
export const roleText = (role: NodeView['role']): string => (role === null ? 'Not reported yet' : ROLES[role])

const STATES: Record<NodeView['services'][number]['state'], string> = {
  starting: 'Starting',
  running: 'Running',
  waiting: 'Waiting',
  'backing-off': 'Trying again',
  failed: 'Failed',
  stopped: 'Stopped',
  'not-in-this-version': 'Not in this version',
}
export const stateText = (state: NodeView['services'][number]['state']): string => STATES[state]
