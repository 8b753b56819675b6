import { spawn } from 'node:child_process'

export interface FfmpegExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The newest 8 KiB of standard error. */
  readonly stderr: string
  /** The watchdog ended it: nothing came for this long. */
  readonly silentSeconds: number | null
}

export interface FfmpegRun {
  readonly pid: number | null
  readonly exited: Promise<FfmpegExit>
  /** Asks, then kills after 2 s. Resolves when it is gone. */
  stop(): Promise<FfmpegExit>
}

export interface FfmpegOptions {
  readonly path: string
  readonly args: readonly string[]
  onBytes(chunk: Buffer): void
  /** Until the first byte, then between bytes. */
  readonly firstByteMs?: number
  readonly silenceMs?: number
}

const STDERR_BYTES = 8192
const FIRST_BYTE_MS = 15_000
const SILENCE_MS = 5_000
const KILL_AFTER_MS = 2_000

/**
 * Starts one ffmpeg with an argv array (never a shell). It writes to our pipe: when we are killed, the pipe breaks and its next
 * write ends it, within half a second for a camera that gives pictures.
 */
export function startFfmpeg(options: FfmpegOptions): FfmpegRun {
  const child = spawn(options.path, options.args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true })
  let stderr = ''
  let silentSeconds: number | null = null
  let killTimer: NodeJS.Timeout | null = null

  const watchFor = (limitMs: number): NodeJS.Timeout =>
    setTimeout(() => {
      silentSeconds = Math.round(limitMs / 1000)
      child.kill('SIGKILL')
    }, limitMs)
  let watchdog = watchFor(options.firstByteMs ?? FIRST_BYTE_MS)

  child.stdout.on('data', (chunk: Buffer) => {
    clearTimeout(watchdog)
    watchdog = watchFor(options.silenceMs ?? SILENCE_MS)
    options.onBytes(chunk)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_BYTES)
  })

  const exited = new Promise<FfmpegExit>((resolve) => {
    const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
      clearTimeout(watchdog)
      if (killTimer) clearTimeout(killTimer)
      resolve({ code, signal, stderr, silentSeconds })
    }
    child.once('error', (error) => {
      stderr += error.message
      finish(null, null)
    })
    child.once('close', finish)
  })
  return {
    pid: child.pid ?? null,
    exited,
    stop: () => {
      child.kill('SIGTERM')
      killTimer ??= setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
      return exited
    },
  }
}
