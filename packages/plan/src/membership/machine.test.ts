import { expect, test } from 'vitest'
import type { MembershipAction, MembershipMessage } from './contract.ts'
import { initialMembership, stepMembership } from './machine.ts'
import { suspicionMs } from './rumours.ts'
import { awake, ERRANDS_MAX, MEMBERSHIP_TIMING, type MembershipState } from './state.ts'

/** A node `a` whose roster has others; it is told what it hears, and what it sends is looked at. */
class One {
  state: MembershipState
  nowMs = 0
  sent: Extract<MembershipAction, { kind: 'send' }>[] = []
  changes = 0

  constructor(others: readonly string[], incarnation = 100) {
    this.state = initialMembership('a', incarnation, 0)
    this.do({ kind: 'roster', members: ['a', ...others] })
    for (const from of others) this.hear(from, { kind: 'nack', sequence: 999, incarnation: 10, rumours: [] })
  }

  private do(event: Parameters<typeof stepMembership>[1]): void {
    const { state, actions } = stepMembership(this.state, event, this.nowMs, 0.25)
    this.state = state
    for (const action of actions) {
      if (action.kind === 'send') this.sent.push(action)
      else this.changes++
    }
  }

  hear(from: string, message: MembershipMessage): void {
    this.do({ kind: 'message', from, message })
  }

  run(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 100
      this.do({ kind: 'tick' })
    }
  }

  /** Ten milliseconds, with a tick or, if none is due, without one. */
  goOn(always: boolean): void {
    this.nowMs += 10
    if (always || this.nowMs >= this.state.tickDueMs) {
      this.ticks++
      this.do({ kind: 'tick' })
    }
  }
  ticks = 0

  kinds(): string[] {
    return this.sent.splice(0).map(({ to, message }) => `${message.kind} ${to}`)
  }
}

const envelope = { incarnation: 10, rumours: [] }

test('members are away until they are heard, and stay known for ever', () => {
  const one = new One([])
  expect([...awake(one.state)]).toEqual(['a'])
  const two = new One(['b', 'c'])
  expect([...awake(two.state)]).toEqual(['a', 'b', 'c'])
  two.run(60_000)
  expect([...awake(two.state)]).toEqual(['a'])
  expect([...two.state.members.keys()]).toEqual(['b', 'c'])
})

test('who does not answer is asked by others before it is suspected, and suspected before it is away', () => {
  const one = new One(['b'])
  one.kinds()
  one.run(100)
  expect(one.kinds()).toContain('ping b')
  one.run(1_200)
  expect(one.state.members.get('b')?.liveness).toBe('suspect')
  expect([...awake(one.state)]).toContain('b')
  one.hear('b', { kind: 'ack', sequence: 0, incarnation: 11, rumours: [] })
  expect(one.state.members.get('b')?.liveness).toBe('alive')
  one.run(12_000)
  expect(one.state.members.get('b')?.liveness).toBe('away')
})

test('helpers are asked when a direct answer is late, and an answer through them counts', () => {
  const one = new One(['b', 'c', 'd', 'e'])
  one.kinds()
  one.run(100)
  const target = one.state.probe?.target ?? ''
  const sequence = one.state.probe?.sequence ?? 0
  one.run(300)
  const asked = one.kinds()
  expect(asked.filter((text) => text.startsWith('ping-request'))).toHaveLength(3)
  const helper = asked.find((text) => text.startsWith('ping-request'))?.split(' ')[1] ?? ''
  one.hear(helper, { kind: 'ack', sequence, ...envelope })
  one.run(500)
  expect(one.state.members.get(target)?.liveness).toBe('alive')
})

test('a helper pings for another, passes the answer on, or says that there was none', () => {
  const one = new One(['b', 'c'])
  one.kinds()
  one.hear('b', { kind: 'ping-request', sequence: 77, target: 'c', ...envelope })
  const ping = one.sent.find(({ to, message }) => to === 'c' && message.kind === 'ping')?.message
  one.kinds()
  one.hear('c', { kind: 'ack', sequence: ping?.kind === 'ping' ? ping.sequence : -1, ...envelope })
  expect(one.sent[0]).toMatchObject({ to: 'b', message: { kind: 'ack', sequence: 77 } })
  one.kinds()
  one.hear('b', { kind: 'ping-request', sequence: 78, target: 'c', ...envelope })
  one.run(400)
  expect(one.sent.find(({ message }) => message.kind === 'nack')).toMatchObject({ to: 'b', message: { sequence: 78 } })
})

