import { ATTEMPTS_MAX, recent } from '@thatdam/control/adopt/code'
import {
  adoptRequest,
  ALONE,
  type Exchange,
  EXCHANGES_MAX,
  type JoinerAction,
  type JoinerEvent,
  type JoinerSelf,
  type JoinerState,
  stepJoiner,
} from '@thatdam/control/adopt/joiner-side'
import { makeNonce } from '@thatdam/control/join'
import { verifySignature } from '@thatdam/control/keys'
import { verifyChain } from '@thatdam/control/roster-chain'
import { AdoptCommitResponse, AdoptRevealResponse, AdoptStatusResponse } from '@thatdam/protocol/adopt'
import { ThatdamError } from '@thatdam/protocol/errors'
import type { Adoption } from '@thatdam/protocol/ring-door'
import { RingHelloResponse } from '@thatdam/protocol/ring-join'
import type { RosterRecord } from '@thatdam/protocol/roster'
import type { NodeClient } from '../link/client.ts'
import type { Log } from '../log.ts'
import { Version } from '../state/version.ts'
import { AdoptTargets, type NearMachine, TURN_MS } from './adopt-targets.ts'
import { type ShownExchange, steadyMs, viewOfExchange } from './adopt-views.ts'

const ASK_MS = 2_000
const CALL_MS_MAX = 5_000
const GOODBYE_MS_MAX = 2_000
/** Begun anew so long after the one before has ended; what a ring does not understand is asked less often. */
const [AGAIN_MS, NOT_UNDERSTOOD_MS] = [4_000, 60_000]
/** Who did not answer is passed over for others of its ring so long; who may let nobody in, longer. */
const [AWAY_MS, NO_ADMITTER_MS] = [10_000, 60_000]
/** Of one that has ended, how long its outcome is told. */
const TOLD_MS = 180_000
const SHOWN_MAX = 8

export interface AdoptAskerPorts {
  /** All that discovery sees now. */
  readonly near: () => readonly NearMachine[]
  /** Of the ring of one that this machine is. */
  readonly fingerprint: () => string
  readonly client: () => NodeClient
  /** Goes over to the ring. */
  readonly adopt: (records: readonly RosterRecord[]) => Promise<void>
  readonly self: JoinerSelf
  readonly hostname: string
  readonly log: Log
  /** This node has an owner: it asks nobody. */
  readonly claimed: () => boolean
  /** What `list` tells may have changed. */
  readonly changed: () => void
}

/**
 * The side of a machine that nobody owns: it asks one machine of each ring with an owner that it sees, until one takes it in. Asking shows nothing
 * but its name; digits come when somebody there opens it, and it goes nowhere without a yes here.
 */
export class AdoptAsker {
  private readonly ports: AdoptAskerPorts
  private state: JoinerState = ALONE
  private readonly targets = new AdoptTargets()
  /** By commitment, which names an exchange. */
  private readonly shown = new Map<string, ShownExchange>()
  private readonly asking = new Map<string, Promise<unknown>>()
  private readonly wakes = new Version()

  constructor(ports: AdoptAskerPorts) {
    this.ports = ports
  }

  /** A loop of the agent. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { value } = this.wakes
      this.round(signal)
      await this.wakes.waitNewer(value, ASK_MS * (0.8 + Math.random() * 0.4), signal)
    }
    await Promise.allSettled(this.asking.values())
  }

  /** Those that somebody at a ring opened, the newest first. */
  list(): Adoption[] {
    const attemptsLeft = Math.max(0, ATTEMPTS_MAX - recent(this.state.attempts, steadyMs()).length)
    return [...this.shown.values()].toReversed().map((shown) => viewOfExchange(shown, attemptsLeft))
  }

  has(id: string): boolean {
    return this.shown.has(id)
  }

  /** The word of whoever sits here. Said again it is harmless. @throws ThatdamError CONFLICT when it is too late. */
  say(word: 'confirm' | 'cancel', id: string): Adoption {
    const before = this.view(id)
    const isOver = before.state === 'refused' || before.state === 'expired'
    if (word === 'confirm' ? before.state === 'confirmed' || before.state === 'done' : isOver) return before
    if (isOver) throw new ThatdamError('CONFLICT', before.reason)
    if (before.state === 'done') throw new ThatdamError('CONFLICT', 'This machine is in the ring already. To leave it: thatdam leave')
    if (before.code === null && word === 'confirm')
      throw new ThatdamError('CONFLICT', 'There are no digits to confirm yet. Wait a few seconds.')
    this.step({ kind: word, target: this.shown.get(id)?.exchange.target ?? '' })
    this.wakes.bump()
    return this.view(id)
  }

  private round(signal: AbortSignal): void {
    const nowMs = steadyMs()
    this.forget(nowMs)
    if (this.ports.claimed()) this.giveUp()
    else this.look(nowMs)
    for (const { target } of this.live()) {
      if (!this.asking.has(target)) this.track(target, this.ask(target, signal))
    }
    this.ports.changed()
  }

