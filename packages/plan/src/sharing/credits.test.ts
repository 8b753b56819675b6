import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BASELINE_CREDITS, creditsAt, CREDITS_MAX, CREDITS_MIN, earn, earnByKeeping, HALF_LIFE_MS, spend, type Ledger } from './credits.ts'

const DAY_MS = 24 * 3_600_000
const of = (ledger: Ledger, nodeId: string, nowMs: number): number => creditsAt(ledger.get(nodeId), nowMs)

test('who never worked has the baseline, and comes back to it: half of the way in a week', () => {
  expect(of(new Map(), 'zero', 5)).toBe(BASELINE_CREDITS)
  const asked = spend(new Map(), 'zero', 100, 0)
  expect(of(asked, 'zero', 0)).toBe(BASELINE_CREDITS - 100)
  expect(of(asked, 'zero', HALF_LIFE_MS)).toBeCloseTo(BASELINE_CREDITS - 50)
  expect(of(asked, 'zero', 20 * HALF_LIFE_MS)).toBeCloseTo(BASELINE_CREDITS, 3)
})

test('the bank decays as well: nobody lives on last year’s work', () => {
  const worked = earn(new Map(), 'win', 1_000, 0)
  expect(of(worked, 'win', HALF_LIFE_MS)).toBeCloseTo(BASELINE_CREDITS + 500)
  expect(of(worked, 'win', 52 * HALF_LIFE_MS)).toBeCloseTo(BASELINE_CREDITS)
})

test('who does its own work pays itself', () => {
  const paid = spend(new Map(), 'win', 30, 1_000)
  expect(of(earn(paid, 'win', 30, 1_000), 'win', 1_000)).toBe(BASELINE_CREDITS)
})

test('a terabyte of others’ blobs kept for a day earns about a hundred minutes of a core', () => {
  const kept = earnByKeeping(new Map(), 'pi5-server', { bytes: 1e12, forMs: DAY_MS }, DAY_MS)
  expect(of(kept, 'pi5-server', DAY_MS) - BASELINE_CREDITS).toBeCloseTo(93.1, 1)
})

test('no account leaves its bounds, whatever is booked and whenever', () => {
  const amount = fc.oneof(fc.double(), fc.constantFrom(NaN, Infinity, -Infinity, -5, 1e300))
  const booking = fc.record({ amount, nowMs: fc.integer({ min: 0, max: 1e14 }), kind: fc.nat(2) })
  fc.assert(
    fc.property(fc.array(booking, { maxLength: 50 }), fc.nat(1e9), (bookings, laterMs) => {
      let ledger: Ledger = new Map()
      for (const each of bookings) {
        if (each.kind === 0) ledger = spend(ledger, 'n', each.amount, each.nowMs)
        else if (each.kind === 1) ledger = earn(ledger, 'n', each.amount, each.nowMs)
        else ledger = earnByKeeping(ledger, 'n', { bytes: each.amount, forMs: each.amount }, each.nowMs)
        const credits = of(ledger, 'n', each.nowMs + laterMs)
        expect(credits).toBeGreaterThanOrEqual(CREDITS_MIN)
        expect(credits).toBeLessThanOrEqual(CREDITS_MAX)
      }
    }),
  )
})
