import type { NodeId } from '@thatdam/protocol/ids'
import { takeIn } from './rumours.ts'
import {
  chain,
  done,
  drawsFrom,
  HELPERS,
  ILLNESS_MAX,
  send,
  sendSync,
  shuffled,
  URGED_MAX,
  type MembershipState,
  type MembershipStep,
  type Probe,
} from './state.ts'

/** An ill node gives others more time: its own ears may be the fault. */
const slowed = (state: MembershipState, ms: number): number => ms * (1 + state.illness)

export const withIllness = (state: MembershipState, change: number): MembershipState => ({
  ...state,
  illness: Math.min(ILLNESS_MAX, Math.max(0, state.illness + change)),
})

/** Starts, helps along and ends the probe of the period. */
export function tickProbe(state: MembershipState, nowMs: number, random: number): MembershipStep {
  const { probe } = state
  if (probe !== null && nowMs >= probe.startedAtMs + slowed(state, state.timing.periodMs)) {
    return chain(accuse(state, probe, nowMs), (next) => startProbe(next, nowMs, random))
  }
  if (probe !== null && !probe.hasAskedHelpers && nowMs >= probe.startedAtMs + slowed(state, state.timing.ackMs)) {
    return askHelpers(state, probe, random)
  }
  return nowMs >= state.nextProbeAtMs && probe === null ? startProbe(state, nowMs, random) : done(state)
}

/** Each awake member once in a round, in an order drawn anew: none waits longer than two rounds (SWIM §4.3). */
function startProbe(state: MembershipState, nowMs: number, random: number): MembershipStep {
  const isAwake = (nodeId: NodeId): boolean => (state.members.get(nodeId)?.liveness ?? 'away') !== 'away'
  const left = state.round.filter(isAwake)
  const round = left.length > 0 ? left : shuffled([...state.members.keys()].filter(isAwake), drawsFrom(random))
  const [target, ...rest] = round
  const nextProbeAtMs = nowMs + state.timing.periodMs
  if (target === undefined) return done({ ...state, round: [], probe: null, nextProbeAtMs })
  const sequence = state.sequence + 1
  const probe: Probe = { target, sequence, startedAtMs: nowMs, hasAskedHelpers: false, nacks: 0, helpers: 0 }
  return send({ ...state, sequence, probe, round: rest, nextProbeAtMs }, target, { kind: 'ping', sequence })
}

function askHelpers(state: MembershipState, probe: Probe, random: number): MembershipStep {
  const able = [...state.members].filter(([nodeId, member]) => nodeId !== probe.target && member.liveness === 'alive')
  const helpers = shuffled(
    able.map(([nodeId]) => nodeId),
    drawsFrom(random),
  ).slice(0, HELPERS)
  let step: MembershipStep = done({ ...state, probe: { ...probe, hasAskedHelpers: true, helpers: helpers.length } })
  // A second direct ping: one lost datagram should not need helpers at all.
  for (const helper of helpers) {
    step = chain(step, (next) => send(next, helper, { kind: 'ping-request', sequence: probe.sequence, target: probe.target }))
  }
  return chain(step, (next) => send(next, probe.target, { kind: 'ping', sequence: probe.sequence }))
}

function accuse(state: MembershipState, probe: Probe, nowMs: number): MembershipStep {
  const member = state.members.get(probe.target)
  const silentHelpers = probe.helpers - probe.nacks
  const weaker = withIllness({ ...state, probe: null }, probe.helpers === 0 || silentHelpers > 0 ? 1 : 0)
  if (member === undefined || member.liveness === 'away') return done(weaker)
  return takeIn(weaker, { nodeId: probe.target, incarnation: member.incarnation, liveness: 'suspect', by: state.nodeId }, nowMs)
}

/**
 * Whom this node suspects it asks again and again until the time to answer is over: on a bad link one ping in two comes back, and in a small ring
 * nobody else would tell a suspect of it in time.
 */
export function tickUrge(state: MembershipState, nowMs: number, random: number): MembershipStep {
  if (state.suspects.size === 0 || nowMs < state.nextUrgeAtMs) return done(state)
  const own = [...state.suspects].filter((nodeId) => state.members.get(nodeId)?.accusers.includes(state.nodeId) === true)
  let step: MembershipStep = done({ ...state, nextUrgeAtMs: nowMs + state.timing.ackMs })
  for (const target of shuffled(own, drawsFrom(random)).slice(0, URGED_MAX)) step = chain(step, (next) => ping(next, target))
  return step
}

/**
 * One away member is called in each period, each once in a round: whoever is back, or was cut off, hears within seconds for what it is held and answers
 * for itself, however many others are gone for good.
 */
export function tickCall(state: MembershipState, nowMs: number, random: number): MembershipStep {
  if (nowMs < state.nextCallAtMs || state.members.size === 0) return done(state)
  const isAway = (nodeId: NodeId): boolean => state.members.get(nodeId)?.liveness === 'away'
  const left = state.callRound.filter(isAway)
  const [target, ...callRound] = left.length > 0 ? left : shuffled([...state.members.keys()].filter(isAway), drawsFrom(random))
  const next = { ...state, callRound, nextCallAtMs: nowMs + state.timing.callMs }
  return target === undefined ? done(next) : ping(next, target)
}

/** Any answer will do: nobody is accused if there is none. */
function ping(state: MembershipState, target: NodeId): MembershipStep {
  const sequence = state.sequence + 1
  return send({ ...state, sequence }, target, { kind: 'ping', sequence })
}

/** Every few seconds with anybody, away members too: two halves of a ring that was cut find each other again only so. */
export function tickSync(state: MembershipState, nowMs: number, random: number): MembershipStep {
  if (nowMs < state.nextSyncAtMs || state.members.size === 0) return done(state)
  const draw = drawsFrom(random)
  const all = [...state.members]
  const away = all.filter(([, member]) => member.liveness === 'away')
  const pool = away.length > 0 && draw() < 0.5 ? away : all
  const target = pool[Math.floor(draw() * pool.length)]?.[0]
  const nextSyncAtMs = nowMs + state.timing.syncMs * (0.75 + draw() / 2)
  return target === undefined ? done(state) : sendSync({ ...state, nextSyncAtMs }, target, true)
}
