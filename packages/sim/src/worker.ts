import { parentPort } from 'node:worker_threads'
import type { Answer, Task } from './crew.ts'
import { MUTANTS } from './mutants.ts'
import { RULES } from './rules.ts'
import { runSeed } from './run.ts'

/** One of the crew: does one task after another, until the main thread ends it. */
parentPort?.on('message', (task: Task) => parentPort?.postMessage(answerTo(task), []))

function answerTo(task: Task): Answer {
  if (task.kind === 'play') return { kind: 'play', runs: task.seeds.map(({ seed, from, to }) => runSeed(seed, { from, to }, RULES)) }
  const { mutant, first, count, range } = task
  const rules = MUTANTS[mutant]
  if (rules === undefined) throw new RangeError(`no planted fault “${mutant}”`)
  for (let seed = first; seed < first + count; seed++) {
    if (runSeed(seed, range, rules).violations.length > 0) return { kind: 'hunt', mutant, isCaught: true }
  }
  return { kind: 'hunt', mutant, isCaught: false }
}
