import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { whyNoNamespaces } from '@thatdam/testkit/hosts/up'
import { faketimeLibrary, NO_CLOCKS } from '@thatdam/testkit/ring/clock'
import { AGENT_DIST } from '@thatdam/testkit/ring/program'
import { figuresOf, mergeTallies, type Experiment, type FaultResult, type Need, type Tally } from './contract.ts'
import { EXPERIMENTS } from './list.ts'
import { buildMutant, loadMutant } from './mutant.ts'
import { PATIENCE_MS, play, type Slice } from './play.ts'
import { endAgents } from './support/lone-agent.ts'
import { endRings } from './support/rings.ts'

const USAGE = `Plays faults against real agents, and checks what must hold.

  npm run faults -- NAME … | --all [--trials N] [--seed N] [--json]
  npm run faults -- NAME --seconds N | --quick       no trial begins after this time; --quick is 45 s
  npm run faults -- NAME --slice 1/4 [--keep FILE]   a quarter of the trials; FILE gathers the slices and gives the figures of all
  npm run faults -- --list

Every experiment is then played against agents with planted faults, and has to notice each of them.
Ends with 1 when a property did not hold or a planted fault went unnoticed, never because the machine was slow.`

const QUICK_SECONDS = 45
const SLICE_SECONDS = 480
/** Of the time of a run, this much is for the agent itself; the rest for the planted faults. */
const OWN_SHARE = 0.55

class UsageError extends Error {}

