import type { OpBody } from '@thatdam/protocol/ops'
import { afterEach, expect, test } from 'vitest'
import { cleanUp } from '../disk/testing/machine.ts'
import { TestRing } from './testing/ring.ts'

afterEach(cleanUp)

const title = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', value, replaces: null })

/** Two machines that hold the same, until they are at rest. */
async function atRest() {
  const ring = new TestRing()
  const [pi, nas] = [ring.node('pi'), ring.node('nas')]
  pi.machine.log.append([{ body: title('Crete') }])
  const areEqual = (): boolean => pi.machine.log.position === 1 && nas.machine.log.position === 1
  await ring.until(areEqual)
  await play(8)
  return { ring, pi, nas, play }

  /** @returns how often pi compared in so many rounds. */
  async function play(rounds: number): Promise<number> {
    const before = ring.calls.length
    for (let round = 0; round < rounds; round += 1) await ring.round()
    return ring.calls.slice(before).filter((call) => call === 'pi nas heights').length
  }
}

test('who holds what the others hold compares every third round', async () => {
  const { play } = await atRest()
  expect(await play(30)).toBe(10)
})

test('an edit of its own or of another machine, and a machine that comes back, each bring some seconds of every round', async () => {
  const { ring, pi, nas, play } = await atRest()
  pi.machine.log.append([{ body: title('Door') }])
  expect(await play(4)).toBe(4)
  await play(8)
  nas.machine.log.append([{ body: title('Gate') }])
  await ring.until(() => pi.machine.log.position === 3)
  expect(await play(3)).toBe(3)
  await play(8)
  ring.cut(['pi'], ['nas'])
  await play(8)
  ring.heal()
  expect(await play(4)).toBe(4)
})

test('what it wants and does not get keeps it restless', async () => {
  const { ring, play } = await atRest()
  const lie = { logId: `nas/${'0'.repeat(32)}`, scope: 'library', sequence: 9, batches: 9, head: 'f'.repeat(64) }
  ring.liars.set('nas', (request) => (request.kind === 'heights' ? { logs: [lie], clockMs: 0 } : { batches: [] }))
  await play(3)
  expect(await play(12)).toBe(12)
})
