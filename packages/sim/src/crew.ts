import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Run } from './run.ts'

const SHARE = 8
const CREW_MAX = 8

/**
 * Plays seeds on all cores. The answer is in the order of the seeds, and the same whatever the number of cores; only how far it comes
 * within `budgetMs` is not. Rejects when a worker fails: that is a defect of the simulator.
 */
export async function playSeeds(
  seeds: { readonly first: number; readonly count: number },
  range: { readonly from: number; readonly to: number },
  budgetMs: number,
): Promise<Run[]> {
  const endMs = performance.now() + budgetMs
  let given = 0
  const next = (): { first: number; count: number } | null => {
    const count = performance.now() < endMs ? Math.min(SHARE, seeds.count - given) : 0
    if (count <= 0) return null
    const share = { first: seeds.first + given, count }
    given += count
    return share
  }
  const size = Math.min(CREW_MAX, availableParallelism(), Math.ceil(seeds.count / SHARE))
  const shares = await Promise.all(Array.from({ length: size }, () => playShares(next, range)))
  return shares.flat().toSorted((a, b) => a.seed - b.seed)
}

async function playShares(next: () => { first: number; count: number } | null, range: { from: number; to: number }): Promise<Run[]> {
  // A run makes much that lives for a moment only: with room for it, less of that is taken for lasting.
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: 64 } })
  const runs: Run[] = []
  try {
    for (let share = next(); share !== null; share = next()) {
      const answered = once(worker, 'message')
      worker.postMessage({ ...share, range }, [])
      const [done] = (await answered) as [Run[]]
      runs.push(...done)
    }
  } finally {
    await worker.terminate()
  }
  return runs
}
