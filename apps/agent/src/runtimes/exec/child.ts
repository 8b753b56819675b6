import { spawn, type ChildProcess } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { ErrorCode } from '@thatdam/protocol/errors'
import { FromService, type ServiceConfig, type ToService } from '@thatdam/protocol/local'
import type { LogFile } from './log-file.ts'
import { groupIsAlive, residentBytes, signalGroup } from './group.ts'

const COMMAND_LIMIT_MS = 30_000
const COMMANDS_MAX = 256
const STOP_LIMIT_MS = 10_000
const WATCH_INTERVAL_MS = 5_000
const TAIL_MAX = 4_000

export interface ChildOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly environment: NodeJS.ProcessEnv
  readonly nice: number
  readonly rssMaxBytes: number
  readonly log: LogFile
  readonly config: ServiceConfig
  readonly onMessage: (message: FromService) => void
  /** Exactly once. `overMemory`: the watchdog ended it. */
  readonly onExit: (end: { code: number | null; signal: string | null; overMemory: boolean; lastLine: string }) => void
}

interface Pending {
  readonly resolve: (value: Json) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** One life of a child: from spawn to exit. It leads its own process group, which is gone when `onExit` is called. */
export class Child {
  private readonly process: ChildProcess
  private readonly options: ChildOptions
  private readonly pending = new Map<number, Pending>()
  private readonly watchdog: NodeJS.Timeout
  private readonly ended: Promise<void>
  private nextCommand = 1
  private overMemory = false
  private tail = ''

  constructor(options: ChildOptions) {
    this.options = options
    this.process = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: options.environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32',
      windowsHide: true,
      serialization: 'json',
    })
    this.process.stdout?.on('data', (data: Buffer) => this.keep(data))
    this.process.stderr?.on('data', (data: Buffer) => this.keep(data))
    this.process.on('message', (raw) => this.receive(raw))
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null) => {
        this.finish(code, signal)
        resolve()
      }
      this.process.once('exit', end)
      this.process.once('error', (error) => {
        this.tail = error.message
        if (this.process.pid === undefined) end(null, null)
      })
    })
    this.lower()
    this.send({ type: 'start', config: options.config })
    this.watchdog = setInterval(() => this.watch(), WATCH_INTERVAL_MS)
    this.watchdog.unref()
  }

  get pid(): number | undefined {
    return this.process.pid
  }

  send(message: ToService): void {
    if (this.process.connected) this.process.send(message, () => {})
  }

  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    if (this.pending.size >= COMMANDS_MAX)
      return Promise.reject(
        new ThatdamError('TOO_MANY_REQUESTS', 'Too many commands wait for this part of the machine. Try again in a moment.'),
      )
    const id = this.nextCommand++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id)
        reject(new ThatdamError('UNAVAILABLE', `No answer to "${command}" within ${COMMAND_LIMIT_MS / 1000} s. Try again.`))
      }, COMMAND_LIMIT_MS)
      this.pending.set(id, { resolve, reject, timer })
      this.send({ type: 'command', id, command, params: { ...params } })
    })
  }

  /** Asks it to stop, and ends the whole group when it did not within 10 s. Resolves when nothing of it runs. */
  async stop(limitMs = STOP_LIMIT_MS): Promise<void> {
    const pid = this.process.pid
    if (pid === undefined) return
    this.send({ type: 'stop' })
    if (!this.process.connected) signalGroup(pid, 'SIGTERM')
    const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), limitMs)
    await this.ended
    clearTimeout(timer)
  }

  private lower(): void {
    if (this.options.nice === 0 || this.process.pid === undefined) return
    try {
      setPriority(this.process.pid, this.options.nice)
    } catch {
      // it ended already, or the system forbids it: it then runs at normal priority
    }
  }

  private keep(data: Buffer): void {
    this.options.log.write(data)
    this.tail = (this.tail + data.toString('utf8')).slice(-TAIL_MAX)
  }

  private receive(raw: unknown): void {
    const message = FromService.safeParse(raw)
    if (!message.success) {
      this.options.log.write(`the agent could not read a message of this service: ${message.error.message}\n`)
      return
    }
    if (message.data.type !== 'result') {
      this.options.onMessage(message.data)
      return
    }
    const waiting = this.pending.get(message.data.id)
    if (!waiting) return
    this.pending.delete(message.data.id)
    clearTimeout(waiting.timer)
    if (message.data.ok) waiting.resolve(message.data.value)
    else waiting.reject(readError(message.data.value))
  }

  private watch(): void {
    const resident = this.process.pid === undefined ? null : residentBytes(this.process.pid)
    if (resident === null || resident <= this.options.rssMaxBytes || this.process.pid === undefined) return
    this.overMemory = true
    this.options.log.write(`the agent ends this process: ${resident} bytes are more than the ${this.options.rssMaxBytes} it may use\n`)
    signalGroup(this.process.pid, 'SIGKILL')
  }

  private finish(code: number | null, signal: string | null): void {
    clearInterval(this.watchdog)
    const pid = this.process.pid
    if (pid !== undefined && groupIsAlive(pid)) signalGroup(pid, 'SIGKILL')
    for (const waiting of this.pending.values()) {
      clearTimeout(waiting.timer)
      waiting.reject(new ThatdamError('UNAVAILABLE', 'This part of the machine stopped before it answered. Try again in a moment.'))
    }
    this.pending.clear()
    this.options.onExit({ code, signal, overMemory: this.overMemory, lastLine: lastLine(this.tail) })
  }
}

function readError(value: Json): ThatdamError {
  const { code, message } = value as { code?: ErrorCode; message?: string }
  return new ThatdamError(code ?? 'INTERNAL', message ?? 'The service failed; its log says why.')
}

/** The line that names the error: not a stack frame. */
function lastLine(tail: string): string {
  const lines = tail
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('at ') && !line.startsWith('Node.js v') && line !== '}' && line !== '{')
  return (lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 200)
}
