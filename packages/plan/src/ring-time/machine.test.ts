import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Now } from '../election/contract.ts'
import type { ClockWord, RingTimeAction } from './contract.ts'
import { AWAY_GRACE_MS, CLOCKS_MAX, HOLD_OVER_MS, initialRingTime, ringTimeMs, stepRingTime, type RingTimeState } from './machine.ts'

const TRUE_MS = 1_800_000_000_000
const YEAR_MS = 365 * 24 * 3_600_000

/** A machine of the story: its wall clock is so far off the truth, its monotonic one counts from its start. */
class Machine {
  state: RingTimeState
  offMs: number
  isSynchronised: boolean
  readonly startMs: number

  constructor(nodeId: string, offMs: number, isSynchronised = false, startMs = 0) {
    this.offMs = offMs
    this.isSynchronised = isSynchronised
    this.startMs = startMs
    this.state = initialRingTime(nodeId, this.now(startMs))
  }
  now(atMs: number): Now {
    return { monotonicMs: atMs - this.startMs, wallMs: TRUE_MS + atMs + this.offMs }
  }
  /** How far off the truth its ring time is. */
  offAt(atMs: number): number {
    return ringTimeMs(this.state, this.now(atMs)) - TRUE_MS - atMs
  }
}

/** All of them tell each other for a while, without delay. */
function talk(machines: readonly Machine[], fromMs: number, toMs: number): void {
  let draw = 0.5
  const alive = new Set(machines.map((machine) => machine.state.nodeId))
  for (const machine of machines) machine.state = stepRingTime(machine.state, { kind: 'alive', alive }, machine.now(fromMs), 0).state
  for (let atMs = fromMs; atMs <= toMs; atMs += 500) {
    for (const machine of machines) {
      draw = (draw * 9_301 + 0.49297) % 1
      const { state, actions } = stepRingTime(
        machine.state,
        { kind: 'tick', isSynchronised: machine.isSynchronised },
        machine.now(atMs),
        draw,
      )
      machine.state = state
      deliver(machines, state.nodeId, actions, atMs)
    }
  }
}

function deliver(machines: readonly Machine[], from: string, actions: readonly RingTimeAction[], atMs: number): void {
  for (const { to, message } of actions) {
    const other = machines.find((each) => each.state.nodeId === to)
    if (other === undefined) continue
    const { state, actions: answers } = stepRingTime(other.state, { kind: 'message', from, message }, other.now(atMs), 0)
    other.state = state
    deliver(machines, to, answers, atMs)
  }
}

test('alone a machine goes by its own clock, also right after it was set', () => {
  const pi = new Machine('pi', -YEAR_MS)
  expect(pi.offAt(1_000)).toBe(-YEAR_MS)
  pi.offMs = 5_000
  expect(pi.offAt(1_000)).toBe(5_000)
})

test('a Pi that woke up in 1970 takes the time of the one machine that follows a time server', () => {
  const pi = new Machine('pi', -TRUE_MS)
  const win = new Machine('win', 3 * 60_000)
  const mac = new Machine('mac', 20, true)
  talk([pi, win, mac], 0, 20_000)
  for (const machine of [pi, win, mac]) expect(machine.offAt(20_000)).toBe(20)
})

test('a clock that jumps by a year changes nothing where others hold, and its owner keeps ring time', () => {
  const machines = ['a', 'b', 'c'].map((nodeId, index) => new Machine(nodeId, index * 1_000))
  talk(machines, 0, 20_000)
  const [, , jumper] = machines
  if (jumper !== undefined) jumper.offMs = YEAR_MS
  talk(machines, 20_500, 40_000)
  for (const machine of machines) expect(machine.offAt(40_000)).toBe(1_000)
})

test('of two clocks that nobody vouches for the later one counts, on both sides alike', () => {
  const pair = [new Machine('a', -YEAR_MS), new Machine('b', 2_000)]
  talk(pair, 0, 20_000)
  expect(pair.map((machine) => machine.offAt(20_000))).toEqual([2_000, 2_000])
})

