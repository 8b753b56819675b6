import fc from 'fast-check'
import { expect, test } from 'vitest'
import { meetRings, type RingCard } from './roster-merge.ts'

const card = (changes: Partial<RingCard>): RingCard => ({
  clusterId: 'b',
  fingerprint: 'fb',
  isClaimed: true,
  owner: 'anna',
  isCloudPaired: false,
  isChosen: false,
  ...changes,
})
const other = { clusterId: 'a', fingerprint: 'fa' }

test('of two rings of one owner the paired goes on, then the chosen, then the smaller id', () => {
  expect(meetRings(card({ isCloudPaired: true }), card({ ...other, isChosen: true }))).toBe('go-on')
  expect(meetRings(card({ isChosen: true }), card(other))).toBe('go-on')
  expect(meetRings(card({}), card(other))).toBe('yield')
  expect(meetRings(card({}), card({ fingerprint: 'fa' }))).toBe('yield')
})

test('an unclaimed ring yields; strangers, and two unclaimed ones, go on apart', () => {
  const unclaimed = { isClaimed: false, owner: null }
  expect(meetRings(card(unclaimed), card(other))).toBe('yield')
  expect(meetRings(card({}), card({ ...other, ...unclaimed }))).toBe('go-on')
  expect(meetRings(card(unclaimed), card({ ...other, ...unclaimed }))).toBe('apart')
  expect(meetRings(card({}), card({ ...other, owner: 'ben' }))).toBe('apart')
  expect(meetRings(card({ owner: null }), card({ ...other, owner: null }))).toBe('apart')
  expect(meetRings(card({}), card({}))).toBe('same')
})

test('both sides come to the same, and any number of rings of one owner come to one', () => {
  const anyCard = fc.record({
    clusterId: fc.constantFrom('a', 'b', 'c'),
    isClaimed: fc.boolean(),
    owner: fc.constantFrom('anna', 'ben', null),
    isCloudPaired: fc.boolean(),
    isChosen: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(anyCard, { minLength: 2, maxLength: 6 }), (drawn) => {
      const cards = drawn.map((one, index) => ({ ...one, fingerprint: `f${index}` }))
      const opposite = { yield: 'go-on', 'go-on': 'yield', same: 'same', apart: 'apart' } as const
      for (const a of cards) for (const b of cards) expect(meetRings(a, b)).toBe(opposite[meetRings(b, a)])
      const annas = cards.filter((one) => one.isClaimed && one.owner === 'anna')
      const goOn = annas.filter((one) => annas.every((another) => meetRings(one, another) !== 'yield'))
      expect(goOn.length).toBe(Math.min(1, annas.length))
    }),
  )
})
