import type { ElectionAction, ElectionEvent, Now } from '@thatdam/plan/election/contract'
import { TERM_SKIP_MAX, type ElectionState } from '@thatdam/plan/election/state'
import type { MembershipAction, MembershipEvent } from '@thatdam/plan/membership/contract'
import { initialMembership, stepMembership } from '@thatdam/plan/membership/machine'
import { awake, type MembershipState } from '@thatdam/plan/membership/state'
import type { RingTimeEvent } from '@thatdam/plan/ring-time/contract'
import { initialRingTime, stepRingTime, type RingTimeState } from '@thatdam/plan/ring-time/machine'
import type { Term } from '@thatdam/protocol/plan'
import { SimStore } from './blobs.ts'
import { CLOUD, SimCredential } from './credentials.ts'
import type { DiskImage, Letter } from './letters.ts'
import { SimLogs, type Times } from './logs.ts'
import type { Chance } from './random.ts'
import { SimRing, type RingDisk } from './ring.ts'
import type { RosterBook } from './rosters.ts'
import type { Rules } from './rules.ts'

/** What a node tells the world it did. */
export interface Outside {
  send(from: string, to: string, letter: Letter): void
  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void
  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void
  changedView(node: SimNode): void
  /** Right after a standstill, before anything else runs. */
  woke(node: SimNode): void
  deleted(node: SimNode, blob: string): void
  /** Somebody of any ring, whom discovery shows. */
  neighbour(): string
  /** Whether discovery shows machines of other rings yet. */
  readonly isMeeting: boolean
}

interface Running {
  election: ElectionState
  membership: MembershipState
  ringTime: RingTimeState
  readonly bootedAtMs: number
}

/** At most this many letters wait in the socket of a process that stands still. */
const INBOX_MAX = 64
/** A leader that stood still for longer, with room for one tick, must not act on what it believed. */
const STANDSTILL_MS = 1_400
export const START_MS = 1_800_000_000_000

/** A time server is heard this long after a start. */
const TIME_SERVER_MS = 3_000
const RING_TIME_TICK_MS = 1_000

export interface Self {
  readonly nodeId: string
  readonly index: number
  readonly disk: RingDisk
  /** Who ever had the right to edit. */
  readonly truth: ReadonlySet<string>
  readonly hasTimeServer: boolean
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
  private readonly inbox: { from: string; letter: Letter; ring: string }[] = []
  /** Both clocks are the world's time and an offset; a sleep takes from the monotonic one. */
  monotonicOffsetMs = 0
  wallOffsetMs = 0
  /** Actions until the power fails in the midst of a step; -1 never. */
  actionsUntilCrash = -1

  readonly store: SimStore
  readonly logs: SimLogs
  readonly ring: SimRing
  readonly credential: SimCredential
  /** Its clock follows a time server, from when on it may again. */
  isSynchronised = false
  private synchronisesAtMs = Infinity
  private nextRingTimeAtMs = 0
  /** The roster said that it was removed: its owner takes it away. */
  isOut = false
  readonly nodeId: string
  readonly hasTimeServer: boolean
  private readonly rules: Rules
  private readonly outside: Outside
  private readonly chance: Chance

  constructor(self: Self, rules: Rules, outside: Outside, book: RosterBook, chance: Chance) {
    this.nodeId = self.nodeId
    this.hasTimeServer = self.hasTimeServer
    this.rules = rules
    this.outside = outside
    this.chance = chance
    this.store = new SimStore(
      rules.blobs,
      chance,
      (to, message) => outside.send(this.nodeId, to, { of: 'promise', message }),
      (blob) => outside.deleted(this, blob),
    )
    const { nodeId, index, truth } = self
    this.logs = new SimLogs({ nodeId, truth, editors: () => this.ring.view.editors }, rules.logs, chance, (to, message) =>
      outside.send(nodeId, to, { of: 'log', message }),
    )
    this.credential = new SimCredential(nodeId, rules.credentials, chance)
    this.ring = new SimRing(self.disk, book, rules.ring, chance, {
      nodeId,
      index,
      send: (to, message) => outside.send(nodeId, to, { of: 'ring', message }),
      changed: (isOtherRing) => this.takeRoster(isOtherRing, this.worldMs),
      removed: () => {
        this.isOut = true
        this.crash()
      },
      neighbour: () => outside.neighbour(),
    })
  }

