/*
 * What the live page of a ring shows, as plain data. All times are whole milliseconds since the ring was set up, by the clock of whoever plays
 * it.
 */
import type { RingHistory } from '@thatdam/ui/ring-timeline-data'

export type LivePower = 'off' | 'on' | 'paused'

export interface LiveMachine {
  readonly name: string
  /** "Pi 5 with a desktop". */
  readonly kind: string
  readonly power: LivePower
  readonly isPlugged: boolean
  /** In which part of a cut network it is; 0 when it is whole. */
  readonly side: number
  /** What it says itself; null: it does not answer. */
  readonly says: {
    readonly role: 'leader' | 'worker' | 'proxy'
    readonly ring: string
    readonly term: { readonly number: number; readonly nodeId: string } | null
    /** Whom it takes for awake, itself among them. */
    readonly awake: readonly string[]
    readonly health: 'ok' | 'degraded' | 'starting'
    /** The failed parts, one sentence each. */
    readonly failed: readonly string[]
  } | null
  /** Address of its console for a browser on this machine. */
  readonly consoleUrl: string
}

export interface LiveRing {
  readonly title: string
  /** Why not everything can be done here; '' when it can. */
  readonly notice: string
  readonly hasCables: boolean
  readonly nowMs: number
  readonly machines: readonly LiveMachine[]
  /** One sentence: they are one ring at rest, or why not yet. */
  readonly state: { readonly isSettled: boolean; readonly sentence: string }
  readonly leaderConsoleUrl: string
  readonly history: RingHistory
}

export const ACTS = ['start', 'power-cut', 'shut-down', 'pause', 'resume', 'unplug', 'plug', 'cut', 'heal'] as const
export type Act = (typeof ACTS)[number]

/** `machines`: of a cut, one side; the others form the other one. */
export interface ActRequest {
  readonly act: Act
  readonly machines: readonly string[]
}

/** Null: it is none. */
export function actOf(value: unknown, names: readonly string[]): ActRequest | null {
  if (typeof value !== 'object' || value === null || !('act' in value) || !('machines' in value)) return null
  const { act, machines } = value
  if (!ACTS.some((known) => known === act) || !Array.isArray(machines)) return null
  return machines.every((name) => names.includes(name as string)) ? { act: act as Act, machines: machines as string[] } : null
}
