import type { NodeId } from '@thatdam/protocol/ids'
import { slowed } from './due.ts'
import type { Members } from './members.ts'
import { burialAtMs, takeIn } from './rumours.ts'
import {
  drawsFrom,
  isAnybodyAway,
  isAwake,
  isAway,
  HELPERS,
  send,
  sendSync,
  shuffled,
  URGED_MAX,
  type Draft,
  type Member,
  type Probe,
} from './state.ts'

/** Starts, helps along and ends the probe of the period. */
export function tickProbe(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  const { probe } = state
  if (probe === null) {
    if (nowMs >= state.nextProbeAtMs) startProbe(draft, nowMs, random)
  } else if (nowMs >= probe.startedAtMs + slowed(state.illness, state.timing.periodMs)) {
    accuse(draft, probe, nowMs)
    startProbe(draft, nowMs, random)
  } else if (!probe.hasAskedHelpers && nowMs >= probe.startedAtMs + slowed(state.illness, state.timing.ackMs))
    askHelpers(draft, probe, random)
}

/** Each awake member once in a round, in an order drawn anew: none waits longer than two rounds (SWIM §4.3). */
function startProbe(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  state.nextProbeAtMs = nowMs + state.timing.periodMs
  state.probe = null
  let at = nextOf(state.members, { round: state.round, from: state.roundAt }, isAwake)
  if (at < 0) {
    state.round = shuffled(state.members.idsWhere(isAwake), drawsFrom(random))
    at = 0
  }
  state.roundAt = at + 1
  const target = state.round[at]
  if (target === undefined) return
  const sequence = ++state.sequence
  state.probe = { target, sequence, startedAtMs: nowMs, hasAskedHelpers: false, nacks: 0, helpers: 0 }
  send(draft, target, { kind: 'ping', sequence })
}

/** The next in the round that is a member still, and such a one. */
function nextOf(
  members: Members,
  { round, from }: { readonly round: readonly NodeId[]; readonly from: number },
  isWanted: (member: Member) => boolean,
): number {
  for (let at = from; at < round.length; at++) {
    const member = members.get(round[at] ?? '')
    if (member !== undefined && isWanted(member)) return at
  }
  return -1
}

function askHelpers(draft: Draft, probe: Probe, random: number): void {
  const { state } = draft
  const able = state.members.idsWhere((member) => member.liveness === 'alive').filter((nodeId) => nodeId !== probe.target)
  const helpers = shuffled(able, drawsFrom(random)).slice(0, HELPERS)
  state.probe = { ...probe, hasAskedHelpers: true, helpers: helpers.length }
  for (const helper of helpers) send(draft, helper, { kind: 'ping-request', sequence: probe.sequence, target: probe.target })
  // A second direct ping: one lost datagram should not need helpers at all.
  send(draft, probe.target, { kind: 'ping', sequence: probe.sequence })
}

function accuse(draft: Draft, probe: Probe, nowMs: number): void {
  const { state } = draft
  const silentHelpers = probe.helpers - probe.nacks
  draft.changeIllness(probe.helpers === 0 || silentHelpers > 0 ? 1 : 0)
  const member = state.members.get(probe.target)
  if (member === undefined || member.liveness === 'away') return
  takeIn(draft, { nodeId: probe.target, incarnation: member.incarnation, liveness: 'suspect', by: state.nodeId }, nowMs)
}

/**
 * Whom this node suspects it asks again and again until the time to answer is over: on a bad link one ping in two comes back, and in a small ring
 * nobody else would tell a suspect of it in time. Whom only others suspect it asks at the last: in a large ring that has much to tell, word of the
 * suspect's answer may not have come by.
 */
export function tickUrge(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  if (state.suspects.size === 0 || nowMs < state.nextUrgeAtMs) return
  const urged = [...state.suspects].filter((nodeId) => {
    const member = state.members.get(nodeId)
    if (member === undefined) return false
    return member.accusers.includes(state.nodeId) || nowMs >= burialAtMs(state, member) - state.timing.lastCallMs
  })
  state.nextUrgeAtMs = nowMs + state.timing.ackMs
  for (const target of shuffled(urged, drawsFrom(random)).slice(0, URGED_MAX)) ping(draft, target)
}

/**
 * One away member is called at a time, each once in a round: whoever is back, or was cut off, hears within seconds for what it is held and answers
 * for itself, however many others are gone for good.
 */
export function tickCall(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  if (nowMs < state.nextCallAtMs || !isAnybodyAway(state)) return
  state.nextCallAtMs = nowMs + state.timing.callMs
  let at = nextOf(state.members, { round: state.callRound, from: state.callRoundAt }, isAway)
  if (at < 0) {
    state.callRound = shuffled(state.members.idsWhere(isAway), drawsFrom(random))
    at = 0
  }
  state.callRoundAt = at + 1
  const target = state.callRound[at]
  if (target !== undefined) ping(draft, target)
}

/** Any answer will do: nobody is accused if there is none. */
const ping = (draft: Draft, target: NodeId): void => send(draft, target, { kind: 'ping', sequence: ++draft.state.sequence })

/** Every few seconds with anybody, away members too: what one half of a ring missed of the other comes over whole. */
export function tickSync(draft: Draft, nowMs: number, random: number): void {
  const { state } = draft
  if (nowMs < state.nextSyncAtMs || state.members.size === 0) return
  const draw = drawsFrom(random)
  const away = state.members.idsWhere(isAway)
  const pool = away.length > 0 && draw() < 0.5 ? away : state.members.keys()
  const target = pool[Math.floor(draw() * pool.length)]
  state.nextSyncAtMs = nowMs + state.timing.syncMs * (0.75 + draw() / 2)
  if (target !== undefined) sendSync(draft, target, true)
}
