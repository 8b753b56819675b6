import type { ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterFile, Health } from '@thatdam/protocol/cluster'
import { LocalState } from '@thatdam/protocol/local'
import { SignedPlan } from '@thatdam/protocol/plan'
import { until } from '../hosts/command.ts'
import type { Host } from '../hosts/host.ts'
import type { ProfileName } from '../profiles/load.ts'
import { clockEnvironment, setOffset } from './clock.ts'
import { writeFactsFile } from './facts-file.ts'
import { Prober, type Probed, type Question } from './prober.ts'
import { agentCommand, agentEnvironment } from './program.ts'

export interface MachineOptions {
  readonly profile: ProfileName
  readonly host: Host
  /** Of this machine alone: state, facts, logs and saved states lie below. */
  readonly directory: string
  /** Folder with thatdam.cjs. */
  readonly agentDist: string
  /** Whether its wall clock can be set (libfaketime). */
  readonly hasClock: boolean
  readonly environment: Readonly<Record<string, string>>
}

export type Power = 'off' | 'on' | 'paused'

/** How long a machine gets from its start to its first answer on a busy test machine. */
const ANSWER_LIMIT_MS = 60_000
const CLOCK_LIMIT_MS = 10_000
const CLOCK_SLACK_MS = 3_000

/** One machine of a ring under test: a real agent with a profile's facts in a host of its own. */
export class RingMachine {
  readonly name: ProfileName
  readonly host: Host
  readonly stateDir: string
  /** When it was last started, `performance.now()`. */
  startedAtMs = 0
  private readonly options: MachineOptions
  private readonly clockFile: string
  private prober: Prober | null = null
  private agent: ChildProcess | null = null
  private powerNow: Power = 'off'
  private isStopping = false

  constructor(options: MachineOptions) {
    this.options = options
    this.name = options.profile
    this.host = options.host
    this.stateDir = join(options.directory, 'state')
    this.clockFile = join(options.directory, 'clock')
    mkdirSync(this.stateDir, { recursive: true, mode: 0o700 })
    writeFactsFile(this.factsFile, this.name, join(this.stateDir, 'store'))
  }

  get power(): Power {
    return this.powerNow
  }

  /** What it says of itself; a change counts from its next gathering on. */
  get factsFile(): string {
    return join(this.options.directory, 'facts.json')
  }

  get logFile(): string {
    return join(this.options.directory, 'agent.out')
  }

  /** A Unix socket that leads to its gateway, from wherever this file can be seen. */
  get doorFile(): string {
    return process.platform === 'win32' ? `\\\\.\\pipe\\thatdam-${process.pid}-${this.name}` : join(this.options.directory, 'door')
  }

  /** The agent's process; null: off. */
  get pid(): number | null {
    return this.agent?.pid ?? null
  }

