import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { Ring, ringPositions, type RingNode } from './ring.tsx'

const node = (name: string, extra: Partial<RingNode> = {}): RingNode => ({ id: name, name, leader: false, away: false, ...extra })

test('the same machines lie at the same places, whatever order they come in', () => {
  const nodes = ['pi5-desktop', 'pi5-server', 'win11-editor', 'pizero-cam1', 'macbook'].map((name) => node(name))
  expect(ringPositions(nodes.toReversed())).toEqual(ringPositions(nodes))
})

test('a ring of one lies at the top', () => {
  expect(ringPositions([node('alone')]).get('alone')).toEqual({ x: 160, y: 56 })
})

test('who is ready to take over is told in words and drawn with a broken line, once it leads as the leader alone', () => {
  const html = renderToStaticMarkup(<Ring nodes={[node('a', { leader: true, standby: true }), node('b', { standby: true }), node('c')]} />)
  expect(html).toContain('aria-label="3 machines, led by a, ready to take over: b"')
  expect(html.match(/data-standby/g)).toHaveLength(1)
})

test('the drawing says in words who leads and who is away, and leaves out flows to strangers', () => {
  const html = renderToStaticMarkup(
    <Ring
      nodes={[node('a', { leader: true }), node('b', { away: true })]}
      flows={[
        { from: 'a', to: 'b' },
        { from: 'a', to: 'x' },
      ]}
    />,
  )
  expect(html).toContain('aria-label="2 machines, led by a, 1 away"')
  expect(html.match(/<path/g)).toHaveLength(1)
  expect(html).toContain('data-away="true"')
})