  /** Whom to ask: one of each ring, and another one when that one does not answer or does not lead any more. */
  private look(nowMs: number): void {
    const own = this.ports.fingerprint()
    const near = this.ports.near().filter(({ claimed, fingerprint }) => claimed && fingerprint !== own)
    this.targets.see(near)
    for (const [fingerprint, machines] of Map.groupBy(near, (one) => one.fingerprint)) {
      const best = this.targets.bestOf(machines, nowMs)
      const begun = this.live().filter(({ target }) => this.targets.ringOf(target) === fingerprint)
      if (best === undefined || begun.some(({ target }) => target === best.publicKey)) continue
      if (begun.some(({ target, phase }) => phase !== 'waiting' && !this.targets.isPassedOver(target, nowMs))) continue
      for (const { target, phase } of begun) {
        if (phase !== 'waiting') continue
        this.step({ kind: 'cancel', target })
        this.targets.askAgain(fingerprint, null)
      }
      if (!this.targets.mayAsk(fingerprint, nowMs) || !this.hasRoom(nowMs)) continue
      this.targets.begin(best, nowMs)
      this.step({ kind: 'start', target: best.publicKey })
    }
  }

  private hasRoom(nowMs: number): boolean {
    const live = this.live()
    if (live.length < EXCHANGES_MAX) return true
    const target = this.targets.givesWay(live, nowMs)
    if (target === null) return false
    this.step({ kind: 'cancel', target })
    this.targets.askAgain(this.targets.ringOf(target), nowMs + TURN_MS)
    return true
  }

  /** Asks as often as there is something to say at once: digits are shown without a wait between. */
  private async ask(target: string, signal: AbortSignal): Promise<void> {
    for (let phase: Exchange['phase'] | null = null; !signal.aborted;) {
      this.step({ kind: 'tick', target })
      const exchange = this.live().find((one) => one.target === target)
      if (exchange === undefined || exchange.phase === phase) return
      phase = exchange.phase
      await this.send(exchange, signal)
    }
  }

  private async send(exchange: Exchange, signal: AbortSignal): Promise<void> {
    const { client, self, hostname } = this.ports
    const { target } = exchange
    const request = adoptRequest(exchange, self, hostname)
    const addresses = this.targets.addressesOf(target)
    if (request === null) return
    try {
      const call = async (asked: { path: string; body: object }): Promise<unknown> =>
        (await client().call({ publicKey: target, method: 'POST', ...asked, timeoutMs: CALL_MS_MAX, signal }, addresses)).body
      if (exchange.id === null) await this.requireAdmitter(target, call)
      const body = await call(request)
      this.targets.heed(target)
      const event = eventOf(target, request.path, body)
      if (event.kind === 'status' && event.answer.phase !== 'waiting') this.show(exchange)
      this.step(event)
    } catch (error) {
      if (!signal.aborted) this.failed(exchange, error)
    }
  }

  /** Whoever announces itself as of a ring, and is not, would keep this machine from those who are. @throws ThatdamError FORBIDDEN. */
  private async requireAdmitter(publicKey: string, call: (asked: { path: string; body: object }) => Promise<unknown>): Promise<void> {
    const answer = await call({ path: '/v1/join/hello', body: { version: 1, clientNonce: makeNonce() } })
    const hello = RingHelloResponse.safeParse(answer)
    const pin = this.targets.ringOf(publicKey)
    if (hello.success && verifyChain(hello.data.chain, { pin, publicKey, verify: verifySignature }) !== null) return
    throw new ThatdamError('FORBIDDEN', 'This machine does not prove that it may let others into its ring.')
  }

  private failed({ target, phase }: Exchange, error: unknown): void {
    const nowMs = steadyMs()
    if (!(error instanceof ThatdamError)) throw error
    const { code, message } = error
    // Being away is no failure, and having no room now is none: it is asked again, or another one of its ring.
    if (code === 'UNAVAILABLE') this.targets.passOver(target, nowMs + AWAY_MS)
    else if (code === 'TOO_MANY_REQUESTS') this.step({ kind: 'busy', target, reason: message })
    else {
      if (code === 'FORBIDDEN') this.targets.passOver(target, nowMs + NO_ADMITTER_MS)
      const reason = code === 'UNAUTHENTICATED' ? 'The ring does not know of this any more. Let it in again there.' : message
      this.step({ kind: 'failed', target, reason })
      const fingerprint = this.targets.ringOf(target)
      if (code === 'FORBIDDEN') this.targets.askAgain(fingerprint, null)
      else if (phase === 'waiting' && code === 'UNAUTHENTICATED') this.targets.askAgain(fingerprint, nowMs + NOT_UNDERSTOOD_MS)
    }
  }

  private step(event: JoinerEvent): void {
    const { self, log, changed } = this.ports
    const before = this.state.exchanges.get(event.target)
    const { state, actions } = stepJoiner(this.state, event, { self, ms: steadyMs(), random: makeNonce })
    this.state = state
    const exchange = state.exchanges.get(event.target)
    const shown = exchange && this.shown.get(exchange.commitment)
    if (exchange && shown) shown.exchange = exchange
    for (const action of actions) {
      const name = this.targets.nameOf(action.target)
      if (action.kind === 'show')
        log.info(`${name} wants to let this machine into its ring. Compare the digits there with these: ${action.code}`)
      else if (action.kind === 'over') this.over(action, before, shown)
      else this.enter(action, shown)
    }
    if (shown) changed()
  }

