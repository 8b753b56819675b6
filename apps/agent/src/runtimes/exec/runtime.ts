import { dirname, join } from 'node:path'
import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { FromService } from '@thatdam/protocol/local'
import type { ServiceState } from '@thatdam/protocol/plan'
import { Backoff } from '../../backoff.ts'
import { serviceEntry } from '../../program.ts'
import type { ExecSpec, RunningService, ServiceContext, ServiceView } from '../../services/service.ts'
import { Child } from './child.ts'
import { LogFile } from './log-file.ts'

/** A child that ran this long counts as healthy: its next failure waits 1 s again. */
const HEALTHY_MS = 60_000

export interface ExecOptions {
  readonly context: ServiceContext
  readonly spec: ExecSpec
  readonly logsDir: string
  /** What the child inherits; the agent's own secrets are not in it. */
  readonly environment: NodeJS.ProcessEnv
  readonly changed: () => void
  /** Keeps the list of process groups on disk. */
  readonly groups: { add(pid: number): void; remove(pid: number): void }
}

/*
 *   starting ──ready/running──▶ running ◀──▶ waiting (the service says for what)
 *      │ exit                      │ exit
 *      ▼                           ▼
 *   backing-off (1 s … 60 s) ──▶ starting            stop() from anywhere ──▶ stopped
 */
export class ExecService implements RunningService {
  private readonly options: ExecOptions
  private readonly log: LogFile
  private readonly backoff = new Backoff()
  private child: Child | null = null
  private timer: NodeJS.Timeout | null = null
  private state: ServiceState = 'starting'
  private reason = ''
  private url: string | null = null
  private status: Json | null = null
  private restarts = 0
  private failedStarts = 0
  private stopping = false
  private startedAtMs = 0
  private wasReady = false
  private peers: Readonly<Record<string, string>>

  constructor(options: ExecOptions) {
    this.options = options
    this.peers = options.context.config.peers
    this.log = new LogFile(join(options.logsDir, `${options.context.planned.name}.log`))
    this.launch()
  }

  view(): ServiceView {
    const { state, reason, restarts, url, status, failedStarts } = this
    return { state, reason, restarts, url, status, failedStarts }
  }

  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    if (this.child && this.wasReady) return this.child.command(command, params)
    return Promise.reject(
      new ThatdamError('UNAVAILABLE', `The ${this.options.context.planned.name} service is not running now. ${this.reason}`.trim()),
    )
  }

  setPeers(peers: Readonly<Record<string, string>>): void {
    this.peers = peers
    this.child?.send({ type: 'peers', peers: { ...peers } })
  }

  async stop(limitMs?: number): Promise<void> {
    this.stopping = true
    if (this.timer) clearTimeout(this.timer)
    await this.child?.stop(limitMs)
    this.set('stopped', '')
    this.log.close()
  }

  private launch(): void {
    const { context, spec, environment } = this.options
    const file = spec.entry?.file ?? serviceEntry(context.planned.name)
    this.startedAtMs = Date.now()
    this.wasReady = false
    this.set('starting', this.failedStarts === 0 ? '' : this.reason)
    this.child = new Child({
      command: process.execPath,
      args: [`--max-old-space-size=${spec.heapMaxMiB}`, '--disable-warning=ExperimentalWarning', file],
      cwd: spec.entry?.cwd ?? dirname(file),
      environment,
      nice: spec.nice,
      rssMaxBytes: spec.rssMaxBytes,
      log: this.log,
      config: { ...context.config, peers: { ...this.peers } },
      onMessage: (message) => this.receive(message),
      onExit: (end) => this.exited(end),
    })
    const { pid } = this.child
    if (pid !== undefined) this.options.groups.add(pid)
    this.log.write(`${new Date().toISOString()} the agent started this service as process ${pid ?? '(none)'}\n`)
  }

  private receive(message: FromService): void {
    switch (message.type) {
      case 'ready':
        this.url = message.url
        this.ready(this.state === 'waiting' ? 'waiting' : 'running', this.state === 'waiting' ? this.reason : '')
        return
      case 'running':
        this.ready('running', message.reason)
        return
      case 'waiting':
        this.ready('waiting', message.reason)
        return
      case 'status':
        this.status = message.status
        this.options.changed()
        return
      case 'result':
        return
    }
  }

  private ready(state: 'running' | 'waiting', reason: string): void {
    this.wasReady = true
    this.failedStarts = 0
    this.set(state, reason)
  }

  private exited(end: { code: number | null; signal: string | null; overMemory: boolean; lastLine: string }): void {
    if (this.child?.pid !== undefined) this.options.groups.remove(this.child.pid)
    this.child = null
    this.url = null
    this.status = null
    if (this.stopping) return
    if (Date.now() - this.startedAtMs >= HEALTHY_MS) this.backoff.reset()
    if (!this.wasReady) this.failedStarts += 1
    this.restarts += 1
    const waitMs = this.backoff.nextMs()
    this.set('backing-off', `${describeEnd(end, this.options.spec.rssMaxBytes)} It starts again in ${Math.ceil(waitMs / 1000)} s.`)
    this.timer = setTimeout(() => this.launch(), waitMs)
  }

  private set(state: ServiceState, reason: string): void {
    this.state = state
    this.reason = reason.slice(0, 500)
    this.options.changed()
  }
}

function describeEnd(
  end: { code: number | null; signal: string | null; overMemory: boolean; lastLine: string },
  rssMaxBytes: number,
): string {
  if (end.overMemory) return `It used more memory than the ${Math.round(rssMaxBytes / 2 ** 20)} MiB it may, and was ended.`
  const how = end.signal ? `was ended by ${end.signal}` : end.code === null ? 'could not be started' : `ended with code ${end.code}`
  return `It ${how}${end.lastLine === '' ? '.' : `: ${end.lastLine.replace(/[.]$/, '')}.`}`
}
