import { expect, test } from 'vitest'
import { type NearMachine, RingsNear } from './rings-near.ts'

const machine = (publicKey: string, fingerprint: string, term: number | null = null): NearMachine => ({
  publicKey,
  nodeId: publicKey,
  fingerprint,
  claimed: true,
  term: term === null ? null : { number: term, nodeId: publicKey },
  addresses: [],
})
const APART = { fate: 'apart', reason: '' } as const

test('a ring is asked at once, then ever less often, and at once again when something is new', () => {
  const near = new RingsNear()
  const seen = [machine('a', 'A'), machine('b', 'B')]
  near.see(seen, 0)
  expect(near.due(0)).toBe('A')
  near.settle('A', APART, 0)
  expect([near.due(0), near.isDue('A', 0)]).toEqual(['B', false])
  near.settle('B', APART, 0)
  expect(near.due(0)).toBeNull()
  expect(near.due(60_000)).not.toBeNull()
  for (let count = 0; count < 12; count += 1) near.settle('A', APART, 0)
  expect([near.isDue('A', 29_000), near.isDue('A', 60_000)]).toEqual([false, true])
  expect(near.settle('A', { fate: 'comes', reason: '' }, 0)).toBe(true)
  expect([near.isDue('A', 2_000), near.settle('A', { fate: 'comes', reason: '' }, 0)]).toEqual([true, false])
  near.askAnew()
  expect([near.isDue('A', 0), near.isDue('B', 0)]).toEqual([true, true])
  near.see([seen[0] as NearMachine], 0)
  expect([near.fateOf('A').fate, near.fateOf('B').fate, near.isDue('B', 0)]).toEqual(['comes', 'apart', false])
})

test('its leader is asked first, and another one where that does not answer', () => {
  const near = new RingsNear()
  near.see([machine('a', 'A'), machine('old', 'A', 3), machine('leader', 'A', 4)], 0)
  const best = near.bestOf('A') as NearMachine
  expect(best.nodeId).toBe('leader')
  near.passOver(best, 0)
  expect(near.bestOf('A')?.nodeId).toBe('a')
  near.see([machine('a', 'A'), machine('leader', 'A', 4)], 100_000)
  expect(near.bestOf('A')?.nodeId).toBe('leader')
  expect(near.bestOf('B')).toBeNull()
})

test('others may call for it every five seconds, and rings beyond sixteen are not looked at', () => {
  const near = new RingsNear()
  const many = Array.from({ length: 20 }, (_, index) => machine(`m${index}`, `R${index}`))
  near.see(many, 0)
  expect([near.isDue('R15', 0), near.isDue('R16', 0)]).toEqual([true, false])
  near.settle('R1', APART, 0)
  expect([near.called('stranger', 0), near.called('m1', 0), near.isDue('R1', 0)]).toEqual([false, true, true])
  near.settle('R1', APART, 0)
  expect([near.called('m1', 4_000), near.called('m1', 6_000)]).toEqual([false, true])
})
