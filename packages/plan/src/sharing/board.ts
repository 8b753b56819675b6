import type { NodeId } from '@thatdam/protocol/ids'
import { byText } from '../roster-view.ts'
import { capacityOf } from './capacity.ts'
import {
  byHead,
  byLoad,
  byTurn,
  cardOf,
  hasRoom,
  isForgettable,
  isWaiting,
  LANES,
  newPlace,
  NO_CAPACITY,
  type Card,
  type NearQueue,
  type Place,
} from './cards.ts'
import { checkJob } from './check.ts'
import { JOBS_MAX, NODES_MAX, type Assignment, type Job, type WorkNode } from './contract.ts'
import { changed, creditsAt, type Account, type Ledger } from './credits.ts'
import { LazyHeap, RankedSet } from './heaps.ts'
import { nextChangeMs } from './quiet-hours.ts'
import { NEAR_ADVANCE_MS, NEAR_WAIT_MS_MAX, turnOf } from './turn.ts'

/**
 * Shares queued jobs out among nodes, and is told of each change: a job came, ended or was given back, a node changed. It reads no clock.
 *
 * The rule, which the dumb twin states in twenty lines: of all pairs of a waiting job and a node that has room for it and either has its input or
 * may take it by now, the pair with the smallest turn goes first (near ones a minute early), then the least loaded node; and so on until no
 * pair is left. Jobs wait in heaps, one a lane for all nodes and one a lane for each node that has inputs, so that a choice costs
 * O(log jobs + log nodes), with ten nodes or a thousand.
 */
export class Board {
  private readonly cards = new Map<string, Card>()
  private readonly places = new Map<NodeId, Place>()
  private readonly accounts: Map<NodeId, Account>
  /** Per lane: what any node may take; and the nodes that have room, least loaded first. */
  private readonly open = Array.from({ length: LANES }, () => new LazyHeap<Card>(byTurn, isWaiting))
  private readonly idle = Array.from({ length: LANES }, () => new RankedSet<Place>(byLoad))
  /** Queues of nodes that have room, by the turn of their first card. */
  private readonly nearest = new RankedSet<NearQueue>(byHead)
  private readonly opening = new LazyHeap<Card>((a, b) => a.opensAtMs - b.opensAtMs || byTurn(a, b), isWaiting)
  private readonly changing = new RankedSet<Place>((a, b) => a.changesAtMs - b.changesAtMs || byText(a.nodeId, b.nodeId))
  private running = 0

  constructor(ledger: Ledger = new Map()) {
    this.accounts = new Map(ledger)
  }

  /** Credits of each node now, to be kept by the caller. */
  get ledger(): Ledger {
    return this.accounts
  }

  get waitingJobs(): number {
    return this.cards.size - this.running
  }

  get runningJobs(): number {
    return this.running
  }

  /**
   * Queues a job, or notes one that runs already on `runningOn` (a new leader learns of it); the asker pays. One from the future counts as new.
   * False when the job is on the board: a message that came twice. @throws ThatdamError for a job that cannot be, or one too many.
   */
  add(asked: Job, nowMs: number, runningOn: NodeId | null = null): boolean {
    checkJob(asked, this.cards.size < JOBS_MAX)
    if (this.cards.has(asked.jobId)) return false
    const job = asked.queuedAtMs > nowMs ? { ...asked, queuedAtMs: nowMs } : asked
    const turn = turnOf(job, { creditsLeft: creditsAt(this.accounts.get(job.asker), job.queuedAtMs) })
    this.account(job.asker, -job.credits, job.queuedAtMs)
    const card = cardOf(job, turn)
    const place = runningOn === null ? undefined : this.place(runningOn)
    if (place === undefined) this.enqueue(card)
    else {
      this.cards.set(job.jobId, card)
      this.start(card, place)
    }
    return true
  }

  /** The worker is done: it earns what the asker paid. Unknown jobs are passed over, so that a report may come twice. */
  finish(jobId: string, nowMs: number): void {
    const card = this.cards.get(jobId)
    if (card === undefined || card.place === null) return
    this.account(card.place.nodeId, card.job.credits, nowMs)
    this.drop(card)
  }

  /** Not wanted any more, or failed for good: the asker gets its credits back. */
  cancel(jobId: string, nowMs: number): void {
    const card = this.cards.get(jobId)
    if (card === undefined) return
    this.account(card.job.asker, card.job.credits, nowMs)
    this.drop(card)
  }

  /** Its lease ended without a result: it waits again, with the turn it had. After how many times it is cancelled, the queue decides. */
  giveBack(jobId: string): void {
    const card = this.cards.get(jobId)
    if (card === undefined || card.place === null) return
    this.drop(card)
    this.enqueue({ ...card, place: null, isOpen: false, isLive: true })
  }

  /** A node is new, or its plan, clock offset or willingness changed. What it runs goes on, also above its new quota. */
  setNode(node: WorkNode, nowMs: number): void {
    const place = this.place(node.nodeId)
    if (place === undefined) return
    place.node = node
    this.refresh(place, nowMs)
  }

  /** It is away or was retired: what it ran waits again. */
  removeNode(nodeId: NodeId): void {
    const place = this.places.get(nodeId)
    if (place === undefined) return
    for (const card of place.running) this.giveBack(card.job.jobId)
    place.node = null
    this.refresh(place, 0)
    if (isForgettable(place)) this.places.delete(nodeId)
  }

