import type { OpBody, SignedBatch } from '@thatdam/protocol/ops'
import { afterEach, expect, test } from 'vitest'
import type { BatchAuthor } from './import.ts'
import { cleanUp, Machine } from './testing/machine.ts'

afterEach(cleanUp)

const title = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', value, replaces: null })
const valuesOf = (machine: Machine): unknown[] =>
  machine.log.read(0, 2000).map(({ op: { body } }) => ('value' in body ? body.value : body.kind))
const stampsOf = (machine: Machine): string[] => machine.log.read(0, 10).map(({ op }) => `${op.id} ${op.hlc}`)
const YEAR_MS = 365 * 24 * 3_600_000

/** The roster as one machine sees it. */
function rosterOf(
  members: Record<string, { machine: Machine; admitter: boolean }>,
): (nodeId: string, signer: string) => BatchAuthor | null {
  return (nodeId, signer) => {
    const member = members[nodeId]
    return member === undefined || member.machine.signer.publicKey !== signer ? null : { publicKey: signer, admitter: member.admitter }
  }
}

test('who became an admitter after its edits arrived: they count everywhere, whichever came first', () => {
  const early = new Machine('early')
  const late = new Machine('late')
  const win = new Machine('win')
  early.log.append([{ body: early.stored() }])
  win.log.append([{ body: title('Crete') }, { body: win.stored() }])
  const [batch] = win.all() as [SignedBatch]
  early.log.importBatch(batch, win.author(false))
  expect(valuesOf(early)).toEqual(['blob.stored', 'blob.stored'])
  const { feedId } = early.log
  const roster = { early: { machine: early, admitter: true }, win: { machine: win, admitter: true } }
  expect(early.log.rejudge(rosterOf(roster))).toEqual({ added: 1, withdrawn: 0 })
  expect(early.log.feedId).toBe(feedId)
  expect(valuesOf(early)).toEqual(['blob.stored', 'blob.stored', 'Crete'])
  late.log.importBatch(batch, win.author(true))
  expect(valuesOf(late)).toContain('Crete')
  expect(early.log.rejudge(rosterOf(roster))).toEqual({ added: 0, withdrawn: 0 })
})

test('who turns out never to have been an admitter, or a member: it leaves the feed, which begins anew without holes', async () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.log.append([{ body: title('Mine now') }, { body: win.stored() }])
  pi.log.importBatch(win.all()[0] as SignedBatch, win.author(true))
  pi.log.append([{ body: pi.stored() }])
  const { feedId } = pi.log
  const woken = pi.log.waitFor(pi.log.position, AbortSignal.timeout(10_000))
  const roster = { pi: { machine: pi, admitter: true }, win: { machine: win, admitter: false } }
  expect(pi.log.rejudge(rosterOf(roster))).toEqual({ added: 0, withdrawn: 1 })
  expect(await woken).toBe(true)
  expect(pi.log.feedId).not.toBe(feedId)
  expect(pi.log.read(0, 10).map((entry) => entry.position)).toEqual([1, 2])
  expect(pi.log.rejudge(rosterOf({ pi: roster.pi }))).toEqual({ added: 0, withdrawn: 1 })
  const { feedId: rebuilt } = pi.log
  pi.restart()
  expect([pi.log.feedId, pi.log.position, valuesOf(pi)]).toEqual([rebuilt, 1, ['blob.stored']])
  expect(pi.log.append([{ body: pi.stored() }])[0]?.position).toBe(2)
  expect(pi.log.rejudge(rosterOf({ ...roster, win: { machine: win, admitter: true } }))).toEqual({ added: 2, withdrawn: 0 })
})

test('an op id belongs to its author: a thief of ids takes nothing away', () => {
  const first = new Machine('first')
  const second = new Machine('second')
  const pi = new Machine('pi')
  const zero = new Machine('zero')
  const [edit] = pi.log.append([{ body: title('Holiday') }])
  zero.log.append([{ id: edit?.id, body: zero.stored() }])
  for (const [machine, order] of [
    [first, [pi, zero]],
    [second, [zero, pi]],
  ] as const) {
    for (const from of order) machine.log.importBatch(from.all()[0] as SignedBatch, from.author(from === pi))
    expect(new Set(valuesOf(machine))).toEqual(new Set(['Holiday', 'blob.stored']))
  }
})

test('a clock a year ahead: put right, its edits are written again under their ids and reach the others', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  win.log.append([{ body: title('before') }])
  win.now += YEAR_MS
  const wrong = win.log.append([{ body: title('one') }, { body: win.stored() }, { body: title('two') }])
  for (const batch of win.all()) pi.log.importBatch(batch, win.author(true))
  expect(valuesOf(pi)).toEqual(['before'])
  win.now -= YEAR_MS
  expect(win.log.isAheadOfRingTime).toBe(true)
  win.clockTrusted = true
  expect(win.log.withdrawFuture()).toBe(3)
  expect([win.log.isAheadOfRingTime, valuesOf(win)]).toEqual([false, ['before']])
  win.restart()
  expect(win.log.reissue()).toBe(3)
  expect(win.log.reissue()).toBe(0)
  expect(valuesOf(win)).toEqual(['before', 'one', 'blob.stored', 'two'])
  for (const batch of win.all()) pi.log.importBatch(batch, win.author(true))
  expect(valuesOf(pi)).toEqual(['before', 'one', 'blob.stored', 'two'])
  expect(pi.feed().slice(1)).toEqual(wrong.map((one) => one.id))
  // A year later the first copies come due, and count for nothing.
  for (const machine of [pi, win]) {
    machine.now += YEAR_MS
    expect(machine.log.releaseHeld()).toBe(0)
    expect(valuesOf(machine)).toHaveLength(4)
  }
})

test('one that took the future in, with a clock as wrong, ends with the same entries', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  for (const machine of [pi, win]) machine.now += YEAR_MS
  win.log.append([{ body: title('one') }])
  pi.log.importBatch(win.all()[0] as SignedBatch, win.author(true))
  pi.log.append([{ body: pi.stored() }])
  for (const machine of [pi, win]) {
    machine.now -= YEAR_MS
    machine.clockTrusted = true
  }
  win.log.withdrawFuture()
  win.log.reissue()
  pi.log.importBatch(win.all()[1] as SignedBatch, win.author(true))
  expect(pi.log.withdrawFuture()).toBe(2)
  expect(pi.log.reissue()).toBe(1)
  win.log.importBatch(pi.all()[0] as SignedBatch, pi.author(true))
  win.log.importBatch(pi.all()[1] as SignedBatch, pi.author(true))
  expect(stampsOf(pi).toSorted()).toEqual(stampsOf(win).toSorted())
  expect(stampsOf(pi)).toHaveLength(2)
})

test('woken in 1970, with nobody who knows the time: nothing is taken back, and what others write is taken in', () => {
  const pi = new Machine('pi')
  const win = new Machine('win')
  pi.log.append([{ body: title('one') }])
  win.log.importBatch(pi.all()[0] as SignedBatch, pi.author(true))
  for (const machine of [pi, win]) machine.now = 86_400_000
  pi.restart()
  pi.log.append([{ body: title('two') }])
  expect(win.log.importBatch(pi.all()[1] as SignedBatch, pi.author(true))).toMatchObject({ kind: 'stored', applied: 1, held: 0 })
  expect(valuesOf(win)).toEqual(['one', 'two'])
  expect(pi.log.reissue()).toBe(0)
})
