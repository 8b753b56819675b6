import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Host } from '../hosts/host.ts'
import { seededRandom } from '../hosts/random.ts'
import type { AbusedPort, Counts } from './abuse.ts'
import { ABUSES } from './all.ts'

export interface Attack {
  readonly ports: readonly AbusedPort[]
  readonly seed: number
  readonly durationMs: number
  /** Addresses of the attacking host, dealt out among the abuses: limits are by address. Left out: the system's choice. */
  readonly sources?: readonly string[]
  /** Names of abuses; left out: all that fit. */
  readonly only?: readonly string[]
}

/** What each abuse did at each port, as `port/abuse`. */
export type Deeds = Record<string, Counts>

/** All abuses at all ports at once, from this process. */
export async function attack({ ports, seed, durationMs, sources = [], only }: Attack): Promise<Deeds> {
  const deeds: Deeds = {}
  const signal = AbortSignal.timeout(durationMs)
  const pairs = ports.flatMap((port) =>
    ABUSES.filter((abuse) => abuse.on.includes(port.kind) && (only?.includes(abuse.name) ?? true)).map((abuse) => ({ port, abuse })),
  )
  await Promise.all(
    pairs.map(async ({ port, abuse }, index) => {
      const counts: Counts = {}
      deeds[`${port.name}/${abuse.name}`] = counts
      const count = (what: string, by = 1) => (counts[what] = (counts[what] ?? 0) + by)
      await abuse.run(port, { random: seededRandom(seed + index), from: sources[index % sources.length], signal, count })
    }),
  )
  return deeds
}

/** The same from a process in another host. @throws Error when that process failed. */
export function attackFrom(host: Host, given: Attack): Promise<Deeds> {
  const child: ChildProcess = host.spawn(process.execPath, [join(import.meta.dirname, 'attacker-main.ts'), JSON.stringify(given)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text) as Deeds)
      else reject(new Error(`the attacker ended with ${String(code)}`))
    })
  })
}