test('who has been away for longer than a mistake lasts does not count; who answers counts however old the last word of its clock is', () => {
  const pi = new Machine('pi', -YEAR_MS)
  const mac = new Machine('mac', 0)
  talk([pi, mac], 0, 10_000)
  expect(pi.offAt(10_000)).toBe(0)
  expect(pi.offAt(3_600_000)).toBe(0)
  const offWhenAway = (...toldMs: readonly number[]): number => {
    let state = stepRingTime(pi.state, { kind: 'alive', alive: new Set(['pi']) }, pi.now(11_000), 0).state
    for (const atMs of toldMs) state = stepRingTime(state, { kind: 'tick', isSynchronised: false }, pi.now(atMs), 0).state
    const endMs = toldMs.at(-1) ?? 11_000
    return ringTimeMs(state, pi.now(endMs)) - TRUE_MS - endMs
  }
  expect(offWhenAway()).toBe(0)
  expect(offWhenAway(14_000, 17_000)).toBe(0)
  expect(offWhenAway(14_000, 11_000 + AWAY_GRACE_MS)).toBe(-YEAR_MS)
  const back = stepRingTime(pi.state, { kind: 'alive', alive: new Set(['pi', 'mac']) }, pi.now(12_000), 0).state
  expect(ringTimeMs(back, pi.now(99_000)) - TRUE_MS - 99_000).toBe(0)
})

test('the one machine that followed a time server goes, or starts again without: the others, and those that come later, know its time for a day', () => {
  const pi = new Machine('pi', -YEAR_MS)
  const win = new Machine('win', 60_000)
  const mac = new Machine('mac', 20, true)
  talk([pi, win, mac], 0, 20_000)
  talk([pi, win], 20_500, 60_000)
  for (const machine of [pi, win]) expect(machine.offAt(60_000)).toBe(20)
  const late = new Machine('late', -TRUE_MS, false, 60_000)
  const again = new Machine('mac', -YEAR_MS, false, 60_000)
  talk([pi, win, late, again], 60_500, 90_000)
  for (const machine of [pi, win, late, again]) expect(machine.offAt(90_000)).toBe(20)
  expect(pi.offAt(20_000 + HOLD_OVER_MS + 1)).not.toBe(20)
})

test('a machine whose clock is set by hand goes by what it knew', () => {
  const mac = new Machine('mac', 20, true)
  const pi = new Machine('pi', -YEAR_MS)
  talk([mac, pi], 0, 20_000)
  mac.offMs = -YEAR_MS
  mac.isSynchronised = false
  talk([mac, pi], 20_500, 40_000)
  for (const machine of [mac, pi]) expect(machine.offAt(40_000)).toBe(20)
})

test('clocks that a member invents count for nothing: nobody of that name is in the ring', () => {
  const pi = new Machine('pi', 0)
  const heard = Array.from({ length: 20 }, (_, index) => ({ nodeId: `a${index}`, aheadMs: YEAR_MS, isSynchronised: false, ageMs: 0 }))
  const message: ClockWord = { wallMs: TRUE_MS, isSynchronised: false, heard }
  pi.state = stepRingTime(pi.state, { kind: 'alive', alive: new Set(['pi', 'evil']) }, pi.now(0), 0).state
  pi.state = stepRingTime(pi.state, { kind: 'message', from: 'evil', message }, pi.now(0), 0).state
  expect(pi.offAt(0)).toBe(0)
  pi.state = stepRingTime(pi.state, { kind: 'tick', isSynchronised: false }, pi.now(3_000), 0).state
  expect([...pi.state.clocks.keys()]).toEqual(['evil'])
})

test('a laptop whose monotonic clock stood still while it slept is not late afterwards', () => {
  const mac = new Machine('mac', 3_000)
  const pi = new Machine('pi', 0, true)
  talk([mac, pi], 0, 10_000)
  expect(mac.offAt(10_000)).toBe(0)
  const hourMs = 3_600_000
  const awake: Now = { monotonicMs: 10_100, wallMs: TRUE_MS + 10_100 + hourMs + 3_000 }
  expect(ringTimeMs(mac.state, awake)).toBe(awake.wallMs)
  const state = stepRingTime(mac.state, { kind: 'tick', isSynchronised: false }, awake, 0).state
  expect(ringTimeMs(state, awake)).toBe(awake.wallMs)
  const message: ClockWord = { wallMs: TRUE_MS + 10_100 + hourMs, isSynchronised: true, heard: [] }
  const told = stepRingTime(state, { kind: 'message', from: 'pi', message }, awake, 0).state
  expect(ringTimeMs(told, awake)).toBe(message.wallMs)
})

