import type { RingReveal } from '@thatdam/protocol/adopt'
import { AdoptCommitResponse, AdoptRevealResponse, AdoptStatusResponse } from '@thatdam/protocol/adopt'
import { UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer } from '../http-io.ts'
import { makeNonce } from '../join.ts'
import { generateKey } from '../keys.ts'
import { welcome } from '../ring-join-server.ts'
import { admit, remove } from '../roster-edit.ts'
import { ApprovingRing, WaitingJoiner } from '../testing/approval.ts'
import { codeOf, commitmentOf, transcriptOf } from './code.ts'
import { NOBODY_WAITS, type RingSideEvent, type RingSideState, stepRingSide, WAITING_MAX } from './ring-side.ts'

const RING = 'ring'
const read = (answer: Answer): unknown => JSON.parse(answer.body ?? 'null')
const askOf =
  (ring: ApprovingRing, joiner: WaitingJoiner) =>
  (path: string, body: unknown): Promise<Answer> =>
    ring.answer(path, body, joiner.address)

/** As far as both sides showing digits. */
async function showing(
  ring = new ApprovingRing(),
  joiner = new WaitingJoiner('pi'),
): Promise<{ ring: ApprovingRing; joiner: WaitingJoiner; id: string }> {
  joiner.step({ kind: 'start', target: RING }, ring.nowMs)
  await joiner.ask(ring.nowMs, askOf(ring, joiner))
  const id = joiner.exchange?.id ?? 'none'
  await ring.desk.say('open', id, ring.context())
  for (let time = 0; time < 2; time += 1) await joiner.ask(ring.nowMs, askOf(ring, joiner))
  expect(joiner.exchange?.phase).toBe('showing')
  return { ring, joiner, id }
}

