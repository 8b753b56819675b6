import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FUTURE_MS_MAX } from '../hlc.ts'
import { HeardClocks } from './clocks.ts'

test('whoever is ahead takes its stamps back, or all others follow: never do both wait', () => {
  const YEAR_MS = 365 * 24 * 3_600_000
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 2, maxLength: 9 }), (areAhead) => {
      const clocks = areAhead.map((isAhead, place) => place + (isAhead ? YEAR_MS : 0))
      const views = clocks.map((own, at) => {
        const heard = new HeardClocks(() => 0)
        for (const [place, clockMs] of clocks.entries()) if (place !== at) heard.heard(`n${place}`, clockMs)
        return { own, takesBack: heard.mostAreBehind(own), follows: heard.reachedByMost(own) > own + FUTURE_MS_MAX }
      })
      const ahead = views.filter(({ own }) => own >= YEAR_MS)
      const behind = views.filter(({ own }) => own < YEAR_MS)
      if (ahead.length === 0 || behind.length === 0) return
      const takeBack = ahead.every(({ takesBack }) => takesBack)
      expect(behind.every(({ follows }) => follows)).toBe(!takeBack)
      expect(ahead.some(({ takesBack }) => takesBack)).toBe(takeBack)
      expect(behind.some(({ follows }) => follows)).toBe(!takeBack)
    }),
  )
})
