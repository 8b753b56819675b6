import type { Election } from '@thatdam/plan/election/contract'
import { electionWith } from '@thatdam/plan/election/machine'
import { ELECTION_TIMING, type ElectionState } from '@thatdam/plan/election/state'
import { MEMBERSHIP_TIMING, type MembershipTiming } from '@thatdam/plan/membership/state'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { synthesise, type Synthesis } from '@thatdam/plan/synthesis/synthesise'
import { BLOB_RULES, type BlobRules } from './blobs.ts'
import { LOG_RULES, type LogRules } from './logs.ts'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'

export const CLUSTER_ID = '51510000-0000-4000-8000-000000000001'

/** What is under test: the agent's own decision code, and the one thing its shell has to keep: that a term is on disk before it is used. */
export interface Rules {
  readonly election: Election<ElectionState>
  readonly membership: MembershipTiming
  readonly layout: (nodes: readonly PlannedNode[]) => Synthesis
  readonly isTermDurable: boolean
  readonly blobs: BlobRules
  readonly logs: LogRules
}

/** A third of the agent's hold-down, so that a run of 120 s sees several of them. All else is as agents have it. */
export const HOLD_DOWN_MS = 20_000
export const SIM_TIMING = { ...ELECTION_TIMING, holdDownMs: HOLD_DOWN_MS }

export const RULES: Rules = {
  election: electionWith(SIM_TIMING),
  membership: MEMBERSHIP_TIMING,
  layout: (nodes) => synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY }),
  isTermDurable: true,
  blobs: BLOB_RULES,
  logs: LOG_RULES,
}