interface Options {
  readonly trials: number | null
  readonly seed: number
  readonly slice: Slice
  readonly limitMs: number
  readonly isJson: boolean
  readonly keep: string | null
}

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parse(argv)
  if (values.help === true) {
    console.log(USAGE)
    return 0
  }
  if (values.list === true) {
    for (const { name, shows, trials, mutants } of EXPERIMENTS)
      console.log(`${name.padEnd(12)} ${shows} (${trials} trials, ${mutants.length} planted faults)`)
    return 0
  }
  const unknown = positionals.filter((name) => !EXPERIMENTS.some((experiment) => experiment.name === name))
  if (unknown.length > 0) throw new UsageError(`There is no experiment "${unknown.join('", "')}". npm run faults -- --list names all.`)
  const wanted = values.all === true ? EXPERIMENTS : EXPERIMENTS.filter(({ name }) => positionals.includes(name))
  if (wanted.length === 0) throw new UsageError(USAGE)
  if (values.keep !== undefined && wanted.length > 1) throw new UsageError('--keep takes one experiment.')
  const slice = sliceOf(values.slice ?? '1/1')
  const usualSeconds = values.quick === true ? QUICK_SECONDS : slice.of > 1 ? SLICE_SECONDS : Infinity
  const options: Options = {
    trials: values.trials === undefined ? null : wholeNumber('--trials', values.trials),
    seed: wholeNumber('--seed', values.seed ?? '1'),
    slice,
    limitMs: 1000 * (values.seconds === undefined ? usualSeconds : wholeNumber('--seconds', values.seconds)),
    isJson: values.json === true,
    keep: values.keep ?? null,
  }
  let isSound = true
  for (const experiment of wanted) {
    const result = await playWhole(experiment, options)
    if (options.isJson) console.log(JSON.stringify(result))
    isSound &&= result.violations === 0 && result.mutantsCaught === result.mutants
  }
  return isSound ? 0 : 1
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        trials: { type: 'string' },
        seed: { type: 'string' },
        slice: { type: 'string' },
        keep: { type: 'string' },
        seconds: { type: 'string' },
        all: { type: 'boolean' },
        quick: { type: 'boolean' },
        json: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${option} takes a whole number, not “${text}”.`)
  return Number(text)
}

function sliceOf(text: string): Slice {
  const [, number = '', of = ''] = /^(\d{1,3})\/(\d{1,3})$/.exec(text) ?? []
  const slice = { number: Number(number), of: Number(of) }
  if (slice.number < 1 || slice.number > slice.of) throw new UsageError(`--slice takes i/n with i from 1 to n, not “${text}”.`)
  return slice
}

/** The agent itself, then each planted fault. */
async function playWhole(experiment: Experiment, options: Options): Promise<FaultResult> {
  const commit = commitNow()
  const base = { experiment: experiment.name, mutants: 0, mutantsCaught: 0, seed: options.seed, commit }
  const missing = await whyNot(experiment.needs)
  if (missing !== null) {
    console.log(`\n${experiment.name}: left out. ${missing}`)
    return { ...base, trials: 0, violations: 0, skipped: missing }
  }
  console.log(`\n${experiment.name}: ${experiment.shows}`)
  const startMs = performance.now()
  const { limitMs } = options
  const shared = {
    seed: options.seed,
    slice: options.slice,
    trials: options.trials ?? experiment.trials,
    say: (text: string) => console.log(`  ${text}`),
  }
  const own = await play(experiment, {
    ...shared,
    agentDist: AGENT_DIST,
    planted: null,
    untilMs: startMs + limitMs * OWN_SHARE,
    stopsAtViolation: false,
    patienceMs: PATIENCE_MS,
  })
  sayUnplayed(own, shared.trials, options.slice)
  if (own.violations.length > 0 && experiment.mutants.length > 0)
    console.log('  planted faults are not tried: what the agent itself does not hold, they would be noticed by without a reason.')
  const faults =
    own.violations.length > 0 ? { tried: 0, caught: 0 } : await playMutants(experiment, shared, { own, untilMs: startMs + limitMs })
  const kept =
    options.keep === null
      ? own
      : keepSlice(options.keep, { name: experiment.name, seed: options.seed, commit, slice: options.slice, tally: own })
  const result: FaultResult = { ...base, ...figuresOf(kept), mutants: faults.tried, mutantsCaught: faults.caught }
  show(result)
  return result
}

function sayUnplayed(tally: Tally, trials: number, slice: Slice): void {
  const due = Math.ceil((trials - slice.number + 1) / slice.of)
  if (tally.trials < due) console.log(`  ${due - tally.trials} of ${due} trials were not played: the time was up.`)
}

/**
 * Whoever waits for what a planted fault prevents waits for nothing: three times the longest that the agent itself took is enough to tell it from a
 * slow machine.
 */
const plantedPatienceMs = (own: Tally): number => Math.min(PATIENCE_MS, Math.max(20_000, 3 * own.longestWaitMs))

/** With slices, each takes its share of the planted faults. */
async function playMutants(
  experiment: Experiment,
  shared: { seed: number; slice: Slice; trials: number; say: (text: string) => void },
  { own, untilMs }: { own: Tally; untilMs: number },
): Promise<{ tried: number; caught: number }> {
  let tried = 0
  let caught = 0
  for (const [index, name] of experiment.mutants.entries()) {
    if (index % shared.slice.of !== shared.slice.number - 1) continue
    if (performance.now() > untilMs) {
      console.log(`  planted: ${name}: not tried, the time was up.`)
      continue
    }
    const { plants } = await loadMutant(name)
    const quiet = { ...shared, slice: { number: 1, of: 1 }, say: () => undefined, patienceMs: plantedPatienceMs(own) }
    const tally = await play(experiment, { ...quiet, agentDist: buildMutant(name), planted: name, untilMs, stopsAtViolation: true })
    const [first] = tally.violations
    // A fault that takes chance to be seen has survived only all trials, not the few that there was time for.
    const isOver = first !== undefined || tally.trials >= experiment.trials
    if (isOver) tried += 1
    if (first !== undefined) caught += 1
    const unseen = isOver
      ? `NOT NOTICED in ${tally.trials} trials`
      : `not noticed in ${tally.trials} of ${experiment.trials} trials, so not counted`
    console.log(`  planted: ${plants}: ${first === undefined ? unseen : `noticed: ${first}`}`)
  }
  return { tried, caught }
}

interface Kept {
  readonly name: string
  readonly seed: number
  readonly commit: string
  readonly slices: Record<string, Tally>
}

/** Puts a slice beside the others of the same experiment, seed and commit. @returns all together. */
function keepSlice(file: string, of: { name: string; seed: number; commit: string; slice: Slice; tally: Tally }): Tally {
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : null
  const isSame = before?.name === of.name && before.seed === of.seed && before.commit === of.commit
  const others = isSame ? Object.entries(before.slices).filter(([key]) => key.endsWith(`/${of.slice.of}`)) : []
  const slices = { ...Object.fromEntries(others), [`${of.slice.number}/${of.slice.of}`]: of.tally }
  writeFileSync(file, `${JSON.stringify({ name: of.name, seed: of.seed, commit: of.commit, slices })}\n`)
  return mergeTallies(Object.values(slices))
}

const WHY_NOT: Readonly<Record<Need, () => Promise<string | null>>> = {
  namespaces: async () => {
    const why = await whyNoNamespaces()
    return why === null ? null : `It needs network namespaces (Linux, root, iproute2): ${why}`
  },
  clocks: async () => (faketimeLibrary() === null ? NO_CLOCKS : null),
}

async function whyNot(needs: readonly Need[]): Promise<string | null> {
  for (const need of needs) {
    const why = await WHY_NOT[need]()
    if (why !== null) return why
  }
  return null
}

function commitNow(): string {
  const git = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' })
  return git.status === 0 ? git.stdout.trim() : 'unknown'
}

function show(result: FaultResult): void {
  const { experiment: _name, mutants, mutantsCaught, seed, commit, ...figures } = result
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(14)} ${String(value)}`)
  console.log(`  planted faults noticed: ${mutantsCaught} of ${mutants}; seed ${seed}, commit ${commit}`)
}

try {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      endAgents()
      void endRings().finally(() => process.exit(130))
    })
  }
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 64
}
