import { SyncRequest } from '@thatdam/protocol/op-sync'
import type { OpBody } from '@thatdam/protocol/ops'
import { afterEach, describe, expect, test } from 'vitest'
import { cleanUp } from '../disk/testing/machine.ts'
import { areEqual, named, TestRing, title, valuesOf } from './testing/ring.ts'

afterEach(cleanUp)

const lie = (logId: string) => ({ logId, scope: 'library', sequence: 999, batches: 999, head: 'f'.repeat(64) })

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
