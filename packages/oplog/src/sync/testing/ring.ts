import { SyncRequest } from '@thatdam/protocol/op-sync'
import type { OpBody, OpScope } from '@thatdam/protocol/ops'
import { Machine } from '../../disk/testing/machine.ts'
import { OpSync } from '../op-sync.ts'
import type { OpSyncPorts, SyncNews, SyncPeer } from '../ports.ts'

const ALL: readonly OpScope[] = ['ring', 'library']

/** A machine of a ring under test: its real log, and the sync that carries it. */
export class TestNode {
  readonly machine: Machine
  readonly sync: OpSync
  readonly news: SyncNews[] = []
  readonly warnings: unknown[] = []
  /** Whom its roster knows, with who is an admitter. */
  readonly roster = new Map<string, { admitter: boolean; keys: string[] }>()
  scopes: readonly OpScope[]
  changes = 0
  constructor(machine: Machine, scopes: readonly OpScope[], ports: Pick<OpSyncPorts, 'peers' | 'call' | 'monotonicMs' | 'random'>) {
    this.machine = machine
    this.scopes = scopes
    const log = (): Machine['log'] => this.machine.log
    this.sync = new OpSync({
      ...ports,
      get log() {
        return log()
      },
      scopes: () => this.scopes,
      author: (nodeId, signer) => {
        const member = this.roster.get(nodeId)
        if (member === undefined || (signer !== undefined && !member.keys.includes(signer))) return null
        return { publicKey: signer ?? '', admitter: member.admitter }
      },
      clockTrusted: () => this.machine.clockTrusted,
      changed: () => (this.changes += 1),
      news: (news) => this.news.push(news),
      warn: (_, error) => this.warnings.push(error),
    })
  }
}

/** Machines whose requests go through JSON and the schema, as over a wire, with cuts. Time stands until a test moves it. */
export class TestRing {
  readonly nodes = new Map<string, TestNode>()
  /** `a b`: a cannot reach b. */
  readonly cuts = new Set<string>()
  readonly calls: string[] = []
  nowMs = 0
  /** Answers that never come, from these. */
  readonly silent = new Set<string>()
  /** Pretends to be another peer: what it answers instead. */
  readonly liars = new Map<string, (request: SyncRequest) => unknown>()
  #draw = 1

  node(nodeId: string, scopes: readonly OpScope[] = ALL, admitter = true): TestNode {
    const machine = new Machine(nodeId)
    machine.admitter = admitter
    const node = new TestNode(machine, scopes, {
      peers: () => this.#peersOf(nodeId),
      call: (to, request, signal) => this.#call(nodeId, to, request, signal),
      monotonicMs: () => this.nowMs,
      random: () => this.random(),
    })
    this.nodes.set(nodeId, node)
    for (const one of this.nodes.values()) {
      one.roster.set(nodeId, { admitter, keys: [machine.signer.publicKey] })
      for (const other of this.nodes.values()) {
        const keys = [other.machine.signer.publicKey]
        node.roster.set(other.machine.nodeId, { admitter: other.machine.admitter, keys })
      }
    }
    return node
  }

  /** A fixed series, so that a failure comes back. */
  random(): number {
    this.#draw = (this.#draw * 48_271) % 2_147_483_647
    return this.#draw / 2_147_483_647
  }

  cut(some: readonly string[], others: readonly string[]): void {
    for (const a of some) for (const b of others) this.cuts.add(`${a} ${b}`).add(`${b} ${a}`)
  }

  heal(): void {
    this.cuts.clear()
  }

  /** One tick of every machine, and all that follows of it. */
  async round(): Promise<void> {
    this.nowMs += 2_250
    for (const node of this.nodes.values()) node.sync.tick()
    await this.idle()
  }

  async idle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet += 1) for (const node of this.nodes.values()) await node.sync.idle()
  }

  /** @returns how many rounds it took. @throws when it is not so after 40. */
  async until(condition: () => boolean): Promise<number> {
    for (let rounds = 0; rounds <= 40; rounds += 1) {
      if (condition()) return rounds
      await this.round()
    }
    throw new Error(`not so after 40 rounds: ${JSON.stringify([...this.nodes].map(([id, node]) => [id, node.machine.log.logs()]))}`)
  }

  #peersOf(nodeId: string): SyncPeer[] {
    const others = [...this.nodes].filter(([id]) => id !== nodeId && !this.cuts.has(`${nodeId} ${id}`))
    return others.map(([id, node]) => ({ nodeId: id, scopes: node.scopes }))
  }

  async #call(from: string, to: string, request: SyncRequest, signal: AbortSignal): Promise<unknown> {
    this.calls.push(`${from} ${to} ${request.kind}`)
    const target = this.nodes.get(to)
    const lie = this.liars.get(to)
    if (lie !== undefined) return lie(request)
    if (target === undefined || this.cuts.has(`${from} ${to}`)) throw new Error(`${to} is not in reach`)
    if (this.silent.has(to)) {
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('no answer')), { once: true }))
    }
    const parsed = SyncRequest.parse(JSON.parse(JSON.stringify(request)))
    return JSON.parse(JSON.stringify(await target.sync.answer(parsed, from)))
  }
}

export const title = (value: string): OpBody => ({ kind: 'asset.set', subject: 'a'.repeat(64), field: 'title', value, replaces: null })
export const named = (subject: string, value: string): OpBody => ({ kind: 'node.set', subject, field: 'name', value, replaces: null })

/** Ids and stamps of all that a machine's feed holds, in the order of their text. */
export const stampsOf = (node: TestNode, only?: 'ring'): string[] =>
  node.machine.log
    .read(0, 2000, only)
    .map(({ op }) => `${op.id} ${op.hlc}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
/** The values that edits set, in the order of the feed. */
export const valuesOf = (node: TestNode): unknown[] =>
  node.machine.log.read(0, 2000).flatMap(({ op: { body } }) => ('value' in body ? [body.value] : []))
export const areEqual = (nodes: readonly TestNode[], only?: 'ring'): boolean =>
  new Set(nodes.map((node) => JSON.stringify(stampsOf(node, only)))).size === 1