  /** Boots it. Its first answer is awaited by `answers`. */
  start(): void {
    if (this.powerNow !== 'off') throw new Error(`${this.name} is ${this.powerNow} already`)
    const environment = this.environment()
    const log = openSync(this.logFile, 'a')
    this.startedAtMs = performance.now()
    this.isStopping = false
    this.agent = this.host.spawn(process.execPath, agentCommand(this.options.agentDist, ['run']), {
      cwd: this.options.directory,
      env: environment,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    this.prober = new Prober(this.host, this)
    this.powerNow = 'on'
  }

  /** The environment of its agent, for further commands of `thatdam` on this machine. */
  environment(): NodeJS.ProcessEnv {
    return agentEnvironment({
      ...this.options.environment,
      ...(this.options.hasClock ? clockEnvironment(this.clockFile) : {}),
      STATE_DIR: this.stateDir,
      FACTS_FILE: this.factsFile,
      NODE_ID: this.name,
    })
  }

  /** Runs `thatdam <args>` on this machine to its end, with what else is in its environment. */
  async thatdam(environment: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<{ code: number; output: string }> {
    const child = this.host.spawn(process.execPath, agentCommand(this.options.agentDist, args), {
      cwd: this.options.directory,
      env: { ...this.environment(), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const code = await new Promise<number>((resolve) => child.once('close', (value) => resolve(value ?? 1)))
    return { code, output }
  }

  /** Pulls the plug: kill -9 of everything in the host at once. What was not on disk is gone. */
  async powerCut(): Promise<void> {
    this.isStopping = true
    await this.host.kill()
    this.forget()
  }

  /** Shuts down in order, as a service manager does. */
  async shutDown(): Promise<void> {
    const { agent } = this
    if (agent === null) return
    this.isStopping = true
    if (agent.exitCode === null && agent.signalCode === null) {
      const ended = new Promise<void>((resolve) => agent.once('exit', () => resolve()))
      agent.kill('SIGTERM')
      await ended
    }
    await this.powerCut()
  }

  async restart(): Promise<void> {
    await this.powerCut()
    this.start()
  }

  /** SIGSTOP of everything in the host: a laptop whose lid was closed, a machine in deep trouble. */
  async pause(): Promise<void> {
    await this.host.pause()
    this.powerNow = 'paused'
  }

  async resume(): Promise<void> {
    await this.host.resume()
    this.powerNow = 'on'
  }

  /** Null: nothing answers. @throws Error with the end of its log when its agent has ended by itself. */
  async ask(question: Question): Promise<Probed | null> {
    if (this.agent !== null && !this.isStopping && (this.agent.exitCode !== null || this.agent.signalCode !== null))
      throw new Error(`The agent of ${this.name} has ended by itself. The end of ${this.logFile}:\n${this.logTail()}`)
    return this.powerNow === 'off' || this.prober === null ? null : await this.prober.ask(question)
  }

  /** GET /cluster of its own gateway, from inside. Null: it does not answer. */
  async cluster(): Promise<ClusterFile | null> {
    return shaped(ClusterFile, await this.ask({ at: 'gateway', method: 'GET', path: '/cluster' }))
  }

  async health(): Promise<Health | null> {
    return shaped(Health, await this.ask({ at: 'gateway', method: 'GET', path: '/health' }))
  }

  async state(): Promise<LocalState | null> {
    return shaped(LocalState, await this.ask({ at: 'local', method: 'GET', path: '/local/state' }))
  }

  /** A call of its local API. @throws Error when it is refused or nobody answers. */
  async local(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown, timeoutMs = 10_000): Promise<unknown> {
    const answer = await this.ask({ at: 'local', method, path, ...(body === undefined ? {} : { body }), timeoutMs })
    if (answer === null) throw new Error(`${this.name} does not answer ${path}`)
    if (answer.status >= 300) throw new Error(`${this.name}, ${path}: ${answer.status} ${answer.text.slice(0, 500)}`)
    return answer.json
  }

  /** Waits for its first answer after a start. */
  async answers(limitMs = ANSWER_LIMIT_MS): Promise<ClusterFile> {
    let found: ClusterFile | null = null
    await until(`${this.name} answers (its log: ${this.logFile})`, async () => (found = await this.cluster()) !== null, limitMs)
    if (found === null) throw new Error('unreachable')
    return found
  }

  /** The plan on its disk; null: none yet. Written in one step, so it is always whole. */
  plan(): SignedPlan | null {
    const file = join(this.stateDir, 'plan.json')
    return existsSync(file) ? SignedPlan.parse(JSON.parse(readFileSync(file, 'utf8'))) : null
  }

  /** Sets its wall clock this far off. An agent that runs takes it within a second. */
  offsetClock(offsetMs: number): void {
    if (!this.options.hasClock) throw new Error(`${this.name} was made without a clock that can be set`)
    setOffset(this.clockFile, offsetMs)
  }

  /** The same, while it runs or before its start, and waits until its agent has taken it. */
  async setClock(offsetMs: number): Promise<void> {
    this.offsetClock(offsetMs)
    if (this.powerNow !== 'on') return
    await until(
      `${this.name} has its clock ${offsetMs} ms off`,
      async () => {
        const told = await this.ask({ at: 'gateway', method: 'GET', path: '/discovery' })
        const isMs = Date.parse(told?.headers['date'] ?? '')
        return Math.abs(isMs - (Date.now() + offsetMs)) < CLOCK_SLACK_MS
      },
      CLOCK_LIMIT_MS,
    )
  }

  /** Keeps a copy of its disk under this name. Only while it is off: a copy of a running disk is no state that ever was. */
  saveState(name: string): void {
    this.mustBeOff()
    rmSync(this.saved(name), { recursive: true, force: true })
    cpSync(this.stateDir, this.saved(name), { recursive: true })
  }

  /** Puts an earlier copy back in place of its disk: a restored backup, an old SD card. */
  rollBack(name: string): void {
    this.takeState(this.saved(name))
  }

  /** Where a saved state lies: another machine may take it, as somebody who clones an SD card does. */
  saved(name: string): string {
    return join(this.options.directory, 'saved', name)
  }

  takeState(from: string): void {
    this.mustBeOff()
    rmSync(this.stateDir, { recursive: true, force: true })
    cpSync(from, this.stateDir, { recursive: true })
  }

  logTail(lines = 20): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : ''
  }

  private mustBeOff(): void {
    if (this.powerNow !== 'off') throw new Error(`${this.name} is ${this.powerNow}: its disk can be copied while it is off`)
  }

  private forget(): void {
    this.agent = null
    this.prober = null
    this.powerNow = 'off'
  }
}

function shaped<T>(schema: { parse(value: unknown): T }, answer: Probed | null): T | null {
  return answer === null || answer.json === null || answer.status === 401 || answer.status === 404 || isError(answer.json)
    ? null
    : schema.parse(answer.json)
}

/** The gateway is open a moment before the agent behind it: then it says so. */
const isError = (json: unknown): boolean => typeof json === 'object' && json !== null && 'error' in json
