import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countTold, newestOf, putNews, TELLINGS_MAX, type Telling } from './tellings.ts'

const TIMES_MAX = 3
const COUNT = 4

const someone = fc.nat(12).map((index) => `n${index}`)
const anyDeed = fc.oneof(fc.record({ news: someone }), fc.record({ to: someone }))

test('the newest goes first, never to whom it is about, and each rumour so often and no more', () => {
  fc.assert(
    fc.property(fc.array(anyDeed, { maxLength: 80 }), (deeds) => {
      const tellings: Telling[] = []
      // The slow and plain way: a Map keeps its entries in the order in which they were put.
      const told = new Map<string, number>()
      for (const deed of deeds) {
        if ('news' in deed) {
          putNews(tellings, { nodeId: deed.news, incarnation: 1, liveness: 'alive' })
          told.delete(deed.news)
          told.set(deed.news, 0)
          continue
        }
        const picked = newestOf(tellings, deed.to, COUNT)
        const expected = [...told.keys()].toReversed().filter((nodeId) => nodeId !== deed.to)
        expect(picked.map(({ rumour }) => rumour.nodeId)).toEqual(expected.slice(0, COUNT))
        countTold(tellings, picked, TIMES_MAX)
        for (const { rumour } of picked) {
          const times = (told.get(rumour.nodeId) ?? 0) + 1
          if (times >= TIMES_MAX) told.delete(rumour.nodeId)
          else told.set(rumour.nodeId, times)
        }
        expect(new Map(tellings.map(({ rumour, sent }) => [rumour.nodeId, sent]))).toEqual(told)
      }
    }),
    { numRuns: 300 },
  )
})

test('in a storm the oldest are left out', () => {
  const tellings: Telling[] = []
  for (let index = 0; index < 3 * TELLINGS_MAX; index++) putNews(tellings, { nodeId: `n${index}`, incarnation: 1, liveness: 'alive' })
  expect(tellings.length).toBe(TELLINGS_MAX)
  expect(tellings.at(-1)?.rumour.nodeId).toBe(`n${3 * TELLINGS_MAX - 1}`)
})
