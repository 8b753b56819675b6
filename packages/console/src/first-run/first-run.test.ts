import { fakeState } from '@thatdam/testkit/fake-state'
import { expect, test } from 'vitest'
import type { AgentState } from '../client.tsx'
import { hasNothing } from './first-run.tsx'

/** As it comes over the wire. */
const state = (): AgentState => JSON.parse(JSON.stringify(fakeState())) as AgentState

test('a machine without folders asks for some only where no machine of its ring has any', () => {
  const agent = state()
  agent.settings.indexPaths = []
  agent.index = null
  expect(hasNothing(agent)).toBe(false)
  for (const member of agent.members) if (member.settings) member.settings.indexPaths = []
  expect(hasNothing(agent)).toBe(false)
  for (const member of agent.members) if (member.reported) member.reported.assets = 0
  expect(hasNothing(agent)).toBe(true)
  agent.settings.indexPaths = ['/home/anna/Pictures']
  expect(hasNothing(agent)).toBe(false)
})
