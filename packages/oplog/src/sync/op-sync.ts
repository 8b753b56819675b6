import { ThatdamError } from '@thatdam/protocol/errors'
import {
  BatchesAnswer,
  HeightsAnswer,
  type Holding,
  type LogSummary,
  PushAnswer,
  type SyncAnswer,
  type SyncRequest,
  type SyncRequestOf,
} from '@thatdam/protocol/op-sync'
import type { OpScope } from '@thatdam/protocol/ops'
import { SYNC_START, type SyncAction, type SyncEvent, type SyncState, syncStep } from '../anti-entropy.ts'
import { SCOPES } from '../disk/own-log.ts'
import { Acknowledged } from './acknowledged.ts'
import { Backoff } from './backoff.ts'
import { HeardClocks } from './clocks.ts'
import { takeIn } from './intake.ts'
import { PeerQueues } from './peer-queues.ts'
import type { OpSyncPorts, SyncPeer } from './ports.ts'
import { Unrest } from './unrest.ts'

/** Between two rounds of comparing: this, and up to as much again by chance. */
const TICK_MS = 1_500
const CALL_MS_MAX = 10_000
/** An append is answered as `here` when no other machine has it by then. */
export const SAVE_MS_MAX = 500
/** Fresh batches go to so many carriers at once; the others get them by comparing. */
const FAN_OUT = 4
/** Pages of one push to one peer; the rest it asks for. */
const PAGES_MAX = 64
const TELL_MS = 250

export type OpSyncStatus = {
  /** Of the feed's newest entry. */
  position: number
  /** All that this node wrote up to here is on another machine's disk too. */
  savedPosition: number
  /** Machines in reach that carry all logs. */
  carriers: number
}

/**
 * Brings this node's logs and those of its peers to the same state: compares and asks every other second, at rest less often, pushes what was just
 * appended at once, and knows what is on a second machine's disk. No sockets: `call` asks, and who is asked answers by `answer`.
 */
export class OpSync {
  readonly #ports: OpSyncPorts
  readonly #acknowledged = new Acknowledged()
  readonly #backoff: Backoff
  readonly #clocks: HeardClocks
  readonly #unrest: Unrest
  readonly #queues = new PeerQueues()
  readonly #pushing = new Map<string, Promise<void>>()
  readonly #waiters = new Set<() => void>()
  #state: SyncState = SYNC_START
  #carriers = 0
  #telling: NodeJS.Timeout | null = null

