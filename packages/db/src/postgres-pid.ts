import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemRoot } from './env.ts'

export interface PidFile {
  pid: number
  port: number
  /** `starting`, `ready`, `stopping` … */
  status: string
}

const code = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return code(error) === 'EPERM'
  }
  try {
    // A zombie answers signals but serves nobody.
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return true
  }
}

/** PostgreSQL's own `postmaster.pid`, or null when there is none that can be read. */
export function readPidFile(data: string): PidFile | null {
  try {
    const lines = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), status: (lines[7] ?? '').trim() }
  } catch {
    return null
  }
}

/** Whether that process is the server of this data folder, and not a stranger that got its number. */
export function isServerOf(pid: number, data: string): boolean {
  if (!isAlive(pid)) return false
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data)
    } catch {
      return false
    }
  }
  if (process.platform === 'win32') return isPostgresOfWindows(pid)
  try {
    return execFileSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).includes('postgres')
  } catch {
    return false
  }
}

/** Whether a line of `tasklist /FO CSV /NH` is of that process and names PostgreSQL's program. Without any, a sentence in the system's language. */
export function listsPostgres(tasks: string, pid: number): boolean {
  return tasks.split(/\r?\n/).some((line) => line.toLowerCase().startsWith(`"postgres.exe","${pid}",`))
}

/** A task list that fails tells nothing: then the pid file is believed, and only an answer of the server proves more. */
function isPostgresOfWindows(pid: number): boolean {
  const tasklist = path.win32.join(systemRoot, 'System32', 'tasklist.exe')
  const args = ['/FI', `PID eq ${pid}`, '/FO', 'CSV', '/NH']
  try {
    return listsPostgres(execFileSync(tasklist, args, { encoding: 'utf8', timeout: 5_000, windowsHide: true }), pid)
  } catch {
    return true
  }
}

/** Whether a System V shared memory segment still has a process attached; null where the system does not tell. */
function segmentHeld(id: string | undefined): boolean | null {
  try {
    const rows = readFileSync('/proc/sysvipc/shm', 'utf8').split('\n')
    return rows.some((row) => {
      const fields = row.trim().split(/\s+/)
      return fields[1] === id && Number(fields[6]) > 0
    })
  } catch {
    return null
  }
}

/**
 * Removes the pid file of a dead server, once none of its orphaned backends holds the shared memory any more (a few milliseconds; bounded
 * at 10 s). Where the system does not tell, PostgreSQL judges for itself at its start.
 */
export async function clearStale(data: string): Promise<void> {
  const file = path.join(data, 'postmaster.pid')
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await delay(25)) {
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      return
    }
    const held = segmentHeld(text.split('\n')[6]?.trim().split(/\s+/)[1])
    if (held === null) return
    if (!held) {
      rmSync(file, { force: true })
      return
    }
  }
}
