import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { JobState } from '@thatdam/protocol/jobs'
import { compareFences, Leases, type Lease } from './leases.ts'

const job = (n: number) => `derive/${'0'.repeat(63)}${n}/${'0'.repeat(16)}`
const told = (lease: Lease, state: JobState, progress = 0) => ({ jobId: lease.jobId, fence: lease.fence, state, progress, reason: '' })
const BOTH = new Set(['pi', 'mac'])

test('a lease is kept by getting on, not by answering', () => {
  const leases = new Leases(3, 60_000)
  const lease = leases.grant(job(1), 'pi', 0)
  expect(leases.hear('pi', told(lease, 'running', 1), 50_000)).toBe(true)
  expect(leases.takeBack(BOTH, 100_000)).toEqual([])
  for (let atMs = 60_000; atMs < 110_000; atMs += 10_000) expect(leases.hear('pi', told(lease, 'running', 1), atMs)).toBe(true)
  expect(leases.takeBack(BOTH, 109_999)).toEqual([])
  expect(leases.takeBack(BOTH, 110_000).map(({ nodeId }) => nodeId)).toEqual(['pi'])
  expect(leases.of(job(1))).toBeNull()
})

test('a machine that is away has lost its jobs at once; its late word changes nothing, and nobody speaks for another', () => {
  const leases = new Leases(3, 60_000)
  const first = leases.grant(job(1), 'pi', 0)
  expect(leases.takeBack(new Set(['mac']), 1)).toHaveLength(1)
  const second = leases.grant(job(1), 'mac', 2)
  expect(compareFences(first.fence, second.fence)).toBeLessThan(0)
  expect(leases.hear('pi', told(first, 'done'), 3)).toBe(false)
  expect(leases.hear('pi', told(second, 'done'), 3)).toBe(false)
  expect(leases.hear('mac', told(second, 'done'), 3)).toBe(true)
  // Given to the same machine again: what it said under its earlier lease is late, too.
  const third = leases.grant(job(1), 'mac', 4)
  expect([leases.hear('mac', told(second, 'cannot'), 5), leases.hear('mac', told(third, 'cannot'), 5)]).toEqual([false, true])
})

test('a later leader’s fences are above all of an earlier one', () => {
  const before = new Leases(3, 1_000)
  for (let n = 0; n < 100; n++) before.grant(job(1), 'pi', n)
  const after = new Leases(4, 1_000).grant(job(1), 'pi', 0)
  expect(compareFences(before.of(job(1))?.fence ?? after.fence, after.fence)).toBeLessThan(0)
})

test('whatever happens, a job has one holder, and only the word under its newest fence counts', () => {
  const step = fc.record({
    kind: fc.constantFrom('grant', 'hear', 'away', 'wait'),
    n: fc.nat(2),
    node: fc.constantFrom('pi', 'mac'),
    at: fc.nat(9),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const leases = new Leases(1, 10)
      const given: Lease[] = []
      let nowMs = 0
      for (const { kind, n, node, at } of steps) {
        if (kind === 'grant') given.push(leases.grant(job(n), node, nowMs))
        if (kind === 'wait') nowMs += at
        if (kind === 'away') leases.takeBack(new Set([node]), nowMs)
        const lease = given[at % Math.max(1, given.length)]
        if (kind === 'hear' && lease !== undefined) {
          const newest = given.findLast((one) => one.jobId === lease.jobId)
          const isHeard = leases.hear(lease.nodeId, told(lease, 'running', nowMs), nowMs)
          if (isHeard) expect(lease).toBe(newest)
          expect(isHeard).toBe(leases.of(lease.jobId)?.fence === lease.fence)
        }
      }
      for (const n of [0, 1, 2])
        expect(['pi', 'mac'].flatMap((nodeId) => leases.on(nodeId)).filter((one) => one.jobId === job(n)).length).toBeLessThanOrEqual(1)
    }),
  )
})
