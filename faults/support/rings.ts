import { mkdirSync } from 'node:fs'
import path from 'node:path'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { NotSettled, TestRing, type RingOptions } from '@thatdam/testkit/ring/ring'
import type { Settled } from '@thatdam/testkit/ring/settled'
import { Violation, type Context, type Patience } from '../contract.ts'
import { PATIENCE_MS } from '../play.ts'

let made = 0
const open = new Set<TestRing>()

/** Whoever is stopped leaves nothing running. */
export async function endRings(): Promise<void> {
  await Promise.allSettled([...open].map((ring) => ring.down()))
}

/** A ring for these trials, taken down whatever happens. */
export async function withRing(
  context: Context,
  options: Omit<RingOptions, 'directory' | 'agentDist'>,
  use: (ring: TestRing) => Promise<void>,
): Promise<void> {
  made += 1
  const directory = path.join(context.directory, `ring-${made}`)
  mkdirSync(directory, { recursive: true })
  const ring = await TestRing.up({ ...options, directory, agentDist: context.agentDist })
  open.add(ring)
  try {
    await use(ring)
  } finally {
    open.delete(ring)
    await ring.down()
  }
}

/** Waits for what must come. @throws Violation when it does not come within the patience of this run, with what `lack` says then. */
export async function must<T>(
  context: Patience,
  what: string,
  holds: () => T | Promise<T>,
  lack: () => string = () => '',
): Promise<Exclude<T, null | undefined | false>> {
  const startMs = performance.now()
  const endMs = startMs + context.patienceMs
  for (;;) {
    const value = await holds()
    if (value !== null && value !== undefined && value !== false) {
      context.waited(performance.now() - startMs)
      return value as Exclude<T, null | undefined | false>
    }
    if (performance.now() > endMs)
      throw new Violation([`not within ${context.patienceMs / 1000} s`, what, lack()].filter(Boolean).join(': '))
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Waits until these are one ring at rest. @throws Violation that says on what they disagree. */
export async function settle(context: Patience, ring: TestRing, among?: readonly RingMachine[]): Promise<Settled> {
  const startMs = performance.now()
  try {
    const settled = await ring.settled({ limitMs: context.patienceMs, ...(among === undefined ? {} : { among }) })
    context.waited(performance.now() - startMs)
    return settled
  } catch (error) {
    if (error instanceof NotSettled) throw new Violation(error.message, { cause: error })
    throw error
  }
}

/** All machines, started at once, as one ring at rest. */
export async function startAll(context: Patience, ring: TestRing): Promise<Settled> {
  for (const machine of ring.machines) machine.start()
  // Nothing has been done to them yet: a planted fault that only slowed the start would pass for one that was noticed.
  return await settle({ patienceMs: Math.max(PATIENCE_MS, context.patienceMs), waited: () => undefined }, ring)
}

/** Fisher–Yates. */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const result = [...values]
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1))
    ;[result[last], result[other]] = [result[other] as T, result[last] as T]
  }
  return result
}
