import { burialAtMs } from './rumours.ts'
import { isAnybodyAway, type MembershipState } from './state.ts'

/** When the next tick has something to do, by the monotonic clock; a sooner one does nothing. */
export function tickDueMs(state: MembershipState): number {
  let dueMs = probeDueMs(state)
  const sooner = (atMs: number): void => {
    if (atMs < dueMs) dueMs = atMs
  }
  for (const { untilMs } of state.errands) sooner(untilMs)
  if (state.suspects.size > 0) sooner(state.nextUrgeAtMs)
  for (const nodeId of state.suspects) {
    const member = state.members.get(nodeId)
    if (member !== undefined) sooner(burialAtMs(state, member))
  }
  if (state.members.size > 0) sooner(state.nextSyncAtMs)
  if (isAnybodyAway(state)) sooner(state.nextCallAtMs)
  return dueMs
}

function probeDueMs({ probe, nextProbeAtMs, timing, illness }: MembershipState): number {
  if (probe === null) return nextProbeAtMs
  return probe.startedAtMs + slowed(illness, probe.hasAskedHelpers ? timing.periodMs : timing.ackMs)
}

/** An ill node gives others more time: its own ears may be the fault. */
export const slowed = (illness: number, ms: number): number => ms * (1 + illness)
