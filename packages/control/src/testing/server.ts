import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JoinHelloResponse, JoinRequest } from '@thatdam/protocol/join'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { buildRenewRequest } from '../access-node.ts'
import { type AgentRouteDeps, handleAgentRequest } from '../http.ts'
import { makeNonce, verifyHello } from '../join.ts'
import { fingerprint, generateKey, type KeyPair, randomBytes } from '../keys.ts'
import { PollHub } from '../poll-hub.ts'
import { RateLimiter, type RateLimits } from '../rate-limits.ts'
import { MemoryRings } from './memory-rings.ts'
import { MemoryStore } from './memory-store.ts'
import { sampleMachine, sampleToken } from './samples.ts'

/** A control plane on a real socket, with its store in memory. */
export class TestControl {
  readonly instance: KeyPair = generateKey()
  readonly store = new MemoryStore()
  readonly hub: PollHub
  readonly errors: unknown[] = []
  /** Added to the real time. */
  skewMs = 0
  url = ''
  readonly #server: Server
  readonly deps: AgentRouteDeps

  constructor(
    options: {
      limits?: RateLimits
      holdMs?: readonly [number, number]
      isTrustedProxy?: (address: string) => boolean
      requeryMs?: number
      founds?: boolean
    } = {},
  ) {
    this.hub = new PollHub({
      heldMax: 1000,
      requery: {
        everyMs: options.requeryMs ?? 10_000,
        changed: (held) => this.store.changedSince(held, this.now()),
        onError: (error) => this.errors.push(error),
      },
    })
    if (options.founds) this.store.rings = new MemoryRings((nodeKey) => this.hub.wake(this.store.nodes.get(nodeKey)?.id ?? ''))
    this.deps = {
      server: { instance: this.instance, nonceSecret: randomBytes(32) },
      store: this.store,
      hub: this.hub,
      limiter: new RateLimiter(options.limits),
      now: () => this.now(),
      random: () => 0,
      onError: (error) => this.errors.push(error),
      holdMs: options.holdMs ?? [25_000, 50_000],
      ...(options.isTrustedProxy === undefined ? {} : { isTrustedProxy: options.isTrustedProxy }),
    }
    this.#server = createServer((req, res) => void handleAgentRequest(req, res, this.deps))
  }

  now(): number {
    return Date.now() + this.skewMs
  }

  async start(port = 0): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
    return this
  }

  async stop(): Promise<void> {
    this.hub.shut()
    await this.unplug()
  }

  /** Nobody reaches it any more; what it knows stays. `start` with its port brings it back. */
  async unplug(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  post(path: string, value: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const body = typeof value === 'string' ? value : JSON.stringify(value)
    return fetch(this.url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
  }

  async hello(): Promise<JoinHelloResponse> {
    const request = { version: 1 as const, clientNonce: makeNonce() }
    const answer = (await (await this.post('/agent/v1/join/hello', request)).json()) as JoinHelloResponse
    verifyHello(answer, request, fingerprint(this.instance.publicKey))
    return answer
  }

  join(request: JoinRequest): Promise<Response> {
    return this.post('/agent/v1/join', request)
  }

  renew(
    node: KeyPair,
    ask: { nodeId: string; sequence: number; requestNonce?: string; sentAtMs?: number; rekeys?: RosterRecord[] },
  ): Promise<Response> {
    const { requestNonce = makeNonce(), sentAtMs = this.now(), ...rest } = ask
    const serverKey = this.instance.publicKey
    return this.post('/agent/v1/token', buildRenewRequest(node, { serverKey, requestNonce, sentAtMs, ...rest }))
  }

  /** A joined machine with its access token. */
  async member(nodeId?: string) {
    const machine = sampleMachine(nodeId)
    const { text, stored } = sampleToken(this.instance.publicKey, this.now())
    this.store.addToken(stored)
    await this.join(machine.ask(text, await this.hello()))
    const answer = (await (await this.renew(machine.node, { nodeId: machine.nodeId, sequence: 0 })).json()) as { accessToken: string }
    const row = await this.store.getNode(machine.node.publicKey)
    if (row === null) throw new Error('the machine did not join')
    const headers = { authorization: `Bearer ${answer.accessToken}` }
    const poll = (cursor: number | string = 0, signal?: AbortSignal): Promise<Response> =>
      fetch(`${this.url}/agent/v1/poll?cursor=${cursor}`, { headers, ...(signal === undefined ? {} : { signal }) })
    return { ...machine, row, headers, poll }
  }
}

/** Waits until it holds, at most 5 s. */
export async function until(holds: () => boolean): Promise<void> {
  const endsAt = performance.now() + 5000
  while (!holds()) {
    if (performance.now() > endsAt) throw new Error(`still not so after 5 s: ${holds.toString()}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
