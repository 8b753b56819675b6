import type { Survey } from '@thatdam/discovery/survey'
import type { Finding } from '@thatdam/protocol/doctor'
import type { LocalState } from '@thatdam/protocol/local'
import type { Env } from '../env.ts'
import type { Machine } from './machine.ts'

/** One check: a file in checks/ with a `check` of this shape, listed in checks/all.ts. Copy the smallest (checks/perl.ts) to make a new one. */
export interface Check {
  readonly name: string
  /** After that it is given up and said; the others go on. */
  readonly limitMs: number
  readonly run: (context: CheckContext) => Promise<readonly Finding[]>
}

export type DoctorEnv = Pick<Env, 'stateDir' | 'casRoot' | 'indexPaths' | 'cloudUrl' | 'servicePort' | 'ffmpegPath' | 'node'> & {
  readonly childEnvironment: Readonly<Record<string, string | undefined>>
}

/** What all checks look at. Made once; nothing in it changes. */
export interface CheckContext {
  readonly env: DoctorEnv
  readonly machine: Machine
  /** The state of the agent that runs here; null when none answers. */
  readonly agent: LocalState | null
  /** Process id of the agent that holds the state directory, also when it does not answer. */
  readonly agentPid: number | null
  /** Null: not registered, and none set. */
  readonly cloud: URL | null
  readonly consolePort: number
  readonly nodePort: number
  /** One look around by mDNS, shared by those who ask: who else is on the LAN. */
  readonly lookAround: () => Promise<Survey>
}
