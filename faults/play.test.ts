import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { mergeTallies, percentile, figuresOf, Violation, type Context, type Experiment } from './contract.ts'
import { play, type PlayOptions } from './play.ts'

const OPTIONS: PlayOptions = {
  agentDist: '/none',
  planted: null,
  seed: 7,
  trials: 5,
  slice: { number: 1, of: 1 },
  untilMs: Infinity,
  stopsAtViolation: false,
  patienceMs: 1_000,
  say: () => undefined,
}

const experiment = (run: (context: Context) => void): Experiment => ({
  name: 'example',
  shows: 'that this works',
  trials: 5,
  needs: [],
  mutants: [],
  run: async (context) => run(context),
})

async function draws(change: Partial<PlayOptions>): Promise<Map<number, number>> {
  const seen = new Map<number, number>()
  const collect = experiment((context) => {
    for (const { index, random } of context.trials()) seen.set(index, random())
  })
  await play(collect, { ...OPTIONS, ...change })
  return seen
}

test('slices are the whole, in parts: the same trials with the same draws', async () => {
  const whole = await draws({})
  const parts = [...(await draws({ slice: { number: 1, of: 2 } })), ...(await draws({ slice: { number: 2, of: 2 } }))]
  expect([...whole.keys()]).toEqual([0, 1, 2, 3, 4])
  expect(new Map(parts.toSorted(([a], [b]) => a - b))).toEqual(whole)
  expect(await draws({ seed: 8 })).not.toEqual(whole)
})

test('violations are counted; with a planted fault the first one is enough', async () => {
  const bad = experiment((context) => {
    for (const { index } of context.trials()) {
      context.took(100 + index)
      context.edits(3, index === 4 ? 1 : 0)
      context.violated(`in trial ${index}`)
    }
  })
  const tally = await play(bad, OPTIONS)
  expect(figuresOf(tally)).toEqual({ trials: 5, acknowledged: 15, lost: 1, violations: 5, p50Ms: 102, p99Ms: 104 })
  expect((await play(bad, { ...OPTIONS, stopsAtViolation: true })).violations).toEqual(['in trial 0'])
})

test('a property that ends the experiment counts, an experiment that fails by itself does not pass for one', async () => {
  const broken = experiment(() => {
    throw new Violation('never settled')
  })
  expect((await play(broken, OPTIONS)).violations).toEqual(['never settled'])
  let directory = ''
  const failing = experiment((context) => {
    ;({ directory } = context)
    expect(existsSync(directory)).toBe(true)
    throw new Error('ip: command not found')
  })
  await expect(play(failing, OPTIONS)).rejects.toThrow('command not found')
  expect(existsSync(directory)).toBe(false)
})

test('the first trial is played however late it is, no other after the time is up', async () => {
  expect([...(await draws({ untilMs: 0 })).keys()]).toEqual([0])
})

test('percentiles by nearest rank, tallies of slices together', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1)
  expect([percentile(hundred, 50), percentile(hundred, 99), percentile([5], 99), percentile([3, 1, 2], 50)]).toEqual([50, 99, 5, 2])
  const one = { trials: 2, violations: ['a'], timesMs: [1, 2], longestWaitMs: 7, edits: { acknowledged: 5, lost: 0 } }
  expect(mergeTallies([one, { trials: 1, violations: [], timesMs: [3], longestWaitMs: 4, edits: null }])).toEqual({
    trials: 3,
    violations: ['a'],
    timesMs: [1, 2, 3],
    longestWaitMs: 7,
    edits: { acknowledged: 5, lost: 0 },
  })
})
