import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { DoctorLine, type Finding } from '@thatdam/protocol/doctor'
import { mainEntry } from '../program.ts'
import { warn } from './finding.ts'

/** All checks end before; this is for what cannot be ended from inside, such as a look-up or a share that never answers. */
const LIMIT_MS = 8_000
const FINDINGS_MAX = 1_000

/**
 * Lets another process of this program examine, and collects what it finds. A process whose disk or name service hangs cannot even exit by
 * itself, so it is ended from here; what it had not told by then is said to have hung.
 */
export function examineFromBeside({ environment, only }: { environment: NodeJS.ProcessEnv; only: string | null }): Promise<Finding[]> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [mainEntry(), 'doctor', '--inside', ...(only === null ? [] : ['--only', only])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Each hanging disk or look-up keeps a thread: the other checks need some as well.
      env: { ...environment, UV_THREADPOOL_SIZE: '24' },
      windowsHide: true,
    })
    let checks: readonly string[] = []
    const told = new Map<string, readonly Finding[]>()
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)))
    const end = () => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      child.stdout.destroy()
      child.stderr.destroy()
      child.unref()
      const none = [warn('Doctor', `The examination did not begin (${said.trim() || 'it says no reason'}).`)]
      const all =
        checks.length === 0
          ? none
          : checks.flatMap((name) => told.get(name) ?? [warn(name, `Could not be checked (no answer within ${LIMIT_MS / 1000} s).`)])
      resolve(all.slice(0, FINDINGS_MAX))
    }
    const timer = setTimeout(end, LIMIT_MS)
    child.once('error', end)
    child.once('close', end)
    createInterface(child.stdout).on('line', (line) => {
      const heard = parseLine(line)
      if (heard === null) return
      if ('checks' in heard) checks = heard.checks
      else told.set(heard.check, heard.findings)
      // It may not be able to exit, so its exit is not waited for.
      if (checks.length > 0 && checks.every((name) => told.has(name))) end()
    })
  })
}

/** Null: a line of something else, such as a warning of the program's own. */
function parseLine(line: string): DoctorLine | null {
  try {
    return DoctorLine.parse(JSON.parse(line))
  } catch {
    return null
  }
}
