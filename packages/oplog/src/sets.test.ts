import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acknowledgedHeights, compactRegister, NOTHING_GONE } from './compaction.ts'
import { addEdits, EMPTY_REGISTER, type FieldEdit, readRegister } from './fields.ts'
import { latestEdits, readNeverEmptySet, readSet, type SetEdit } from './sets.ts'

const add = (id: string, element: string, ...seen: string[]): SetEdit => ({ id, hlc: id, element, action: 'add', seen })
const remove = (id: string, element: string, ...seen: string[]): SetEdit => ({ id, hlc: id, element, action: 'remove', seen })

describe('sets', () => {
  test('seen by each other, the later one counts under both rules', () => {
    for (const rule of ['add-wins', 'remove-wins'] as const) {
      expect(readSet([add('1', 'holiday'), remove('2', 'holiday', '1')], rule)).toEqual([])
      expect(readSet([add('1', 'holiday'), remove('2', 'holiday', '1'), add('3', 'holiday', '2')], rule)).toEqual(['holiday'])
    }
  })

  test('unseen by each other, the rule decides', () => {
    const edits = [add('1', 'x'), remove('2', 'x', '1'), add('3', 'x', '1')]
    expect(readSet(edits, 'add-wins')).toEqual(['x'])
    expect(readSet(edits, 'remove-wins')).toEqual([])
    expect(latestEdits(edits).get('x')).toHaveLength(2)
  })

  test('an edit of one element undoes none of another', () => {
    expect(readSet([add('1', 'ada'), remove('2', 'bob', '1')], 'remove-wins')).toEqual(['ada'])
  })

  test('two edits under one id: the same one counts, whichever came first', () => {
    const first: SetEdit = { id: 'x', hlc: '1', element: 'crete', action: 'add', seen: [] }
    for (const other of [
      { ...first, action: 'remove' as const },
      { ...first, hlc: '2', element: 'rome' },
    ]) {
      for (const rule of ['add-wins', 'remove-wins'] as const) {
        expect(readSet([first, other], rule)).toEqual(['crete'])
        expect(readSet([other, first], rule)).toEqual(['crete'])
      }
      expect(readNeverEmptySet([other, first])).toEqual(readNeverEmptySet([first, other]))
    }
  })

  test('two owners who remove each other at once: the last removal is void', () => {
    const both = [add('1', 'ada'), add('2', 'bob'), remove('3', 'bob', '2'), remove('4', 'ada', '1')]
    expect(readNeverEmptySet(both)).toEqual({ elements: ['ada'], voided: ['4'] })
    expect(readNeverEmptySet(both.slice(0, 3))).toEqual({ elements: ['ada'], voided: [] })
    expect(readNeverEmptySet([remove('1', 'ada')])).toEqual({ elements: [], voided: [] })
  })

  const ids = ['0', '1', '2', '3', '4', '5']
  const edit = fc.record({
    id: fc.constantFrom(...ids),
    element: fc.constantFrom('x', 'y'),
    action: fc.constantFrom('add' as const, 'remove' as const),
    seen: fc.array(fc.constantFrom(...ids), { maxLength: 2 }),
  })
  const edits = fc.uniqueArray(edit, { selector: (one) => one.id, maxLength: 6 }).map((all) => all.map((one) => ({ ...one, hlc: one.id })))

  test('equal to the definition over all pairs, in any order, with repeats', () => {
    fc.assert(
      fc.property(edits, fc.constantFrom('add-wins' as const, 'remove-wins' as const), (all, rule) => {
        const isLatest = (one: SetEdit): boolean =>
          !all.some((other) => other.id !== one.id && other.element === one.element && other.seen.includes(one.id))
        const dumb = ['x', 'y'].filter((element) => {
          const latest = all.filter((one) => one.element === element && isLatest(one))
          const adds = latest.filter((one) => one.action === 'add').length
          return rule === 'add-wins' ? adds > 0 : adds > 0 && adds === latest.length
        })
        expect(readSet(all, rule)).toEqual(dumb)
        expect(readSet([...all.toReversed(), ...all], rule)).toEqual(dumb)
        const guarded = readNeverEmptySet(all)
        expect(readNeverEmptySet(all.toReversed())).toEqual(guarded)
        if (readSet(all, 'remove-wins').length > 0) expect(guarded.voided).toEqual([])
        if (all.some((one) => one.action === 'add') && all.every((one) => one.seen.length === 0)) expect(guarded.elements).not.toEqual([])
      }),
      { numRuns: 1000 },
    )
  })
})

