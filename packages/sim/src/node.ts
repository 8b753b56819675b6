import type { ElectionAction, ElectionEvent, ElectionMessage, Now } from '@thatdam/plan/election/contract'
import type { ElectionState } from '@thatdam/plan/election/state'
import type { MembershipAction, MembershipEvent, MembershipMessage } from '@thatdam/plan/membership/contract'
import { initialMembership, stepMembership } from '@thatdam/plan/membership/machine'
import { awake, type MembershipState } from '@thatdam/plan/membership/state'
import type { Term } from '@thatdam/protocol/plan'
import type { PromiseMessage } from '@thatdam/plan/placement/promise'
import { SimStore } from './blobs.ts'
import { SimLogs, type LogMessage, type Times } from './logs.ts'
import type { Chance } from './random.ts'
import { CLUSTER_ID, type Rules } from './rules.ts'

export type Letter =
  | { readonly of: 'election'; readonly message: ElectionMessage }
  | { readonly of: 'membership'; readonly message: MembershipMessage }
  | { readonly of: 'order'; readonly term: Term }
  | { readonly of: 'promise'; readonly message: PromiseMessage }
  | { readonly of: 'log'; readonly message: LogMessage }

/** What a node tells the world it did. */
export interface Outside {
  send(from: string, to: string, letter: Letter): void
  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void
  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void
  changedView(node: SimNode): void
  /** Right after a standstill, before anything else runs. */
  woke(node: SimNode): void
  deleted(node: SimNode, blob: string): void
}

interface Running {
  election: ElectionState
  membership: MembershipState
  readonly bootedAtMs: number
}

/** At most this many letters wait in the socket of a process that stands still. */
const INBOX_MAX = 64
/** A leader that stood still for longer, with room for one tick, must not act on what it believed. */
const STANDSTILL_MS = 1_400

export interface Self {
  readonly nodeId: string
  readonly members: readonly string[]
  readonly ranking: readonly string[]
  readonly admitters: ReadonlySet<string>
}

/** One machine: the agent's state machines with a disk, two clocks, and a process that can be killed or stopped. */
export class SimNode {
  running: Running | null = null
  /** What survives a power cut. */
  disk: Term | null = null
  isFrozen = false
  private frozenAtMs = 0
  private isAsleep = false
  /** The term it led when it last stood still for longer than a leader may: no order may be given under it again. */
  staleTerm: Term | null = null
  private readonly inbox: { from: string; letter: Letter }[] = []
  /** Both clocks are the world's time and an offset; a sleep takes from the monotonic one. */
  monotonicOffsetMs = 0
  wallOffsetMs = 0
  /** Actions until the power fails in the midst of a step; -1 never. */
  actionsUntilCrash = -1

  readonly store: SimStore
  readonly logs: SimLogs
  /** How far off its notion of ring time is. */
  ringOffsetMs = 0
  readonly nodeId: string
  private readonly members: readonly string[]
  private readonly ranking: readonly string[]
  private readonly rules: Rules
  private readonly outside: Outside
  private readonly chance: Chance

  constructor(self: Self, rules: Rules, outside: Outside, chance: Chance) {
    this.nodeId = self.nodeId
    this.members = self.members
    this.ranking = self.ranking
    this.rules = rules
    this.outside = outside
    this.chance = chance
    this.store = new SimStore(
      rules.blobs,
      chance,
      (to, message) => outside.send(this.nodeId, to, { of: 'promise', message }),
      (blob) => outside.deleted(this, blob),
    )
    this.logs = new SimLogs(self, rules.logs, chance, (to, message) => outside.send(this.nodeId, to, { of: 'log', message }))
  }

  clocks(worldMs: number): Now {
    return { monotonicMs: worldMs + this.monotonicOffsetMs, wallMs: 1_800_000_000_000 + worldMs + this.wallOffsetMs }
  }

  times(worldMs: number): Times {
    return { worldMs, ringMs: worldMs + this.ringOffsetMs, wallMs: worldMs + this.wallOffsetMs }
  }

  /** A monotonic clock counts from the start of the machine. */
  boot(worldMs: number): void {
    this.monotonicOffsetMs = -worldMs
    const now = this.clocks(worldMs)
    this.isFrozen = false
    this.isAsleep = false
    this.staleTerm = null
    this.actionsUntilCrash = -1
    this.inbox.length = 0
    this.running = {
      election: this.rules.election.initial({ clusterId: CLUSTER_ID, nodeId: this.nodeId, highest: this.disk }, now),
      membership: initialMembership(this.nodeId, now.wallMs, now.monotonicMs, this.rules.membership),
      bootedAtMs: worldMs,
    }
    this.store.boot(worldMs)
    this.logs.boot(this.times(worldMs))
    this.member({ kind: 'roster', members: this.members }, worldMs)
    this.elect({ kind: 'roster', ranking: this.ranking, alive: new Set([this.nodeId]) }, worldMs)
  }

