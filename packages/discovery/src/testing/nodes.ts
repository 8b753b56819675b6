import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { until } from '@thatdam/testkit/hosts/command'
import type { Host } from '@thatdam/testkit/hosts/host'
import type { SightedAddress } from '../sightings.ts'
import type { NodeConfig } from './node-main.ts'

export interface NodeLine {
  readonly event?: 'found' | 'changed' | 'lost'
  readonly nodeId?: string
  readonly publicKey?: string
  readonly role?: string
  readonly addresses?: readonly SightedAddress[]
  readonly methods?: readonly unknown[]
  readonly atMs?: number
  readonly started?: string
  readonly log?: string
  readonly stats?: Readonly<Record<string, number>>
  readonly sightings?: readonly {
    readonly nodeId: string
    readonly addresses: readonly SightedAddress[]
    readonly methods: readonly string[]
  }[]
}

/** A discovering process in a host (node-main.ts). */
export class TestNode {
  readonly nodeId: string
  readonly lines: NodeLine[] = []
  private readonly child: ChildProcess

  constructor(host: Host, config: Omit<NodeConfig, 'nodeId'>) {
    this.nodeId = `node-${host.index}`
    const json = JSON.stringify({ ...config, nodeId: this.nodeId })
    // The flags that the agent runs with.
    const flags = ['--max-semi-space-size=1', '--max-old-space-size=32']
    this.child = host.spawn(process.execPath, [...flags, join(import.meta.dirname, 'node-main.ts'), json], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.child.stdout) createInterface(this.child.stdout).on('line', (line) => this.lines.push(JSON.parse(line) as NodeLine))
  }

  get exitCode(): number | null {
    return this.child.exitCode
  }

  get startedMs(): number | null {
    return this.lines.find((line) => line.started !== undefined)?.atMs ?? null
  }

  say(line: 'lead' | 'follow' | 'stats' | 'stop'): void {
    this.child.stdin?.write(`${line}\n`)
  }

  /** When it first saw `nodeId`; null: not yet. */
  foundMs(nodeId: string): number | null {
    return this.lines.find((line) => line.event === 'found' && line.nodeId === nodeId)?.atMs ?? null
  }

  /** The newest line that tells of `nodeId`. */
  last(nodeId: string): NodeLine | undefined {
    return this.lines.findLast((line) => line.nodeId === nodeId && line.event !== 'lost')
  }

  async stats(): Promise<Pick<Required<NodeLine>, 'stats' | 'sightings'>> {
    const from = this.lines.length
    this.say('stats')
    await until(`${this.nodeId} tells its figures`, () => this.lines.slice(from).some((line) => line.sightings))
    const fresh = this.lines.slice(from)
    return { stats: fresh.find((line) => line.stats)?.stats ?? {}, sightings: fresh.find((line) => line.sightings)?.sightings ?? [] }
  }
}

/** Waits until every node saw every other. @returns the longest wait of any pair, in milliseconds after the later one had started. */
export async function allFound(nodes: readonly TestNode[], timeoutMs: number): Promise<number> {
  const pairs = nodes.flatMap((a) => nodes.filter((b) => b !== a).map((b) => [a, b] as const))
  const missing = () => pairs.filter(([a, b]) => a.foundMs(b.nodeId) === null).map(([a, b]) => `${a.nodeId}→${b.nodeId}`)
  await until('every node has started', () => nodes.every((node) => node.startedMs !== null), 15_000)
  await until('every node sees every other', () => missing().length === 0, timeoutMs).catch((error: unknown) => {
    throw new Error(
      `missing ${missing().join(' ')}; logs: ${nodes.flatMap((node) => node.lines.flatMap((line) => line.log ?? [])).join(' | ')}`,
      { cause: error },
    )
  })
  return Math.max(...pairs.map(([a, b]) => (a.foundMs(b.nodeId) ?? 0) - Math.max(a.startedMs ?? 0, b.startedMs ?? 0)))
}
