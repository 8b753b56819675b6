import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cleanUp } from '../disk/testing/machine.ts'
import { areEqual, named, stampsOf, type TestNode, TestRing, title, valuesOf } from './testing/ring.ts'

afterEach(cleanUp)

describe('comparing', () => {
  test('every machine carries what is the ring’s, catalog and store nodes everything, the others their own', async () => {
    const ring = new TestRing()
    const [pi, nas] = [ring.node('pi'), ring.node('nas')]
    const [win, zero] = [ring.node('win', ['ring'], false), ring.node('zero', ['ring'], false)]
    const all = [pi, nas, win, zero]
    for (const [index, { machine }] of all.entries()) {
      for (let count = 0; count <= index * 5; count += 1) machine.log.append([{ body: machine.stored(count) }])
    }
    pi.machine.log.append([{ body: named('zero', 'Shed') }, { body: title('Crete') }])
    const rounds = await ring.until(() => areEqual([pi, nas]) && areEqual(all, 'ring') && stampsOf(zero, 'ring').length === 1)
    expect(rounds).toBeLessThan(8)
    expect(stampsOf(pi)).toHaveLength(1 + 6 + 11 + 16 + 2)
    expect(stampsOf(zero)).toHaveLength(16 + 1)
    expect(zero.machine.log.logs().map(({ logId }) => logId.split('/')[0])).toEqual(['pi', 'zero'])
    expect(all.flatMap((node) => [...node.news, ...node.warnings])).toEqual([])
  })

  test('a machine that becomes a catalog node gets all that it did not carry', async () => {
    const ring = new TestRing()
    const [pi, win] = [ring.node('pi'), ring.node('win', ['ring'])]
    for (let count = 0; count < 150; count += 1) pi.machine.log.append([{ body: pi.machine.stored(count) }])
    await ring.round()
    expect(win.machine.log.position).toBe(0)
    win.scopes = ['ring', 'library']
    expect(await ring.until(() => areEqual([pi, win]))).toBeLessThan(4)
  })

  test('both sides of a cut edit; healed, all have all, and the ring is one within five rounds', async () => {
    const ring = new TestRing()
    const nodes = ['pi', 'nas', 'win', 'mac', 'lin'].map((nodeId) => ring.node(nodeId))
    const [pi, nas, win, mac] = nodes as [TestNode, TestNode, TestNode, TestNode]
    pi.machine.log.append([{ body: title('first') }])
    await ring.until(() => areEqual(nodes))
    ring.cut(['pi', 'nas'], ['win', 'mac', 'lin'])
    pi.machine.log.append([{ body: title('Crete') }])
    mac.machine.log.append([{ body: title('Greece') }])
    await ring.until(() => areEqual([pi, nas]) && areEqual([win, mac]))
    expect([valuesOf(nas), valuesOf(win)]).toEqual([
      ['first', 'Crete'],
      ['first', 'Greece'],
    ])
    ring.heal()
    expect(await ring.until(() => areEqual(nodes))).toBeLessThanOrEqual(5)
    expect(new Set(valuesOf(win))).toEqual(new Set(['first', 'Crete', 'Greece']))
  })

  test('a peer that fails is left alone for a while, and asked at once when it was away and is back', async () => {
    const ring = new TestRing()
    const pi = ring.node('pi')
    ring.node('nas')
    // One way only: a peer that asks us is one that we may ask.
    ring.cuts.add('nas pi')
    ring.liars.set('nas', () => {
      throw new Error('refused')
    })
    const asked = (): number => ring.calls.filter((call) => call.startsWith('pi nas')).length
    for (let round = 0; round < 12; round += 1) await ring.round()
    expect(asked()).toBeLessThan(8)
    expect(pi.warnings.length).toBe(asked())
    const before = asked()
    ring.cut(['pi'], ['nas'])
    await ring.round()
    ring.liars.clear()
    ring.heal()
    await ring.round()
    expect(asked()).toBeGreaterThan(before)
    expect(pi.warnings.length).toBe(before)
  })
})