function minuteWithASilentOne(always: boolean): { said: string[]; ticks: number; awake: string[] } {
  const one = new One(['b', 'c', 'd'])
  const said: string[] = []
  while (one.nowMs < 60_000) {
    one.goOn(always)
    for (const { to, message } of one.sent.splice(0)) {
      said.push(`${one.nowMs} ${message.kind} ${to} ${JSON.stringify(message.rumours)}`)
      if (to === 'b') continue
      if (message.kind === 'ping') one.hear(to, { kind: 'ack', sequence: message.sequence, ...envelope })
      if (message.kind === 'ping-request') one.hear(to, { kind: 'nack', sequence: message.sequence, ...envelope })
    }
    if (one.nowMs % 7_000 === 0) one.hear('c', { kind: 'ping-request', sequence: 5, target: 'b', ...envelope })
  }
  return { said, ticks: one.ticks, awake: [...awake(one.state)] }
}

test('a tick that is not due does nothing: where one machine is silent, the same is said at the same times without it', () => {
  const [often, seldom] = [minuteWithASilentOne(true), minuteWithASilentOne(false)]
  expect(seldom.said).toEqual(often.said)
  expect(seldom.awake).toEqual(['a', 'c', 'd'])
  expect(often.said.some((text) => text.includes(' nack c '))).toBe(true)
  expect(seldom.ticks).toBeLessThan(often.ticks / 15)
})

test('at rest it has to be woken once a second, and a standstill is noticed though a message is the first thing after it', () => {
  const one = new One(['b'])
  const ackAll = (): void => {
    for (const { to, message } of one.sent.splice(0))
      if (message.kind === 'ping') one.hear(to, { kind: 'ack', sequence: message.sequence, ...envelope })
  }
  for (let ms = 0; ms < 60_000; ms += 10) {
    one.goOn(false)
    ackAll()
  }
  expect(one.ticks).toBeLessThanOrEqual(70)
  one.kinds()
  one.nowMs = one.state.tickDueMs + 5_000
  one.hear('b', { kind: 'ack', sequence: 0, ...envelope })
  one.goOn(false)
  expect(one.kinds()).toContain('sync b')
})

test('errands for others are bounded', () => {
  const one = new One(['b', 'c'])
  for (let sequence = 0; sequence < 1_000; sequence++) one.hear('b', { kind: 'ping-request', sequence, target: 'c', ...envelope })
  expect(one.state.errands).toHaveLength(ERRANDS_MAX)
})

test('bad word of oneself is answered with a greater incarnation, also from a life before this one', () => {
  const one = new One(['b'], 100)
  one.hear('b', { kind: 'sync', wantsReply: false, incarnation: 10, rumours: [{ nodeId: 'a', incarnation: 5_000, liveness: 'away' }] })
  expect(one.state.incarnation).toBe(5_001)
  one.hear('b', {
    kind: 'sync',
    wantsReply: false,
    incarnation: 10,
    rumours: [{ nodeId: 'a', incarnation: 5_001, liveness: 'suspect', by: 'b' }],
  })
  expect(one.state.incarnation).toBe(5_002)
  one.hear('b', { kind: 'sync', wantsReply: false, incarnation: 10, rumours: [{ nodeId: 'a', incarnation: 4_000, liveness: 'away' }] })
  expect(one.state.incarnation).toBe(5_002)
})

test('word that is older, or of strangers, changes nothing', () => {
  const one = new One(['b', 'c'])
  one.hear('b', { kind: 'ack', sequence: 0, incarnation: 10, rumours: [{ nodeId: 'c', incarnation: 9, liveness: 'away' }] })
  one.hear('b', { kind: 'ack', sequence: 0, incarnation: 10, rumours: [{ nodeId: 'stranger', incarnation: 9, liveness: 'alive' }] })
  one.hear('stranger', { kind: 'ping', sequence: 1, incarnation: 10, rumours: [] })
  expect([...awake(one.state)]).toEqual(['a', 'b', 'c'])
})

test('a second machine with one’s own id is not heard', () => {
  const one = new One(['b'])
  one.kinds()
  const before = one.state
  one.hear('a', { kind: 'sync', wantsReply: true, incarnation: 10, rumours: [{ nodeId: 'b', incarnation: 99, liveness: 'away' }] })
  expect([one.state, one.kinds()]).toEqual([before, []])
})

