import { join } from 'node:path'
import type { Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { FromService } from '@thatdam/protocol/local'
import type { ServiceState } from '@thatdam/protocol/plan'
import { Backoff } from '../backoff.ts'
import type { ExecSpec, RunningService, ServiceContext, ServiceView } from '../services/service.ts'
import { LogFile } from './log-file.ts'
import { memoryMaxBytes, type Life, type LifeEnd, type Runtime } from './runtime.ts'

/** A child that ran this long counts as healthy: its next failure waits 1 s again. */
const HEALTHY_MS = 60_000

export interface SupervisedOptions {
  readonly runtime: Runtime
  readonly context: ServiceContext
  readonly spec: ExecSpec
  readonly logsDir: string
  readonly changed: () => void
}

/*
 *   starting ──ready/running──▶ running ◀──▶ waiting (the service says for what)
 *      │ exit                      │ exit
 *      ▼                           ▼
 *   backing-off (1 s … 60 s) ──▶ starting            stop() from anywhere ──▶ stopped
 *
 * An end for want of something outside (the Docker engine is away) is `waiting` instead of backing-off, and no failed start.
 */
export class SupervisedService implements RunningService {
  private readonly options: SupervisedOptions
  private readonly log: LogFile
  private readonly backoff = new Backoff()
  private life: Life | null = null
  private timer: NodeJS.Timeout | null = null
  private state: ServiceState = 'starting'
  private reason = ''
  /** What the runtime says about this life. */
  private note = ''
  private url: string | null = null
  private status: Json | null = null
  private restarts = 0
  private failedStarts = 0
  private stopping = false
  private startedAtMs = 0
  private wasReady = false
  /** The last life never began, for want of something outside: `waiting` stays until this one gets on. */
  private away = false
  private peers: Readonly<Record<string, string>>

  constructor(options: SupervisedOptions) {
    this.options = options
    this.peers = options.context.config.peers
    this.log = new LogFile(join(options.logsDir, `${options.context.planned.name}.log`))
    this.launch()
  }

  view(): ServiceView {
    const { state, restarts, url, status, failedStarts } = this
    return { state, reason: this.reason === '' ? this.note : this.reason, restarts, url, status, failedStarts }
  }

  command(command: string, params: Readonly<Record<string, Json>>): Promise<Json> {
    if (this.life && this.wasReady) return this.life.command(command, params)
    return Promise.reject(
      new ThatdamError('UNAVAILABLE', `The ${this.options.context.planned.name} service is not running now. ${this.reason}`.trim()),
    )
  }

  setPeers(peers: Readonly<Record<string, string>>): void {
    this.peers = peers
    this.life?.send({ type: 'peers', peers: { ...peers } })
  }

  async stop(limitMs?: number): Promise<void> {
    this.stopping = true
    if (this.timer) clearTimeout(this.timer)
    await this.life?.stop(limitMs)
    this.set('stopped', '')
    this.log.close()
  }

  private launch(): void {
    const { runtime, context, spec } = this.options
    this.startedAtMs = Date.now()
    this.wasReady = false
    this.note = ''
    if (!this.away) this.set('starting', this.failedStarts === 0 ? '' : this.reason)
    this.life = runtime.launch({
      context,
      spec,
      log: this.log,
      config: { ...context.config, peers: { ...this.peers } },
      onMessage: (message) => this.receive(message),
      onNote: (sentence) => {
        this.note = sentence.slice(0, 500)
        if (this.away) this.set('starting', '')
        else this.options.changed()
        this.away = false
      },
      onEnd: (end) => this.ended(end),
    })
  }

  private receive(message: FromService): void {
    switch (message.type) {
      case 'ready':
        this.url = message.url
        if (this.wasReady && this.state === 'waiting') this.ready('waiting', this.reason)
        else this.ready('running', '')
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
    this.away = false
    this.failedStarts = 0
    this.set(state, reason)
  }

  private ended(end: LifeEnd): void {
    this.life = null
    this.url = null
    this.status = null
    if (this.stopping) return
    if (Date.now() - this.startedAtMs >= HEALTHY_MS) this.backoff.reset()
    const waitMs = this.backoff.nextMs()
    this.timer = setTimeout(() => this.launch(), waitMs)
    this.away = end.unavailable !== undefined
    if (end.unavailable !== undefined) {
      this.set('waiting', end.unavailable)
      return
    }
    if (!this.wasReady) this.failedStarts += 1
    this.restarts += 1
    this.set('backing-off', `${describeEnd(end, this.options.spec)} It starts again in ${Math.ceil(waitMs / 1000)} s.`)
  }

  private set(state: ServiceState, reason: string): void {
    this.state = state
    this.reason = reason.slice(0, 500)
    this.options.changed()
  }
}

function describeEnd(end: LifeEnd, spec: ExecSpec): string {
  if (end.overMemory) {
    const [own, all] = [spec.rssMaxBytes, memoryMaxBytes(spec)].map((bytes) => `${Math.round(bytes / 2 ** 20)} MiB`)
    return `It used more memory than the ${own} it may (${all} with its tools), and was ended.`
  }
  const how = end.signal ? `was ended by ${end.signal}` : end.code === null ? 'could not be started' : `ended with code ${end.code}`
  return `It ${how}${end.lastLine === '' ? '.' : `: ${end.lastLine.replace(/[.]$/, '')}.`}`
}
