import { fakeState } from '@thatdam/testkit/fake-state'
import { expect, test } from 'vitest'
import type { ConsoleState } from '../client.tsx'
import { hereOnlyReason, newestEdit, savedState, type LastEdit } from './saved-state.tsx'

function state(savedPosition: number | null, more: { carriers?: number; alone?: boolean } = {}): ConsoleState {
  const agent = fakeState()
  if (savedPosition !== null) agent.oplog = { position: 50, savedPosition, carriers: more.carriers ?? 1 }
  if (more.alone) agent.members = agent.members.slice(0, 1)
  const catalog = { feedId: 'f', position: 50, caughtUp: true, problem: '' }
  return JSON.parse(JSON.stringify({ cursor: '', agent, agentReachable: true, catalog })) as ConsoleState
}
const edit = (position: number, durability: LastEdit['durability'] = 'here', feedId = 'f'): LastEdit => ({ position, durability, feedId })

test('an edit is saved when its place in the feed is passed, or when it was answered so', () => {
  expect(savedState(null, state(0))).toBeNull()
  expect(savedState(edit(40), state(39))).toBe('here')
  expect(savedState(edit(40), state(40))).toBe('saved')
  expect(savedState(edit(40, 'saved'), state(0))).toBe('saved')
})

test('an agent that tells nothing of its log promises nothing; a ring of one has all it can have', () => {
  expect(savedState(edit(40), state(null))).toBe('here')
  expect(savedState(edit(40), state(null, { alone: true }))).toBe('saved')
})

test('a feed that begins anew makes an old place mean nothing', () => {
  expect(savedState(edit(40, 'here', 'other'), state(39))).toBeNull()
  expect(newestEdit(edit(900, 'here', 'other'), edit(3)).position).toBe(3)
})

test('of several edits the one that is saved last is shown, whichever was answered first', () => {
  expect(newestEdit(edit(41), edit(40)).position).toBe(41)
  expect(newestEdit(edit(40), edit(41)).position).toBe(41)
})

test('why it is here only is said as it is known', () => {
  expect(hereOnlyReason(state(0, { carriers: 0 }))).toContain('in reach')
  expect(hereOnlyReason(state(0))).toContain('on its way')
})
