import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Sessions } from './sessions.ts'

const OWN = '00000000000000aa'
const datagram = (count: number, session = '00000000000000b1', to: string | null = OWN) => ({ from: 'pi', session, to, count })

test('a question for the session teaches nothing, an answer to this very run does', () => {
  const sessions = new Sessions(OWN)
  expect(sessions.judge(datagram(1, undefined, null))).toBe('answer')
  expect(sessions.of('pi')).toBeNull()
  expect(sessions.judge(datagram(2, undefined, '00000000000000ff'))).toBe('answer')
  expect(sessions.judge(datagram(3))).toBe('take')
  expect(sessions.of('pi')).toBe('00000000000000b1')
})

test('what was recorded of an earlier run of the sender counts no more', () => {
  const sessions = new Sessions(OWN)
  expect(sessions.judge(datagram(5, '00000000000000b1'))).toBe('take')
  expect(sessions.judge(datagram(1, '00000000000000b2'))).toBe('take')
  expect(sessions.judge(datagram(9, '00000000000000b1'))).toBe('drop')
  expect(sessions.of('pi')).toBe('00000000000000b2')
})

test('doubt asks for the session again, and forgets nothing of what was said', () => {
  const sessions = new Sessions(OWN)
  sessions.judge(datagram(7))
  sessions.doubt('pi')
  expect(sessions.of('pi')).toBeNull()
  expect(sessions.judge(datagram(7))).toBe('drop')
  expect(sessions.of('pi')).toBeNull()
  expect(sessions.judge(datagram(8))).toBe('take')
  expect(sessions.of('pi')).not.toBeNull()
})

test('in any order, doubled or lost: each count is taken at most once, and each that is at most 31 late is', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 200 }), (counts) => {
      const sessions = new Sessions(OWN)
      const taken = new Set<number>()
      let highest = 0
      for (const count of counts) {
        const verdict = sessions.judge(datagram(count))
        if (verdict === 'take') expect(taken.has(count)).toBe(false)
        else expect(taken.has(count) || count <= highest - 32).toBe(true)
        if (verdict === 'take') taken.add(count)
        highest = Math.max(highest, count)
      }
    }),
  )
})
