import type { ClusterFile } from '@thatdam/protocol/cluster'
import { expect, test } from 'vitest'
import { settledOf } from './settled.ts'

type Change = Partial<Omit<ClusterFile, 'members'>> & { readonly awake?: readonly string[]; readonly leads?: string | null }

function view(nodeId: string, { awake = ['a', 'b'], leads = 'a', ...changes }: Change = {}): ClusterFile {
  return {
    version: 1,
    node_id: nodeId,
    role: nodeId === leads ? 'leader' : 'worker',
    leader: null,
    services: { api_url: null, supervisor_url: null },
    cluster_id: 'c0ffee00-0000-4000-8000-000000000001',
    term: { number: 4, nodeId: 'a' },
    members: ['a', 'b', 'c'].map((member) => ({
      node_id: member,
      name: member,
      role: member === leads ? 'leader' : 'worker',
      alive: awake.includes(member),
      last_seen_ms: 0,
    })),
    ...changes,
  }
}

const named = (views: readonly (ClusterFile | null)[]) => new Map(views.map((each, index) => [each?.node_id ?? `number ${index}`, each]))
const of = (...views: (ClusterFile | null)[]) => settledOf(named(views), true)

test('machines that agree on ring, term, leader and who is awake are settled, whoever is away', () => {
  expect(of(view('a'), view('b'))).toEqual({
    clusterId: 'c0ffee00-0000-4000-8000-000000000001',
    leader: 'a',
    term: { number: 4, nodeId: 'a' },
  })
})

test('a ring in which nobody may lead is settled without a leader', () => {
  const alone = view('b', { awake: ['b'], leads: null, term: null })
  expect(settledOf(named([alone]), false)).toMatchObject({ leader: null, term: null })
  expect(of(alone)).toBe('nobody leads')
})

test('each disagreement is told', () => {
  expect(of(view('a'), null)).toBe('number 1 does not answer')
  expect(of(view('a'), view('b', { cluster_id: 'c0ffee00-0000-4000-8000-000000000002' }))).toContain('two rings')
  expect(of(view('a', { cluster_id: null }), view('b'))).toContain('two rings')
  expect(of(view('a'), view('b', { awake: ['a', 'b', 'c'] }))).toContain('b sees a, b, c awake, not a, b')
  expect(of(view('a'), view('b', { term: { number: 5, nodeId: 'a' } }))).toContain('term 5 of a')
  expect(of(view('a'), view('b', { role: 'leader' }))).toContain('a and b both lead')
  expect(of(view('a'), view('b', { leads: null }))).toContain('says that nobody leads, not a')
  expect(of(view('a', { term: { number: 4, nodeId: 'c' } }), view('b', { term: { number: 4, nodeId: 'c' } }))).toContain('a leads, but')
  expect(of()).toBe('there are no machines')
})
