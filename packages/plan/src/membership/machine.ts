import type { NodeId } from '@thatdam/protocol/ids'
import type { MembershipEvent, MembershipMessage } from './contract.ts'
import { tickDueMs } from './due.ts'
import { Members } from './members.ts'
import { tickCall, tickProbe, tickSync, tickUrge } from './probing.ts'
import { buryLateSuspects, takeIn } from './rumours.ts'
import {
  Draft,
  drawsFrom,
  ERRANDS_MAX,
  MEMBERSHIP_TIMING,
  send,
  sendSync,
  shuffled,
  type Errand,
  type Member,
  type MembershipState,
  type MembershipStep,
  type MembershipTiming,
} from './state.ts'

const UNHEARD: Member = { liveness: 'away', incarnation: 0, suspectedAtMs: 0, accusers: [] }
/** Whom a node greets with a sync when it starts or wakes. */
const GREETINGS = 3

/**
 * Who is awake: SWIM with indirect probes and suspicion, and Lifeguard's local health, over the members of the roster.
 *
 *              probe and helpers unanswered            no answer in time
 *     alive ───────────────────────────────▶ suspect ────────────────────▶ away
 *       ▲                                       │                            │
 *       └────── it speaks with a greater incarnation, or at all ◀────────────┘
 *
 * `incarnation` starts from the wall clock (whole milliseconds), so that a restart is news; a clock in the past is corrected by the first
 * answer. A member leaves the state only with the roster.
 */
export function initialMembership(
  nodeId: NodeId,
  incarnation: number,
  nowMs: number,
  timing: MembershipTiming = MEMBERSHIP_TIMING,
): MembershipState {
  return {
    timing,
    nodeId,
    incarnation: Math.max(1, Math.floor(incarnation)),
    members: Members.of([], () => UNHEARD),
    awake: new Set([nodeId]),
    suspects: new Set(),
    tellings: [],
    sequence: 0,
    probe: null,
    errands: [],
    round: [],
    roundAt: 0,
    nextProbeAtMs: nowMs,
    callRound: [],
    callRoundAt: 0,
    nextCallAtMs: nowMs + timing.callMs,
    nextUrgeAtMs: nowMs,
    nextSyncAtMs: nowMs,
    tickDueMs: nowMs,
    illness: 0,
  }
}

/** `random` is one draw of [0, 1). `changed` comes at most once in a step, and last. */
export function stepMembership(state: MembershipState, event: MembershipEvent, nowMs: number, random: number): MembershipStep {
  const draft = new Draft(state)
  if (event.kind === 'tick') tick(draft, nowMs, random)
  else if (event.kind === 'roster') takeRoster(draft, event.members, random)
  else receive(draft, event.from, event.message, nowMs)
  const step = draft.end()
  // What comes in after a standstill must not hide it.
  if (event.kind === 'tick' || nowMs <= state.tickDueMs) draft.state.tickDueMs = Math.max(nowMs, tickDueMs(draft.state))
  return step
}

function tick(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  if (nowMs - state.tickDueMs > state.timing.stallMs) {
    wakeUp(draft, nowMs, random)
    return
  }
  endErrands(draft, nowMs)
  tickProbe(draft, nowMs, random)
  tickUrge(draft, nowMs, random)
  buryLateSuspects(draft, nowMs)
  tickCall(draft, nowMs, random)
  tickSync(draft, nowMs, random)
}

/** The process stood still: the silence was its own. Nobody is accused, running suspicions start anew, and it asks what it missed. */
function wakeUp(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  for (const nodeId of state.suspects) {
    const member = state.members.get(nodeId)
    if (member !== undefined) draft.setMember(nodeId, { ...member, suspectedAtMs: nowMs })
  }
  state.probe = null
  state.errands = []
  state.nextProbeAtMs = nowMs + state.timing.periodMs
  draft.changeIllness(1)
  greet(draft, random)
}

function greet(draft: Draft, random: number): void {
  for (const nodeId of shuffled([...draft.state.members.keys()], drawsFrom(random)).slice(0, GREETINGS)) sendSync(draft, nodeId, true)
}

function takeRoster(draft: Draft, ids: readonly NodeId[], random: number): void {
  const { state } = draft
  const isFirst = state.members.size === 0
  const others = [...new Set(ids)].filter((nodeId) => nodeId !== state.nodeId)
  draft.retain(Members.of(others, (nodeId) => state.members.get(nodeId) ?? UNHEARD))
  if (isFirst) greet(draft, random)
}

/** A member that speaks is alive, by its own word. At an incarnation that was buried it has to learn so and raise it first. */
function receive(draft: Draft, from: NodeId, message: MembershipMessage, nowMs: number): void {
  const { nodeId, members } = draft.state
  if (from === nodeId || !members.has(from)) return
  takeIn(draft, { nodeId: from, incarnation: message.incarnation, liveness: 'alive' }, nowMs)
  for (const rumour of message.rumours) takeIn(draft, rumour, nowMs)
  answer(draft, from, message, nowMs)
}

function answer(draft: Draft, from: NodeId, message: MembershipMessage, nowMs: number): void {
  switch (message.kind) {
    case 'ping':
      send(draft, from, { kind: 'ack', sequence: message.sequence })
      return
    case 'ack':
      onAck(draft, from, message.sequence)
      return
    case 'nack': {
      const { probe } = draft.state
      if (probe?.sequence === message.sequence) draft.state.probe = { ...probe, nacks: probe.nacks + 1 }
      return
    }
    case 'ping-request':
      runErrand(draft, from, message, nowMs)
      return
    case 'sync':
      if (message.wantsReply) sendSync(draft, from, false)
      return
  }
}

/** The probed member, or a helper on its behalf, answered; or the member that was probed for another did. */
function onAck(draft: Draft, from: NodeId, sequence: number): void {
  const { state } = draft
  if (state.probe?.sequence === sequence) {
    state.probe = null
    draft.changeIllness(-1)
    return
  }
  const errand = state.errands.find((each) => each.sequence === sequence)
  if (errand === undefined || errand.forNode === from) return
  state.errands = state.errands.filter((each) => each !== errand)
  send(draft, errand.forNode, { kind: 'ack', sequence: errand.theirSequence })
}

function runErrand(
  draft: Draft,
  from: NodeId,
  { sequence: theirSequence, target }: Extract<MembershipMessage, { kind: 'ping-request' }>,
  nowMs: number,
): void {
  const { state } = draft
  if (!state.members.has(target) || state.errands.length >= ERRANDS_MAX) return
  const sequence = ++state.sequence
  state.errands = [...state.errands, { sequence, forNode: from, theirSequence, untilMs: nowMs + state.timing.ackMs }]
  send(draft, target, { kind: 'ping', sequence })
}

function endErrands(draft: Draft, nowMs: number): void {
  const { state } = draft
  const isLate = (errand: Errand): boolean => nowMs >= errand.untilMs
  if (!state.errands.some(isLate)) return
  const late = state.errands.filter(isLate)
  state.errands = state.errands.filter((errand) => !isLate(errand))
  for (const errand of late) send(draft, errand.forNode, { kind: 'nack', sequence: errand.theirSequence })
}
