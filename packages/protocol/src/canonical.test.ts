import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, type Json } from './canonical.ts'

test('keys are sorted by code unit, members that are undefined are left out', () => {
  expect(canonicalJson({ b: 1, a: [true, null, 'x"\n'], ä: undefined, A: -0 })).toBe('{"A":0,"a":[true,null,"x\\"\\n"],"b":1}')
})

test('the order in which members were added does not matter, and the value survives', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (value) => {
      const backwards = Object.fromEntries(Object.entries(value).toReversed())
      const text = canonicalJson(value)
      expect(canonicalJson(backwards)).toBe(text)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('what JSON cannot say is refused', () => {
  expect(() => canonicalJson(Number.NaN)).toThrow('not a JSON number')
  expect(() => canonicalJson('\ud800')).toThrow('lone surrogate')
  let deep: Json = 1
  for (let level = 0; level < 70; level++) deep = [deep]
  expect(() => canonicalJson(deep)).toThrow('64 levels')
})
