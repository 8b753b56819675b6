import { parentPort } from 'node:worker_threads'
import { RULES } from './rules.ts'
import { runSeed } from './run.ts'

/** One of the crew: plays the seeds it is given, one share after another, until the main thread ends it. */
parentPort?.on('message', ({ first, count, range }: { first: number; count: number; range: { from: number; to: number } }) => {
  parentPort?.postMessage(
    Array.from({ length: count }, (_, index) => runSeed(first + index, range, RULES)),
    [],
  )
})
