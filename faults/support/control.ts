import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Host } from '@thatdam/testkit/hosts/host'
import { agentEnvironment } from '@thatdam/testkit/ring/program'
import type { Context } from '../contract.ts'

export type ControlQuestion =
  | { readonly kind: 'token' }
  | { readonly kind: 'uses'; readonly id: string }
  | { readonly kind: 'locks' }
  | { readonly kind: 'unlock' }
  | { readonly kind: 'new-owner'; readonly machines: number }
  | { readonly kind: 'ring'; readonly organisationId: string }

/** Somebody without a ring, and a token of one use for each machine: made before there is a ring, they say `new`. */
export interface NewOwner {
  readonly organisationId: string
  readonly tokens: readonly string[]
}

/** What the cloud knows of an organisation's ring; null: it has none. */
export interface KnownRing {
  readonly genesisHash: string | null
  /** Node id of the machine that was appointed last. */
  readonly founder: string | null
  readonly isConfirmed: boolean
  readonly inRing: readonly string[]
}

export type ControlAnswer =
  | NewOwner
  | KnownRing
  | { readonly id: string; readonly text: string }
  | { readonly uses: number; readonly redemptions: number }
  | { readonly locked: number; readonly suspected: number }

const START_LIMIT_MS = 120_000
const ANSWER_LIMIT_MS = 30_000

const beside = (file: string): string => path.join(import.meta.dirname, file)

/** The cloud's control plane in a process of its own (control-main.ts), with the planted fault of this run. */
export class Control {
  readonly url: string
  private readonly child: ChildProcess
  private readonly lines: Interface

  /** @param host left out: this machine itself, on loopback. */
  static async start(context: Context, host?: Host): Promise<Control> {
    const dataRoot = path.join(context.directory, 'cloud')
    mkdirSync(dataRoot, { mode: 0o700 })
    const args = ['--import', beside('plant.ts'), beside('control-main.ts'), dataRoot, context.planted ?? '', host?.address ?? '127.0.0.1']
    const options: SpawnOptions = { stdio: ['pipe', 'pipe', 'inherit'], env: agentEnvironment({}) }
    const child = host === undefined ? spawn(process.execPath, args, options) : host.spawn(process.execPath, args, options)
    if (child.stdout === null) throw new Error('the control plane was started without a pipe')
    const lines = createInterface(child.stdout)
    const ended = new AbortController()
    child.once('exit', () => ended.abort(new Error('the control plane ended before it was up')))
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(START_LIMIT_MS)])
    const [first] = (await once(lines, 'line', { signal })) as [string]
    return new Control({ child, lines, url: (JSON.parse(first) as { url: string }).url })
  }

  private constructor(at: { child: ChildProcess; lines: Interface; url: string }) {
    this.child = at.child
    this.lines = at.lines
    this.url = at.url
  }

  /** A token for one machine. */
  async token(): Promise<{ id: string; text: string }> {
    return (await this.ask({ kind: 'token' })) as { id: string; text: string }
  }

  async newOwner(machines: number): Promise<NewOwner> {
    return (await this.ask({ kind: 'new-owner', machines })) as NewOwner
  }

  async ringOf(organisationId: string): Promise<KnownRing> {
    return (await this.ask({ kind: 'ring', organisationId })) as KnownRing
  }

  async uses(id: string): Promise<{ uses: number; redemptions: number }> {
    return (await this.ask({ kind: 'uses', id })) as { uses: number; redemptions: number }
  }

  /** Machines that are locked out now, and how often a copy was suspected so far. */
  async locks(kind: 'locks' | 'unlock' = 'locks'): Promise<{ locked: number; suspected: number }> {
    return (await this.ask({ kind })) as { locked: number; suspected: number }
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit')
    this.child.stdin?.end()
    await ended
  }

  /** One at a time. */
  private async ask(question: ControlQuestion): Promise<ControlAnswer> {
    const told = once(this.lines, 'line', { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) })
    this.child.stdin?.write(`${JSON.stringify(question)}\n`)
    const [line] = (await told) as [string]
    return JSON.parse(line) as ControlAnswer
  }
}

/** Takes the control plane down whatever happens. */
export async function withControl(context: Context, use: (control: Control) => Promise<void>, host?: Host): Promise<void> {
  const control = await Control.start(context, host)
  try {
    await use(control)
  } finally {
    await control.stop()
  }
}
