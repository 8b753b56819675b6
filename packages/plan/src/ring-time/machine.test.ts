import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Now } from '../election/contract.ts'
import type { ClockWord } from './contract.ts'
import { CLOCKS_MAX, FORGET_MS, initialRingTime, ringTimeMs, stepRingTime, type RingTimeState } from './machine.ts'

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
      for (const { to, message } of actions) {
        const other = machines.find((each) => each.state.nodeId === to)
        if (other === undefined) continue
        const event = { kind: 'message', from: state.nodeId, message } as const
        other.state = stepRingTime(other.state, event, other.now(atMs), 0).state
      }
    }
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

test('who is away, or has not been heard of for half a minute, does not count', () => {
  const pi = new Machine('pi', -YEAR_MS)
  const mac = new Machine('mac', 0, true)
  talk([pi, mac], 0, 10_000)
  expect(pi.offAt(10_000)).toBe(0)
  const alone = stepRingTime(pi.state, { kind: 'alive', alive: new Set(['pi']) }, pi.now(11_000), 0).state
  expect(ringTimeMs(alone, pi.now(11_000)) - TRUE_MS - 11_000).toBe(-YEAR_MS)
  expect(pi.offAt(10_000 + FORGET_MS + 1)).toBe(-YEAR_MS)
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
