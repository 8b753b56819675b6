import { readFileSync } from 'node:fs'

/** Ends a child and all it started (its process group; on Windows the process). Says nothing when it is gone already. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal)
  } catch {
    // gone
  }
}

export function groupIsAlive(pid: number): boolean {
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Resident memory of a process in bytes; null where the system does not tell (then there is no watchdog). */
export function residentBytes(pid: number): number | null {
  try {
    // Not `statm`: that counts pages, which are larger on some machines (16 KiB on a Pi 5).
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kibibytes === undefined ? null : Number(kibibytes) * 1024
  } catch {
    return null
  }
}

const DEPTH_MAX = 8

/** Below a wrapper that stays, the process that runs `program`; null: not yet, or no more. */
export function descendantRunning(pid: number, program: string): number | null {
  let level = [pid]
  for (let depth = 0; depth < DEPTH_MAX && level.length > 0; depth++) {
    const found = level.find((one) => readProc(one, 'cmdline').split('\0', 1)[0] === program)
    if (found !== undefined) return found
    level = level.flatMap((one) => readProc(one, `task/${one}/children`).split(' ').filter(Boolean).map(Number))
  }
  return null
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').trim()
  } catch {
    return ''
  }
}
