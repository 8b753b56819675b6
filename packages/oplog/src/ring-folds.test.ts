import { canonicalJson } from '@thatdam/protocol/canonical'
import type { NodeFacts } from '@thatdam/protocol/facts'
import type { OpFeedEntry } from '@thatdam/protocol/local'
import { OpBody } from '@thatdam/protocol/ops'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatHlc } from './hlc.ts'
import { addFacts, NO_FACTS } from './latest-facts.ts'
import { addPolicy, readPolicy } from './policy.ts'
import { NO_REGISTERS } from './registers.ts'
import { addSecrets, readSecret } from './secrets.ts'
import { addSessions, newEnds, NO_SESSIONS, openSessions, pruneSessions, type Sessions } from './sessions.ts'

const hex = (digit: string, count = 32): string => digit.repeat(count)
const entry = (body: OpBody, ms: number, id = ms.toString(16).padStart(32, '0'), nodeId = 'pi'): OpFeedEntry => ({
  position: 1,
  nodeId,
  op: { id, hlc: formatHlc({ ms, counter: 0, nodeId }), body: OpBody.parse(body) },
})
const shuffled = <T>(all: readonly T[], draws: IterableIterator<number>): T[] =>
  all
    .map((one) => ({ one, draw: draws.next().value as number }))
    .toSorted((a, b) => a.draw - b.draw)
    .map(({ one }) => one)

const end = (cookieHash: string, at: number, id?: string): OpFeedEntry =>
  entry({ kind: 'session.ended', cookieHash, expiresAtMs: cookieHash === 'all' ? null : 9999 }, at, id)

/** Of two starts with one id and stamp, the one with the smaller text. */
const keyOf = ({ op: { hlc, id, body } }: OpFeedEntry): string => `${hlc} ${id} ${canonicalJson({ ...body, kind: '' })}`

