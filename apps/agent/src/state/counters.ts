import * as z from 'zod/mini'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const Count = z.number().check(z.int(), z.nonnegative())
const Counters = z.object({ version: z.literal(1), bootCounter: Count, term: Count })

export interface Boot {
  /** Boots of this state directory, counted at start. */
  readonly bootCounter: number
  /** Number of the leadership of this life of the agent: persisted before it is used, never used again. */
  readonly term: number
}

/** A lost file starts again at 1: the log says so, and nothing else depends on it while the ring is one machine. */
export async function countBoot(path: string): Promise<Boot> {
  const before = (await readJson(path, Counters)) ?? { bootCounter: 0, term: 0 }
  const boot = { bootCounter: before.bootCounter + 1, term: before.term + 1 }
  await writeFileDurable(path, `${JSON.stringify({ version: 1, ...boot })}\n`)
  return boot
}
