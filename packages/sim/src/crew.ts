import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Range, Run } from './run.ts'

const SHARE = 8
const CREW_MAX = 8

export interface Play {
  readonly kind: 'play'
  readonly seeds: readonly ({ readonly seed: number } & Range)[]
}

/** Looks for a seed that notices a planted fault. */
export interface Hunt {
  readonly kind: 'hunt'
  readonly mutant: string
  readonly first: number
  readonly count: number
  readonly range: Range
}

export interface Played {
  readonly kind: 'play'
  readonly runs: readonly Run[]
}

export interface Hunted {
  readonly kind: 'hunt'
  readonly mutant: string
  readonly isCaught: boolean
}

export type Task = Play | Hunt
export type Answer = Played | Hunted

/** The seeds in shares for the crew; none is handed out after `budgetMs`. */
export function* sharesOf(seeds: Iterable<Play['seeds'][number]>, budgetMs: number): Generator<Play> {
  const endMs = performance.now() + budgetMs
  let share: Play['seeds'][number][] = []
  for (const seed of seeds) {
    if (performance.now() >= endMs) return
    share.push(seed)
    if (share.length < SHARE) continue
    yield { kind: 'play', seeds: share }
    share = []
  }
  if (share.length > 0) yield { kind: 'play', seeds: share }
}

/**
 * Works on all cores. Each answer is the same whatever the number of cores, and they come in the order of the tasks; only how far a budget
 * reaches is not. Rejects when a worker fails: that is a defect of the simulator.
 */
export async function workOff(tasks: Iterable<Task>): Promise<Answer[]> {
  const numbered: { at: number; answer: Answer }[] = []
  const queue = Iterator.from(tasks)
  let at = 0
  const next = (): { at: number; task: Task } | null => {
    const { done, value } = queue.next()
    return done === true ? null : { at: at++, task: value }
  }
  const size = Math.min(CREW_MAX, availableParallelism())
  await Promise.all(Array.from({ length: size }, () => work(next, (answer, place) => numbered.push({ at: place, answer }))))
  return numbered.toSorted((a, b) => a.at - b.at).map(({ answer }) => answer)
}

async function work(next: () => { at: number; task: Task } | null, tell: (answer: Answer, at: number) => void): Promise<void> {
  let given = next()
  if (given === null) return
  // A run makes much that lives for a moment only: with room for it, less of that is taken for lasting.
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: 64 } })
  try {
    for (; given !== null; given = next()) {
      const answered = once(worker, 'message')
      worker.postMessage(given.task, [])
      const [answer] = (await answered) as [Answer]
      tell(answer, given.at)
    }
  } finally {
    await worker.terminate()
  }
}
