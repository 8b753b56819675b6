import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { OpBody, SignedBatch } from '@thatdam/protocol/ops'
import { afterEach, expect, test } from 'vitest'
import { OpLog } from './log.ts'
import { cleanUp, Machine } from './testing/machine.ts'
import { testOptions } from './testing/options.ts'

afterEach(cleanUp)

const title = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', value, replaces: null })

test('a log goes over in order, once, survives a restart, and pulls the clock along', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.now += 30_000
  const [, , last] = win.log.append([win.stored(), win.stored(), win.stored()].map((body) => ({ body })))
  win.log.append([{ body: win.stored() }])
  const [one, two] = win.all() as [SignedBatch, SignedBatch]
  expect(pi.log.importBatch(two, win.author())).toEqual({ kind: 'gap' })
  expect(pi.log.importBatch(one, win.author())).toEqual({ kind: 'stored', applied: 3, refused: 0, held: 0, unknown: 0, fork: false })
  expect(pi.log.importBatch(two, win.author())).toMatchObject({ kind: 'stored', applied: 1 })
  expect(pi.log.importBatch(one, win.author())).toEqual({ kind: 'known' })
  pi.restart()
  expect(pi.feed()).toEqual(win.feed())
  expect(pi.log.read(0, 1)[0]?.nodeId).toBe('win')
  expect((pi.log.append([{ body: pi.stored() }])[0]?.hlc ?? '') > (last?.hlc ?? '')).toBe(true)
  expect(pi.log.batches(win.log.ownLogId('library'), 1)).toEqual(win.all())
  expect(pi.log.verifyAll()).toEqual({ batches: 1, ops: 1 })
})

test('a reader waits for what comes from elsewhere too', async () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.log.append([{ body: win.stored() }])
  const woken = pi.log.waitFor(0, new AbortController().signal)
  pi.log.importBatch(win.all()[0] as SignedBatch, win.author())
  expect(await woken).toBe(true)
})

test('a forged, altered or foreign batch is not kept', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.log.append([{ body: win.stored() }, { body: win.stored() }])
  const [batch] = win.all() as [SignedBatch]
  const altered = { ...batch, ops: [batch.ops[0], { ...batch.ops[1], body: win.stored(99) }] } as SignedBatch
  expect(pi.log.importBatch(altered, win.author())).toEqual({ kind: 'faulty', fault: 'bad-root' })
  expect(pi.log.importBatch(batch, pi.author())).toEqual({ kind: 'faulty', fault: 'wrong-key' })
  expect(pi.log.logs()).toEqual([])
  expect(pi.log.position).toBe(0)
})

test('ops that a worker had no right to are kept for the chain and never applied', () => {
  const leader = new Machine('pi')
  const zero = new Machine('zero')
  const bodies = [title('Mine now'), zero.stored(), zero.stored(1, 'pi')]
  const batch = zero.forged(bodies)
  expect(leader.log.importBatch(batch, zero.author())).toEqual({ kind: 'stored', applied: 1, refused: 2, held: 0, unknown: 0, fork: false })
  expect(leader.feed()).toEqual([batch.ops[1]?.id])
  expect(leader.log.batches(`zero/${batch.header.epoch}`, 1)).toEqual([batch])
})

test('an op from the future is held until its time comes; issued again under its id it counts once', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.now += 3_600_000
  const [early] = win.log.append([{ body: title('From tomorrow') }])
  const [, other] = win.log.append([{ body: title('a') }, { body: title('b') }])
  for (const batch of win.all()) expect(pi.log.importBatch(batch, win.author(true))).toMatchObject({ applied: 0 })
  expect([pi.feed(), pi.log.releaseHeld()]).toEqual([[], 0])
  // Its author's disk is lost, its clock is right now: the same op again, in a new log.
  const again = new Machine('win')
  again.log.append([{ id: early?.id, body: title('From tomorrow') }])
  const author = again.author(true)
  expect(pi.log.importBatch(again.all()[0] as SignedBatch, author)).toMatchObject({ applied: 1 })
  pi.now += 3_539_999
  expect(pi.log.releaseHeld()).toBe(0)
  pi.now += 1
  expect(pi.log.releaseHeld()).toBe(2)
  pi.restart()
  expect(pi.feed()).toHaveLength(3)
  expect(pi.feed()).toContain(other?.id)
  expect(pi.feed().filter((id) => id === early?.id)).toHaveLength(1)
  expect(pi.log.releaseHeld()).toBe(0)
})

test('a thousand ops of a far future do not stand in the way of one that is due', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.now = 9_000_000_000_000
  win.log.append(Array.from({ length: 1024 }, () => ({ body: win.stored() })))
  const nearby = new Machine('mac')
  nearby.now += 120_000
  nearby.log.append([{ body: nearby.stored() }])
  pi.log.importBatch(win.all()[0] as SignedBatch, win.author())
  pi.log.importBatch(nearby.all()[0] as SignedBatch, nearby.author())
  pi.now += 60_000
  expect(pi.log.releaseHeld()).toBe(1)
  expect(pi.log.read(0, 10)[0]?.nodeId).toBe('mac')
})

test('two batches at one place are both kept and reported', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.log.append([{ body: win.stored() }])
  const clone = new Machine('win')
  Object.defineProperty(clone, 'signer', { value: win.signer })
  clone.log.close()
  rmSync(join(clone.stateDir, 'oplog.db'))
  const options = {
    ...testOptions('win', win.signer),
    random: (count: number) => Buffer.from(win.log.epoch('library'), 'hex').subarray(0, count),
  }
  clone.log = OpLog.open(clone.stateDir, options)
  expect(clone.log.ownLogId('library')).toBe(win.log.ownLogId('library'))
  clone.log.append([{ id: 'f'.repeat(32), body: win.stored() }])
  pi.log.importBatch(win.all()[0] as SignedBatch, win.author())
  pi.now = Date.now()
  expect(pi.log.importBatch(clone.all()[0] as SignedBatch, win.author())).toMatchObject({ kind: 'stored', fork: true })
  expect(pi.log.forks()).toMatchObject([
    { logId: win.log.ownLogId('library'), sequence: 1, hashes: [expect.any(String), expect.any(String)] },
  ])
})

test('a restored disk: its lost batches come back from a peer under the old epoch, and it goes on under a new one', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  const kept = win.log.append([{ body: win.stored() }])
  const image = win.image()
  const lost = win.log.append([{ body: win.stored() }])
  for (const batch of win.all()) pi.log.importBatch(batch, win.author())
  const oldId = win.log.ownLogId('library')
  win.restore(image)

  const fromPi = pi.log.batches(oldId, 2)
  expect(win.log.importBatch(fromPi[0] as SignedBatch, win.author())).toEqual({ kind: 'own-epoch' })
  win.log.beginEpoch('library')
  expect(win.log.importBatch(fromPi[0] as SignedBatch, win.author())).toMatchObject({ kind: 'stored', applied: 1 })
  expect(win.feed()).toEqual([kept[0]?.id, lost[0]?.id])
  win.log.append([{ body: win.stored() }])
  win.restart()
  expect(win.log.ownLogId('library')).not.toBe(oldId)
  expect(win.log.verifyAll()).toEqual({ batches: 1, ops: 1 })
  for (const batch of win.all()) expect(pi.log.importBatch(batch, win.author())).toMatchObject({ kind: 'stored' })
  expect(pi.feed()).toEqual(win.feed())
})
