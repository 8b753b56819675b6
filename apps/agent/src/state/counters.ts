import * as z from 'zod/mini'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

const Count = z.number().check(z.int(), z.nonnegative())
const Counters = z.object({ version: z.literal(1), bootCounter: Count })

/** Boots of this state directory, counted at start. A lost file starts again at 1: only facts tell it. */
export async function countBoot(path: string): Promise<number> {
  const bootCounter = ((await readJson(path, Counters))?.bootCounter ?? 0) + 1
  await writeFileDurable(path, `${JSON.stringify({ version: 1, bootCounter })}\n`)
  return bootCounter
}
