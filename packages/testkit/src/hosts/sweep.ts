import { readdir } from 'node:fs/promises'
import { command, until } from './command.ts'
import { isStale, makerOf } from './names.ts'

/** Processes in a namespace of ours. */
export async function pidsIn(namespace: string): Promise<number[]> {
  refuseForeign(namespace)
  const text = await command('ip', ['netns', 'pids', namespace]).catch(() => '')
  return text.split('\n').filter(Boolean).map(Number)
}

/** `signal` to all of them; harmless for those that are gone. */
export async function signalAll(namespace: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<number> {
  const pids = await pidsIn(namespace)
  for (const pid of pids)
    try {
      process.kill(pid, signal)
    } catch {
      // It ended by itself meanwhile.
    }
  return pids.length
}

/** kill -9 until nobody is left: a process may fork while it is being killed. */
export function killAll(namespace: string): Promise<void> {
  return until(`${namespace} is empty`, async () => (await signalAll(namespace, 'SIGKILL')) === 0)
}

export async function removeNamespace(namespace: string): Promise<void> {
  refuseForeign(namespace)
  await killAll(namespace)
  await command('ip', ['netns', 'del', namespace])
}

/** Removes what tests left that were killed themselves. @returns the names. */
export async function sweepStale(): Promise<string[]> {
  const names = await readdir('/run/netns').catch(() => [])
  const stale = names.filter(isStale)
  // Another test may sweep at the same time.
  for (const name of stale) await removeNamespace(name).catch(() => undefined)
  return stale
}

function refuseForeign(namespace: string): void {
  if (makerOf(namespace) === null) throw new Error(`${namespace} is not a namespace of these tests, so it is left alone.`)
}