  crash(): void {
    this.running = null
    this.isFrozen = false
  }

  /** The process stands still; asleep, the monotonic clock does too. */
  freeze(worldMs: number, isAsleep: boolean): void {
    if (this.running === null || this.isFrozen) return
    this.isFrozen = true
    this.isAsleep = isAsleep
    this.frozenAtMs = worldMs
  }

  thaw(worldMs: number): void {
    if (!this.isFrozen || this.running === null) return
    const stoodMs = worldMs - this.frozenAtMs
    if (this.isAsleep) this.monotonicOffsetMs -= stoodMs
    this.isFrozen = false
    const { phase } = this.running.election
    if (stoodMs > STANDSTILL_MS && phase.kind === 'leading') this.staleTerm = phase.term
    this.outside.woke(this)
    for (const { from, letter } of this.inbox.splice(0)) this.receive(from, letter, worldMs)
  }

  tick(worldMs: number): void {
    if (this.running === null || this.isFrozen) return
    this.member({ kind: 'tick' }, worldMs)
    this.elect({ kind: 'tick' }, worldMs)
    this.store.tick(worldMs)
    this.logs.tick(() => this.awake(), this.times(worldMs))
  }

  receive(from: string, letter: Letter, worldMs: number): void {
    if (this.running === null) return
    if (this.isFrozen) {
      if (this.inbox.length < INBOX_MAX) this.inbox.push({ from, letter })
      return
    }
    if (letter.of === 'election') this.elect({ kind: 'message', from, message: letter.message }, worldMs)
    else if (letter.of === 'membership') this.member({ kind: 'message', from, message: letter.message }, worldMs)
    else if (letter.of === 'promise') this.store.receive(from, letter.message, worldMs)
    else if (letter.of === 'log') this.logs.receive(from, letter.message, this.times(worldMs))
    else this.obey(letter.term, worldMs)
  }

  /** The term under which this node would give an order now. */
  mayOrder(worldMs: number): Term | null {
    return this.running === null || this.isFrozen ? null : this.rules.election.mayOrder(this.running.election, this.clocks(worldMs))
  }

  leader(worldMs: number): Term | null {
    return this.running === null ? null : this.rules.election.leader(this.running.election, this.clocks(worldMs))
  }

  /** The leader last heard, its lease over or not. */
  lastHeard(): Term | null {
    return this.running?.election.known?.term ?? null
  }

  accepts(term: Term): boolean {
    return this.running !== null && this.rules.election.accepts(this.running.election, term)
  }

  awake(): ReadonlySet<string> {
    return this.running === null ? new Set() : awake(this.running.membership)
  }

  /** How many members it knows of, itself among them, awake or not. */
  known(): number {
    return this.running === null ? 0 : this.running.membership.members.size + 1
  }

  /** The term is noted, on disk, before the order is carried out. */
  private obey(term: Term, worldMs: number): void {
    const isAccepted = this.accepts(term)
    if (isAccepted) this.elect({ kind: 'order', term }, worldMs)
    if (this.running !== null) this.outside.carriedOut(this, term, isAccepted)
  }

  elect(event: ElectionEvent, worldMs: number): void {
    if (this.running === null) return
    const before = this.running.election
    const { state, actions } = this.rules.election.step(before, event, this.clocks(worldMs), this.chance.draw())
    this.running.election = state
    for (const action of actions) {
      if (this.failsNow()) return
      this.act(action, before, event)
    }
  }

  private act(action: ElectionAction, before: ElectionState, event: ElectionEvent): void {
    switch (action.kind) {
      case 'persist':
        if (this.rules.isTermDurable) this.disk = action.term
        return
      case 'send':
        this.outside.send(this.nodeId, action.to, { of: 'election', message: action.message })
        return
      case 'broadcast':
        for (const to of this.members) {
          if (to !== this.nodeId) this.outside.send(this.nodeId, to, { of: 'election', message: action.message })
        }
        return
      case 'lead':
        this.outside.took(this, action.term, before, event)
        return
      case 'follow':
        return
    }
  }

  private member(event: MembershipEvent, worldMs: number): void {
    if (this.running === null) return
    const { state, actions } = stepMembership(this.running.membership, event, this.clocks(worldMs).monotonicMs, this.chance.draw())
    this.running.membership = state
    for (const action of actions) this.actOnMember(action, worldMs)
  }

  private actOnMember(action: MembershipAction, worldMs: number): void {
    if (action.kind === 'send') {
      this.outside.send(this.nodeId, action.to, { of: 'membership', message: action.message })
      return
    }
    this.outside.changedView(this)
    this.elect({ kind: 'roster', ranking: this.ranking, alive: this.awake() }, worldMs)
  }

  /** The power may fail between any two actions: the rest of them never happen. */
  private failsNow(): boolean {
    if (this.actionsUntilCrash < 0) return false
    if (this.actionsUntilCrash-- > 0) return false
    this.actionsUntilCrash = -1
    this.crash()
    return true
  }
}
