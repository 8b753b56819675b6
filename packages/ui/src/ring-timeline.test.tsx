import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { formatInstant, instantsOf, nearest, neighbour, rowsOf, sentencesAt, ticksOf, type RingHistory } from './ring-timeline-data.tsx'
import { RingTimeline } from './ring-timeline.tsx'

const HISTORY: RingHistory = {
  title: 'Three machines',
  startMs: 0,
  endMs: 10_000,
  nodes: [
    {
      id: 'a',
      name: 'pi5-desktop',
      profile: 'Pi 5, desktop',
      segments: [
        { fromMs: 0, toMs: 2_000, role: 'seeking', term: null },
        { fromMs: 2_000, toMs: 10_000, role: 'leader', term: { number: 1, leaderId: 'a' } },
      ],
    },
    {
      id: 'b',
      name: 'pi5-server',
      profile: 'Pi 5, headless',
      segments: [
        { fromMs: 0, toMs: 5_000, role: 'standby', term: { number: 1, leaderId: 'a' } },
        { fromMs: 5_000, toMs: 8_000, role: 'leader', term: { number: 2, leaderId: 'b' } },
        { fromMs: 8_000, toMs: 10_000, role: 'standby', term: { number: 1, leaderId: 'a' } },
      ],
    },
    { id: 'c', name: 'macbook', profile: 'MacBook', segments: [{ fromMs: 0, toMs: 10_000, role: 'down', term: null }] },
  ],
  cuts: [{ fromMs: 4_000, toMs: 8_000, from: ['a'], to: ['b', 'c'], bothWays: true }],
  events: [
    { atMs: 2_000, kind: 'lead', mark: 'leads, term 1', text: 'pi5-desktop leads, term 1', nodeIds: ['a'] },
    { atMs: 3_000, kind: 'detail', mark: '', text: 'pi5-server sees pi5-desktop', nodeIds: ['b'] },
    { atMs: 4_000, kind: 'network', mark: 'cut', text: 'pi5-desktop cut from the others', nodeIds: ['a', 'b', 'c'] },
    { atMs: 5_000, kind: 'violation', mark: 'two lead', text: 'two act <as> leader', nodeIds: ['a', 'b'] },
    { atMs: 5_000, kind: 'plan', mark: '3 moved', text: 'three services move', nodeIds: ['b'], changes: 3 },
  ],
  notes: ['A note.'],
}

test('an instant is told in words: leaders, standbys, who is off, who is cut from whom', () => {
  expect(sentencesAt(HISTORY, 1_000)).toEqual(['Nobody leads.', 'pi5-server stands by.', 'pi5-desktop hears no leader.', 'macbook is off.'])
  expect(sentencesAt(HISTORY, 6_000)).toEqual([
    'pi5-desktop leads in term 1, pi5-server leads in term 2.',
    'macbook is off.',
    'pi5-desktop cut from pi5-server and macbook.',
  ])
  expect(sentencesAt(HISTORY, 10_000)[0]).toBe('pi5-desktop leads in term 1.')
})

test('steps go from instant to instant, past details unless they are asked for', () => {
  const instants = instantsOf(HISTORY.events, false)
  expect(instants).toEqual([2_000, 4_000, 5_000])
  expect(instantsOf(HISTORY.events, true)).toEqual([2_000, 3_000, 4_000, 5_000])
  expect([neighbour(instants, 2_000, 1), neighbour(instants, 2_000, -1), neighbour(instants, 4_500, -1)]).toEqual([4_000, null, 4_000])
  expect([nearest(instants, 4_400), nearest([], 3)]).toEqual([4_000, null])
})

test('ticks are round, and far enough apart to be read', () => {
  expect(ticksOf(HISTORY, 700)).toEqual([0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000])
  expect(ticksOf(HISTORY, 200)).toEqual([0, 5_000, 10_000])
  expect(ticksOf({ ...HISTORY, endMs: 40 * 3_600_000 }, 400).length).toBeLessThanOrEqual(7)
})

test('instants of a real ring, over hours, read as a clock', () => {
  expect(formatInstant(HISTORY, 1_234)).toBe('1.234 s')
  expect(formatInstant({ startMs: 1_800_000_000_000, endMs: 1_800_000_000_000 + 86_400_000 }, 1_800_000_000_000 + 3_723_000)).toBe(
    '1:02:03',
  )
})

test('what overlaps lies in rows of its own', () => {
  const spans = [
    { fromMs: 0, toMs: 5 },
    { fromMs: 2, toMs: 9 },
    { fromMs: 5, toMs: 6 },
  ]
  expect(rowsOf(spans)).toEqual([0, 1, 0])
})

test('it opens at the first broken rule, and shows roles, terms, both sides of a cut, and no text as markup', () => {
  const html = renderToStaticMarkup(<RingTimeline history={HISTORY} />)
  expect(html).toContain('data-instant="5000"')
  expect(html.match(/data-role="leader"/g)).toHaveLength(2)
  expect(html).toContain('leads, term 2 of pi5-server')
  expect(html).toContain('pi5-desktop cut from pi5-server and macbook')
  expect(html).toContain('two act &lt;as&gt; leader')
  expect(html).not.toContain('pi5-server sees pi5-desktop')
})

test('a history in which nothing happened is drawn', () => {
  const html = renderToStaticMarkup(<RingTimeline history={{ ...HISTORY, events: [], cuts: [], nodes: [] }} />)
  expect(html).toContain('Nobody leads.')
})