  private over(
    { target, reason }: Extract<JoinerAction, { kind: 'over' }>,
    before: Exchange | undefined,
    shown: ShownExchange | undefined,
  ): void {
    this.targets.askAgain(this.targets.ringOf(target), steadyMs() + AGAIN_MS)
    if (shown) {
      shown.endedAtMs = steadyMs()
      this.ports.log.info(`this machine was not let into the ring of ${shown.nodeId}: ${reason}`)
    }
    const exchange = this.state.exchanges.get(target)
    if (before !== undefined && before.id !== null && exchange?.said === 'no') this.sayGoodbye(exchange)
  }

  /** So that the ring does not wait for it. */
  private sayGoodbye(exchange: Exchange): void {
    const { client, self, hostname } = this.ports
    const request = adoptRequest(exchange, self, hostname)
    const addresses = this.targets.addressesOf(exchange.target).slice(0, 1)
    if (request === null) return
    const asked = { publicKey: exchange.target, method: 'POST', ...request, timeoutMs: GOODBYE_MS_MAX } as const
    // Whoever does not hear it has gone, or waits until the time is over.
    const said = client()
      .call(asked, addresses)
      .catch(() => null)
    this.track(`${exchange.commitment} bye`, said)
  }

  private enter({ target, records }: Extract<JoinerAction, { kind: 'joined' }>, shown: ShownExchange | undefined): void {
    for (const other of this.live()) if (other.target !== target) this.step({ kind: 'cancel', target: other.target })
    this.track(`${target} enter`, this.goOver(records, shown))
  }

  private async goOver(records: readonly RosterRecord[], shown: ShownExchange | undefined): Promise<void> {
    const { adopt, log, changed } = this.ports
    try {
      await adopt(records)
    } catch (error) {
      log.error('this machine was let into a ring and could not go over to it', error)
      const reason =
        error instanceof ThatdamError ? error.message : 'This machine could not write the ring’s roster down. Its log says why.'
      if (shown) shown.failure = `${reason} It asks again by itself.`
      // What is over may be begun anew.
      this.state = { ...this.state, exchanges: new Map([...this.state.exchanges].filter(([, { phase }]) => phase !== 'joined')) }
    }
    if (shown) shown.endedAtMs = steadyMs()
    changed()
  }

  private show(exchange: Exchange): void {
    const { commitment, target } = exchange
    if (this.shown.has(commitment)) return
    const nodeId = this.targets.nameOf(target)
    this.shown.set(commitment, { exchange, nodeId, openedAtMs: steadyMs(), endedAtMs: null, failure: null })
    this.ports.changed()
  }

  private giveUp(): void {
    for (const { target } of this.live()) this.step({ kind: 'cancel', target })
  }

  private forget(nowMs: number): void {
    this.targets.forget(nowMs, (target) => this.state.exchanges.has(target))
    const ended = [...this.shown].filter(([, { endedAtMs }]) => endedAtMs !== null)
    const old = ended.filter(([, { endedAtMs }], index) => (endedAtMs ?? 0) + TOLD_MS <= nowMs || index < ended.length - SHOWN_MAX)
    for (const [id] of old) this.shown.delete(id)
    if (old.length > 0) this.ports.changed()
  }

  private live(): Exchange[] {
    return [...this.state.exchanges.values()].filter(({ phase }) => phase !== 'over' && phase !== 'joined')
  }

  private track(name: string, doing: Promise<unknown>): void {
    const done = doing
      .catch((error: unknown) => this.ports.log.error('asking to be let into a ring failed', error))
      .finally(() => this.asking.delete(name))
    this.asking.set(name, done)
  }

  private view(id: string): Adoption {
    const view = this.list().find((one) => one.id === id)
    if (view === undefined) throw new ThatdamError('NOT_FOUND', 'There is nothing here.')
    return view
  }
}

/** What an answer means. @throws ThatdamError when it is none. */
function eventOf(target: string, path: string, body: unknown): JoinerEvent {
  if (path === '/v1/adopt/commit') {
    const parsed = AdoptCommitResponse.safeParse(body)
    if (parsed.success) return { kind: 'committed', target, id: parsed.data.id, commitment: parsed.data.commitment }
  } else if (path === '/v1/adopt/reveal') {
    const parsed = AdoptRevealResponse.safeParse(body)
    if (parsed.success) return { kind: 'revealed', target, answer: parsed.data }
  } else {
    const parsed = AdoptStatusResponse.safeParse(body)
    if (parsed.success) return { kind: 'status', target, answer: parsed.data }
  }
  throw new ThatdamError('BAD_REQUEST', 'The ring’s answer cannot be read. Update the agents on both machines, then try again.')
}
