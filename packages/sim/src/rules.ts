import type { Election } from '@thatdam/plan/election/contract'
import { electionWith } from '@thatdam/plan/election/machine'
import { ELECTION_TIMING, type ElectionState } from '@thatdam/plan/election/state'
import { MEMBERSHIP_TIMING, type MembershipTiming } from '@thatdam/plan/membership/state'
import { decideRenewal } from '@thatdam/control/credentials'
import { foldRoster } from '@thatdam/control/roster'
import { meetRings } from '@thatdam/control/roster-merge'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { synthesise, type Synthesis } from '@thatdam/plan/synthesis/synthesise'
import { BLOB_RULES, type BlobRules } from './blobs.ts'
import { LOG_RULES, type LogRules } from './logs.ts'
import { ringTimeMs } from '@thatdam/plan/ring-time/machine'
import type { CredentialRules } from './credentials.ts'
import type { RingRules } from './ring.ts'
import type { Fold } from './rosters.ts'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'

/** Of the first ring. */
export const CLUSTER_ID = '51510000-0000-4000-8000-000000000001'

/** What is under test: the agent's own decision code, and the one thing its shell has to keep: that a term is on disk before it is used. */
export interface Rules {
  readonly election: Election<ElectionState>
  readonly membership: MembershipTiming
  readonly layout: (nodes: readonly PlannedNode[], clusterId: string) => Synthesis
  readonly isTermDurable: boolean
  readonly blobs: BlobRules
  readonly logs: LogRules
  readonly fold: Fold
  readonly ring: RingRules
  readonly credentials: CredentialRules
  readonly ringTimeMs: typeof ringTimeMs
  /** The first number after a start is raised at random, so that a restored disk uses none again. */
  readonly skipsTerms: boolean
}

/** A third of the agent's hold-down, so that a run of 120 s sees several of them. All else is as agents have it. */
export const HOLD_DOWN_MS = 20_000
export const SIM_TIMING = { ...ELECTION_TIMING, holdDownMs: HOLD_DOWN_MS }

export const RULES: Rules = {
  election: electionWith(SIM_TIMING),
  membership: MEMBERSHIP_TIMING,
  layout: (nodes, clusterId) => synthesise({ clusterId, nodes, policy: DEFAULT_POLICY }),
  isTermDurable: true,
  blobs: BLOB_RULES,
  logs: LOG_RULES,
  fold: foldRoster,
  ring: { meet: meetRings },
  credentials: { decide: decideRenewal, isNonceDurable: true },
  ringTimeMs,
  skipsTerms: true,
}