describe('compaction', () => {
  test('goes as far as every member has acknowledged, and names who holds it back', () => {
    const acknowledged = new Map([
      [
        'pi',
        new Map([
          ['win/1', 9],
          ['pi/1', 4],
        ]),
      ],
      [
        'win',
        new Map([
          ['win/1', 9],
          ['pi/1', 3],
        ]),
      ],
      ['mac', new Map([['win/1', 7]])],
    ])
    expect(acknowledgedHeights(['pi', 'win', 'mac'], acknowledged)).toEqual({
      heights: new Map([['win/1', 7]]),
      heldBackBy: new Map([
        ['pi/1', ['mac']],
        ['win/1', ['mac']],
      ]),
    })
    expect(acknowledgedHeights(['pi', 'win'], acknowledged).heights).toEqual(
      new Map([
        ['pi/1', 3],
        ['win/1', 9],
      ]),
    )
    expect(acknowledgedHeights(['pi', 'new'], acknowledged).heights).toEqual(new Map())
  })

  test('a long chain shrinks to its newest edit', () => {
    const chain = Array.from({ length: 50 }, (_, index): FieldEdit => {
      const replaces = index === 0 ? null : `e${index - 1}`
      return { id: `e${index}`, hlc: String(index).padStart(3, '0'), value: index, replaces }
    })
    const full = { register: addEdits(EMPTY_REGISTER, chain), gone: NOTHING_GONE }
    const compact = compactRegister(full, () => true)
    expect([[...compact.register.keys()], [...compact.gone]]).toEqual([['e49'], ['e48']])
    const part = compactRegister(full, (id) => Number(id.slice(1)) < 30)
    expect(part.register.size).toBe(21)
    expect(compactRegister(part, () => true)).toEqual(compact)
  })

  test('whatever arrives afterwards, nobody can tell that a register was compacted', () => {
    const known = ['a', 'b', 'c', 'd', 'e', 'f']
    const late = ['u', 'v', 'w']
    const edit = (ids: string[]) =>
      fc.record({
        id: fc.constantFrom(...ids),
        hlc: fc.integer({ min: 10, max: 30 }).map(String),
        value: fc.constant('v'),
        replaces: fc.option(fc.constantFrom(...known, ...late)),
        alsoReplaces: fc.array(fc.constantFrom(...known, ...late), { maxLength: 2 }),
      })
    const distinct = { selector: (one: FieldEdit) => one.id }
    fc.assert(
      fc.property(
        fc.uniqueArray(edit(known), { ...distinct, maxLength: 6 }),
        fc.uniqueArray(edit(late), { ...distinct, maxLength: 3 }),
        fc.subarray(known),
        fc.subarray([...known, ...late]),
        (before, after, acknowledged, acknowledgedLater) => {
          const register = addEdits(EMPTY_REGISTER, before)
          const compact = compactRegister({ register, gone: NOTHING_GONE }, (id) => acknowledged.includes(id))
          expect(readRegister(compact.register)).toEqual(readRegister(register))
          const grown = addEdits(compact.register, after)
          const expected = readRegister(addEdits(register, after))
          expect(readRegister(grown)).toEqual(expected)
          const again = compactRegister({ register: grown, gone: compact.gone }, (id) => acknowledgedLater.includes(id))
          expect(readRegister(again.register)).toEqual(expected)
        },
      ),
      { numRuns: 5000 },
    )
  })
})
