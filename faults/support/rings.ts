import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { TestRing, type RingOptions } from '@thatdam/testkit/ring/ring'
import { Violation, type Context } from '../contract.ts'

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

/** Waits for what must come. @throws Violation when it does not come within the patience of this run. */
export async function must<T>(
  context: Pick<Context, 'patienceMs'>,
  what: string,
  holds: () => T | Promise<T>,
): Promise<Exclude<T, null | undefined | false>> {
  const endMs = performance.now() + context.patienceMs
  for (;;) {
    const value = await holds()
    if (value !== null && value !== undefined && value !== false) return value as Exclude<T, null | undefined | false>
    if (performance.now() > endMs) throw new Violation(`not within ${context.patienceMs / 1000} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