describe('sessions', () => {
  const cookies = ['a', 'b', 'c'].map((digit) => hex(digit, 64))
  const ends = ['1', '2', '3'].map((digit) => hex(digit))
  /** A cookie's session has one end: its start and its sign-out say the same. */
  const expiresAtMs = (cookie: string): number => 1000 + cookies.indexOf(cookie) * 100
  const ms = fc.integer({ min: 1, max: 40 })
  const started = fc
    .record({ ms, cookie: fc.constantFrom(...cookies), seenEnd: fc.option(fc.constantFrom(...ends)), kind: fc.constantFrom('p', 'q') })
    .map(({ ms: at, cookie, seenEnd, kind }) =>
      entry(
        {
          kind: 'session.started',
          cookieHash: cookie,
          sessionKind: 'password',
          displayName: kind,
          expiresAtMs: expiresAtMs(cookie),
          seenEnd,
        },
        at,
        hex(`${cookies.indexOf(cookie)}${kind === 'p' ? 'e' : 'f'}`, 16),
      ),
    )
  const ended = fc
    .record({ ms, cookie: fc.constantFrom(...cookies) })
    .map(({ ms: at, cookie }) => entry({ kind: 'session.ended', cookieHash: cookie, expiresAtMs: expiresAtMs(cookie) }, at))
  const endedAll = fc
    .record({ ms, id: fc.constantFrom(...ends) })
    .map(({ ms: at, id }) => entry({ kind: 'session.ended', cookieHash: 'all', expiresAtMs: null }, at, id))
  const ops = fc.array(fc.oneof(started, started, ended, endedAll), { maxLength: 14 })

  /** The rule, word for word. */
  function dumb(all: OpFeedEntry[], nowMs: number): string[] {
    const newestEnd = all
      .filter(({ op: { body } }) => body.kind === 'session.ended' && body.cookieHash === 'all')
      .toSorted((a, b) => (keyOf(a) < keyOf(b) ? 1 : -1))[0]
    return cookies.filter((cookie) => {
      if (all.some(({ op: { body } }) => body.kind === 'session.ended' && body.cookieHash === cookie)) return false
      const start = all
        .filter(({ op: { body } }) => body.kind === 'session.started' && body.cookieHash === cookie)
        .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))[0]
      if (start?.op.body.kind !== 'session.started') return false
      return start.op.body.seenEnd === (newestEnd?.op.id ?? null) && start.op.body.expiresAtMs > nowMs
    })
  }

  test('equal to the rule, in any order, with repeats, in parts, and with what is over forgotten on the way', () => {
    const times = fc.constantFrom(0, 1000, 1050, 1100, 1150, 1200)
    fc.assert(
      fc.property(ops, fc.integer({ min: 0, max: 14 }), times, times, fc.infiniteStream(fc.nat()), (all, cut, early, late, draws) => {
        const nowMs = Math.max(early, late)
        const expected = dumb(all, nowMs)
        const open = (sessions: Sessions): string[] => [...openSessions(sessions, nowMs).keys()].toSorted()
        const mixed = shuffled(all, draws)
        expect(open(addSessions(NO_SESSIONS, all))).toEqual(expected)
        const part = pruneSessions(addSessions(NO_SESSIONS, mixed.slice(0, cut)), Math.min(early, late))
        expect(open(addSessions(part, mixed.slice(cut)))).toEqual(expected)
        expect(open(addSessions(addSessions(NO_SESSIONS, mixed), all))).toEqual(expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('signed in with the old password on the other side of a cut: the change ends it after the heal', () => {
    const start = (cookie: string, at: number, seenEnd: string | null): OpFeedEntry =>
      entry({ kind: 'session.started', cookieHash: cookie, sessionKind: 'password', displayName: 'Ada', expiresAtMs: 9999, seenEnd }, at)
    const [thief, owner] = cookies as [string, string]
    const change = entry({ kind: 'session.ended', cookieHash: 'all', expiresAtMs: null }, 10, ends[0])
    const here = addSessions(NO_SESSIONS, [change, start(owner, 11, ends[0] as string)])
    const there = start(thief, 500, null)
    expect([...openSessions(addSessions(NO_SESSIONS, [there]), 600).keys()]).toEqual([thief])
    expect([...openSessions(addSessions(here, [there]), 600).keys()]).toEqual([owner])
  })

  test('each end is new once; the newest end of all stands for every one', () => {
    const [first, second] = cookies as [string, string]
    const one = addSessions(NO_SESSIONS, [end(first, 10)])
    expect(newEnds(NO_SESSIONS, one)).toEqual([first])
    const two = addSessions(NO_SESSIONS, [end(second, 11), end(first, 10), end(first, 12)])
    expect(newEnds(one, two)).toEqual([second])
    const all = addSessions(one, [end('all', 20, ends[1]), end(second, 11)])
    expect(newEnds(one, all)).toBe('all')
    expect(newEnds(all, addSessions(all, [end('all', 19, ends[0])]))).toEqual([])
    expect(newEnds(all, addSessions(all, [end('all', 21, ends[2])]))).toBe('all')
  })
})

const set = (field: 'replicas' | 'pinnedLeader', value: number | string | null, at: number, replaces: string | null = null) =>
  entry({ kind: 'policy.set', field, value, replaces }, at)

const box = (name: string) => [{ publicKey: name.repeat(43), box: 'AAAA' }]

const secret = (value: string, at: number, replaces: string | null, nodeId = 'pi'): OpFeedEntry =>
  entry({ kind: 'secret.set', name: 'owner-password', sealedFor: box(value), replaces }, at, undefined, nodeId)

describe('secrets and policy', () => {
  test('the last one set counts, and says what the next replaces', () => {
    const first = secret('A', 1, null)
    const second = secret('B', 2, first.op.id)
    expect(readSecret(NO_REGISTERS, 'owner-password')).toBeNull()
    const both = addSecrets(addSecrets(NO_REGISTERS, [second]), [first])
    expect(readSecret(both, 'owner-password')).toEqual({ opId: second.op.id, hlc: second.op.hlc, sealedFor: box('B') })
  })

  test('policy: each field by itself, badly formed wishes for nothing, and a cut’s other wish is told', () => {
    const all = [set('replicas', 3, 1), set('replicas', 99, 2), set('pinnedLeader', 'pi', 3), set('pinnedLeader', 'mac', 4)]
    const state = readPolicy(addPolicy(NO_REGISTERS, all))
    expect(state.policy).toEqual({ replicas: 3, pinnedLeader: 'mac', goesOn: null })
    expect(state.edits).toEqual({ replicas: all[0]?.op.id, pinnedLeader: all[3]?.op.id, goesOn: null })
    expect(state.conflicts).toEqual({ pinnedLeader: [expect.objectContaining({ value: 'pi' })] })
    expect(readPolicy(addPolicy(NO_REGISTERS, all.toReversed()))).toEqual(state)
    expect(readPolicy(NO_REGISTERS).policy).toEqual(DEFAULT_POLICY)
  })
})

const FACTS: NodeFacts = {
  version: 1,
  hostname: 'pi',
  os: 'linux',
  osName: '',
  arch: 'arm64',
  model: null,
  cpuCores: 4,
  cpuModel: '',
  ramBytes: 1,
  stores: [],
  hasDocker: false,
  hasNode: true,
  hasFfmpeg: true,
  ffmpegVersion: null,
  encoders: [],
  cameras: [],
  gpus: [],
  netInterfaces: [],
  indexPaths: [],
  uiAvailable: true,
  powerClass: 'pi',
  alwaysOn: true,
  battery: null,
  reachability: { lanAddresses: [], consolePort: 8080, consoleBind: 'lan' },
  bootCounter: 0,
  agentVersion: '0.1.0',
}

const said = (nodeId: string, ramBytes: number, ms: number): OpFeedEntry =>
  entry({ kind: 'node.facts', nodeId, facts: { ...FACTS, ramBytes }, sealKey: 'k'.repeat(43) }, ms, undefined, nodeId)

const ram = (entries: OpFeedEntry[]): unknown =>
  Object.fromEntries([...addFacts(NO_FACTS, entries)].map(([id, one]) => [id, one.facts.ramBytes]))

test('facts: the least that a node ever said it was stays, whatever it says later and in whatever order that comes', () => {
  const zero = entry(
    { kind: 'node.facts', nodeId: 'cam', facts: { ...FACTS, powerClass: 'zero', ramBytes: 5 }, sealKey: 'k'.repeat(43) },
    4,
    undefined,
    'cam',
  )
  const all = [said('cam', 9, 3), zero, said('cam', 70, 8)]
  for (const order of [all, all.toReversed(), [...all.slice(1), ...all]]) {
    const told = addFacts(NO_FACTS, order).get('cam')
    expect([told?.facts.ramBytes, told?.facts.powerClass, told?.least]).toEqual([70, 'pi', { isZero: true, ramBytes: 5 }])
  }
})

test('facts: of each node what it said last, whatever the order', () => {
  const all = [said('pi', 1, 5), said('win', 2, 3), said('pi', 3, 9), said('pi', 4, 7)]
  expect(ram(all)).toEqual({ pi: 3, win: 2 })
  expect(ram(all.toReversed())).toEqual(ram(all))
  const before = addFacts(NO_FACTS, all)
  expect(addFacts(before, all)).toBe(before)
})
