import type { Election } from '@thatdam/plan/election/contract'
import { electionWith } from '@thatdam/plan/election/machine'
import type { ElectionState } from '@thatdam/plan/election/state'
import { compareTerms } from '@thatdam/plan/election/terms'
import { stepPromises } from '@thatdam/plan/placement/promise'
import { RULES, SIM_TIMING, type Rules } from './rules.ts'

/** Faults planted on purpose: a run in which one of them goes unnoticed proves nothing. */
export const MUTANTS: Readonly<Record<string, Rules>> = {
  'a term is used before it is on disk': { ...RULES, isTermDurable: false },
  'past leaders are obeyed': { ...RULES, election: changed({ accepts: () => true }) },
  'terms compared with > for >=': {
    ...RULES,
    election: changed({ accepts: (state, term) => state.highest === null || compareTerms(state.clusterId, term, state.highest) > 0 }),
  },
  'hold-down dropped': { ...RULES, election: electionWith({ ...SIM_TIMING, holdDownMs: 0 }) },
  'a standstill goes unnoticed': { ...RULES, election: electionWith({ ...SIM_TIMING, stallMs: Infinity }) },
  'leaders that meet ignore each other': {
    ...RULES,
    election: changed({
      step: (state, event, now, random) =>
        event.kind === 'message' && state.phase.kind === 'leading' && event.message.kind !== 'ask'
          ? { state, actions: [] }
          : RULES.election.step(state, event, now, random),
    }),
  },
  'lease shorter than the heartbeat': { ...RULES, election: electionWith({ ...SIM_TIMING, leaseMs: 400 }) },
  'suspicion ignored': { ...RULES, membership: { ...RULES.membership, suspicionMs: 0 } },
  'away members are never asked again': { ...RULES, membership: { ...RULES.membership, syncMs: Infinity } },
  'who seeks to delete promises to keep all the same': {
    ...RULES,
    blobs: {
      ...RULES.blobs,
      step: (state, event, nowMs, random) => {
        const isAsk = event.kind === 'message' && event.message.kind === 'ask'
        const { state: next, actions } = stepPromises(isAsk ? { ...state, seeking: new Map() } : state, event, nowMs, random)
        return { state: isAsk ? { ...next, seeking: state.seeking } : next, actions }
      },
    },
  },
  'a promise is given without a look at the copy': { ...RULES, blobs: { ...RULES.blobs, isVerified: false } },
  'an op counts whoever signed it': { ...RULES, logs: { ...RULES.logs, maySign: () => ({ ok: true }) } },
  'ring time replaced by local time': { ...RULES, logs: { ...RULES.logs, isRingTime: false } },
  'the layout depends on who came first': {
    ...RULES,
    layout: (nodes) => RULES.layout(nodes.map((node, index) => ({ ...node, bootCounter: index }))),
  },
}

function changed(change: Partial<Election<ElectionState>>): Election<ElectionState> {
  return { ...RULES.election, ...change }
}