describe('somebody in the middle', () => {
  test('has one guess in a million: of 200 exchanges through it no digits are equal', async () => {
    let isEqual = 0
    for (let time = 0; time < 200; time += 1) {
      const victim = await showing()
      const real = await showing()
      if (victim.joiner.code === real.ring.desk.list(0)[0]?.code) isEqual += 1
    }
    expect(isEqual).toBeLessThanOrEqual(1)
  })

  test('cannot choose its nonce when it has seen the machine’s: the machine holds it to what it had promised', async () => {
    const ring = new ApprovingRing()
    const joiner = new WaitingJoiner('pi')
    joiner.step({ kind: 'start', target: RING }, 0)
    await joiner.ask(0, askOf(ring, joiner))
    await ring.desk.say('open', joiner.exchange?.id ?? '', ring.context())
    await joiner.ask(0, askOf(ring, joiner))
    const own = joiner.exchange?.own
    await joiner.ask(0, async (path, body) => {
      const honest = AdoptRevealResponse.parse(read(await ring.answer(path, body)))
      // Two digits are found in a moment: what six would take is a matter of time, and of no use.
      const wished = (reveal: RingReveal): boolean => own !== undefined && codeOf(transcriptOf(own, reveal)).startsWith('42')
      let reveal: RingReveal = { ...honest.reveal, nonce: makeNonce() }
      while (!wished(reveal)) reveal = { ...reveal, nonce: makeNonce() }
      const transcript = own === undefined ? '' : transcriptOf(own, reveal)
      return { status: 200, body: JSON.stringify({ ...honest, reveal, signature: ring.key.sign('thatdam-adopt-ring-v1', { transcript }) }) }
    })
    expect([joiner.exchange?.phase, joiner.code]).toEqual(['over', null])
    expect(joiner.said.at(-1)).toContain('Somebody may be between')
  })

  test('cannot choose its nonce when it has seen the ring’s, nor show another key or name', async () => {
    for (const change of [{ nonce: makeNonce() }, { nodeKey: generateKey().publicKey }, { bootCounter: 2 }]) {
      const ring = new ApprovingRing()
      const own = { nodeKey: generateKey().publicKey, nodeId: 'pi', bootCounter: 1, nonce: makeNonce() }
      const commit = { version: 1, commitment: commitmentOf({ joiner: own }), nodeId: 'pi', hostname: 'pi' }
      const { id } = AdoptCommitResponse.parse(read(await ring.answer('/v1/adopt/commit', commit)))
      expect((await ring.answer('/v1/adopt/reveal', { version: 1, id, reveal: own })).status).toBe(409)
      await ring.desk.say('open', id, ring.context())
      const answer = await ring.answer('/v1/adopt/reveal', { version: 1, id, reveal: { ...own, ...change } })
      expect([answer.status, ring.desk.list(0)[0]?.phase]).toEqual([409, 'over'])
    }
  })

  test('a ring that cannot prove its key, or is not who signed, shows no digits', async () => {
    const changes: ((honest: AdoptRevealResponse) => AdoptRevealResponse)[] = [
      (honest) => ({ ...honest, chain: [] }),
      (honest) => ({ ...honest, signature: generateKey().sign('thatdam-adopt-ring-v1', { transcript: 'x' }) }),
      (honest) => ({ ...honest, reveal: { ...honest.reveal, clusterId: crypto.randomUUID() } }),
    ]
    for (const change of changes) {
      const ring = new ApprovingRing()
      const joiner = new WaitingJoiner('pi', { isAdopted: true })
      joiner.step({ kind: 'start', target: RING }, 0)
      await joiner.ask(0, askOf(ring, joiner))
      await ring.desk.say('open', joiner.exchange?.id ?? '', ring.context())
      await joiner.ask(0, askOf(ring, joiner))
      await joiner.ask(0, async (path, body) => {
        return { status: 200, body: JSON.stringify(change(AdoptRevealResponse.parse(read(await ring.answer(path, body))))) }
      })
      expect([joiner.exchange?.phase, joiner.code]).toEqual(['over', null])
    }
  })

  test('cannot say yes for the machine, and its word on the outcome is nothing to a machine that has not said yes', async () => {
    const { ring, joiner, id } = await showing()
    await ring.desk.say('confirm', id, ring.context())
    const transcript = joiner.exchange?.transcript ?? ''
    for (const signature of [
      null,
      generateKey().sign('thatdam-adopt-node-v1', { transcript, said: 'yes' }),
      joiner.self.node.sign('thatdam-adopt-node-v1', { transcript, said: 'nothing' }),
    ]) {
      const answer = await ring.answer('/v1/adopt/status', { version: 1, id, said: 'yes', signature })
      expect(answer).toEqual({ status: 401, body: UNAUTHENTICATED_BODY })
    }
    expect(ring.ring.roster.members.size).toBe(1)
    const other = await showing()
    other.joiner.step({ kind: 'confirm', target: RING }, 0)
    await other.ring.desk.say('confirm', other.id, other.ring.context())
    await other.joiner.ask(0, askOf(other.ring, other.joiner))
    const { exchange } = other.joiner
    const signature = other.joiner.self.node.sign('thatdam-adopt-node-v1', { transcript: exchange?.transcript ?? '', said: 'yes' })
    const admitted = AdoptStatusResponse.parse(
      read(await other.ring.answer('/v1/adopt/status', { version: 1, id: other.id, said: 'yes', signature })),
    )
    expect(admitted.phase).toBe('admitted')
    await joiner.ask(0, async () => ({ status: 200, body: JSON.stringify(admitted) }))
    expect(joiner.records).toBeNull()
    joiner.step({ kind: 'confirm', target: RING }, 0)
    await joiner.ask(0, async () => ({ status: 200, body: JSON.stringify(admitted) }))
    expect([joiner.records, joiner.said.at(-1)]).toEqual([null, expect.stringContaining('altered on their way')])
  })
})

test('a ring that takes a machine in by itself gets it only when the machine has said yes', async () => {
  const { ring, joiner } = await showing()
  const { nodeId, node } = joiner.self
  const member = { nodeId, nodeKey: node.publicKey }
  await ring.ring.edit(ring.key, (desk) => admit(desk, { nodeId, publicKey: node.publicKey, bootCounter: 1 }))
  const join = welcome({ node: ring.key, ring: ring.ring }, member)
  const answer = { status: 200, body: JSON.stringify({ version: 1, phase: 'admitted', reason: null, join }) }
  await joiner.ask(0, async () => answer)
  expect(joiner.records).toBeNull()
  joiner.step({ kind: 'confirm', target: RING }, 0)
  await joiner.ask(0, async () => answer)
  expect(joiner.records).toEqual(ring.ring.records)
})

