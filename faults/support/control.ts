import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { agentEnvironment } from '@thatdam/testkit/ring/program'
import type { Context } from '../contract.ts'

export type ControlQuestion =
  | { readonly kind: 'token' }
  | { readonly kind: 'uses'; readonly id: string }
  | { readonly kind: 'locks' }
  | { readonly kind: 'unlock' }
export type ControlAnswer =
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

  static async start(context: Context): Promise<Control> {
    const dataRoot = path.join(context.directory, 'cloud')
    mkdirSync(dataRoot, { mode: 0o700 })
    const child = spawn(process.execPath, ['--import', beside('plant.ts'), beside('control-main.ts'), dataRoot, context.planted ?? ''], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: agentEnvironment({}),
    })
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
export async function withControl(context: Context, use: (control: Control) => Promise<void>): Promise<void> {
  const control = await Control.start(context)
  try {
    await use(control)
  } finally {
    await control.stop()
  }
}
