import { synthesise } from '@thatdam/plan/synthesis/synthesise'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { PROFILE_NAMES } from '@thatdam/testkit/profiles/load'
import { CLUSTER_ID, machine } from '@thatdam/testkit/profiles/machine'
import { expect, test } from 'vitest'
import { Absences } from './absences.ts'

const MINUTE_MS = 60_000

class Ring {
  nowMs = 5_000
  readonly heardAtMs = new Map<string, number>()
  readonly absences = new Absences({
    nowMs: () => this.nowMs,
    contactAgeMs: (nodeId) => {
      const atMs = this.heardAtMs.get(nodeId)
      return atMs === undefined ? null : this.nowMs - atMs
    },
  })

  /** Who makes previews, by the plans of a leader that sees these as away. */
  derivers(...away: string[]): string[] {
    const nodes = this.absences.in(PROFILE_NAMES.map((name) => machine(name, { alive: !away.includes(name) })))
    const { plans } = synthesise({ clusterId: CLUSTER_ID, nodes, policy: DEFAULT_POLICY, leader: 'pi5-desktop' })
    return [...plans].flatMap(([nodeId, { services }]) => (services.some(({ name }) => name === 'deriver') ? [nodeId] : []))
  }
}

test('a dead server’s work goes to others after ten minutes, and back when it is there again', () => {
  const ring = new Ring()
  ring.heardAtMs.set('pi5-server', ring.nowMs)
  expect(ring.derivers()).toEqual(['pi5-server'])
  ring.nowMs += 9 * MINUTE_MS
  expect(ring.derivers('pi5-server')).toEqual(['pi5-server'])
  ring.nowMs += 2 * MINUTE_MS
  const others = ring.derivers('pi5-server')
  expect(others).not.toContain('pi5-server')
  expect(others).not.toEqual([])
  ring.heardAtMs.set('pi5-server', ring.nowMs)
  expect(ring.derivers()).toEqual(['pi5-server'])
})

test('who was not heard in this run counts as gone since its start; a laptop that sleeps over night moves nothing', () => {
  const ring = new Ring()
  expect(ring.derivers('pi5-server')).toEqual(['pi5-server'])
  ring.nowMs += 11 * MINUTE_MS
  expect(ring.derivers('pi5-server')).not.toContain('pi5-server')
  const macbook = machine('macbook', { alive: false })
  ring.nowMs += 12 * 60 * MINUTE_MS
  expect(ring.absences.in([macbook])[0]?.longAway).toBe(false)
  ring.nowMs += 12 * 60 * MINUTE_MS
  expect(ring.absences.in([macbook])[0]?.longAway).toBe(true)
})

test('whoever follows is told at the end of a time of grace', async () => {
  const ring = new Ring()
  const told: number[] = []
  const ended = new AbortController()
  const nodes = () => ring.absences.in([machine('pi5-server', { alive: false })])
  await ring.absences.follow(nodes, () => told.push(ring.nowMs), AbortSignal.abort())
  expect(told).toEqual([])
  ring.nowMs += 11 * MINUTE_MS
  await ring.absences.follow(
    nodes,
    () => {
      told.push(ring.nowMs)
      ended.abort()
    },
    ended.signal,
  )
  expect(told).toEqual([ring.nowMs])
})
