import { afterEach, describe, expect, test } from 'vitest'
import { PollHub } from './poll-hub.ts'

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

  test('shut ends all and takes no more', async () => {
    hub = new PollHub({ heldMax: 10_000 })
    const outcomes = Array.from({ length: 5000 }, async (_, index) => hub.open(String(index))?.changed(60_000))
    hub.shut()
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['closed']))
    expect(hub.open('late')).toBeNull()
  })
})
