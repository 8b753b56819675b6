import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Host } from '../hosts/host.ts'
import { agentEnvironment } from './program.ts'

/** `gateway`: the door for browsers. `local`: the agent's local API, with its token. `url`: `path` is a whole address. */
export interface ProbeQuestion {
  readonly id: number
  readonly at: 'gateway' | 'local' | 'url'
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly timeoutMs: number
}

/** `error` instead of the rest when nothing answered. */
export interface ProbeAnswer {
  readonly id: number
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly text?: string
  readonly error?: string
}

export interface Probed {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** What JSON there was; null: none. */
  readonly json: unknown
}

export type Question = Omit<ProbeQuestion, 'id' | 'timeoutMs'> & { readonly timeoutMs?: number }

const TIMEOUT_MS = 3_000
/** Beyond the prober's own: it may be stopped with its host. */
const GRACE_MS = 500

/** Asks from inside a host, through a small process there (prober-main.ts). It dies with its host; then make a new one. */
export class Prober {
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, (answer: ProbeAnswer) => void>()
  private asked = 0

  constructor(host: Host, { stateDir, doorFile }: { stateDir: string; doorFile: string }) {
    this.child = host.spawn(process.execPath, [join(import.meta.dirname, 'prober-main.ts'), stateDir, doorFile], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: agentEnvironment({}),
    })
    this.child.stdin?.on('error', () => undefined) // its host was cut off from power
    if (this.child.stdout) createInterface(this.child.stdout).on('line', (line) => this.hear(line))
    this.child.once('exit', () => {
      for (const resolve of this.waiting.values()) resolve({ id: 0, error: 'the host is off' })
      this.waiting.clear()
    })
  }

  /** Null: nothing answered in time, or the host is off or stands still. */
  async ask(question: Question): Promise<Probed | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return null
    const id = (this.asked += 1)
    const timeoutMs = question.timeoutMs ?? TIMEOUT_MS
    const answer = await new Promise<ProbeAnswer>((resolve) => {
      const timer = setTimeout(() => this.hear(JSON.stringify({ id, error: 'no answer in time' })), timeoutMs + GRACE_MS)
      this.waiting.set(id, (found) => {
        clearTimeout(timer)
        resolve(found)
      })
      this.child.stdin?.write(`${JSON.stringify({ ...question, id, timeoutMs })}\n`)
    })
    if (answer.status === undefined) return null
    const text = answer.text ?? ''
    return { status: answer.status, headers: answer.headers ?? {}, text, json: parsed(text) }
  }

  close(): void {
    this.child.stdin?.end()
  }

  private hear(line: string): void {
    const answer = JSON.parse(line) as ProbeAnswer
    this.waiting.get(answer.id)?.(answer)
    this.waiting.delete(answer.id)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
