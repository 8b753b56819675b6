import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { setPriority } from 'node:os'

/*
 * Programs that read other people's files (ffmpeg, ffprobe, exiftool) run with an argv array, never a shell, and inside limits of time,
 * memory, processor and output: a hostile file costs one failed job.
 */

export interface ToolLimits {
  readonly timeoutMs: number
  readonly outputMaxBytes: number
  /** Address space; kept by the system where prlimit is there (Linux), else the time limit bounds it. */
  readonly memoryMaxBytes: number
  /** Null: whatever it writes goes to stdout and is collected. */
  readonly stdin?: Uint8Array
  readonly signal?: AbortSignal
}

export interface ToolOutput {
  readonly code: number | null
  readonly stdout: Buffer
  /** The last 16 KiB. */
  readonly stderr: string
}

/** `reason` is a sentence part for a person: "took longer than 20 seconds". */
export class ToolError extends Error {
  override readonly name = 'ToolError'
  readonly kind: 'missing' | 'timeout' | 'output' | 'aborted'
  constructor(kind: ToolError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** What prlimit(1), and env(1) of a script, end with where they cannot run or do not find the program: exiftool without Perl. */
const CANNOT_RUN = new Set([126, 127])
const STDERR_MAX_BYTES = 16 * 1024
const NICE = 10
const PRLIMIT = ['/usr/bin/prlimit', '/bin/prlimit'].find((path) => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
})

/** Runs a program to its end. @throws ToolError when it cannot start or breaks a limit; an exit code is an answer, not an error. */
export function runTool(program: string, args: readonly string[], limits: ToolLimits): Promise<ToolOutput> {
  const cpuSeconds = Math.ceil(limits.timeoutMs / 1000) * 2
  const bounded = PRLIMIT ? [`--as=${limits.memoryMaxBytes}`, `--cpu=${cpuSeconds}`, '--core=0', '--', program, ...args] : args
  return new Promise((resolve, reject) => {
    if (limits.signal?.aborted) {
      reject(new ToolError('aborted', 'was stopped'))
      return
    }
    const child = spawn(PRLIMIT ?? program, bounded, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true })
    const chunks: Buffer[] = []
    let size = 0
    let stderr = Buffer.alloc(0)
    let broken: ToolError | null = null
    const end = (error: ToolError): void => {
      broken ??= error
      child.kill('SIGKILL')
    }
    const timer = setTimeout(
      () => end(new ToolError('timeout', `took longer than ${Math.round(limits.timeoutMs / 1000)} seconds`)),
      limits.timeoutMs,
    )
    const aborted = (): void => end(new ToolError('aborted', 'was stopped'))
    limits.signal?.addEventListener('abort', aborted, { once: true })
    child.once('spawn', () => lowerPriority(child.pid))
    child.stdin.on('error', () => {}) // it ended before it read all: its exit code tells
    child.stdin.end(limits.stdin)
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > limits.outputMaxBytes) end(new ToolError('output', 'wrote more than it may'))
      else chunks.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => void (stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_MAX_BYTES)))
    child.once('error', (error) => (broken ??= new ToolError('missing', `cannot be started (${error.message})`)))
    child.once('close', (code) => {
      clearTimeout(timer)
      limits.signal?.removeEventListener('abort', aborted)
      if (code !== null && CANNOT_RUN.has(code))
        broken ??= new ToolError('missing', `does not run here (${lastWords(stderr.toString('utf8'))})`)
      if (broken) reject(broken)
      else resolve({ code, stdout: Buffer.concat(chunks), stderr: stderr.toString('utf8') })
    })
  })
}

function lowerPriority(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, NICE)
  } catch {
    // it has ended already, or the system does not let us: it then runs at our own priority
  }
}

/** The last line of ffmpeg's log that tells something, without the file's path. */
export function lastWords(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) =>
      line
        .replace(/^\[[^\]]*\]\s*/, '')
        .replace(/^(file|http):.*?: (?=[A-Z])/, '')
        .trim(),
    )
    .filter((line) => line !== '')
  return (lines.at(-1) ?? 'no reason given').slice(0, 200)
}
