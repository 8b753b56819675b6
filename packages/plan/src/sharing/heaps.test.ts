import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LazyHeap, RankedSet } from './heaps.ts'

interface Entry {
  readonly name: number
  rank: number
  isLive: boolean
}

const byRank = (a: Entry, b: Entry): number => a.rank - b.rank || a.name - b.name
const entry = (name: number, rank: number): Entry => ({ name, rank, isLive: true })
const arbitrarySteps = fc.array(fc.record({ what: fc.nat(3), pick: fc.nat(1_000), rank: fc.nat(50) }), { maxLength: 300, size: 'max' })

test('a lazy heap gives the first of the living, whoever dies in it', () => {
  fc.assert(
    fc.property(arbitrarySteps, (steps) => {
      const heap = new LazyHeap<Entry>(byRank, (each) => each.isLive)
      let living: Entry[] = []
      for (const [index, { what, pick, rank }] of steps.entries()) {
        const chosen = living[pick % Math.max(1, living.length)]
        if (what <= 1 || chosen === undefined) {
          living.push(entry(index, rank))
          heap.push(living.at(-1) as Entry)
        } else {
          chosen.isLive = false
          heap.died()
          living = living.filter((each) => each !== chosen)
        }
        expect(heap.first()).toBe(living.toSorted(byRank)[0])
      }
      const taken: Entry[] = []
      heap.takeWhile(
        (each) => each.rank < 25,
        (each) => taken.push(each),
      )
      expect(taken).toEqual(living.filter((each) => each.rank < 25).toSorted(byRank))
    }),
  )
})

test('the dead do not pile up below a first entry that stays', () => {
  const heap = new LazyHeap<Entry>(byRank, (each) => each.isLive)
  heap.push(entry(-1, 0))
  for (let index = 0; index < 100_000; index++) {
    const brief = entry(index, 1)
    heap.push(brief)
    brief.isLive = false
    heap.died()
  }
  expect((heap as unknown as { entries: Entry[] }).entries.length).toBeLessThan(64)
  expect(heap.first()?.name).toBe(-1)
})

test('a ranked set gives the first, whatever comes, goes and changes its rank', () => {
  fc.assert(
    fc.property(arbitrarySteps, (steps) => {
      const set = new RankedSet<Entry>(byRank)
      const entries = new Set<Entry>()
      for (const [index, { what, pick, rank }] of steps.entries()) {
        const chosen = [...entries][pick % Math.max(1, entries.size)]
        if (what === 0 || chosen === undefined) {
          const fresh = entry(index, rank)
          entries.add(fresh)
          set.put(fresh)
        } else if (what === 1) {
          set.remove(chosen)
          set.remove(chosen)
          entries.delete(chosen)
        } else {
          chosen.rank = rank
          set.put(chosen)
        }
        expect(set.first()).toBe([...entries].toSorted(byRank)[0])
      }
    }),
  )
})
