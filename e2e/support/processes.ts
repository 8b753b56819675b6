import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { expect } from '@playwright/test'

/**
 * Process ids that belong to a directory: their working directory, arguments or environment name it (Linux).
 * The test's own process and its parents are never among them.
 */
export function processesOf(directory: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid && pid !== process.ppid && belongsTo(pid, directory))
}

function belongsTo(pid: number, directory: string): boolean {
  try {
    if (/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) return false
    if (readlinkSync(`/proc/${pid}/cwd`).startsWith(directory)) return true
    return [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`].some((file) => readFileSync(file, 'utf8').includes(directory))
  } catch {
    return false // ended while we looked
  }
}

/** The pulled plug: SIGKILL to all of them at once. Returns how many there were. */
export function killAll(directory: string): number {
  const pids = processesOf(directory)
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      continue // it was ended by another's end
    }
  }
  return pids.length
}

/** Waits until none is left: nothing may be orphaned. */
export async function expectNoProcesses(directory: string): Promise<void> {
  const describe = (): string[] =>
    processesOf(directory).map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`
      } catch {
        return `${pid}`
      }
    })
  await expect.poll(describe, { timeout: 30_000, message: 'processes left over' }).toEqual([])
}
