import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Beat } from './beat.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Due again so long after each tick. */
class Part {
  ticks = 0
  dueMs = performance.now()
  private readonly everyMs: number

  constructor(everyMs: number) {
    this.everyMs = everyMs
  }

  tick(): void {
    this.ticks++
    this.dueMs = performance.now() + this.everyMs
  }
}

test('each is ticked when it is due, ring time about once a second beside them, and nothing after the end', async () => {
  const [membership, leadership, clock] = [new Part(900), new Part(300), new Part(1)]
  const beat = new Beat({ membership, leadership, clock })
  await vi.advanceTimersByTimeAsync(9_050)
  expect(membership.ticks).toBeGreaterThanOrEqual(10)
  expect(leadership.ticks).toBeGreaterThanOrEqual(29)
  expect(leadership.ticks).toBeLessThanOrEqual(31)
  expect(clock.ticks).toBeGreaterThanOrEqual(9)
  expect(clock.ticks).toBeLessThanOrEqual(16)
  beat.stop()
  const ticks = leadership.ticks
  beat.arm()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(leadership.ticks).toBe(ticks)
})

test('what is due sooner than it was is ticked sooner; what is never due, never', async () => {
  const [membership, leadership, clock] = [new Part(60_000), new Part(60_000), new Part(1)]
  leadership.dueMs = Number.POSITIVE_INFINITY
  const beat = new Beat({ membership, leadership, clock })
  await vi.advanceTimersByTimeAsync(300)
  expect([membership.ticks, leadership.ticks]).toEqual([1, 0])
  membership.dueMs = performance.now() + 100
  beat.arm()
  await vi.advanceTimersByTimeAsync(120)
  expect([membership.ticks, leadership.ticks]).toEqual([2, 0])
  beat.stop()
})
