import { describe, expect, test } from 'vitest'
import { BACKOFF_MS, initialPromises, isBound, PROMISE_MS, SEEK_MS, stepPromises, type PromiseEvent, type PromiseState } from './promise.ts'

const BLOB = 'b'.repeat(64)
const fresh = (): PromiseState => initialPromises(new Map(), 1)
const step = (state: PromiseState, event: PromiseEvent, nowMs: number) => stepPromises(state, event, nowMs, 0.5)
const ask = (seekId: number): PromiseEvent => ({ kind: 'message', from: 'x', message: { kind: 'ask', blob: BLOB, seekId } })

describe('one holder', () => {
  test('verifies before it promises, and the promise is on disk before it is sent', () => {
    const asked = step(fresh(), ask(7), 1_000)
    expect(asked.actions).toEqual([{ kind: 'verify', blob: BLOB }])
    const answered = step(asked.state, { kind: 'verified', blob: BLOB, isSound: true }, 2_000)
    expect(answered.actions.map((action) => action.kind)).toEqual(['persist', 'send'])
    expect(isBound(answered.state, BLOB, 2_000 + PROMISE_MS - 1)).toBe(true)
    expect(isBound(answered.state, BLOB, 2_000 + PROMISE_MS)).toBe(false)
  })

  test('a broken copy is no reason to delete another', () => {
    const asked = step(fresh(), ask(7), 0)
    const answered = step(asked.state, { kind: 'verified', blob: BLOB, isSound: false }, 1)
    expect(answered.actions).toEqual([{ kind: 'send', to: 'x', message: { kind: 'refuse', blob: BLOB, seekId: 7 } }])
  })

  test('who promised does not seek, also after a restart', () => {
    const bound = initialPromises(new Map([[BLOB, 5_000]]), 1)
    const seek: PromiseEvent = { kind: 'seek', blob: BLOB, others: ['x', 'y'], needed: 2 }
    expect(step(bound, seek, 4_999).actions).toEqual([])
    expect(step(bound, seek, 5_000).actions).toHaveLength(2)
  })

  test('who seeks does not promise', () => {
    const seeking = step(fresh(), { kind: 'seek', blob: BLOB, others: ['x', 'y'], needed: 2 }, 0)
    expect(step(seeking.state, ask(3), 1).actions).toEqual([{ kind: 'send', to: 'x', message: { kind: 'refuse', blob: BLOB, seekId: 3 } }])
  })

  test('the same promise twice is one, a late or foreign one is none, silence ends the seeking', () => {
    const seek: PromiseEvent = { kind: 'seek', blob: BLOB, others: ['x', 'y', 'x'], needed: 2 }
    const promise = (from: string, seekId: number): PromiseEvent => ({
      kind: 'message',
      from,
      message: { kind: 'promise', blob: BLOB, seekId, forMs: PROMISE_MS },
    })
    let state = step(fresh(), seek, 0).state
    for (const event of [promise('x', 1), promise('x', 1), promise('y', 9), promise('stranger', 1)]) {
      const next = step(state, event, 10)
      expect(next.actions).toEqual([])
      state = next.state
    }
    expect(step(state, promise('y', 1), 20).actions).toMatchObject([{ kind: 'delete', blob: BLOB }])
    const tired = step(state, { kind: 'tick' }, SEEK_MS).state
    expect(step(tired, promise('y', 1), SEEK_MS + 1).actions).toEqual([])
    expect(step(tired, seek, SEEK_MS + BACKOFF_MS).actions).toEqual([])
    expect(step(tired, seek, SEEK_MS + 2 * BACKOFF_MS).actions).toHaveLength(2)
  })

  test('with fewer other holders than copies wanted nobody is even asked', () => {
    expect(step(fresh(), { kind: 'seek', blob: BLOB, others: ['x'], needed: 2 }, 0).actions).toEqual([])
  })
})
