import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countTold, leastTold, putNews, type Telling } from './tellings.ts'

const TIMES_MAX = 3
const COUNT = 4

/** The slow and plain way: how often each rumour was told, by whom it is about. */
class Plain {
  readonly told = new Map<string, number>()
  news(nodeId: string): void {
    this.told.set(nodeId, 0)
  }
  tell(nodeIds: readonly string[]): void {
    for (const nodeId of nodeIds) {
      const times = (this.told.get(nodeId) ?? 0) + 1
      if (times >= TIMES_MAX) this.told.delete(nodeId)
      else this.told.set(nodeId, times)
    }
  }
}

const someone = fc.nat(12).map((index) => `n${index}`)
const anyDeed = fc.oneof(fc.record({ news: someone }), fc.record({ to: someone }))

test('what was told least goes first, never to whom it is about, and each rumour so often and no more', () => {
  fc.assert(
    fc.property(fc.array(anyDeed, { maxLength: 80 }), (deeds) => {
      const tellings: Telling[] = []
      const plain = new Plain()
      for (const deed of deeds) {
        if ('news' in deed) {
          putNews(tellings, { nodeId: deed.news, incarnation: 1, liveness: 'alive' })
          plain.news(deed.news)
        } else {
          const picked = leastTold(tellings, deed.to, COUNT)
          const others = [...plain.told].filter(([nodeId]) => nodeId !== deed.to)
          expect(picked.map(({ sent }) => sent)).toEqual(
            others
              .map(([, times]) => times)
              .toSorted((a, b) => a - b)
              .slice(0, COUNT),
          )
          for (const { rumour, sent } of picked) expect(plain.told.get(rumour.nodeId)).toBe(sent)
          expect(picked.some(({ rumour }) => rumour.nodeId === deed.to)).toBe(false)
          countTold(tellings, picked, TIMES_MAX)
          plain.tell(picked.map(({ rumour }) => rumour.nodeId))
        }
        expect(new Map(tellings.map(({ rumour, sent }) => [rumour.nodeId, sent]))).toEqual(plain.told)
        expect(tellings.length).toBe(plain.told.size)
      }
    }),
    { numRuns: 300 },
  )
})
