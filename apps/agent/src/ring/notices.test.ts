import { expect, test } from 'vitest'
import { Notices } from './notices.ts'

const DAY_MS = 24 * 3_600_000

test('a notice is shown for a day after it happened last, the newest first, and of many the newest', () => {
  const notices = new Notices()
  expect([notices.add('a copy came', 0), notices.add('a fork', 1), notices.add('a copy came', 2)]).toEqual([true, true, false])
  expect(notices.current(2)).toEqual(['a copy came', 'a fork'])
  expect(notices.current(DAY_MS + 1)).toEqual(['a copy came'])
  expect([notices.current(DAY_MS + 2), notices.add('a copy came', DAY_MS + 2)]).toEqual([[], true])
  for (let n = 0; n < 1_000; n++) notices.add(`from 10.0.0.${n}`, DAY_MS + 3)
  expect(notices.current(DAY_MS + 3)).toHaveLength(16)
  expect(notices.current(DAY_MS + 3)[0]).toBe('from 10.0.0.999')
})