describe('approval', () => {
  test('lost answers: every request repeated has the same answer, and one admission is signed', async () => {
    const ring = new ApprovingRing()
    const joiner = new WaitingJoiner('pi')
    const twice = async (path: string, body: unknown): Promise<Answer> => {
      const first = await ring.answer(path, body)
      const second = await ring.answer(path, body)
      if (path !== '/v1/adopt/status') expect(second).toEqual(first)
      return second
    }
    joiner.step({ kind: 'start', target: RING }, 0)
    await joiner.ask(0, twice)
    const id = joiner.exchange?.id ?? ''
    await ring.desk.say('open', id, ring.context())
    for (let time = 0; time < 2; time += 1) await joiner.ask(0, twice)
    joiner.step({ kind: 'confirm', target: RING }, 0)
    await joiner.ask(0, twice)
    await ring.desk.say('confirm', id, ring.context())
    await expect(ring.desk.say('confirm', id, ring.context())).rejects.toThrow('cannot be done at this point')
    for (let time = 0; time < 2; time += 1) await joiner.ask(0, twice)
    expect([joiner.exchange?.phase, ring.ring.records.length]).toEqual(['joined', 2])
    expect(joiner.records).toEqual(ring.ring.records)
  })

  test('takes a removed machine back, in sight of its removal', async () => {
    const { ring, joiner, id } = await showing()
    const approve = async (entryId: string): Promise<void> => {
      joiner.step({ kind: 'confirm', target: RING }, ring.nowMs)
      await joiner.ask(ring.nowMs, askOf(ring, joiner))
      await ring.desk.say('confirm', entryId, ring.context())
      await joiner.ask(ring.nowMs, askOf(ring, joiner))
    }
    await approve(id)
    await ring.ring.edit(ring.key, (desk) => remove(desk, 'pi'))
    ring.nowMs += 600_000
    const again = new WaitingJoiner('pi')
    await showing(ring, again)
    again.step({ kind: 'confirm', target: RING }, ring.nowMs)
    await again.ask(ring.nowMs, askOf(ring, again))
    await ring.desk.say('confirm', again.exchange?.id ?? '', ring.context())
    await again.ask(ring.nowMs, askOf(ring, again))
    expect(ring.ring.roster.members.get('pi')?.publicKey).toBe(again.self.node.publicKey)
  })

  test('a flood fills its bounded places, pushes no honest machine out, and costs no attempt', async () => {
    const ring = new ApprovingRing()
    const honest = new WaitingJoiner('honest', { address: '192.168.1.20' })
    honest.step({ kind: 'start', target: RING }, 0)
    await honest.ask(0, askOf(ring, honest))
    const statuses: number[] = []
    for (let index = 0; index < 1_000; index += 1) {
      const flood = {
        version: 1,
        commitment: commitmentOf({ joiner: { nodeKey: 'k', nodeId: `n${index}`, bootCounter: 0, nonce: makeNonce() } }),
        nodeId: `n${index}`,
        hostname: 'x',
      }
      statuses.push((await ring.answer('/v1/adopt/commit', flood, `10.0.${index % 250}.1`)).status)
    }
    expect(ring.desk.list(0)).toHaveLength(WAITING_MAX)
    expect(statuses.filter((status) => status === 200)).toHaveLength(WAITING_MAX - 1)
    expect(new Set(statuses)).toEqual(new Set([200, 503]))
    await ring.desk.say('open', honest.exchange?.id ?? '', ring.context())
    for (let time = 0; time < 2; time += 1) await honest.ask(0, askOf(ring, honest))
    expect(ring.desk.list(0).find((one) => one.nodeId === 'honest')?.code).toBe(honest.code)
    const alone = new ApprovingRing()
    for (let index = 0; index < 50; index += 1) {
      const flood = {
        version: 1,
        commitment: commitmentOf({ joiner: { nodeKey: 'k', nodeId: 'n', bootCounter: 0, nonce: makeNonce() } }),
        nodeId: 'n',
        hostname: 'x',
      }
      await alone.answer('/v1/adopt/commit', flood, `fe80::1:2:3:${index}`)
    }
    expect(alone.desk.list(0)).toHaveLength(3)
    alone.nowMs = 31_000
    expect(alone.desk.list(31_000)).toHaveLength(0)
  })

  test('garbage is called so on every route, and an unknown id gets the stranger’s answer', async () => {
    const ring = new ApprovingRing()
    for (const path of ['/v1/adopt/commit', '/v1/adopt/reveal', '/v1/adopt/status']) {
      for (const body of [null, 'x', [], {}, { version: 1, id: '../..', commitment: 'zz' }])
        expect((await ring.answer(path, body)).status).toBe(400)
    }
    const answer = await ring.answer('/v1/adopt/status', { version: 1, id: makeNonce(), said: 'yes', signature: null })
    expect(answer).toEqual({ status: 401, body: UNAUTHENTICATED_BODY })
  })
})

