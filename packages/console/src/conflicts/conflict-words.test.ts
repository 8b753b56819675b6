import { expect, test } from 'vitest'
import { fieldWords, valueWords } from './conflict-words.tsx'

test('each kind of value is said in words', () => {
  const said = (
    [
      ['title', 'Crete'],
      ['note', ' '],
      ['rating', 0],
      ['rating', 1],
      ['rating', 4],
      ['trashed', true],
      ['excludeLeader', false],
      ['labels', []],
      ['indexPaths', ['/a', '/b']],
      ['quietHours', null],
      ['quietHours', { from: '22:00', to: '07:00' }],
      ['quotas', {}],
      ['quotas', { maxDerives: 2 }],
      ['new-field', { x: 1 }],
    ] as const
  ).map(([field, value]) => valueWords(field, value as never))
  expect(said).toEqual([
    'Crete',
    'Nothing',
    'No rating',
    '1 star',
    '4 stars',
    'In the trash',
    'May lead',
    'None',
    '/a, /b',
    'At all hours',
    '22:00 to 07:00',
    'The ring decides',
    '2 previews at once',
    '{"x":1}',
  ])
  expect([fieldWords('title'), fieldWords('new-field')]).toEqual(['Name', 'new-field'])
})
