import type { ElectionAction, ElectionEvent, ElectionMessage, Now } from '@thatdam/plan/election/contract'
import { rankedElection } from '@thatdam/plan/election/machine'
import { compareTerms } from '@thatdam/plan/election/terms'
import { isSame, TERM_SKIP_MAX, type ElectionState } from '@thatdam/plan/election/state'
import type { ClusterId, NodeId } from '@thatdam/protocol/ids'
import { Term } from '@thatdam/protocol/plan'
import { readJson, writeFileDurable } from '@thatdam/store/durable'

/** Ticks that found the queue busy are dropped; messages beyond this are too: each of them is repeated by its sender. */
const QUEUE_MAX = 256
/** A step that failed is not tried again sooner. */
const RETRY_MS = 250

export interface LeadershipOptions {
  /** The highest term seen or used (a `Term` as JSON): on disk before it is used. */
  readonly path: string
  readonly clusterId: ClusterId
  readonly nodeId: NodeId
  /** To one member, or to all others (null). May lose, double and reorder. */
  readonly send: (to: NodeId | null, message: ElectionMessage) => void
  /** The lead began or ended, or another node leads: ask `order` and `leader`. */
  readonly changed: () => void
  /** All that was given is done: ask `dueMs`. */
  readonly rested: () => void
  readonly log: (message: string, error?: unknown) => void
  readonly clock?: () => Now
  readonly random?: () => number
}

/**
 * The shell of the election (packages/plan/src/election): clocks, disk and wire for the pure machine, one event after the other. An action
 * that fails (a term that cannot be written) ends the step there: the machine's new state is not taken, so an unwritten term is never used.
 */
export class Leadership {
  private readonly options: LeadershipOptions
  private readonly clock: () => Now
  private state: ElectionState
  /** On its way to the disk: it counts already, or an order of an earlier one could still be taken while it is written. */
  private arriving: Term | null = null
  /** Of the orders that were taken: whoever gave them, none of an earlier term comes after. */
  private taken: Term | null = null
  private readonly queue: ElectionEvent[] = []
  private draining: Promise<void> | null = null
  private retryAtMs = Number.NEGATIVE_INFINITY

  private constructor(options: LeadershipOptions, highest: Term | null) {
    this.options = options
    this.clock = options.clock ?? (() => ({ monotonicMs: performance.now(), wallMs: Date.now() }))
    const { clusterId, nodeId, random = Math.random } = options
    const firstTermSkip = Math.floor(random() * (TERM_SKIP_MAX + 1))
    this.state = rankedElection.initial({ clusterId, nodeId, highest, firstTermSkip }, this.clock())
  }

  /** @throws ThatdamError when the term on disk is damaged: a term that was used before must not be used again. */
  static async open(options: LeadershipOptions): Promise<Leadership> {
    return new Leadership(options, await readJson(options.path, Term))
  }

  /** The members that may lead, best first, and who of all members answers. */
  roster(ranking: readonly NodeId[], alive: ReadonlySet<NodeId>): void {
    this.give({ kind: 'roster', ranking, alive })
  }

  /** When `tick` is due, by the monotonic clock: a late one only makes it more careful. Infinite while a step is under way. */
  get dueMs(): number {
    return this.draining === null ? Math.max(this.retryAtMs, rankedElection.tickDueMs(this.state)) : Number.POSITIVE_INFINITY
  }

  tick(): void {
    this.give({ kind: 'tick' })
  }

  /** From a member, over the wire. */
  receive(from: NodeId, message: ElectionMessage): void {
    this.give({ kind: 'message', from, message })
  }

  /** The term under which an order may be given at this very moment; null: none may be given. */
  order(): Term | null {
    return rankedElection.mayOrder(this.state, this.clock())
  }

  /** Whether an order of this term may be carried out; notes it, so that earlier ones are refused from this very moment on. */
  accept(term: Term): boolean {
    if (!rankedElection.accepts(this.state, term)) return false
    const isEarlier = (than: Term | null): boolean => than !== null && compareTerms(this.options.clusterId, term, than) < 0
    if (isEarlier(this.arriving) || isEarlier(this.taken)) return false
    this.taken = term
    this.give({ kind: 'order', term })
    return true
  }

  leader(): Term | null {
    return rankedElection.leader(this.state, this.clock())
  }

  /** Tells the others that this node goes, and ends. */
  async stop(): Promise<void> {
    this.give({ kind: 'stop' })
    await this.draining
  }

  private give(event: ElectionEvent): void {
    const isDroppable = event.kind === 'tick' || event.kind === 'message'
    if (isDroppable && this.queue.length >= (event.kind === 'tick' ? 1 : QUEUE_MAX)) return
    this.queue.push(event)
    this.draining ??= this.drain()
  }

  private async drain(): Promise<void> {
    await Promise.resolve() // so that `draining` is set before it can be cleared below
    for (let event = this.queue.shift(); event; event = this.queue.shift()) {
      const { state, actions } = rankedElection.step(this.state, event, this.clock(), (this.options.random ?? Math.random)())
      try {
        for (const action of actions) {
          if (action.kind !== 'persist') continue
          this.arriving = action.term
          await this.persist(action.term)
        }
        const before = this.state
        this.state = state
        for (const action of actions) this.carryOut(action)
        // A heartbeat brings the same term as an object of its own.
        if (before.phase.kind !== state.phase.kind || !isSame(before.known?.term ?? null, state.known?.term ?? null)) this.options.changed()
      } catch (error) {
        this.retryAtMs = this.clock().monotonicMs + RETRY_MS
        this.options.log('a step of the election was given up: its term could not be written', error)
      }
      this.arriving = null
    }
    this.draining = null
    this.options.rested()
  }

  private async persist(term: Term): Promise<void> {
    await writeFileDurable(this.options.path, `${JSON.stringify(term)}\n`)
  }

  private carryOut(action: ElectionAction): void {
    switch (action.kind) {
      case 'send':
        this.options.send(action.to, action.message)
        return
      case 'broadcast':
        this.options.send(null, action.message)
        return
      case 'lead':
        this.options.log(`leads, term ${action.term.number}`)
        return
      case 'follow':
        this.options.log('follows')
        return
      case 'persist':
        return // done before anything else of its step
    }
  }
}
