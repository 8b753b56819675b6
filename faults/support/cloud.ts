import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { once } from 'node:events'
import type { Host } from '@thatdam/testkit/hosts/host'
import { clockEnvironment, setOffset } from '@thatdam/testkit/ring/clock'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { agentEnvironment } from '@thatdam/testkit/ring/program'

export interface CloudNews {
  /** Requests that were answered with 401. */
  readonly refused: number
  /** When each machine sent its last report, by its own clock. */
  readonly reported: Readonly<Record<string, number>>
}

export interface CloudOptions {
  readonly host: Host
  /** Wall clock that can be set: a file for libfaketime. Null: the real time. */
  readonly clockFile: string | null
}

const PORT = 3_000

/** The cloud in a host (cloud-main.ts). It goes with its host. */
export class Cloud {
  readonly url: string
  readonly token: string
  private readonly child: ChildProcess
  private readonly lines: Interface
  private readonly clockFile: string | null

  static async start({ host, clockFile }: CloudOptions): Promise<Cloud> {
    const child = host.spawn(process.execPath, [join(import.meta.dirname, 'cloud-main.ts'), host.address, String(PORT)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: agentEnvironment(clockFile === null ? {} : clockEnvironment(clockFile)),
    })
    if (child.stdout === null) throw new Error('the cloud was started without a pipe')
    const lines = createInterface(child.stdout)
    child.once('exit', () => lines.close())
    const [first] = (await once(lines, 'line', { signal: AbortSignal.timeout(30_000) })) as [string]
    return new Cloud({ child, lines, clockFile, ...(JSON.parse(first) as { url: string; token: string }) })
  }

  private constructor(at: { child: ChildProcess; lines: Interface; clockFile: string | null; url: string; token: string }) {
    this.child = at.child
    this.lines = at.lines
    this.clockFile = at.clockFile
    this.url = at.url
    this.token = at.token
  }

  async news(): Promise<CloudNews> {
    const told = once(this.lines, 'line', { signal: AbortSignal.timeout(10_000) })
    this.child.stdin?.write('\n')
    const [line] = (await told) as [string]
    return JSON.parse(line) as CloudNews
  }

  setClock(offsetMs: number): void {
    if (this.clockFile === null) throw new Error('the cloud was started without a clock that can be set')
    setOffset(this.clockFile, offsetMs)
  }
}

/** Registers a machine, as its installer does. @throws Error with what the program said. */
export async function register(machine: RingMachine, cloud: Pick<Cloud, 'url' | 'token'>): Promise<void> {
  const { code, output } = await machine.thatdam({ THATDAM_TOKEN: cloud.token }, 'register', '--url', cloud.url)
  if (code !== 0) throw new Error(`${machine.name} could not register: ${output}`)
}
