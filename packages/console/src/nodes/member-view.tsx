import type { Tone } from '@thatdam/ui/badge'
import type { RingFlow, RingNode } from '@thatdam/ui/ring'
import type { AgentState } from '../client.tsx'
import { age, count } from '../format.tsx'

/* What the state says of a machine, in words. Everything here is pure. */

export type Member = AgentState['members'][number]
export type Service = AgentState['plan']['services'][number]

/** How long ago it was heard. */
export function contact(member: Member, nowMs: number): string {
  if (member.lastContactMs === null) return 'this machine'
  return member.lastContactMs === 0 ? 'not heard yet' : age(member.lastContactMs, nowMs)
}

/** What it was doing when it was last heard; null: it told nothing to this machine. */
export function observed(agent: AgentState, member: Member): AgentState['plan'] | null {
  return member.self ? agent.plan : (member.reported?.plan ?? null)
}

const STOPPED: ReadonlySet<Service['state']> = new Set(['failed', 'waiting', 'backing-off'])

/** Sentences about what a person should look at, on a machine that answers. */
export function troubles(agent: AgentState, member: Member): string[] {
  if (!member.awake) return []
  const plan = observed(agent, member)
  return [
    ...(plan?.rejected ? [`A plan could not be applied and the last good one runs: ${plan.rejected.reason}`] : []),
    ...(member.self ? agent.settingsProblems : (member.reported?.problems ?? [])),
    ...(plan?.services.filter(({ state }) => STOPPED.has(state)) ?? []).map(({ name, reason }) => `${name}: ${reason}`),
  ]
}

export const STATE_WORDS: Record<Service['state'], { word: string; tone: Tone }> = {
  starting: { word: 'Starting', tone: 'neutral' },
  running: { word: 'Running', tone: 'healthy' },
  waiting: { word: 'Waiting', tone: 'outline' },
  'backing-off': { word: 'Starts again', tone: 'outline' },
  failed: { word: 'Failed', tone: 'danger' },
  stopped: { word: 'Stopped', tone: 'neutral' },
  'not-in-this-version': { word: 'In a later version', tone: 'neutral' },
}

export function ringSummary(agent: AgentState): string {
  const away = agent.members.filter((member) => !member.awake).length
  const parts = [count(agent.members.length, 'machine', 'machines')]
  if (agent.ring.leader !== null && agent.members.length > 1) parts.push(`led by ${agent.ring.leader.name}`)
  if (away > 0) parts.push(`${away} away`)
  return parts.join(' · ')
}

export function ringNodesOf(agent: AgentState, nowMs: number): RingNode[] {
  return agent.members.map((member) => ({
    id: member.nodeId,
    name: member.name,
    leader: member.role === 'leader',
    standby: member.standby,
    away: !member.awake,
    detail: member.awake ? contact(member, nowMs) : `away, ${contact(member, nowMs)}`,
  }))
}

/** Pictures that are watched here now, from where they come. */
export function ringFlowsOf(agent: AgentState): RingFlow[] {
  const from = new Set(agent.cameras.filter(({ state, viewers }) => state === 'live' && viewers > 0).map(({ nodeId }) => nodeId))
  from.delete(agent.node.nodeId)
  return [...from].map((nodeId) => ({ from: nodeId, to: agent.node.nodeId }))
}