  /** Who does what now, at most `max` of it, in the order of turns. What is given out counts as running. */
  dispatch(nowMs: number, max = Infinity): Assignment[] {
    for (let place = this.changing.first(); place !== undefined && place.changesAtMs <= nowMs; place = this.changing.first()) {
      this.refresh(place, nowMs)
    }
    // What should open later than can be was queued before the clock was set back.
    const isDue = (card: Card): boolean => card.opensAtMs <= nowMs || card.opensAtMs > nowMs + NEAR_WAIT_MS_MAX
    this.opening.takeWhile(isDue, (card) => {
      card.isOpen = true
      this.open[card.lane]?.push(card)
    })
    const assignments: Assignment[] = []
    while (assignments.length < max) {
      const pair = this.best()
      if (pair === null) break
      pair.card.place = pair.place
      this.unqueue(pair.card)
      this.start(pair.card, pair.place)
      assignments.push({ jobId: pair.card.job.jobId, nodeId: pair.place.nodeId, isNear: pair.isNear })
    }
    return assignments
  }

  /** The pair whose turn it is. */
  private best(): { card: Card; place: Place; isNear: boolean } | null {
    const near = this.firstNear()
    let best = near === undefined ? null : { card: near.card, place: near.place, isNear: true, turn: near.card.turn - NEAR_ADVANCE_MS }
    for (let lane = 0; lane < LANES; lane++) {
      const place = this.idle[lane]?.first()
      const card = place === undefined ? undefined : this.open[lane]?.first()
      if (place === undefined || card === undefined) continue
      const isSooner =
        best === null || card.turn < best.turn || (card.turn === best.turn && byText(card.job.jobId, best.card.job.jobId) < 0)
      if (isSooner) best = { card, place, isNear: false, turn: card.turn }
    }
    return best
  }

  /** The heads of queues may be dead by now; their successors come later, so looking at the first is enough. */
  private firstNear(): { card: Card; place: Place } | undefined {
    for (let queue = this.nearest.first(); queue !== undefined; queue = this.nearest.first()) {
      const { head } = queue
      if (head !== undefined && isWaiting(head)) return { card: head, place: queue.place }
      this.rank(queue)
    }
    return undefined
  }

  private enqueue(card: Card): void {
    this.cards.set(card.job.jobId, card)
    for (const nodeId of card.near) {
      const place = this.place(nodeId)
      if (place === undefined) continue
      const queue = (place.queues[card.lane] ??= { place, lane: card.lane, cards: new LazyHeap(byTurn, isWaiting), head: undefined })
      queue.cards.push(card)
      this.rank(queue)
    }
    if (card.job.onlyOn === null) this.opening.push(card)
  }

  /** Tells the heaps that a card of theirs waits no more. */
  private unqueue(card: Card): void {
    for (const nodeId of card.near) this.places.get(nodeId)?.queues[card.lane]?.cards.died()
    if (card.job.onlyOn === null) (card.isOpen ? this.open[card.lane] : this.opening)?.died()
  }

  private start(card: Card, place: Place): void {
    card.place = place
    place.running.add(card)
    this.count(place, card, 1)
  }

  /** Off the board. */
  private drop(card: Card): void {
    this.cards.delete(card.job.jobId)
    card.isLive = false
    if (card.place === null) this.unqueue(card)
    else {
      card.place.running.delete(card)
      this.count(card.place, card, -1)
    }
  }

  private count(place: Place, card: Card, by: 1 | -1): void {
    const pool = card.lane >> 1
    place.perPool[pool] = (place.perPool[pool] ?? 0) + by
    this.running += by
    this.rankPlace(place)
  }

  private refresh(place: Place, nowMs: number): void {
    const { node } = place
    place.capacity = node === null ? NO_CAPACITY : capacityOf(node, nowMs)
    place.changesAtMs = node === null ? Infinity : nextChangeMs(node.quotas.quietHours, nowMs, node.utcOffsetMinutes)
    if (place.changesAtMs === Infinity) this.changing.remove(place)
    else this.changing.put(place)
    this.rankPlace(place)
  }

  /** Puts the node among those that have room, lane by lane, or takes it out. */
  private rankPlace(place: Place): void {
    // All out before the load changes: a heap bears the change of one entry at a time.
    for (const queue of place.queues) if (queue !== undefined) this.nearest.remove(queue)
    place.load = place.capacity.jobs === 0 ? Infinity : place.running.size / place.capacity.jobs
    for (let lane = 0; lane < LANES; lane++) {
      if (hasRoom(place, lane)) this.idle[lane]?.put(place)
      else this.idle[lane]?.remove(place)
      const queue = place.queues[lane]
      if (queue !== undefined) this.rank(queue)
    }
  }

  private rank(queue: NearQueue): void {
    queue.head = hasRoom(queue.place, queue.lane) ? queue.cards.first() : undefined
    if (queue.head === undefined) this.nearest.remove(queue)
    else this.nearest.put(queue)
  }

  private account(nodeId: NodeId, credits: number, nowMs: number): void {
    if (this.accounts.size >= NODES_MAX && !this.accounts.has(nodeId)) return
    this.accounts.set(nodeId, changed(this.accounts.get(nodeId), credits, nowMs))
  }

  /** Undefined when there are too many: a job then waits for no node, and a node too many gets no work. */
  private place(nodeId: NodeId): Place | undefined {
    const known = this.places.get(nodeId)
    if (known === undefined && this.places.size >= NODES_MAX) {
      for (const place of this.places.values()) if (isForgettable(place)) this.places.delete(place.nodeId)
    }
    if (known !== undefined || this.places.size >= NODES_MAX) return known
    const place = newPlace(nodeId)
    this.places.set(nodeId, place)
    return place
  }
}