  /** When it last did anything. */
  private worldMs = 0

  clocks(worldMs: number): Now {
    return { monotonicMs: worldMs + this.monotonicOffsetMs, wallMs: START_MS + worldMs + this.wallOffsetMs }
  }

  /** Ring time is worked out when it is first asked for: few letters need it, and those often. */
  times(worldMs: number): Times {
    const timeNow = (): number => {
      const now = this.clocks(worldMs)
      return this.running === null ? now.wallMs : this.rules.ringTimeMs(this.running.ringTime, now)
    }
    let known: number | null = null
    return {
      worldMs,
      get ringMs() {
        return (known ??= timeNow())
      },
    }
  }

  jump(byMs: number, worldMs: number): void {
    this.wallOffsetMs += byMs
    this.isSynchronised = false
    this.synchronisesAtMs = worldMs + 2 * TIME_SERVER_MS
  }

  image(): DiskImage {
    return { term: this.disk, ring: this.ring.image(), logs: this.logs.image(), credential: this.credential.disk }
  }

  restore(image: DiskImage): void {
    this.disk = image.term
    this.ring.restore(image.ring)
    this.logs.restore(image.logs)
    this.credential.disk = image.credential
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
    this.worldMs = worldMs
    this.isSynchronised = false
    this.synchronisesAtMs = worldMs + this.chance.whole(500, TIME_SERVER_MS)
    this.nextRingTimeAtMs = worldMs
    this.running = this.fresh(now, worldMs, initialRingTime(this.nodeId, now))
    this.store.boot(worldMs)
    this.ring.boot(worldMs)
    this.credential.boot(worldMs)
    this.logs.boot(this.times(worldMs))
    this.tellRoster(worldMs)
  }

  private fresh(now: Now, worldMs: number, ringTime: RingTimeState): Running {
    const self = { clusterId: this.clusterId(), nodeId: this.nodeId, highest: this.disk }
    const firstTermSkip = this.rules.skipsTerms ? this.chance.whole(0, TERM_SKIP_MAX) : 0
    return {
      election: this.rules.election.initial({ ...self, firstTermSkip }, now),
      membership: initialMembership(this.nodeId, now.wallMs, now.monotonicMs, this.rules.membership),
      ringTime,
      bootedAtMs: worldMs,
    }
  }

  /** A roster that changed; in another ring membership and election begin anew, and terms of the old one mean nothing. */
  private takeRoster(isOtherRing: boolean, worldMs: number): void {
    if (this.running === null) return
    if (isOtherRing) {
      this.disk = null
      this.staleTerm = null
      this.running = this.fresh(this.clocks(worldMs), worldMs, this.running.ringTime)
    }
    this.logs.readAgain(this.times(worldMs))
    this.tellRoster(worldMs)
  }

  private tellRoster(worldMs: number): void {
    this.member({ kind: 'roster', members: this.ring.view.members }, worldMs)
    this.tellAwake(worldMs)
  }

  private tellAwake(worldMs: number): void {
    const alive = this.awake()
    this.elect({ kind: 'roster', ranking: this.ring.view.ranking, alive }, worldMs)
    this.keepTime({ kind: 'alive', alive }, worldMs)
  }

  clusterId(): string {
    return this.ring.view.roster.clusterId
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
    for (const { from, letter, ring } of this.inbox.splice(0)) this.receive(from, letter, worldMs, ring)
  }

