import { AdoptCommitResponse, AdoptRevealResponse, AdoptStatusResponse } from '@thatdam/protocol/adopt'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { type AdoptContext, AdoptDesk, handleAdoptCommit, handleAdoptReveal, handleAdoptStatus } from '../adopt/desk.ts'
import {
  adoptRequest,
  ALONE,
  type Exchange,
  type JoinerEvent,
  type JoinerSelf,
  type JoinerState,
  stepJoiner,
} from '../adopt/joiner-side.ts'
import type { Answer } from '../http-io.ts'
import { makeNonce } from '../join.ts'
import { generateKey, type KeyPair } from '../keys.ts'
import { RateLimiter } from '../rate-limits.ts'
import type { RingAuditEvent } from '../ring-join-server.ts'
import { RosterKeeper } from '../roster-keeper.ts'
import { recordHash } from '../roster.ts'
import { sampleGenesis } from './samples.ts'

const WIDE = { points: 1_000_000, durationSeconds: 60 }
const RING = 'ring'
/** Every so often a machine asks. */
const ASK_MS = 2_000

/** An admitter with its desk, asked by its handlers as over the network. */
export class ApprovingRing {
  readonly key: KeyPair = generateKey()
  readonly nodeId: string
  readonly ring: RosterKeeper
  readonly desk = new AdoptDesk()
  readonly events: RingAuditEvent[] = []
  limiter = new RateLimiter({ address: WIDE, everyone: WIDE, failures: WIDE })
  nowMs = 0

  constructor(nodeId = 'leader') {
    this.nodeId = nodeId
    const genesis = sampleGenesis(this.key, nodeId)
    this.ring = new RosterKeeper({ fingerprint: recordHash(genesis.body), records: [genesis], save: async () => {} })
  }

  context(address = '192.168.1.9'): AdoptContext {
    const { key, nodeId, ring, desk, limiter, nowMs } = this
    return { node: key, nodeId, ring, desk, limiter, nowMs, address, audit: (event) => this.events.push(event) }
  }

  answer(path: string, body: unknown, address?: string): Promise<Answer> {
    const onWire: unknown = JSON.parse(JSON.stringify(body))
    if (path === '/v1/adopt/commit') return handleAdoptCommit(onWire, this.context(address))
    if (path === '/v1/adopt/reveal') return handleAdoptReveal(onWire, this.context(address))
    return handleAdoptStatus(onWire, this.context(address))
  }
}

/** A machine that waits, with the loop that an agent runs around its side. */
export class WaitingJoiner {
  readonly self: JoinerSelf
  readonly hostname: string
  readonly address: string
  state: JoinerState = ALONE
  code: string | null = null
  records: readonly RosterRecord[] | null = null
  readonly said: string[] = []

  constructor(nodeId: string, options: { isAdopted?: boolean; address?: string } = {}) {
    this.hostname = nodeId
    this.address = options.address ?? '192.168.1.9'
    this.self = { node: generateKey(), nodeId, bootCounter: 1, isAdopted: options.isAdopted ?? false }
  }

  get exchange(): Exchange | undefined {
    return this.state.exchanges.get(RING)
  }

  step(event: JoinerEvent, nowMs: number): void {
    const step = stepJoiner(this.state, event, { self: this.self, ms: nowMs, random: makeNonce })
    this.state = step.state
    for (const action of step.actions) {
      if (action.kind === 'show') this.code = action.code
      if (action.kind === 'joined') this.records = action.records
      this.said.push(action.kind === 'over' ? `is told: ${action.reason}` : action.kind === 'show' ? 'shows digits' : 'is in the ring')
    }
  }

  /** Asks once. `ask` carries a request to the ring, or to whoever is in its place. */
  async ask(nowMs: number, ask: (path: string, body: unknown) => Promise<Answer>): Promise<void> {
    this.step({ kind: 'tick', target: RING }, nowMs)
    const { exchange } = this
    const request = exchange === undefined ? null : adoptRequest(exchange, this.self, this.hostname)
    if (request === null) return
    const { status, body } = await ask(request.path, request.body)
    const value: unknown = JSON.parse(body ?? 'null')
    if (status !== 200) {
      const { error } = value as { error: { message: string } }
      const reason = status === 401 ? 'The ring does not know of this any more.' : error.message
      this.step({ kind: status === 429 || status === 503 ? 'busy' : 'failed', target: RING, reason }, nowMs)
    } else if (request.path === '/v1/adopt/commit') {
      const { id, commitment } = AdoptCommitResponse.parse(value)
      this.step({ kind: 'committed', target: RING, id, commitment }, nowMs)
    } else if (request.path === '/v1/adopt/reveal') {
      this.step({ kind: 'revealed', target: RING, answer: AdoptRevealResponse.parse(value) }, nowMs)
    } else this.step({ kind: 'status', target: RING, answer: AdoptStatusResponse.parse(value) }, nowMs)
  }
}

