import { expect, test } from 'vitest'
import { wordsOfRing } from './other-ring-words.tsx'

const here = (claimed: boolean) => ({ ring: { claimed }, settings: { name: 'studio' } })
const other = { nodeId: 'attic', address: '192.168.1.40', reason: '' }

test('a person is told once what becomes of a ring near, and whose it is', () => {
  const fates = (['asks', 'goes-over', 'comes', 'apart'] as const).map((fate) => wordsOfRing({ ...other, fate }, here(true)))
  expect(fates).toEqual([
    'Another ring of yours is near: attic at 192.168.1.40. This one goes over to it when you agree.',
    'Another ring of yours is near: attic at 192.168.1.40. This one goes over to it.',
    'Another ring of yours is near: attic at 192.168.1.40. Its machines come over to this one.',
    'Another ring is near, with an owner of its own: attic at 192.168.1.40. Both go on side by side.',
  ])
  // Its reason is shown below, and says whose it is.
  const unproved = { ...other, fate: 'apart', reason: 'It belongs to you, and this machine cannot prove …' } as const
  expect(wordsOfRing(unproved, here(true))).toBe('Another ring is near: attic at 192.168.1.40. Both go on side by side.')
  expect(wordsOfRing({ ...other, fate: 'apart' }, here(false))).toContain('let studio in under Nodes')
})
