import { expect, test } from 'vitest'
import { Journal } from './journal.ts'

const term = (number: number) => ({ number, leaderId: 'pi5-server' })

test('a machine has one bar for each thing that it was, and a new leader is an event', () => {
  const journal = new Journal(['pi5-server'])
  journal.see('pi5-server', { role: 'down', term: null }, 0)
  journal.see('pi5-server', { role: 'down', term: null }, 400)
  journal.see('pi5-server', { role: 'leader', term: term(3) }, 900)
  journal.see('pi5-server', { role: 'leader', term: term(4) }, 1_500)
  const { nodes, events } = journal.history('a ring', 2_000)
  expect(nodes[0]?.segments).toEqual([
    { fromMs: 0, toMs: 900, role: 'down', term: null },
    { fromMs: 900, toMs: 1_500, role: 'leader', term: term(3) },
    { fromMs: 1_500, toMs: 1_500, role: 'leader', term: term(4) },
  ])
  expect(events.map((event) => event.text)).toEqual(['pi5-server leads in term 3.', 'pi5-server leads in term 4.'])
})

test('what is older than two minutes is forgotten, a cut that still lasts is not', () => {
  const journal = new Journal(['pi5-server', 'macbook'])
  journal.cut(['pi5-server'], ['macbook'], 1_000)
  journal.see('macbook', { role: 'down', term: null }, 0)
  for (let atMs = 10_000; atMs <= 300_000; atMs += 10_000)
    journal.see('macbook', { role: atMs % 20_000 ? 'seeking' : 'proxy', term: null }, atMs)
  const history = journal.history('a ring', 300_000)
  expect([history.startMs, history.endMs]).toEqual([180_000, 300_000])
  expect(history.nodes[1]?.segments.length).toBeLessThanOrEqual(14)
  expect(history.nodes[1]?.segments[0]?.fromMs).toBe(180_000)
  expect(history.cuts).toEqual([{ fromMs: 180_000, toMs: 300_000, from: ['pi5-server'], to: ['macbook'], bothWays: true }])
  journal.heal(300_500)
  expect(journal.history('a ring', 500_000).cuts).toEqual([])
})
