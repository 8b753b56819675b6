import { afterEach, describe, expect, test } from 'vitest'
import { type HeldCursor, PollHub } from './poll-hub.ts'

let hub: PollHub
afterEach(() => hub.shut())

describe('held polls', () => {
  test('a wake between subscribing and waiting is not lost, and counts once', async () => {
    hub = new PollHub({ heldMax: 10 })
    const held = hub.open('a')
    hub.wake('a')
    hub.wake('a')
    expect(await held?.changed(60_000)).toBe('woken')
    expect(await held?.changed(1)).toBe('elapsed')
  })

  test('close ends it for good, also before it waits', async () => {
    hub = new PollHub({ heldMax: 10 })
    const early = hub.open('a')
    hub.close('a')
    hub.wake('a')
    expect(await early?.changed(60_000)).toBe('closed')
    expect(await early?.changed(60_000)).toBe('closed')
    const waiting = hub.open('b')
    const outcome = waiting?.changed(60_000)
    expect(hub.close('b')).toBe(true)
    expect(await outcome).toBe('closed')
    waiting?.release()
    expect(hub.close('b')).toBe(false)
  })

  test('the number held is bounded; one per node, the newest', async () => {
    hub = new PollHub({ heldMax: 2 })
    const first = hub.open('a')
    const second = hub.open('b')
    expect(hub.open('c')).toBeNull()
    const replaced = first?.changed(60_000)
    const newer = hub.open('a')
    expect(await replaced).toBe('replaced')
    // The old one's release must not free the new one's place.
    first?.release()
    expect(hub.size).toBe(2)
    newer?.release()
    expect(hub.open('c')).not.toBeNull()
    second?.release()
  })

  test('a release ends the wait, also one from before; twice is harmless', async () => {
    hub = new PollHub({ heldMax: 2 })
    const held = hub.open('a')
    const outcome = held?.changed(60_000)
    held?.release()
    held?.release()
    expect(await outcome).toBe('aborted')
    expect(await held?.changed(60_000)).toBe('aborted')
    expect(hub.size).toBe(0)
  })

  test('waits of different lengths end in their order, not early and not a second late', async () => {
    hub = new PollHub({ heldMax: 100 })
    const startedAt = performance.now()
    const ended = await Promise.all(
      [100, 600, 1100, 1600].map(async (holdMs) => {
        await hub.open(String(holdMs))?.changed(holdMs)
        return performance.now() - startedAt - holdMs
      }),
    )
    for (const lateMs of ended) {
      expect(lateMs).toBeGreaterThan(-260)
      expect(lateMs).toBeLessThan(1000)
    }
  })

  test('lost wakes are found by one question for all held polls, also after one that failed', async () => {
    const asked: HeldCursor[][] = []
    const errors: unknown[] = []
    const changed = (held: readonly HeldCursor[]): Promise<string[]> => {
      asked.push(held.map(({ key, cursor }) => ({ key, cursor })))
      return asked.length === 1 ? Promise.reject(new Error('away')) : Promise.resolve(['b'])
    }
    hub = new PollHub({ heldMax: 10, requery: { everyMs: 20, changed, onError: (error) => errors.push(error) } })
    const [a, b] = [hub.open('a', 3), hub.open('b', 7)]
    const waits = a?.changed(60_000)
    expect(await b?.changed(60_000)).toBe('woken')
    expect(errors).toHaveLength(1)
    expect(asked.slice(0, 2)).toEqual(
      Array.from({ length: 2 }, () => [
        { key: 'a', cursor: 3 },
        { key: 'b', cursor: 7 },
      ]),
    )
    for (const held of [a, b]) held?.release()
    expect(await waits).toBe('aborted')
  })

  test('shut ends all and takes no more', async () => {
    hub = new PollHub({ heldMax: 10_000 })
    const outcomes = Array.from({ length: 5000 }, async (_, index) => hub.open(String(index))?.changed(60_000))
    hub.shut()
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['closed']))
    expect(hub.open('late')).toBeNull()
  })
})
