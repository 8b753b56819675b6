import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { seededRandom } from '@thatdam/testkit/hosts/random'
import { Violation, type Context, type Experiment, type Tally } from './contract.ts'

export interface Slice {
  /** From 1. */
  readonly number: number
  readonly of: number
}

export interface PlayOptions {
  readonly agentDist: string
  readonly planted: string | null
  readonly seed: number
  /** Trials of the whole experiment; this run plays those of its slice. */
  readonly trials: number
  readonly slice: Slice
  /** No trial begins after this (performance.now); the first one always does. */
  readonly untilMs: number
  /** A planted fault: the first violation is enough. */
  readonly stopsAtViolation: boolean
  readonly patienceMs: number
  readonly say: (text: string) => void
}

export const PATIENCE_MS = 120_000
/** Spreads the seeds of neighbouring trials apart. */
const SEED_STEP = 1_000_003

/** Plays one experiment against one build of the agent. @throws whatever says that the experiment itself failed. */
export async function play(experiment: Experiment, options: PlayOptions): Promise<Tally> {
  const { seed, slice, say } = options
  const directory = mkdtempSync(path.join(os.tmpdir(), `thatdam-faults-${experiment.name}-`))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  // Whoever is stopped by Ctrl-C does not come to the end of this function.
  process.once('exit', remove)
  const violations: string[] = []
  const timesMs: number[] = []
  let edits: { acknowledged: number; lost: number } | null = null
  let trials = 0
  let longestWaitMs = 0
  const violated = (sentence: string) => {
    violations.push(sentence)
    say(`VIOLATED: ${sentence}`)
  }
  const context: Context = {
    agentDist: options.agentDist,
    planted: options.planted,
    directory,
    say,
    patienceMs: options.patienceMs,
    waited: (ms) => {
      longestWaitMs = Math.max(longestWaitMs, ms)
    },
    violated,
    took: (ms) => void timesMs.push(ms),
    edits: (acknowledged, lost) => {
      edits = { acknowledged: (edits?.acknowledged ?? 0) + acknowledged, lost: (edits?.lost ?? 0) + lost }
    },
    *trials() {
      for (let index = slice.number - 1; index < options.trials; index += slice.of) {
        if (options.stopsAtViolation && violations.length > 0) return
        if (trials > 0 && performance.now() > options.untilMs) return
        trials += 1
        yield { index, random: seededRandom(seed * SEED_STEP + index) }
      }
    },
  }
  try {
    await experiment.run(context)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    violated(error.message)
  } finally {
    process.off('exit', remove)
    remove()
  }
  return { trials, violations, timesMs, longestWaitMs, edits }
}
