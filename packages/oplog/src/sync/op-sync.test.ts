import { randomBytes } from 'node:crypto'
import { SyncRequest } from '@thatdam/protocol/op-sync'
import type { OpBody } from '@thatdam/protocol/ops'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cleanUp } from '../disk/testing/machine.ts'
import { type TestNode, TestRing } from './testing/ring.ts'

afterEach(() => {
  vi.useRealTimers()
  cleanUp()
})

const YEAR_MS = 365 * 24 * 3_600_000
const title = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', value, replaces: null })
const named = (subject: string, value: string): OpBody => ({ kind: 'node.set', subject, field: 'name', value, replaces: null })

const lie = (logId: string) => ({ logId, scope: 'library', sequence: 999, batches: 999, head: 'f'.repeat(64) })

const stampsOf = (node: TestNode, only?: 'ring'): string[] =>
  node.machine.log
    .read(0, 2000, only)
    .map(({ op }) => `${op.id} ${op.hlc}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
const valuesOf = (node: TestNode): unknown[] =>
  node.machine.log.read(0, 2000).flatMap(({ op: { body } }) => ('value' in body ? [body.value] : []))
const areEqual = (nodes: readonly TestNode[], only?: 'ring'): boolean =>
  new Set(nodes.map((node) => JSON.stringify(stampsOf(node, only)))).size === 1

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

describe('whom it believes', () => {
  test('batches of somebody the roster does not know yet wait for it', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    pi.roster.delete('win')
    win.machine.log.append([{ body: title('Crete') }])
    await ring.until(() => areEqual([nas, win]))
    for (let round = 0; round < 5; round += 1) await ring.round()
    expect(pi.machine.log.logs()).toEqual([])
    expect(ring.calls.filter((call) => call === 'pi nas batches' || call === 'pi win batches')).toEqual([])
    pi.roster.set('win', { admitter: true, keys: [win.machine.signer.publicKey] })
    await ring.until(() => areEqual([pi, nas, win]))
    expect([...pi.news, ...nas.news]).toEqual([])
  })

  test('a newer agent says more than is known here: it comes over as it was signed, and goes on to others', async () => {
    const ring = new TestRing()
    const [win, pi] = [ring.node('win'), ring.node('pi')]
    const more: OpBody & { because: unknown } = { ...(title('Crete') as OpBody & { kind: 'asset.set' }), because: { of: ['newer'] } }
    win.machine.log.append([{ body: more }])
    await ring.until(() => areEqual([pi, win]))
    const mac = ring.node('mac')
    ring.cut(['win'], ['pi', 'mac'])
    await ring.until(() => areEqual([mac, pi]))
    expect(mac.machine.log.read(0, 10).map(({ op }) => op.body)).toEqual([more])
    expect([...pi.news, ...mac.news]).toEqual([])
  })

  test('what cannot be signed text at all is refused, not fallen over', async () => {
    const ring = new TestRing()
    const [pi, win] = [ring.node('pi'), ring.node('win')]
    const good = win.machine.forged([title('Crete')])
    let deep: unknown = 'end'
    for (let level = 0; level < 100; level += 1) deep = [deep]
    for (const more of [{ deep }, { name: '\ud800' }]) {
      const batch = { ...good, ops: good.ops.map((op) => ({ ...op, body: { ...op.body, ...more } })) }
      const push = SyncRequest.parse({ kind: 'push', batches: [batch] })
      await expect(pi.sync.answer(push, 'win')).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    }
    expect(pi.news.map((news) => news.kind)).toEqual(['faulty-batch', 'faulty-batch'])
  })

  test('after a replaced key, what the old one signed is still that member’s', async () => {
    const ring = new TestRing()
    const [pi, win] = [ring.node('pi'), ring.node('win')]
    win.machine.log.append([{ body: title('Crete') }])
    pi.roster.set('win', { admitter: true, keys: ['N'.repeat(43), win.machine.signer.publicKey] })
    await ring.until(() => areEqual([pi, win]))
    expect(valuesOf(pi)).toEqual(['Crete'])
  })

  test('THREATS 19: unsigned, altered, foreign and far future: refused or held, nothing applied', async () => {
    const ring = new TestRing()
    const [pi, win] = [ring.node('pi'), ring.node('win')]
    const good = win.machine.forged([title('Crete')])
    const push = (batches: unknown): Promise<unknown> => pi.sync.answer(SyncRequest.parse({ kind: 'push', batches }), 'win')
    expect(SyncRequest.safeParse({ kind: 'push', batches: [{ ...good, signature: '' }] }).success).toBe(false)
    await expect(push([{ ...good, signature: 'A'.repeat(86) }])).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    const altered = { ...good, ops: [{ ...good.ops[0], body: title('Mine') }] }
    await expect(push([altered])).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    await expect(push([{ ...good, signer: pi.machine.signer.publicKey }])).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    const asPi = { ...good, header: { ...good.header, nodeId: 'pi' }, signer: pi.machine.signer.publicKey }
    await expect(push([asPi])).rejects.toMatchObject({ code: 'UNPROCESSABLE' })
    expect([pi.machine.log.position, pi.machine.log.logs()]).toEqual([0, []])
    expect(pi.news.map((news) => news.kind)).toEqual(Array.from({ length: 4 }, () => 'faulty-batch'))
    const future = win.machine.forged([title('From tomorrow')], win.machine.now + 86_400_000)
    await push([future])
    expect([pi.machine.log.position, pi.news.at(-1)]).toEqual([0, { kind: 'held-ops', nodeId: 'win', count: 1 }])
    await push([good])
    await push([good])
    expect(valuesOf(pi)).toEqual(['Crete'])
  })

  test('THREATS 25: a worker signs settings, titles, a policy and sessions: kept for its chain, told, and applied nowhere', async () => {
    const ring = new TestRing()
    const [pi, nas, zero] = [ring.node('pi'), ring.node('nas'), ring.node('zero', ['ring'], false)]
    const forgeries = [
      zero.machine.forged([title('Mine now')]),
      zero.machine.forged([
        named('pi', 'Mine'),
        { kind: 'policy.set', field: 'pinnedLeader', value: 'zero', replaces: null },
        { kind: 'secret.set', name: 'owner-password', sealedFor: [], replaces: null },
        { kind: 'session.ended', cookieHash: 'all', expiresAtMs: null },
        {
          kind: 'session.started',
          cookieHash: 'a'.repeat(64),
          sessionKind: 'password',
          displayName: 'Ada',
          expiresAtMs: 9e12,
          seenEnd: null,
        },
      ]),
    ]
    await pi.sync.answer({ kind: 'push', batches: forgeries }, 'zero')
    await ring.until(() => nas.machine.log.logs().length === 2)
    for (const node of [pi, nas]) {
      expect(node.machine.log.read(0, 10)).toEqual([])
      expect(node.news.toSorted((a, b) => ('count' in a && 'count' in b ? a.count - b.count : 0))).toEqual([
        { kind: 'refused-ops', nodeId: 'zero', count: 1 },
        { kind: 'refused-ops', nodeId: 'zero', count: 5 },
      ])
    }
  })

  test('a peer that lies about what it holds costs a call a round, and makes nobody begin an epoch', async () => {
    const ring = new TestRing()
    const pi = ring.node('pi')
    ring.node('nas')
    pi.machine.log.append([{ body: title('Crete') }])
    const own = pi.machine.log.ownLogId('library')
    let answers = 0
    ring.liars.set('nas', (request) => {
      answers += 1
      if (request.kind === 'batches') return { batches: pi.machine.log.batches(own, 1) }
      return { logs: [lie(own), lie(`nas/${'0'.repeat(32)}`)], clockMs: 0 }
    })
    for (let round = 0; round < 10; round += 1) await ring.round()
    expect(pi.machine.log.ownLogId('library')).toBe(own)
    expect(answers).toBeLessThan(60)
  })
})

describe('a machine that is not what it was', () => {
  test('restored disk, idle: what it lost comes back, it goes on under a new epoch, nothing forked', async () => {
    const ring = new TestRing()
    const [pi, win] = [ring.node('pi'), ring.node('win')]
    win.machine.log.append([{ body: title('one') }, { body: named('win', 'Desk') }])
    const image = win.machine.image()
    win.machine.log.append([{ body: title('two') }, { body: named('win', 'Attic') }])
    await ring.until(() => areEqual([pi, win]))
    const before = win.machine.log.ownLogId('ring')
    win.machine.restore(image)
    expect(valuesOf(win)).toEqual(['one', 'Desk'])
    await ring.until(() => areEqual([pi, win]))
    expect(win.machine.log.ownLogId('ring')).not.toBe(before)
    win.machine.log.append([{ body: title('three') }])
    await ring.until(() => areEqual([pi, win]))
    expect(valuesOf(pi).length).toBe(5)
    expect(win.news.map((news) => news.kind)).toEqual(['restored', 'restored'])
    expect([...pi.machine.log.forks(), ...win.machine.log.forks()]).toEqual([])
  })

  test('restored disk that was written to before it met anybody: both branches everywhere, told as a fork, nothing lost', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    win.machine.log.append([{ body: title('one') }])
    const image = win.machine.image()
    for (const value of ['two', 'three']) win.machine.log.append([{ body: title(value) }])
    await ring.until(() => areEqual([pi, nas, win]))
    win.machine.restore(image)
    win.machine.log.append([{ body: title('meanwhile') }])
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(pi).length === 4)
    expect(new Set(valuesOf(nas))).toEqual(new Set(['one', 'two', 'three', 'meanwhile']))
    for (const node of [pi, nas, win]) {
      expect(node.machine.log.forks()).toMatchObject([{ sequence: 2 }])
      expect(node.news.some((news) => news.kind === 'fork')).toBe(true)
    }
    win.machine.log.append([{ body: title('after') }])
    await ring.until(() => valuesOf(nas).includes('after'))
    expect(win.sync.status()).toMatchObject({ savedPosition: win.machine.log.position })
  })

  test('a clock a year ahead, no time server: most others say so, and its edits are written again', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    pi.machine.log.append([{ body: title('one') }])
    await ring.until(() => areEqual([pi, nas, win]))
    ring.cut(['win'], ['pi', 'nas'])
    win.machine.now += YEAR_MS
    win.machine.log.append([{ body: title('two') }])
    win.machine.log.append([{ body: title('three') }])
    win.machine.now -= YEAR_MS
    ring.heal()
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(pi).length === 3)
    expect(valuesOf(win)).toEqual(['one', 'two', 'three'])
    expect(win.news).toEqual([{ kind: 'clock-was-ahead', withdrawn: 2 }])
    expect(win.machine.log.clockMs).toBeLessThan(win.machine.now + 60_000)
    pi.machine.now += 1000
    pi.machine.log.append([{ body: title('four') }])
    await ring.until(() => valuesOf(win).at(-1) === 'four' && areEqual([pi, nas, win]))
  })

  test('all stamp two hours ahead, one then a year: only that year is taken back, and what it wrote last is still the newest', async () => {
    const ring = new TestRing()
    const nodes = [ring.node('pi'), ring.node('nas'), ring.node('win')] as const
    const [pi, nas, win] = nodes
    for (const { machine } of nodes) machine.now += 2 * 3_600_000
    for (const value of ['one', 'two', 'three']) win.machine.log.append([{ body: title(value) }])
    await ring.until(() => areEqual(nodes))
    for (const { machine } of nodes) machine.now -= 2 * 3_600_000
    ring.cut(['win'], ['pi', 'nas'])
    win.machine.now += YEAR_MS
    const [last] = win.machine.log.append([{ body: title('last') }])
    win.machine.now -= YEAR_MS
    ring.heal()
    await ring.until(() => areEqual(nodes) && valuesOf(pi).length === 4)
    expect(win.news).toEqual([{ kind: 'clock-was-ahead', withdrawn: 1 }])
    const stamps = nas.machine.log.read(0, 10).map(({ op: { hlc, id } }) => ({ hlc, id }))
    expect(stamps.toSorted((a, b) => (a.hlc < b.hlc ? -1 : 1)).at(-1)?.id).toBe(last?.id)
  })

  test('two of three stamp a year ahead and know it of each other, and no time server: the third follows, and nothing is taken back', async () => {
    const ring = new TestRing()
    const [pi, nas, win] = [ring.node('pi'), ring.node('nas'), ring.node('win')]
    ring.cut(['pi'], ['nas', 'win'])
    for (const { machine } of [nas, win]) machine.now += YEAR_MS
    for (const node of [nas, win, nas]) {
      node.machine.log.append([{ body: title(node.machine.nodeId) }])
      await ring.until(() => areEqual([nas, win]))
    }
    for (const { machine } of [nas, win]) machine.now -= YEAR_MS
    ring.heal()
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(pi).length === 3)
    expect([nas, win].flatMap((node) => node.news)).toEqual([])
    pi.machine.log.append([{ body: title('last') }])
    await ring.until(() => areEqual([pi, nas, win]) && valuesOf(win).at(-1) === 'last')
  })

  test('all clocks at 1970 after a power cut: edits go on and reach everybody, nothing is taken back', async () => {
    const ring = new TestRing()
    const nodes = [ring.node('pi'), ring.node('nas'), ring.node('win')] as const
    nodes[0].machine.log.append([{ body: title('one') }])
    await ring.until(() => areEqual(nodes))
    for (const { machine } of nodes) machine.now = 3_600_000
    for (const { machine } of nodes) machine.restart()
    for (const [index, { machine }] of nodes.entries()) machine.log.append([{ body: title(`in the dark ${index}`) }])
    await ring.until(() => areEqual(nodes))
    expect(valuesOf(nodes[1])).toHaveLength(4)
    expect(nodes.flatMap((node) => node.news)).toEqual([])
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
