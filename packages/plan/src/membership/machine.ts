import type { NodeId } from '@thatdam/protocol/ids'
import type { MembershipAction, MembershipEvent, MembershipMessage } from './contract.ts'
import { tickCall, tickProbe, tickSync, tickUrge, withIllness } from './probing.ts'
import { buryLateSuspects, heardFrom, takeInAll } from './rumours.ts'
import {
  chain,
  done,
  drawsFrom,
  ERRANDS_MAX,
  MEMBERSHIP_TIMING,
  send,
  sendSync,
  shuffled,
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
    members: new Map(),
    suspects: new Set(),
    rumours: new Map(),
    sequence: 0,
    probe: null,
    errands: [],
    round: [],
    nextProbeAtMs: nowMs,
    callRound: [],
    nextCallAtMs: nowMs + timing.callMs,
    nextUrgeAtMs: nowMs,
    nextSyncAtMs: nowMs,
    lastTickMs: nowMs,
    illness: 0,
  }
}

/** `random` is one draw of [0, 1). `changed` comes at most once in a step. */
export function stepMembership(state: MembershipState, event: MembershipEvent, nowMs: number, random: number): MembershipStep {
  const step = handle(state, event, nowMs, random)
  const changes = step.actions.filter((action) => action.kind === 'changed')
  return changes.length < 2 ? step : { state: step.state, actions: onceChanged(step.actions) }
}

function onceChanged(actions: readonly MembershipAction[]): MembershipAction[] {
  return [...actions.filter((action) => action.kind !== 'changed'), { kind: 'changed' }]
}

function handle(state: MembershipState, event: MembershipEvent, nowMs: number, random: number): MembershipStep {
  switch (event.kind) {
    case 'roster':
      return withRoster(state, event.members, random)
    case 'message':
      return receive(state, event.from, event.message, nowMs)
    case 'tick':
      return tick(state, nowMs, random)
  }
  return done(state)
}

function tick(state: MembershipState, nowMs: number, random: number): MembershipStep {
  const gapMs = nowMs - state.lastTickMs
  const current = { ...state, lastTickMs: nowMs }
  if (gapMs > state.timing.stallMs) return wakeUp(current, nowMs, random)
  const steps = [
    (next: MembershipState): MembershipStep => endErrands(next, nowMs),
    (next: MembershipState): MembershipStep => tickProbe(next, nowMs, random),
    (next: MembershipState): MembershipStep => tickUrge(next, nowMs, random),
    (next: MembershipState): MembershipStep => buryLateSuspects(next, nowMs),
    (next: MembershipState): MembershipStep => tickCall(next, nowMs, random),
    (next: MembershipState): MembershipStep => tickSync(next, nowMs, random),
  ]
  let step: MembershipStep = done(current)
  for (const next of steps) step = chain(step, next)
  return step
}

/** The process stood still: the silence was its own. Nobody is accused, running suspicions start anew, and it asks what it missed. */
function wakeUp(state: MembershipState, nowMs: number, random: number): MembershipStep {
  const members = new Map(state.members)
  for (const [nodeId, member] of members) {
    if (member.liveness === 'suspect') members.set(nodeId, { ...member, suspectedAtMs: nowMs })
  }
  const calm = withIllness({ ...state, members, probe: null, errands: [], nextProbeAtMs: nowMs + state.timing.periodMs }, 1)
  return greet(calm, random)
}

function greet(state: MembershipState, random: number): MembershipStep {
  let step: MembershipStep = done(state)
  for (const nodeId of shuffled([...state.members.keys()], drawsFrom(random)).slice(0, GREETINGS)) {
    step = chain(step, (next) => sendSync(next, nodeId, true))
  }
  return step
}

function withRoster(state: MembershipState, ids: readonly NodeId[], random: number): MembershipStep {
  const members = new Map<NodeId, Member>()
  for (const nodeId of ids) if (nodeId !== state.nodeId) members.set(nodeId, state.members.get(nodeId) ?? UNHEARD)
  const lostAwake = [...state.members].some(([nodeId, member]) => member.liveness !== 'away' && !members.has(nodeId))
  const rumours = new Map([...state.rumours].filter(([nodeId]) => nodeId === state.nodeId || members.has(nodeId)))
  const isFirst = state.members.size === 0
  const suspects = new Set([...state.suspects].filter((nodeId) => members.has(nodeId)))
  const next: MembershipState = { ...state, members, suspects, rumours, probe: members.has(state.probe?.target ?? '') ? state.probe : null }
  const changed: MembershipStep = lostAwake ? done(next, { kind: 'changed' }) : done(next)
  return isFirst ? chain(changed, (ready) => greet(ready, random)) : changed
}

function receive(state: MembershipState, from: NodeId, message: MembershipMessage, nowMs: number): MembershipStep {
  if (from === state.nodeId || !state.members.has(from)) return done(state)
  const heard = chain(heardFrom(state, from, message.incarnation, nowMs), (next) => takeInAll(next, message.rumours, nowMs))
  return chain(heard, (next) => answer(next, from, message, nowMs))
}

function answer(state: MembershipState, from: NodeId, message: MembershipMessage, nowMs: number): MembershipStep {
  switch (message.kind) {
    case 'ping':
      return send(state, from, { kind: 'ack', sequence: message.sequence })
    case 'ack':
      return onAck(state, from, message.sequence)
    case 'nack':
      return done(
        state.probe?.sequence === message.sequence ? { ...state, probe: { ...state.probe, nacks: state.probe.nacks + 1 } } : state,
      )
    case 'ping-request':
      return runErrand(state, from, message, nowMs)
    case 'sync':
      return message.wantsReply ? sendSync(state, from, false) : done(state)
  }
  return done(state)
}

/** The probed member, or a helper on its behalf, answered; or the member that was probed for another did. */
function onAck(state: MembershipState, from: NodeId, sequence: number): MembershipStep {
  if (state.probe?.sequence === sequence) return done(withIllness({ ...state, probe: null }, -1))
  const errand = state.errands.find((each) => each.sequence === sequence)
  if (errand === undefined || errand.forNode === from) return done(state)
  const errands = state.errands.filter((each) => each !== errand)
  return send({ ...state, errands }, errand.forNode, { kind: 'ack', sequence: errand.theirSequence })
}

function runErrand(
  state: MembershipState,
  from: NodeId,
  { sequence: theirSequence, target }: Extract<MembershipMessage, { kind: 'ping-request' }>,
  nowMs: number,
): MembershipStep {
  if (!state.members.has(target) || state.errands.length >= ERRANDS_MAX) return done(state)
  const sequence = state.sequence + 1
  const errand = { sequence, forNode: from, theirSequence, untilMs: nowMs + state.timing.ackMs }
  return send({ ...state, sequence, errands: [...state.errands, errand] }, target, { kind: 'ping', sequence })
}

function endErrands(state: MembershipState, nowMs: number): MembershipStep {
  const late = state.errands.filter((errand) => nowMs >= errand.untilMs)
  if (late.length === 0) return done(state)
  let step: MembershipStep = done({ ...state, errands: state.errands.filter((errand) => nowMs < errand.untilMs) })
  for (const errand of late) step = chain(step, (next) => send(next, errand.forNode, { kind: 'nack', sequence: errand.theirSequence }))
  return step
}
