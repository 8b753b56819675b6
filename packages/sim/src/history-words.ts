import type { NodeFacts } from '@thatdam/protocol/facts'
import type { PlanBody } from '@thatdam/protocol/plan'
import type { TimelineEvent } from '@thatdam/ui/ring-timeline-data'
import type { Fault } from './faults.ts'

/** What kind of machine it is, as its owner would say. */
export function profileOf({ powerClass, uiAvailable }: Pick<NodeFacts, 'powerClass' | 'uiAvailable'>): string {
  if (powerClass === 'pi') return uiAvailable ? 'Pi 5, desktop' : 'Pi 5, headless'
  if (powerClass === 'zero') return 'Pi Zero 2 W'
  if (powerClass === 'win') return 'Windows PC'
  return powerClass === 'mac' ? 'MacBook' : 'Linux PC'
}

const UNITS = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
  { unit: 's', ms: 1_000 },
] as const

/** "+3 h", "−212 d": how far a clock jumped, in its largest whole unit. */
export function jumpWords(byMs: number): string {
  const { unit, ms } = UNITS.find((each) => Math.abs(byMs) >= each.ms) ?? { unit: 'ms', ms: 1 }
  return `${byMs < 0 ? '−' : '+'}${Math.round(Math.abs(byMs) / ms)} ${unit}`
}

/** A fault of one machine in a word and in a sentence. */
export function faultWords(fault: Extract<Fault, { nodeId: string }>): Pick<TimelineEvent, 'mark' | 'text'> | null {
  const { nodeId } = fault
  switch (fault.kind) {
    case 'boot':
      return { mark: 'starts', text: `${nodeId} starts` }
    case 'crash':
      return { mark: 'power cut', text: `${nodeId} loses power` }
    case 'freeze':
      return { mark: 'paused', text: `the agent of ${nodeId} stands still` }
    case 'sleep':
      return { mark: 'sleeps', text: `${nodeId} goes to sleep, its clocks with it` }
    case 'thaw':
      return { mark: 'goes on', text: `${nodeId} goes on` }
    case 'wall-jump':
      return { mark: `clock ${jumpWords(fault.byMs)}`, text: `the clock of ${nodeId} jumps by ${jumpWords(fault.byMs)}` }
    case 'image':
      return { mark: 'image', text: `an image of the disk of ${nodeId} is taken` }
    case 'restore':
      return { mark: 'restored', text: `${nodeId} is put back to the image of its disk, where there is one` }
    case 'clone':
      return { mark: 'cloned', text: `a second machine starts from a copy of the disk of ${nodeId}` }
    case 'remove':
      return { mark: 'removal', text: `the owner has ${nodeId} removed from the ring` }
    case 'admit':
      return { mark: 'admits', text: `${nodeId} is told to let ${fault.guest} in` }
    case 'crash-amid':
    default:
      // Told when it comes to pass: until then the machine may have gone for another reason.
      return null
  }
}

export type Layout = ReadonlyMap<string, PlanBody>

const CHANGES_NAMED_MAX = 4

/** What one layout does that another did not, service by service: "catalog starts on pi-0". */
export function layoutChanges(before: Layout, after: Layout): string[] {
  const changes: string[] = []
  for (const [nodeId, body] of after) {
    const old = new Map((before.get(nodeId)?.services ?? []).map((service) => [service.name, service.mode]))
    for (const { name, mode } of body.services) {
      const was = old.get(name)
      if (was === undefined) changes.push(`${name} starts on ${nodeId}`)
      else if (was !== mode) changes.push(`${name} on ${nodeId} becomes ${mode}`)
      old.delete(name)
    }
    for (const name of old.keys()) changes.push(`${name} ends on ${nodeId}`)
  }
  return changes
}

export function changeWords(changes: readonly string[]): string {
  const shown = changes.slice(0, CHANGES_NAMED_MAX).join(', ')
  return changes.length > CHANGES_NAMED_MAX ? `${shown} and ${changes.length - CHANGES_NAMED_MAX} more` : shown
}

export const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`
