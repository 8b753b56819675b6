/** What an experiment needs that not every machine has. It is left out, and says so, where it is missing. */
export type Need = 'namespaces' | 'clocks'

export interface Trial {
  /** From 0, through all slices. */
  readonly index: number
  /** Decided by the seed and the index. */
  readonly random: () => number
}

/** What an experiment gets, and where it says what it saw. */
export interface Context {
  /** Folder with the agent under test: the built one, or one with a planted fault. */
  readonly agentDist: string
  /** Name of the planted fault, for experiments that plant it in another program than the agent; null: none. */
  readonly planted: string | null
  /** Empty, of this run alone, removed afterwards. */
  readonly directory: string
  readonly say: (text: string) => void
  /** How long to wait for what must come; its not coming is a broken property. Far beyond what a slow machine takes, shorter with a planted fault. */
  readonly patienceMs: number
  /** Told by whoever waited for what had to come: how long it took. */
  waited(ms: number): void
  /** The trials to play. They end early when the time is up, or a planted fault was noticed. */
  trials(): Iterable<Trial>
  /** A property that did not hold, in one sentence. */
  violated(sentence: string): void
  /** A time that this experiment is about. */
  took(ms: number): void
  /** Edits that were acknowledged, and how many of them were not there afterwards. */
  edits(acknowledged: number, lost: number): void
}

/** What waiting needs of a context. */
export type Patience = Pick<Context, 'patienceMs' | 'waited'>

/** One question asked of real agents, again and again, with chance and faults. */
export interface Experiment {
  readonly name: string
  /** One line: what must hold. */
  readonly shows: string
  readonly trials: number
  readonly needs: readonly Need[]
  /** Names of files in mutants/: each planted fault has to be noticed by this experiment. */
  readonly mutants: readonly string[]
  /** @throws Violation as `violated`; anything else means that the experiment itself failed. */
  run(context: Context): Promise<void>
}

/** A property that did not hold, where the experiment cannot go on. */
export class Violation extends Error {}

/** A fault planted in the agent when it is bundled (apps/agent/scripts/build.mjs --mutant). An installed agent carries nothing of it. */
export interface Mutant {
  /** One line: what goes wrong. */
  readonly plants: string
  /** `find` stands exactly once in `file` (from the root of the repository), or the build fails. */
  readonly patches: readonly { readonly file: string; readonly find: string; readonly replace: string }[]
}

/** What the trials of one run gave. */
export interface Tally {
  readonly trials: number
  readonly violations: readonly string[]
  readonly timesMs: readonly number[]
  /** The longest that anything was waited for. */
  readonly longestWaitMs: number
  /** Null: this experiment edits nothing. */
  readonly edits: { readonly acknowledged: number; readonly lost: number } | null
}

/** The last line with --json. What does not apply is left out. */
export interface FaultResult {
  readonly experiment: string
  readonly trials: number
  readonly acknowledged?: number
  readonly lost?: number
  readonly violations: number
  readonly p50Ms?: number
  readonly p99Ms?: number
  /** Planted faults that were tried. */
  readonly mutants: number
  readonly mutantsCaught: number
  readonly seed: number
  readonly commit: string
  /** Why nothing was played. */
  readonly skipped?: string
}

export const EMPTY_TALLY: Tally = { trials: 0, violations: [], timesMs: [], longestWaitMs: 0, edits: null }

export function mergeTallies(tallies: readonly Tally[]): Tally {
  const edited = tallies.flatMap((tally) => tally.edits ?? [])
  const sum = (of: (edits: { acknowledged: number; lost: number }) => number) => edited.reduce((total, each) => total + of(each), 0)
  return {
    trials: tallies.reduce((total, tally) => total + tally.trials, 0),
    violations: tallies.flatMap((tally) => tally.violations),
    timesMs: tallies.flatMap((tally) => tally.timesMs),
    longestWaitMs: Math.max(0, ...tallies.map((tally) => tally.longestWaitMs)),
    edits: edited.length === 0 ? null : { acknowledged: sum((each) => each.acknowledged), lost: sum((each) => each.lost) },
  }
}

/** Nearest rank: the smallest value that `percent` of all do not exceed. @throws RangeError for no values. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new RangeError('percentile of no values')
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
}

/** The figures of a tally as they are printed. */
export function figuresOf(tally: Tally): Pick<FaultResult, 'trials' | 'acknowledged' | 'lost' | 'violations' | 'p50Ms' | 'p99Ms'> {
  const { timesMs, edits } = tally
  return {
    trials: tally.trials,
    ...(edits === null ? {} : edits),
    violations: tally.violations.length,
    ...(timesMs.length === 0 ? {} : { p50Ms: Math.round(percentile(timesMs, 50)), p99Ms: Math.round(percentile(timesMs, 99)) }),
  }
}
