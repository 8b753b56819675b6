import { type CarriedOp, type OpBody, SignedBatch } from '@thatdam/protocol/ops'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cleanUp, Machine } from './testing/machine.ts'

/* An agent that is older than another one of its ring: of the kinds here it lacks one until it is updated. */

const agent = vi.hoisted(() => ({ isOld: true, knows: ({ body }: CarriedOp) => !agent.isOld || body.kind !== 'asset.set' }))
vi.mock(import('@thatdam/protocol/ops'), async (original) => {
  const actual = await original()
  return { ...actual, understand: (op) => (agent.knows(op) ? actual.understand(op) : null) }
})

beforeEach(() => {
  agent.isOld = true
})
afterEach(cleanUp)

const title = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', value, replaces: null })
const update = (machine: Machine): void => {
  agent.isOld = false
  machine.restart()
}
const kindsOf = (machine: Machine): string[] => machine.log.read(0, 100).map(({ op }) => op.body.kind)

test('what only a newer agent understands is kept, carried on as it was signed, and counts after the update', () => {
  const [newer, old, third] = [new Machine('newer'), new Machine('old'), new Machine('third')]
  newer.log.append([{ body: newer.stored() }, { body: title('Crete') }])
  newer.log.append([{ body: newer.stored() }])
  const outcomes = newer.all().map((batch) => old.log.importBatch(batch, newer.author(true)))
  expect(outcomes).toMatchObject([
    { kind: 'stored', applied: 1, unknown: 1 },
    { kind: 'stored', applied: 1, unknown: 0 },
  ])
  expect(kindsOf(old)).toEqual(['blob.stored', 'blob.stored'])
  const passedOn = old.log.batches(newer.log.ownLogId('library'), 1)
  expect(passedOn).toEqual(newer.all())
  old.restart()
  expect(old.log.position).toBe(2)
  const { feedId } = old.log
  update(old)
  expect(kindsOf(old)).toEqual(['blob.stored', 'blob.stored', 'asset.set'])
  expect(old.log.feedId).toBe(feedId)
  old.restart()
  expect(old.log.position).toBe(3)
  for (const batch of passedOn) third.log.importBatch(batch, newer.author(true))
  expect(kindsOf(third).toSorted()).toEqual(kindsOf(old).toSorted())
})

test('understood later, it counts by what its author is then: never what it has no right to', () => {
  const [zero, old] = [new Machine('zero'), new Machine('old')]
  old.log.importBatch(zero.forged([title('Mine')]), zero.author(false))
  old.log.importBatch(zero.forged([title('Ours')]), zero.author(false))
  const roster = (admitter: boolean) => (): ReturnType<Machine['author']> => zero.author(admitter)
  // Who is let in as one that may decide: nothing is judged anew that is not understood.
  expect(old.log.rejudge(roster(true))).toEqual({ added: 0, withdrawn: 0 })
  expect(old.log.rejudge(roster(false))).toEqual({ added: 0, withdrawn: 0 })
  update(old)
  expect(old.log.position).toBe(0)
  expect(old.log.rejudge(roster(true))).toEqual({ added: 2, withdrawn: 0 })
})

test('a kind that nobody here has heard of passes the door of the ring; one that is none does not', () => {
  const machine = new Machine('pi')
  const batch = machine.forged([title('Crete')])
  const withBody = (body: unknown): unknown => ({ ...batch, ops: batch.ops.map((op) => ({ ...op, body })) })
  expect(SignedBatch.safeParse(withBody({ kind: 'asset.painted', colour: 7 })).success).toBe(true)
  expect(SignedBatch.safeParse(withBody({ kind: 'policy.set', field: 'not yet', value: 1, replaces: null })).success).toBe(true)
  for (const none of [null, {}, { kind: 7 }, { kind: '' }, { kind: 'x'.repeat(65) }]) {
    expect(SignedBatch.safeParse(withBody(none)).success).toBe(false)
  }
})