  constructor(ports: OpSyncPorts) {
    this.#ports = ports
    this.#backoff = new Backoff(ports)
    this.#clocks = new HeardClocks(ports.monotonicMs)
    this.#unrest = new Unrest(ports.monotonicMs)
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#ticking(signal), this.#pushingOn(signal)])
    await this.idle()
    if (this.#telling !== null) clearTimeout(this.#telling)
  }

  /** One round: what is due comes in, and one peer in reach is compared with; at rest not in every round. */
  tick(): void {
    const { log, peers: inReach, warn } = this.#ports
    try {
      this.#mendClock()
      log.releaseHeld()
    } catch (error) {
      warn('ops that wait for their time could not be looked through', error)
    }
    const peers = inReach()
    const carriers = carriersIn(peers)
    if (carriers !== this.#carriers) this.#told()
    this.#carriers = carriers
    this.#backoff.keepOnly(new Set(peers.map(({ nodeId }) => nodeId)))
    const open = peers.filter(({ nodeId }) => this.#backoff.isOpen(nodeId)).map(({ nodeId }) => nodeId)
    const isDue = this.#unrest.isDue([log.feedId, log.position, ...open].join(' '))
    this.#step({ type: 'tick', peers: isDue ? open : [] })
  }

  /** All calls under way have ended. For tests and the stop. */
  async idle(): Promise<void> {
    for (;;) {
      const underWay = [...this.#queues.tails(), ...this.#pushing.values()]
      if (underWay.length === 0) return
      await Promise.all(underWay)
    }
  }

  /**
   * The serving side, for a member of the ring. What a heights request tells is taken into account too.
   * @throws ThatdamError UNPROCESSABLE for a pushed batch that is not its author's, or is altered.
   */
  async answer(request: SyncRequest, peer: string): Promise<SyncAnswer> {
    this.#backoff.worked(peer)
    if (request.kind === 'batches') return { batches: this.#ports.log.batches(request.logId, request.from) }
    if (request.kind === 'push') return this.#answerPush(request, peer)
    this.#heard(peer, request, 'all')
    const own = `${peer}/`
    const logs = this.#ports.log.logs().filter((log) => request.scopes.includes(log.scope) || log.logId.startsWith(own))
    return this.#holding(logs)
  }

  /**
   * @param positions of entries that this node just appended.
   * @returns `saved` as soon as another machine has them all on its disk; `here` after 500 ms, when the signal aborts, or at once when nobody in
   * reach carries their logs. What was `here` becomes saved later: `status().savedPosition` tells.
   */
  async saved(positions: readonly number[], signal?: AbortSignal): Promise<'saved' | 'here'> {
    const reach = this.#ports.log.reachOf(positions)
    const isSaved = (): boolean => [...this.#ownLogs()].every((log) => (reach.get(log.logId) ?? 0) <= this.#acknowledged.height(log))
    if (isSaved()) return 'saved'
    const scopes = new Set([...this.#ownLogs()].filter((log) => reach.has(log.logId)).map((log) => log.scope))
    if (![...scopes].every((scope) => this.#carriersOf(scope).length > 0)) return 'here'
    this.#pushFresh()
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', finish)
        this.#waiters.delete(check)
        resolve(isSaved() ? 'saved' : 'here')
      }
      const check = (): void => {
        if (isSaved()) finish()
      }
      const timer = setTimeout(finish, SAVE_MS_MAX)
      signal?.addEventListener('abort', finish, { once: true })
      this.#waiters.add(check)
    })
  }

  status(): OpSyncStatus {
    const { log } = this.#ports
    const { position } = log
    const unsaved = [...this.#ownLogs()].flatMap((own) => log.firstAbove(own.logId, this.#acknowledged.height(own)) ?? [])
    const savedPosition = Math.min(position, ...unsaved.map((first) => first - 1))
    return { position, savedPosition, carriers: carriersIn(this.#ports.peers()) }
  }

  async #ticking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.tick()
      } catch (error) {
        this.#ports.warn('the op log could not be compared with the others', error)
      }
      await pause(TICK_MS * (1 + this.#ports.random()), signal)
    }
  }

  async #pushingOn(signal: AbortSignal): Promise<void> {
    const { log } = this.#ports
    while (!signal.aborted) {
      const { position, feedId } = log
      this.#pushFresh()
      const grown = await log.waitFor(position, signal).catch(() => false)
      // Closed, or too many wait: the rounds go on.
      if (!grown && feedId === log.feedId) await pause(TICK_MS, signal)
    }
  }

  /** Stamps of a clock that was far ahead would be held by everybody for as long: they are taken back and written again. */
  #mendClock(): void {
    const { log, news, clockTrusted } = this.#ports
    log.reachedMs = this.#clocks.reachedByMost(log.clockMs)
    if (log.isAheadOfRingTime && (clockTrusted() || this.#clocks.mostAreBehind(log.clockMs))) {
      news({ kind: 'clock-was-ahead', withdrawn: log.withdrawFuture() })
    }
    log.reissue()
  }

  #ownLogs(): LogSummary[] {
    const own = `${this.#ports.log.nodeId}/`
    return this.#ports.log.logs().filter((log) => log.logId.startsWith(own))
  }

  #holding(logs: LogSummary[]): Holding {
    return { logs, clockMs: this.#ports.log.clockMs }
  }

  #step(event: SyncEvent): void {
    const { log, monotonicMs, random } = this.#ports
    const { state, actions } = syncStep(this.#state, event, { own: log.logs(), nowMs: monotonicMs(), random: random() })
    this.#state = state
    for (const action of actions) this.#act(action)
  }

  #act(action: SyncAction): void {
    if (action.type === 'send-batches') return
    this.#ask(action.to, async () => {
      if (action.type === 'send-heights') await this.#compareWith(action.to)
      else await this.#fetch(action.to, action.logId, action.sequence)
    })
  }

  /** A failed call only costs time: what it should have brought is asked for in a later round. */
  #ask(peer: string, run: () => Promise<void>): void {
    this.#queues.add(peer, async () => {
      try {
        // After a failure what waits behind it would fail too, each after its time.
        if (this.#backoff.isOpen(peer)) await run()
      } catch (error) {
        this.#backoff.failed(peer)
        this.#ports.warn(`the op log of ${peer} could not be compared with this one`, error)
      }
    })
  }

  async #call(peer: string, request: SyncRequest): Promise<unknown> {
    const answer = await this.#ports.call(peer, request, AbortSignal.timeout(CALL_MS_MAX))
    this.#backoff.worked(peer)
    return answer
  }

  async #compareWith(peer: string): Promise<void> {
    const request = { kind: 'heights' as const, scopes: [...this.#ports.scopes()], ...this.#holding(this.#ports.log.logs()) }
    this.#heard(peer, HeightsAnswer.parse(await this.#call(peer, request)), 'all')
    this.#pushTo(peer)
  }

  async #fetch(peer: string, logId: string, sequence: number): Promise<void> {
    const { batches } = BatchesAnswer.parse(await this.#call(peer, { kind: 'batches', logId, from: Math.max(1, sequence) }))
    const { next, outcome } = await takeIn(this.#ports, batches, { from: peer, logId })
    this.#step({ type: 'imported', from: peer, logId, next, outcome })
  }

  /** A peer told what it holds: what it has more than this node is asked for, as far as this node carries it and the roster knows its author. */
  #heard(peer: string, { logs, clockMs }: Holding, about: 'all' | readonly string[]): void {
    const { log, scopes, author } = this.#ports
    const own = `${log.nodeId}/`
    const ours = logs.filter(({ logId }) => logId.startsWith(own))
    const isNew = this.#acknowledged.heard(peer, ours, about)
    this.#clocks.heard(peer, clockMs)
    const carried = scopes()
    const wanted = logs.filter(({ logId, scope }) => {
      return logId.startsWith(own) || (carried.includes(scope) && author(logId.slice(0, logId.indexOf('/'))) !== null)
    })
    if (this.#peer(peer) !== undefined) this.#step({ type: 'heights', from: peer, logs: wanted, answer: true })
    if (this.#state.size > 0 || this.#lackedBy(peer).length > 0) this.#unrest.note()
    if (isNew) this.#told()
  }

  /** Waiting appends hear at once; the rest of the agent a few times a second, however much is being indexed. */
  #told(): void {
    for (const check of this.#waiters) check()
    this.#telling ??= setTimeout(() => {
      this.#telling = null
      this.#ports.changed()
    }, TELL_MS)
  }

  async #answerPush({ batches }: SyncRequestOf<'push'>, peer: string): Promise<Holding> {
    const carried = this.#ports.scopes()
    const logIds = new Set<string>()
    for (const [logId, pushed] of Map.groupBy(batches, ({ header }) => `${header.nodeId}/${header.epoch}`)) {
      if (!pushed.every(({ header }) => carried.includes(header.scope))) continue
      logIds.add(logId)
      const { fault } = await takeIn(this.#ports, pushed, { from: peer, logId })
      if (fault !== null && fault !== 'unknown-author') {
        throw new ThatdamError('UNPROCESSABLE', `A batch of ${logId} was not taken: it is not as its author signed it (${fault}).`)
      }
    }
    return this.#holding(this.#ports.log.logs().filter((log) => logIds.has(log.logId)))
  }

  #peer(nodeId: string): SyncPeer | undefined {
    return this.#ports.peers().find((peer) => peer.nodeId === nodeId)
  }

  #carriersOf(scope: OpScope): SyncPeer[] {
    return this.#ports.peers().filter(({ nodeId, scopes }) => scopes.includes(scope) && this.#backoff.isOpen(nodeId))
  }

