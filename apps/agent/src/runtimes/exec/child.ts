import { spawn, type ChildProcess } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Json } from '@thatdam/protocol/canonical'
import { FromService, type ServiceConfig, type ToService } from '@thatdam/protocol/local'
import { Commands } from '../commands.ts'
import type { LogFile } from '../log-file.ts'
import type { Life, LifeEnd } from '../runtime.ts'
import { Tail } from '../tail.ts'
import type { ServiceCgroup } from './cgroup.ts'
import { groupIsAlive, residentBytes, signalGroup } from './group.ts'

const STOP_LIMIT_MS = 10_000
const WATCH_INTERVAL_MS = 5_000
/** Of a shell whose command was ended by SIGKILL. */
const KILLED_CODE = 137

export interface ChildOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly environment: NodeJS.ProcessEnv
  readonly nice: number
  readonly rssMaxBytes: number
  readonly log: LogFile
  readonly config: ServiceConfig
  /** Made for this life; it is gone when `onEnd` is called. */
  readonly cgroup: ServiceCgroup | null
  /** Whose memory is watched, from what was spawned: another process where a wrapper stays. */
  readonly watched: (pid: number) => number | null
  readonly onMessage: (message: FromService) => void
  readonly onEnd: (end: LifeEnd) => void
}

/** One life of a child: from spawn to exit. It leads its own process group, which is gone when `onEnd` is called. */
export class Child implements Life {
  private readonly process: ChildProcess
  private readonly options: ChildOptions
  private readonly commands = new Commands((message) => this.send(message))
  private readonly watchdog: NodeJS.Timeout
  private readonly ended: Promise<void>
  private readonly tail = new Tail()
  private overMemory = false

  constructor(options: ChildOptions) {
    this.options = options
    const [command = '', ...args] = [...(options.cgroup?.prefix ?? []), options.command, ...options.args]
    this.process = spawn(command, args, {
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
      const end = (code: number | null, signal: string | null) => void this.finish(code, signal).then(resolve)
      this.process.once('exit', end)
      this.process.once('error', (error) => {
        this.tail.add(`\n${error.message}\n`)
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
    return this.commands.ask(command, params)
  }

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
    this.tail.add(data)
  }

  private receive(raw: unknown): void {
    const message = FromService.safeParse(raw)
    if (!message.success) this.options.log.write(`the agent could not read a message of this service: ${message.error.message}\n`)
    else if (message.data.type === 'result') this.commands.answered(message.data)
    else this.options.onMessage(message.data)
  }

  private watch(): void {
    const pid = this.process.pid
    const watched = pid === undefined ? null : this.options.watched(pid)
    const resident = watched === null ? null : residentBytes(watched)
    if (resident === null || resident <= this.options.rssMaxBytes || pid === undefined) return
    this.overMemory = true
    this.options.log.write(`the agent ends this process: ${resident} bytes are more than the ${this.options.rssMaxBytes} it may use\n`)
    signalGroup(pid, 'SIGKILL')
  }

  private async finish(code: number | null, signal: string | null): Promise<void> {
    clearInterval(this.watchdog)
    const pid = this.process.pid
    if (pid !== undefined && groupIsAlive(pid)) signalGroup(pid, 'SIGKILL')
    const { cgroup } = this.options
    const overMemory = this.overMemory || ((signal === 'SIGKILL' || code === KILLED_CODE) && (cgroup?.memoryKills() ?? 0) > 0)
    await cgroup?.end()
    this.options.onEnd({ code, signal, overMemory, lastLine: this.tail.lastLine() })
    this.commands.end()
  }
}
