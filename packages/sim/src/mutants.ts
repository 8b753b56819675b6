import type { Election } from '@thatdam/plan/election/contract'
import { electionWith } from '@thatdam/plan/election/machine'
import type { ElectionState } from '@thatdam/plan/election/state'
import { compareTerms } from '@thatdam/plan/election/terms'
import { foldRoster } from '@thatdam/control/roster'
import { readSet } from '@thatdam/oplog/sets'
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
  'hold-down dropped': { ...RULES, election: electionWith({ ...SIM_TIMING, holdDownMs: 0, welcomeMs: 0 }) },
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
  'away members are never asked again': { ...RULES, membership: { ...RULES.membership, syncMs: Infinity, callMs: Infinity } },
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
  'ring time replaced by local time': { ...RULES, ringTimeMs: (_state, now) => now.wallMs },
  'clocks that follow no time server count as much': {
    ...RULES,
    ringTimeMs: (state, now) => {
      const clocks = new Map([...state.clocks].map(([nodeId, clock]) => [nodeId, { ...clock, isSynchronised: false }]))
      return RULES.ringTimeMs({ ...state, isSynchronised: false, clocks, vouched: new Map() }, now)
    },
  },
  'what a time server said is forgotten with the machine that followed it': {
    ...RULES,
    ringTimeMs: (state, now) => RULES.ringTimeMs({ ...state, vouched: new Map() }, now),
  },
  'removal does not win': {
    ...RULES,
    fold: (records, ...rest) =>
      foldRoster(
        records.filter(({ body }) => body.kind !== 'removal'),
        ...rest,
      ),
  },
  'what a removed admitter signed unseen counts': {
    ...RULES,
    fold: (records, fingerprint, verify, hashOf) => {
      const seen = records.map(({ body }) => hashOf?.(body) ?? '')
      const names = new Map<unknown, string>()
      const blind = records.map((record) => {
        const { body } = record
        const sighted = body.kind === 'removal' ? { ...body, seen } : body
        names.set(sighted, hashOf?.(body) ?? '')
        return { ...record, body: sighted }
      })
      const isSound = new Set(blind.map(({ body }) => body))
      return foldRoster(
        blind,
        fingerprint,
        (_domain, body) => isSound.has(body as (typeof blind)[number]['body']),
        (body) => names.get(body) ?? '',
      )
    },
  },
  'rings that meet: who is met goes over': {
    ...RULES,
    ring: { meet: (mine, theirs) => (mine.fingerprint === theirs.fingerprint ? 'same' : 'yield') },
  },
  'rings of two owners merge': {
    ...RULES,
    ring: { meet: (mine, theirs) => RULES.ring.meet({ ...mine, owner: 'anybody' }, { ...theirs, owner: 'anybody' }) },
  },
  'a removal wins in every set': { ...RULES, logs: { ...RULES.logs, readSet: (edits) => readSet(edits, 'remove-wins') } },
  'of a set only the last edit to arrive counts': {
    ...RULES,
    logs: { ...RULES.logs, readSet: (edits, rule) => readSet([...new Map([...edits].map((edit) => [edit.element, edit])).values()], rule) },
  },
  'a restored disk goes on in its old epoch': { ...RULES, logs: { ...RULES.logs, opensEpoch: false } },
  'a restored disk counts its terms on': { ...RULES, skipsTerms: false },
  'a clone is not noticed': {
    ...RULES,
    credentials: {
      ...RULES.credentials,
      decide: (row, ask, nowMs) => RULES.credentials.decide({ ...row, sequence: Math.min(row.sequence, ask.sequence) }, ask, nowMs),
    },
  },
  'the nonce of a renewal is not on disk': { ...RULES, credentials: { ...RULES.credentials, isNonceDurable: false } },
  'the layout is another one with each machine that comes or goes': {
    ...RULES,
    layout: (nodes, clusterId) => {
      const awake = nodes.filter((node) => node.alive).length
      return RULES.layout(
        nodes.map((node) => ({ ...node, bootCounter: node.bootCounter + awake })),
        clusterId,
      )
    },
  },
  'the layout depends on who came first': {
    ...RULES,
    layout: (nodes, clusterId) =>
      RULES.layout(
        nodes.map((node, index) => ({ ...node, bootCounter: index })),
        clusterId,
      ),
  },
}

function changed(change: Partial<Election<ElectionState>>): Election<ElectionState> {
  return { ...RULES.election, ...change }
}