  #pushFresh(): void {
    const chosen = new Set(SCOPES.flatMap((scope) => this.#carriersOf(scope).slice(0, FAN_OUT)))
    for (const { nodeId } of chosen) this.#pushTo(nodeId)
  }

  /** Pushes to a peer what it lacks of the two logs that this node writes now; appends that come meanwhile go along. */
  #pushTo(peer: string): void {
    if (this.#pushing.has(peer) || this.#lackedBy(peer).length === 0) return
    const pushing = this.#pushPages(peer)
      .catch((error: unknown) => {
        this.#backoff.failed(peer)
        this.#ports.warn(`what was just written could not be copied to ${peer}`, error)
      })
      .finally(() => this.#pushing.delete(peer))
    this.#pushing.set(peer, pushing)
  }

  async #pushPages(peer: string): Promise<void> {
    let before = ''
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const [lacked] = this.#lackedBy(peer).filter(({ logId, from }) => `${logId} ${from}` !== before)
      if (lacked === undefined) return
      // The same log from the same place twice: it takes nothing more of it now.
      before = `${lacked.logId} ${lacked.from}`
      const batches = this.#ports.log.batches(lacked.logId, lacked.from)
      const answer = PushAnswer.parse(await this.#call(peer, { kind: 'push', batches }))
      this.#heard(peer, answer, [lacked.logId])
    }
  }

  /** Logs of this node's own that a peer carries and has not whole, each with where to go on. */
  #lackedBy(nodeId: string): { logId: string; from: number }[] {
    const peer = this.#peer(nodeId)
    if (peer === undefined || !this.#backoff.isOpen(nodeId)) return []
    return this.#ownLogs().flatMap((own) => {
      const isCurrent = own.logId === this.#ports.log.ownLogId(own.scope)
      if (!isCurrent || !peer.scopes.includes(own.scope)) return []
      // What it never spoke of it most likely has, but for the newest; its answer tells.
      const height = this.#acknowledged.heightAt(nodeId, own) ?? own.sequence - 1
      return height < own.sequence ? [{ logId: own.logId, from: height + 1 }] : []
    })
  }
}

const carriersIn = (peers: readonly SyncPeer[]): number =>
  peers.filter(({ scopes }) => SCOPES.every((scope) => scopes.includes(scope))).length

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, ms)
    signal.addEventListener('abort', finish, { once: true })
  })
}