test('a suspect is told so with the next message to it', () => {
  const one = new One(['b', 'c'])
  one.hear('c', { kind: 'ack', sequence: 0, incarnation: 10, rumours: [{ nodeId: 'b', incarnation: 10, liveness: 'suspect', by: 'c' }] })
  one.kinds()
  one.hear('b', { kind: 'ping', sequence: 5, incarnation: 10, rumours: [] })
  expect(one.sent[0]?.message.rumours[0]).toMatchObject({ nodeId: 'b', liveness: 'suspect' })
})

test('whom it suspects it asks again and again, others only once they have said so', () => {
  const one = new One(['b'])
  one.run(1_300)
  expect(one.state.members.get('b')?.liveness).toBe('suspect')
  one.kinds()
  one.run(3_000)
  expect(one.kinds().filter((text) => text === 'ping b').length).toBeGreaterThanOrEqual(9)
  const two = new One(['b', 'c', 'd', 'e'])
  two.hear('c', { kind: 'ack', sequence: 0, incarnation: 10, rumours: [{ nodeId: 'b', incarnation: 10, liveness: 'suspect', by: 'c' }] })
  two.kinds()
  two.run(900)
  expect(two.kinds().filter((text) => text === 'ping b').length).toBeLessThanOrEqual(2)
})

test('whom only others suspect it asks at the last, for word of the answer may have passed it by', () => {
  const one = new One(['b', 'c', 'd', 'e'])
  one.hear('c', { kind: 'ack', sequence: 0, incarnation: 10, rumours: [{ nodeId: 'b', incarnation: 10, liveness: 'suspect', by: 'c' }] })
  one.kinds()
  const askedAtMs: number[] = []
  while (one.state.members.get('b')?.liveness === 'suspect') {
    one.run(100)
    for (const { to, message } of one.sent.splice(0)) {
      if (message.kind !== 'ping') continue
      if (to === 'b') askedAtMs.push(one.nowMs)
      // It answers, and what it says of itself is lost each time.
      one.hear(to, { kind: 'ack', sequence: message.sequence, ...envelope })
    }
  }
  const lastCallAtMs = one.nowMs - MEMBERSHIP_TIMING.lastCallMs
  expect(askedAtMs.filter((atMs) => atMs < lastCallAtMs).length).toBeLessThanOrEqual(5)
  expect(askedAtMs.filter((atMs) => atMs >= lastCallAtMs).length).toBeGreaterThanOrEqual(5)
})

test('away members are called in turn, one a second, and told for what they are held', () => {
  const one = new One(['b', 'c', 'd'])
  for (const nodeId of ['b', 'c']) {
    one.hear('d', { kind: 'ack', sequence: 0, incarnation: 10, rumours: [{ nodeId, incarnation: 10, liveness: 'away' }] })
  }
  one.sent.splice(0)
  one.run(2_000)
  const calls = one.sent.filter(({ to, message }) => message.kind === 'ping' && to !== 'd')
  expect(calls.map(({ to }) => to).toSorted()).toEqual(['b', 'c'])
  for (const { to, message } of calls) expect(message.rumours[0]).toMatchObject({ nodeId: to, liveness: 'away' })
})

test('several accusers leave less time than one', () => {
  const one = new One(['b', 'c', 'd', 'e', 'f'])
  const suspect = (by: readonly string[]) => suspicionMs(one.state, { liveness: 'suspect', incarnation: 1, suspectedAtMs: 0, accusers: by })
  expect(suspect(['b'])).toBe(12_000)
  expect(suspect(['b', 'c'])).toBeLessThan(12_000)
  expect(suspect(['b', 'c', 'd', 'e'])).toBe(4_000)
})

test('after standing still it accuses nobody, and asks what it missed', () => {
  const one = new One(['b', 'c'])
  one.run(100)
  one.kinds()
  one.nowMs += 30_000
  one.run(100)
  expect([...one.state.members.values()].map((member) => member.liveness)).toEqual(['alive', 'alive'])
  expect(one.kinds().filter((text) => text.startsWith('sync'))).toHaveLength(2)
})

test('a member that is retired from the roster is gone, with what was said of it', () => {
  const one = new One(['b', 'c'])
  const before = one.changes
  const { state, actions } = stepMembership(one.state, { kind: 'roster', members: ['a', 'c'] }, one.nowMs, 0)
  expect([...awake(state)]).toEqual(['a', 'c'])
  expect(actions).toContainEqual({ kind: 'changed' })
  expect(state.tellings.map(({ rumour }) => rumour.nodeId)).not.toContain('b')
  expect(before).toBe(2)
})