/** A story told by commands; see adopt/transcript.test.ts. */
export class Approval {
  readonly ring = new ApprovingRing()
  readonly joiners = new Map<string, WaitingJoiner>()
  /** In the ring's place for these, with a machine of its own that goes to the real ring in theirs. */
  readonly between = new Map<string, { ring: ApprovingRing; joiner: WaitingJoiner }>()
  nowMs = 0
  private lines: string[] = []

  async play(commands: readonly string[]): Promise<string[]> {
    this.lines = []
    for (const command of commands) await this.command(command.split(' '))
    return this.lines
  }

  private async command([verb = '', name = '', more]: string[]): Promise<void> {
    this.ring.nowMs = this.nowMs
    if (verb === 'waits' || verb === 'adopted')
      this.wait(name, { isAdopted: verb === 'adopted', ...(more === undefined ? {} : { address: more }) })
    else if (verb === 'list') this.list()
    else if (verb === 'ask') this.say(`${name}: ${this.joiner(name).exchange?.reason ?? 'waits'}`)
    else if (verb === 'open') await this.word('open', name)
    else if (verb === 'approve') await this.word('confirm', name)
    else if (verb === 'refuse') await this.word('cancel', name)
    else if (verb === 'yes' || verb === 'no')
      this.joiner(name).step({ kind: verb === 'yes' ? 'confirm' : 'cancel', target: RING }, this.nowMs)
    else if (verb === 'between') this.between.set(name, { ring: new ApprovingRing(), joiner: new WaitingJoiner(name) })
    else if (verb === 'run') await this.run(Number(name) * 1000)
    else throw new Error(`unknown command ${verb}`)
    this.tell()
  }

  private joiner(name: string): WaitingJoiner {
    const joiner = this.joiners.get(name)
    if (joiner === undefined) throw new Error(`no machine ${name}`)
    return joiner
  }

  private wait(name: string, options: { isAdopted: boolean; address?: string }): void {
    const joiner = this.joiners.get(name) ?? new WaitingJoiner(name, options)
    this.joiners.set(name, joiner)
    joiner.step({ kind: 'start', target: RING }, this.nowMs)
    this.between.get(name)?.joiner.step({ kind: 'start', target: RING }, this.nowMs)
  }

  private list(): void {
    const waiting = this.ring.desk.list(this.nowMs)
    if (waiting.length === 0) this.say('nobody waits')
    for (const { nodeId, phase, code, address } of waiting) {
      const atMachine = this.joiners.get(nodeId)?.code ?? null
      const digits = code === null ? '' : code === atMachine ? ', digits equal to the machine’s' : ', digits other than the machine’s'
      this.say(`console: ${nodeId} from ${address} ${phase}${digits}`)
    }
  }

  private async word(word: 'open' | 'confirm' | 'cancel', name: string): Promise<void> {
    const entry = this.ring.desk.list(this.nowMs).findLast((one) => one.nodeId === name && one.phase !== 'over')
    try {
      await this.ring.desk.say(word, entry?.id ?? 'none', this.ring.context())
    } catch (error) {
      this.say(`console: ${(error as Error).message}`)
    }
  }

  private async run(forMs: number): Promise<void> {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs;) {
      this.nowMs += ASK_MS
      this.ring.nowMs = this.nowMs
      for (const [name, joiner] of this.joiners) {
        const middle = this.between.get(name)
        const ring = middle?.ring ?? this.ring
        ring.nowMs = this.nowMs
        await joiner.ask(this.nowMs, (path, body) => ring.answer(path, body, joiner.address))
        if (middle !== undefined) await this.runMiddle(middle)
        this.tell()
      }
    }
  }

  /** It opens and confirms at once for its victim, and goes to the real ring with a key of its own. */
  private async runMiddle({ ring, joiner }: { ring: ApprovingRing; joiner: WaitingJoiner }): Promise<void> {
    for (const { id, phase } of ring.desk.list(this.nowMs)) {
      if (phase === 'waiting') await ring.desk.say('open', id, ring.context())
      if (phase === 'showing') await ring.desk.say('confirm', id, ring.context())
    }
    joiner.step({ kind: 'confirm', target: RING }, this.nowMs)
    await joiner.ask(this.nowMs, (path, body) => this.ring.answer(path, body, '192.168.1.66'))
    joiner.said.splice(0)
  }

  private tell(): void {
    for (const [name, joiner] of this.joiners) for (const said of joiner.said.splice(0)) this.say(`${name} ${said}`)
    for (const event of this.ring.events.splice(0)) this.say(`log: ${event.kind} ${event.nodeId}`)
  }

  private say(text: string): void {
    this.lines.push(`${(this.nowMs / 1000).toFixed(0).padStart(5)}  ${text}`)
  }
}