test('word that is no word is passed over, and a message stays small', () => {
  const pi = new Machine('pi', 7)
  const bad: ClockWord = {
    wallMs: Number.NaN,
    isSynchronised: true,
    heard: [],
  }
  const worse: ClockWord = {
    wallMs: TRUE_MS,
    isSynchronised: false,
    heard: [{ nodeId: 'x', aheadMs: Number.POSITIVE_INFINITY, isSynchronised: true, ageMs: -5 }],
  }
  for (const message of [bad, worse]) {
    pi.state = stepRingTime(pi.state, { kind: 'message', from: 'evil', message }, pi.now(0), 0).state
  }
  pi.state = stepRingTime(pi.state, { kind: 'alive', alive: new Set(['pi', 'evil', 'x']) }, pi.now(0), 0).state
  expect(pi.state.clocks.has('x')).toBe(false)
  expect(pi.offAt(0)).toBe(7)
  const many = Array.from({ length: 200 }, (_, index) => new Machine(`n${index}`, index))
  talk(many, 0, 30_000)
  const [first] = many
  const told = stepRingTime(first?.state ?? pi.state, { kind: 'tick', isSynchronised: false }, first?.now(33_000) ?? pi.now(0), 0.5)
  expect(told.actions[0]?.message.heard.length).toBe(CLOCKS_MAX)
})

test('any ring comes to one time; with any clock that follows a server, to that one’s', () => {
  const clock = fc.record({ offMs: fc.integer({ min: -YEAR_MS, max: YEAR_MS }), isSynchronised: fc.boolean() })
  fc.assert(
    fc.property(fc.array(clock, { minLength: 1, maxLength: 12 }), (clocks) => {
      const machines = clocks.map(({ offMs, isSynchronised }, index) => {
        return new Machine(`n${index}`, isSynchronised ? offMs % 50 : offMs, isSynchronised, index * 10)
      })
      talk(machines, 200, 40_000)
      const times = machines.map((machine) => machine.offAt(40_000))
      expect(new Set(times).size).toBe(1)
      if (clocks.some(({ isSynchronised }) => isSynchronised)) expect(Math.abs(times[0] ?? Infinity)).toBeLessThan(50)
    }),
    { numRuns: 60 },
  )
})

test('two sides of a cut, of which no clock is right, agree a few seconds after they found each other', () => {
  const all = Array.from({ length: 40 }, (_, place) => new Machine(`m${place}`, ((place * 7_919) % 40) * YEAR_MS))
  talk(all.slice(0, 20), 0, 60_000)
  talk(all.slice(20), 0, 60_000)
  const times = (atMs: number): number => new Set(all.map((machine) => machine.offAt(atMs))).size
  expect(times(60_000)).toBe(2)
  talk(all, 60_500, 66_500)
  expect(times(66_500)).toBe(1)
})

test('a machine that knows one other clock, a year ahead, waits for the third before it believes it', () => {
  const [win, mac, pi] = [new Machine('win', 0), new Machine('mac', 0), new Machine('pi', YEAR_MS)]
  const alive = new Set(['win', 'mac', 'pi'])
  for (const machine of [win, mac, pi]) machine.state = stepRingTime(machine.state, { kind: 'alive', alive }, machine.now(0), 0).state
  const word: ClockWord = { wallMs: pi.now(0).wallMs, isSynchronised: false, heard: [] }
  win.state = stepRingTime(win.state, { kind: 'message', from: 'pi', message: word }, win.now(0), 0).state
  expect(win.offAt(0)).toBe(0)
  talk([win, mac, pi], 500, 5_000)
  for (const machine of [win, mac, pi]) expect(machine.offAt(5_000)).toBe(0)
})
