import type { LogFile } from './runtimes/log-file.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Log {
  debug(message: string): void
  info(message: string): void
  warn(message: string, error?: unknown): void
  /** A person sees the sentence; the log also gets the stack. */
  error(message: string, error?: unknown): void
}

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'text' | 'json'
  /** Where lines go besides the file: standard error for the agent in the foreground. */
  readonly write: (line: string) => void
  readonly file: LogFile | null
}

export function makeLog(options: LogOptions): Log {
  const least = LOG_LEVELS.indexOf(options.level)
  const say = (level: LogLevel, message: string, error?: unknown) => {
    if (LOG_LEVELS.indexOf(level) < least) return
    const time = new Date().toISOString()
    const stack = error === undefined ? '' : describe(error)
    const line =
      options.format === 'json'
        ? JSON.stringify({ time, level, message, ...(stack === '' ? {} : { error: stack }) })
        : `${time} ${level} ${message}${stack === '' ? '' : `\n${stack}`}`
    options.write(`${line}\n`)
    options.file?.write(`${line}\n`)
  }
  return {
    debug: (message) => say('debug', message),
    info: (message) => say('info', message),
    warn: (message, error) => say('warn', message, error),
    error: (message, error) => say('error', message, error),
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${describe(error.cause)}`
  return (error.stack ?? error.message) + cause
}