test('digits are all six, spread evenly', () => {
  const own = { nodeKey: 'k', nodeId: 'pi', bootCounter: 0, nonce: 'n' }
  const codes = Array.from({ length: 2_000 }, (_, index) =>
    codeOf(transcriptOf(own, { serverKey: 's', nodeId: 'l', clusterId: 'c', fingerprint: 'f', nonce: String(index) })),
  )
  for (const code of codes) expect(code).toMatch(/^\d{3} \d{3}$/)
  expect(new Set(codes).size).toBeGreaterThan(1_980)
  for (let digit = 0; digit < 10; digit += 1) {
    const first = codes.filter((code) => code.startsWith(String(digit))).length
    expect(first).toBeGreaterThan(140)
    expect(first).toBeLessThan(260)
  }
})

test('whatever happens in whatever order: places and attempts stay bounded, and nobody is taken in without both words', () => {
  const joiners = Array.from({ length: 6 }, (_, index) => ({
    nodeKey: `key-${index % 3}`,
    nodeId: `n${index}`,
    bootCounter: 0,
    nonce: `nonce-${index}`,
  }))
  const own = { serverKey: 's', nodeId: 'leader', clusterId: 'c', fingerprint: 'f' }
  const anyMove = fc.record({
    kind: fc.constantFrom(
      'commit',
      'open',
      'open',
      'reveal',
      'reveal',
      'confirm',
      'confirm',
      'cancel',
      'heard',
      'heard',
      'admitted',
      'tick',
    ),
    who: fc.oneof({ weight: 4, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(5) }),
    said: fc.constantFrom('nothing', 'yes', 'yes', 'yes', 'yes', 'no'),
    isOther: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    afterMs: fc.oneof({ weight: 12, arbitrary: fc.constantFrom(0, 1_000) }, { weight: 1, arbitrary: fc.constantFrom(20_000, 200_000) }),
  })
  let admissions = 0
  fc.assert(
    fc.property(fc.array(anyMove, { maxLength: 120, size: 'max' }), (moves) => {
      let state: RingSideState = NOBODY_WAITS
      let ms = 0
      let count = 0
      const words = new Map<string, Set<string>>()
      const openings: number[] = []
      for (const { kind, who, said, isOther, afterMs } of moves) {
        ms += afterMs
        const joiner = joiners[who] as (typeof joiners)[number]
        const commitment = commitmentOf({ joiner })
        const entry = [...state.entries.values()].find((one) => one.commitment === commitment)
        const id = entry?.id ?? 'none'
        const event = {
          kind,
          id,
          commitment,
          own,
          said,
          nodeId: joiner.nodeId,
          hostname: 'x',
          address: `10.0.0.${who % 4}`,
          reason: null,
          reveal: isOther ? { ...joiner, nonce: 'other' } : joiner,
        } as unknown as RingSideEvent
        const step = stepRingSide(state, event.kind === 'cancel' ? { kind: 'cancel', id } : event, {
          ms,
          random: () => `id-${(count += 1)}`,
        })
        if (kind === 'open' && entry?.phase === 'waiting' && step.state.entries.get(id)?.phase === 'opened') openings.push(ms)
        const said2 = words.get(id) ?? new Set()
        words.set(id, said2)
        if (kind === 'confirm' && entry?.phase === 'showing') said2.add('owner')
        if (kind === 'heard' && said === 'yes' && entry?.phase === 'showing') said2.add('joiner')
        for (const action of step.actions) {
          if (action.kind !== 'admit') continue
          admissions += 1
          expect([...said2].toSorted()).toEqual(['joiner', 'owner'])
          expect(action.entry.joiner).toEqual(joiner)
        }
        state = step.state
        expect(state.entries.size).toBeLessThanOrEqual(WAITING_MAX)
        expect(openings.filter((atMs) => ms - atMs < 600_000).length).toBeLessThanOrEqual(5)
      }
    }),
    { numRuns: 300 },
  )
  expect(admissions).toBeGreaterThan(5)
})
