import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { sharesOf, workOff, type Task } from './crew.ts'
import { FAILED_SEEDS } from './failed-seeds.ts'
import { recordSeed } from './history.ts'
import { MUTANTS } from './mutants.ts'
import { RULES } from './rules.ts'
import { runSeed, type Range, type Run } from './run.ts'

const USAGE = `Plays rings of machines in virtual time, with everything going wrong, and checks what must hold.

  npm run sim -- [--seeds N] [--nodes FROM..TO] [--from SEED] [--json] [--seconds S | --quick]
  npm run sim -- --seed N [--nodes FROM..TO] --trace    one seed, told line by line
  npm run sim -- --seed N [--nodes FROM..TO] --html F   one seed, as a page to look at
  npm run sim -- --mutants-only                         only whether planted faults are caught

Each seed is 120 s of virtual time: 60 s of faults, 60 s of peace. Ring sizes lean to the small: of 5..50 half are at most 7.
A seed gives the same run, bit for bit, wherever it is played. --seconds: as many of the seeds as that time does for; --quick: 30 s.
Seeds that once failed are played first, and planted faults looked for last, in any case.`

const MUTANT_SEEDS_MAX = 1_000
const QUICK_MS = 30_000
const NODES_MAX = 1_000

interface Options {
  readonly seeds: number
  readonly first: number
  readonly range: Range
  readonly isJson: boolean
  readonly budgetMs: number
}

class UsageError extends Error {}

async function main(argv: string[]): Promise<number> {
  const values = parse(argv)
  if (values.help === true) {
    console.log(USAGE)
    return 0
  }
  const range = parseRange(values.nodes ?? '5..50')
  if (values.seed !== undefined) {
    const seed = wholeNumber('--seed', values.seed)
    return values.html === undefined ? playOne(seed, range, values.trace === true) : await drawOne(seed, range, values.html)
  }
  if (values.html !== undefined) throw new UsageError('--html shows one run: say which with --seed N.')
  const options: Options = {
    seeds: values['mutants-only'] === true ? 0 : wholeNumber('--seeds', values.seeds ?? '1000'),
    first: wholeNumber('--from', values.from ?? '1'),
    range,
    isJson: values.json === true,
    budgetMs: values.quick === true ? QUICK_MS : values.seconds === undefined ? Infinity : wholeNumber('--seconds', values.seconds) * 1_000,
  }
  return await playMany(options)
}

function parse(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        seeds: { type: 'string' },
        from: { type: 'string' },
        nodes: { type: 'string' },
        seed: { type: 'string' },
        trace: { type: 'boolean' },
        html: { type: 'string' },
        json: { type: 'boolean' },
        quick: { type: 'boolean' },
        seconds: { type: 'string' },
        'mutants-only': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${option} takes a whole number, not “${text}”.`)
  return Number(text)
}

function parseRange(text: string): Range {
  const [, from = '', to = from] = /^(\d{1,4})(?:\.\.(\d{1,4}))?$/.exec(text) ?? []
  const range = { from: Number(from), to: Number(to === '' ? from : to) }
  if (from === '' || range.from < 1 || range.to < range.from || range.to > NODES_MAX) {
    throw new UsageError(`--nodes takes a size or a range of 1 to ${NODES_MAX} such as 5..50, not “${text}”.`)
  }
  return range
}

function playOne(seed: number, range: Range, hasTrace: boolean): number {
  return report(runSeed(seed, range, RULES, hasTrace ? (line) => console.log(line) : null))
}

/** Bundling and drawing the page takes about a second. */
async function drawOne(seed: number, range: Range, path: string): Promise<number> {
  const { run, history } = recordSeed(seed, range, RULES)
  const { pageOf } = await import('./page.ts')
  const page = await pageOf(history)
  try {
    await writeFile(path, page)
  } catch (error) {
    throw new UsageError(`The page could not be written to ${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
  console.log(`${path}: open it in a browser, it needs no network.`)
  return report(run)
}

function report(run: Run): number {
  const { seed } = run
  console.log(`seed ${seed} · ${run.nodes} nodes · ${run.events} events · state ${run.stateHash}`)
  for (const violation of run.violations) console.log(`  ${violation}`)
  return run.violations.length === 0 ? 0 : 1
}

async function playMany({ seeds, first, range, isJson, budgetMs }: Options): Promise<number> {
  const startedAtMs = performance.now()
  const known = FAILED_SEEDS.map(({ seed, from, to }) => ({ seed, from, to }))
  const others = Iterator.from(seedsFrom(first, seeds)).map((seed) => ({ seed, ...range }))
  const runs = [...(await runsOf(sharesOf(known, Infinity))), ...(await runsOf(sharesOf(others, budgetMs)))]
  const seconds = (performance.now() - startedAtMs) / 1000
  const failed = runs.filter((run) => run.violations.length > 0)
  const survivors = await survivingMutants(first)
  const sizes = runs.map((run) => run.nodes).toSorted((a, b) => a - b)
  const summary = {
    seeds: runs.length,
    nodes: `${range.from}..${range.to}, median ${sizes[Math.floor(sizes.length / 2)] ?? 0}`,
    violations: failed.reduce((sum, run) => sum + run.violations.length, 0),
    failedSeeds: failed.map((run) => run.seed),
    mutants: Object.keys(MUTANTS).length,
    mutantsCaught: Object.keys(MUTANTS).length - survivors.length,
    stateHash: createHash('sha256')
      .update(runs.map((run) => run.stateHash).join('\n'))
      .digest('hex'),
    schedulesPerSecond: runs.length === 0 ? 0 : Math.round((runs.length / seconds) * 10) / 10,
  }
  tell(failed, survivors, summary, runs.reduce((sum, run) => sum + run.events, 0) / Math.max(seconds, 0.001))
  if (isJson) console.log(JSON.stringify(summary))
  return failed.length === 0 && survivors.length === 0 ? 0 : 1
}

function* seedsFrom(first: number, count: number): Generator<number> {
  for (let seed = first; seed < first + count; seed++) yield seed
}

async function runsOf(tasks: Iterable<Task>): Promise<Run[]> {
  return (await workOff(tasks)).flatMap((answer) => (answer.kind === 'play' ? answer.runs : []))
}

/** A planted fault has to break a property within a thousand seeds. Small rings are quick, and enough. */
async function survivingMutants(first: number): Promise<string[]> {
  const hunts = Object.keys(MUTANTS).map((mutant): Task => {
    return { kind: 'hunt', mutant, first, count: MUTANT_SEEDS_MAX, range: { from: 3, to: 12 } }
  })
  return (await workOff(hunts)).flatMap((answer) => (answer.kind === 'hunt' && !answer.isCaught ? [answer.mutant] : []))
}

function tell(failed: readonly Run[], survivors: readonly string[], summary: Record<string, unknown>, eventsPerSecond: number): void {
  for (const run of failed) console.log(`seed ${run.seed} (${run.nodes} nodes): ${run.violations[0] ?? ''}`)
  for (const name of survivors) console.log(`planted fault not noticed: ${name}`)
  for (const [name, value] of Object.entries(summary)) console.log(`${name.padEnd(20)} ${String(value)}`)
  console.log(`${'eventsPerSecond'.padEnd(20)} ${Math.round(eventsPerSecond)}`)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
