import { randomBytes } from 'node:crypto'
import { SignedBatch, type OpBody } from '@thatdam/protocol/ops'
import { afterEach, expect, test } from 'vitest'
import { contentFault, makeBatch } from '../batch.ts'
import { BATCH_BYTES_MAX, OP_BYTES_MAX } from './draft.ts'
import { cleanUp, Machine } from './testing/machine.ts'
import { testVerify } from './testing/options.ts'

afterEach(cleanUp)

const named = (subject: string, value: string): OpBody => ({ kind: 'node.set', subject, field: 'name', value, replaces: null })
const noted = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'note', value, replaces: null })

const op = (body: OpBody, counter: number): { id: string; hlc: string; body: OpBody } => {
  return { id: randomBytes(16).toString('hex'), hlc: `1800000000000-${String(counter).padStart(6, '0')}-win`, body }
}

test('one call, two logs: the feed keeps the order, each log its own chain', () => {
  const pi = new Machine('pi')
  const bodies = [pi.stored(1), named('pi', 'Kitchen'), pi.stored(2), named('pi', 'Hall')]
  const added = pi.log.append(bodies.map((body) => ({ body })))
  pi.log.append([{ body: named('pi', 'Attic') }])
  expect(added.map((one) => one.position)).toEqual([1, 2, 3, 4])
  expect(pi.log.read(0, 10).map((entry) => entry.op.body)).toEqual([...bodies, named('pi', 'Attic')])
  expect(pi.log.read(0, 10, 'ring').map((entry) => entry.position)).toEqual([2, 4, 5])
  expect(pi.log.read(4, 10, 'ring').map((entry) => entry.position)).toEqual([5])
  expect(pi.log.ownLogId('ring')).not.toBe(pi.log.ownLogId('library'))
  expect([pi.log.head('ring')?.sequence, pi.log.head('library')?.sequence]).toEqual([2, 1])
  pi.restart()
  expect(pi.log.verifyAll()).toEqual({ batches: 3, ops: 5 })
  const byScope = new Map(pi.log.logs().map((log) => [log.scope, log]))
  expect(byScope.get('ring')).toMatchObject({ logId: pi.log.ownLogId('ring'), sequence: 2, batches: 2, head: pi.log.head('ring')?.hash })
  expect(byScope.get('library')).toMatchObject({ logId: pi.log.ownLogId('library'), sequence: 1 })
  expect(pi.log.reachOf([1, 2, 3, 4])).toEqual(
    new Map([
      [pi.log.ownLogId('library'), 1],
      [pi.log.ownLogId('ring'), 1],
    ]),
  )
  expect([pi.log.firstAbove(pi.log.ownLogId('ring'), 0), pi.log.firstAbove(pi.log.ownLogId('ring'), 1)]).toEqual([2, 5])
  expect(pi.log.firstAbove(pi.log.ownLogId('ring'), 2)).toBeNull()
})

test('a call that fails in one scope writes nothing in the other', () => {
  const pi = new Machine('pi')
  const id = randomBytes(16).toString('hex')
  pi.log.append([{ id, body: named('pi', 'Kitchen') }])
  expect(() => pi.log.append([{ body: pi.stored() }, { id, body: named('pi', 'Hall') }])).toThrow('is taken by another op')
  pi.log.limitPages(1)
  const many = Array.from({ length: 400 }, (_, index) => ({ body: noted('x'.repeat(1000 + index)) }))
  expect(() => pi.log.append([{ body: named('pi', 'Hall') }, ...many])).toThrow('disk')
  pi.log.limitPages(1_000_000)
  expect(pi.log.position).toBe(1)
  expect(pi.log.append([{ body: named('pi', 'Hall') }])[0]?.position).toBe(2)
  pi.restart()
  expect(pi.log.verifyAll()).toEqual({ batches: 2, ops: 2 })
})

test('large ops: one is bounded, and so are a batch and a page', () => {
  const pi = new Machine('pi')
  expect(() => pi.log.append([{ body: noted('x'.repeat(OP_BYTES_MAX)) }])).toThrow('at most 256 KiB')
  pi.log.append(Array.from({ length: 12 }, () => ({ body: noted('ö'.repeat(100_000)) })))
  const page = pi.all()
  expect(pi.log.head('library')?.sequence).toBe(4)
  expect(page.length).toBe(1)
  let from = 1
  const sequences: number[] = []
  for (let batches = page; batches.length > 0; batches = pi.log.batches(pi.log.ownLogId('library'), from)) {
    expect(Buffer.byteLength(JSON.stringify(batches))).toBeLessThan(1_048_576)
    for (const batch of batches) {
      expect(Buffer.byteLength(JSON.stringify(batch.ops))).toBeLessThan(BATCH_BYTES_MAX + 4096)
      sequences.push(batch.header.sequence)
      from = batch.header.sequence + 1
    }
  }
  expect(sequences).toEqual([1, 2, 3, 4])
})

test('a chain stays in its scope, and an op in the log of its kind', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  const epoch = randomBytes(16).toString('hex')
  const one = makeBatch({ nodeId: 'win', scope: 'library', epoch, head: null }, [op(win.stored(), 0)], win.signer)
  const two = makeBatch({ nodeId: 'win', scope: 'ring', epoch, head: one.head }, [op(named('win', 'x'), 1)], win.signer)
  const wrong = makeBatch({ nodeId: 'win', scope: 'ring', epoch, head: one.head }, [op(win.stored(), 1)], win.signer)
  expect(pi.log.importBatch(one.batch, win.author(true))).toMatchObject({ kind: 'stored' })
  expect(pi.log.importBatch(two.batch, win.author(true))).toEqual({ kind: 'faulty', fault: 'wrong-scope' })
  expect(pi.log.importBatch(wrong.batch, win.author(true))).toEqual({ kind: 'faulty', fault: 'wrong-scope' })
  expect(contentFault(SignedBatch.parse(wrong.batch), win.signer.publicKey, testVerify)).toBe('wrong-scope')
  // Both scopes from the start of one epoch: a fork, and whoever carries a part carries all.
  const rival = makeBatch({ nodeId: 'win', scope: 'ring', epoch, head: null }, [op(named('win', 'x'), 1)], win.signer)
  expect(pi.log.importBatch(rival.batch, win.author(true))).toMatchObject({ kind: 'stored', fork: true })
  expect(pi.log.logs()).toMatchObject([{ scope: 'ring', sequence: 1, batches: 2 }])
  pi.restart()
  expect(pi.log.logs()).toMatchObject([{ scope: 'ring', sequence: 1, batches: 2 }])
})

test('a member that is no admitter is told so, before anything is signed', () => {
  const zero = new Machine('zero')
  zero.admitter = false
  expect(() => zero.log.append([{ body: zero.stored() }, { body: named('zero', 'Mine') }])).toThrow('belongs to the ring’s owner')
  expect(() => zero.log.append([{ body: zero.stored(1, 'pi') }])).toThrow('may not speak for another')
  expect(zero.log.position).toBe(0)
  expect(zero.log.append([{ body: zero.stored() }])).toHaveLength(1)
})