  tick(worldMs: number): void {
    if (this.running === null || this.isFrozen) return
    this.worldMs = worldMs
    if (worldMs >= this.synchronisesAtMs && this.hasTimeServer) this.synchronise()
    const { monotonicMs } = this.clocks(worldMs)
    // As an agent does: a machine that has nothing to do is left alone. A step may end in a power cut.
    if (monotonicMs >= this.running.membership.tickDueMs) this.member({ kind: 'tick' }, worldMs)
    const election = this.running?.election
    if (election && monotonicMs >= this.rules.election.tickDueMs(election)) this.elect({ kind: 'tick' }, worldMs)
    if (worldMs >= this.nextRingTimeAtMs) {
      this.nextRingTimeAtMs = worldMs + RING_TIME_TICK_MS
      this.keepTime({ kind: 'tick', isSynchronised: this.isSynchronised }, worldMs)
    }
    this.store.tick(worldMs)
    if (this.logs.isDue(worldMs)) this.logs.tick(this.others(), this.times(worldMs))
    this.ring.tick(worldMs, this.outside.isMeeting)
    const renewal = this.credential.tick(worldMs)
    if (renewal !== null) this.outside.send(this.nodeId, CLOUD, { of: 'credential', message: renewal })
  }

  private others(): string[] {
    return [...this.awake()].filter((nodeId) => nodeId !== this.nodeId)
  }

  private synchronise(): void {
    this.wallOffsetMs = this.chance.whole(-50, 50)
    this.isSynchronised = true
    this.synchronisesAtMs = Infinity
  }

  /** Letters of strangers, and those of another ring's affairs, are dropped, as TLS does. */
  private isHeard(from: string, ring: string, letter: Letter): boolean {
    if (letter.of === 'ring' || letter.of === 'credential') return true
    return ring === this.ring.fingerprint && this.ring.view.roster.members.has(from)
  }

  receive(from: string, letter: Letter, worldMs: number, ring: string): void {
    if (this.running === null) return
    if (this.isFrozen) {
      if (this.inbox.length < INBOX_MAX) this.inbox.push({ from, letter, ring })
      return
    }
    if (!this.isHeard(from, ring, letter)) {
      if (ring === this.ring.fingerprint) this.ring.refuse(from)
      return
    }
    this.worldMs = worldMs
    if (letter.of === 'election') this.elect({ kind: 'message', from, message: letter.message }, worldMs)
    else if (letter.of === 'membership') this.member({ kind: 'message', from, message: letter.message }, worldMs)
    else if (letter.of === 'promise') this.store.receive(from, letter.message, worldMs)
    else if (letter.of === 'log') this.logs.receive(from, letter.message, this.times(worldMs))
    else if (letter.of === 'ring') this.ring.receive(from, letter.message, worldMs)
    else if (letter.of === 'clock') this.keepTime({ kind: 'message', from, message: letter.message }, worldMs)
    else if (letter.of === 'credential') this.credential.receive(letter.message, worldMs)
    else this.obey(letter.term, worldMs)
  }

  /** The term under which this node would give an order now. */
  mayOrder(worldMs: number): Term | null {
    return this.running === null || this.isFrozen ? null : this.rules.election.mayOrder(this.running.election, this.clocks(worldMs))
  }

  leader(worldMs: number): Term | null {
    return this.running === null ? null : this.rules.election.leader(this.running.election, this.clocks(worldMs))
  }

  /** The leader last heard, its lease over or not, if that is not longer ago. */
  heardWithin(ms: number, worldMs: number): Term | null {
    const known = this.running?.election.known ?? null
    return known === null || this.clocks(worldMs).monotonicMs - known.heardAtMs > ms ? null : known.term
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
        for (const to of this.ring.view.members) {
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
    this.tellAwake(worldMs)
  }

  private keepTime(event: RingTimeEvent, worldMs: number): void {
    if (this.running === null) return
    const { state, actions } = stepRingTime(this.running.ringTime, event, this.clocks(worldMs), this.chance.draw())
    this.running.ringTime = state
    for (const { to, message } of actions) this.outside.send(this.nodeId, to, { of: 'clock', message })
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