describe('saved', () => {
  test('alone it is here at once; from the moment another machine has it, saved', async () => {
    const ring = new TestRing()
    const pi = ring.node('pi')
    const [first] = pi.machine.log.append([{ body: title('Crete') }])
    expect(await pi.sync.saved([first?.position ?? 0])).toBe('here')
    expect(pi.sync.status()).toEqual({ position: 1, savedPosition: 0, carriers: 0 })
    const nas = ring.node('nas')
    await ring.until(() => areEqual([pi, nas]))
    await ring.round()
    expect(pi.sync.status()).toEqual({ position: 1, savedPosition: 1, carriers: 1 })
    expect(await pi.sync.saved([1])).toBe('saved')
    await vi.waitFor(() => expect(pi.changes).toBeGreaterThan(0), 5000)
  })

  test('with a carrier in reach an append is pushed and acknowledged, both its scopes, without any round', async () => {
    const ring = new TestRing()
    const [pi, nas] = [ring.node('pi'), ring.node('nas')]
    const added = pi.machine.log.append([{ body: title('Crete') }, { body: named('pi', 'Hall') }])
    expect(await pi.sync.saved(added.map(({ position }) => position))).toBe('saved')
    expect(stampsOf(nas)).toEqual(stampsOf(pi))
    expect(pi.sync.status()).toEqual({ position: 2, savedPosition: 2, carriers: 1 })
    expect(ring.calls.every((call) => call === 'pi nas push')).toBe(true)
  })

  test('a Zero carries settings and no titles', async () => {
    const ring = new TestRing()
    const [pi, zero] = [ring.node('pi'), ring.node('zero', ['ring'], false)]
    const [edit, name] = pi.machine.log.append([{ body: title('Crete') }, { body: named('zero', 'Shed') }])
    expect(await pi.sync.saved([edit?.position ?? 0])).toBe('here')
    expect(await pi.sync.saved([name?.position ?? 0])).toBe('saved')
    expect(valuesOf(zero)).toEqual(['Shed'])
    expect(pi.sync.status()).toEqual({ position: 2, savedPosition: 0, carriers: 0 })
  })

  test('a carrier that does not answer: here after half a second, or when the caller goes away', async () => {
    const ring = new TestRing()
    const pi = ring.node('pi')
    ring.node('nas')
    ring.silent.add('nas')
    const [edit] = pi.machine.log.append([{ body: title('Crete') }])
    const startedMs = performance.now()
    expect(await pi.sync.saved([edit?.position ?? 0])).toBe('here')
    expect(performance.now() - startedMs).toBeGreaterThan(450)
    const gone = new AbortController()
    const waiting = pi.sync.saved([edit?.position ?? 0], gone.signal)
    gone.abort()
    expect(await waiting).toBe('here')
  })

  test('many appends while a push is under way go along in few calls; a long backlog goes in pages', async () => {
    const ring = new TestRing()
    const [pi, nas] = [ring.node('pi'), ring.node('nas')]
    const added = Array.from({ length: 300 }, (_, index) => pi.machine.log.append([{ body: pi.machine.stored(index) }])[0]?.position ?? 0)
    await pi.sync.saved(added)
    await ring.idle()
    expect(nas.machine.log.position).toBe(300)
    expect(ring.calls.filter((call) => call === 'pi nas push').length).toBeLessThan(12)
  })

  test('running: what is appended is on the other machine before the first round, and the end is clean', async () => {
    const ring = new TestRing()
    const [pi, nas] = [ring.node('pi'), ring.node('nas')]
    const stop = new AbortController()
    const runs = [pi, nas].map((node) => node.sync.run(stop.signal))
    await vi.waitFor(() => expect(ring.calls.length).toBeGreaterThan(1), 5000)
    const startedMs = performance.now()
    pi.machine.log.append([{ id: randomBytes(16).toString('hex'), body: title('Crete') }])
    await vi.waitFor(() => expect(valuesOf(nas)).toEqual(['Crete']), { timeout: 5000, interval: 5 })
    expect(performance.now() - startedMs).toBeLessThan(1500)
    stop.abort()
    await Promise.all(runs)
  })
})
