import { fakeState } from '@thatdam/testkit/fake-state'
import { expect, test } from 'vitest'
import type { AgentState } from '../client.tsx'
import { contact, observed, ringFlowsOf, ringNodesOf, ringSummary, troubles, type Member } from './member-view.tsx'

const NOW = 1_780_000_000_000
/** As it comes over the wire. */
const state = (): AgentState => JSON.parse(JSON.stringify(fakeState(NOW))) as AgentState
const named = (agent: AgentState, name: string): Member => agent.members.find((member) => member.name === name) as Member

test('away is what the ring says, not how long ago a machine was heard', () => {
  const agent = state()
  named(agent, 'win11-editor').lastContactMs = NOW - 600_000
  const away = ringNodesOf(agent, NOW).filter((node) => node.away)
  expect(away.map(({ name, detail }) => [name, detail])).toEqual([['macbook', 'away, 1 h 30 min ago']])
  expect(ringSummary(agent)).toBe('5 machines · led by pi5-desktop · 1 away')
})

test('a ring without a leader says nothing of one', () => {
  const agent = state()
  agent.ring.leader = null
  expect(ringSummary(agent)).toBe('5 machines · 1 away')
})

test('a ring of one is led by nobody else', () => {
  const agent = state()
  agent.members = agent.members.slice(0, 1)
  expect(ringSummary(agent)).toBe('1 machine')
})

test('contact is told as it is known', () => {
  const agent = state()
  expect(contact(named(agent, 'pi5-desktop'), NOW)).toBe('this machine')
  expect(contact({ ...named(agent, 'macbook'), lastContactMs: 0 }, NOW)).toBe('not heard yet')
})

test('troubles are those of machines that answer: wishes not followed, parts that do not run, a plan that was refused', () => {
  const agent = state()
  expect(troubles(agent, named(agent, 'win11-editor'))).toEqual([
    'The folder E:\\Archive is not there: its drive may be unplugged.',
    'deriver: It ended by itself three times; the next start is in 40 s.',
  ])
  named(agent, 'win11-editor').awake = false
  expect(troubles(agent, named(agent, 'win11-editor'))).toEqual([])
  expect(troubles(agent, named(agent, 'pi5-desktop'))).toEqual([])
  agent.plan.rejected = { bodyHash: '0'.repeat(64), reason: 'The disk is full.' }
  expect(troubles(agent, named(agent, 'pi5-desktop'))[0]).toContain('The disk is full.')
})

test('what another machine runs is what it told; a machine that told nothing has no state', () => {
  const agent = state()
  const server = named(agent, 'pi5-server')
  expect(observed(agent, server)?.services.find(({ name }) => name === 'camera-proxy')?.state).toBe('waiting')
  expect(observed(agent, { ...server, reported: null })).toBeNull()
})

test('flows are drawn from machines whose pictures are watched, never from this one to itself', () => {
  const agent = state()
  expect(ringFlowsOf(agent)).toEqual([{ from: 'pizero-cam1-aa30f7', to: agent.node.nodeId }])
  for (const camera of agent.cameras) camera.viewers = 0
  expect(ringFlowsOf(agent)).toEqual([])
})
