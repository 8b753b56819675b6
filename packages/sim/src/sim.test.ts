import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { sharesOf, workOff } from './crew.ts'
import { FAILED_SEEDS } from './failed-seeds.ts'
import { MUTANTS } from './mutants.ts'
import { Chance } from './random.ts'
import { RULES } from './rules.ts'
import { runSeed, sizeOf } from './run.ts'
import { Schedule } from './schedule.ts'

const SMALL = { from: 3, to: 9 }

/** Some ten seconds of two quiet cores; the machines that run it are seldom quiet. */
const ALL_MS_MAX = 300_000

test('forty seeds hold', { timeout: ALL_MS_MAX }, () => {
  const failed = Array.from({ length: 40 }, (_, seed) => runSeed(seed, SMALL, RULES)).filter((run) => run.violations.length > 0)
  expect(failed).toEqual([])
})

test('a ring of one and a ring of forty hold', () => {
  expect(runSeed(1, { from: 1, to: 1 }, RULES).violations).toEqual([])
  expect(runSeed(2, { from: 40, to: 40 }, RULES).violations).toEqual([])
})

test('a seed gives the same run bit for bit, traced or not; another seed another one', () => {
  const lines: string[] = []
  const plain = runSeed(7, SMALL, RULES)
  const traced = runSeed(7, SMALL, RULES, (line) => lines.push(line))
  expect(traced).toEqual(plain)
  expect(lines.some((line) => / leads, term \d/.test(line))).toBe(true)
  expect(runSeed(8, SMALL, RULES).stateHash).not.toBe(plain.stateHash)
})

test('half of the rings are small, some are large', () => {
  const sizes = Array.from({ length: 2_000 }, (_, seed) => sizeOf(seed, { from: 5, to: 50 })).toSorted((a, b) => a - b)
  expect(sizes[1_000]).toBe(7)
  expect(sizes[0]).toBe(5)
  expect(sizes.at(-1)).toBeGreaterThan(45)
})

test('the schedule gives back what is soonest, and at one instant what was planned first', () => {
  const chance = new Chance(5, 0)
  const schedule = new Schedule<number>()
  const planned = Array.from({ length: 500 }, (_, index) => ({ atMs: chance.whole(0, 40), index }))
  for (const { atMs, index } of planned) schedule.plan(atMs, index)
  const got: number[] = []
  for (let next = schedule.next(); next !== undefined; next = schedule.next()) got.push(next.item)
  expect(got).toEqual(planned.toSorted((a, b) => a.atMs - b.atMs || a.index - b.index).map(({ index }) => index))
})

test('many cores come to the same as one', { timeout: ALL_MS_MAX }, async () => {
  const seeds = Array.from({ length: 19 }, (_, index) => 20 + index)
  const answers = await workOff(
    sharesOf(
      seeds.map((seed) => ({ seed, ...SMALL })),
      Infinity,
    ),
  )
  const runs = answers.flatMap((answer) => (answer.kind === 'play' ? answer.runs : []))
  expect(runs).toEqual(seeds.map((seed) => runSeed(seed, SMALL, RULES)))
})

const cli = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'cli.ts'), ...args], { encoding: 'utf8' })
  return { status, out: stdout, err: stderr }
}

test('the command replays one seed with a trace and ends with its state hash', () => {
  const { status, out } = cli('--seed', '7', '--nodes', '3..9', '--trace')
  expect(status).toBe(0)
  expect(out).toContain(runSeed(7, SMALL, RULES).stateHash)
  expect(out).toMatch(/leads, term \d/)
})

test(
  'every seed that ever failed holds now, every planted fault is noticed, and the command ends with one line of JSON',
  { timeout: ALL_MS_MAX },
  () => {
    const { status, out } = cli('--seeds', '5', '--nodes', '3..5', '--json')
    expect(status, out).toBe(0)
    expect(JSON.parse(out.trim().split('\n').at(-1) ?? '')).toMatchObject({
      seeds: 5 + FAILED_SEEDS.length,
      violations: 0,
      failedSeeds: [],
      mutants: Object.keys(MUTANTS).length,
      mutantsCaught: Object.keys(MUTANTS).length,
    })
  },
)

test('wrong options are answered with a sentence', () => {
  for (const args of [
    ['--nodes', '9..3'],
    ['--seeds', 'many'],
    ['--sedes', '3'],
  ]) {
    const { status, err } = cli(...args)
    expect(status).toBe(2)
    expect(err).not.toContain('    at ')
  }
})
