import { canonicalJson } from '@thatdam/protocol/canonical'
import type { Term } from '@thatdam/protocol/plan'
import type { ElectionEvent } from '@thatdam/plan/election/contract'
import type { ElectionState } from '@thatdam/plan/election/state'
import { compareTerms } from '@thatdam/plan/election/terms'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import { COPIES_WANTED } from './blobs.ts'
import { END_MS, HEAL_MS, type Fault } from './faults.ts'
import { ServiceMoves } from './moves.ts'
import { START_MS, type SimNode } from './node.ts'
import { dumbMembers, withRecords, type Records } from './rosters.ts'
import { HOLD_DOWN_MS, SIM_TIMING } from './rules.ts'
import type { Watcher, World } from './world.ts'

/** One leader must act from here on: before the hold-down of those that started at the last fault is over. */
export const SETTLED_MS = HEAL_MS + 15_000
/** Where rings meet, their machines first have to find each other and go over. */
export const MET_MS = HEAL_MS + 40_000
/** Clocks of one ring may differ by what letters were late by, from hand to hand. */
const RING_TIME_MS_MAX = 10_000
/** Within this time of two machines with one identity the cloud notices. */
const CLONE_MS_MAX = 25_000
/** From then on at most one orderly handover to the best-ranked, and one more where its first heartbeats were lost. */
const LEADS_AFTER_SETTLED_MAX = 2
/** Heartbeats of a new leader reach the old one within this time. */
const HANDOVER_MS_MAX = 2_000
/** A leader whose heartbeats were lost for this long is lost too: of twenty in a row that happens once in 10^10 at the worst. */
const LOSSY_LEASE_MS = 10_000
const VIOLATIONS_MAX = 20
/** In a large ring this many nodes are asked for their roster and layout: each asks for the whole ring's. */
const LAYOUTS_MAX = 12
/** In a larger ring a plan for each change would take longer than the run. */
const MOVES_RING_MAX = 60

/** What must hold in every run. Knows more than any node: it sees all of them, and forgets nothing when one crashes. */
export class Properties implements Watcher {
  readonly violations: string[] = []
  private readonly world: World
  private readonly usedTerms = new Set<string>()
  private readonly fences = new Map<string, Term>()
  private readonly leadsAfterSettled = new Map<string, number>()
  private wrong: ReadonlySet<string> = new Set()
  /** Rings in which all knew the time when they had settled. */
  private timely: ReadonlySet<string> = new Set()
  private readonly opsAtPeace = new Map<string, Set<string>>()
  private readonly moves: ServiceMoves
  private readonly trace: ((line: string) => void) | null

  constructor(world: World, trace: ((line: string) => void) | null) {
    this.world = world
    this.trace = trace
    this.moves = new ServiceMoves(world.rules.layout)
  }

  checkpoints(): ReadonlyMap<number, () => void> {
    return new Map([
      [HEAL_MS + 1, () => this.countOps()],
      [
        this.settledMs(),
        () => {
          this.lookForOneLeader()
          this.lookForTime()
        },
      ],
      [this.settledMs() + HANDOVER_MS_MAX, () => this.checkOneLeader()],
      [END_MS - HANDOVER_MS_MAX, () => this.lookForOneLeader()],
      [END_MS, () => this.checkEnd()],
    ])
  }

  private settledMs(): number {
    const { rings, joiners } = this.world.plot.founding
    return rings.length > 1 || joiners.length > 0 ? MET_MS : SETTLED_MS
  }

  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void {
    this.tell(`${node.nodeId} leads, term ${term.number}`)
    const key = `${term.number} of ${term.nodeId} in ${node.clusterId()}`
    if (this.usedTerms.has(key)) this.violated(`term ${key} was used twice`)
    this.usedTerms.add(key)
    const leads = (this.leadsAfterSettled.get(node.clusterId()) ?? 0) + (this.world.nowMs > this.settledMs() ? 1 : 0)
    this.leadsAfterSettled.set(node.clusterId(), leads)
    if (leads > LEADS_AFTER_SETTLED_MAX) {
      this.violated(`the lead changes hands again and again, though nothing happens: now ${node.nodeId}`)
    }
    this.checkYoungTakeover(node, before, event)
  }

  /** Nobody that has just started takes the lead from a leader it hears, unless that one asks it because it leaves. */
  private checkYoungTakeover(node: SimNode, before: ElectionState, event: ElectionEvent): void {
    const now = node.clocks(this.world.nowMs)
    const heard = before.phase.kind === 'leading' ? null : this.world.rules.election.leader(before, now)
    const isAskedToReplace = event.kind === 'message' && event.message.kind === 'handover' && event.message.resigning
    const upMs = this.world.nowMs - (node.running?.bootedAtMs ?? 0)
    // Of two handovers on each other's heels the second may come before word of the first: both leaders' eyes count.
    const judges = [heard?.nodeId, event.kind === 'message' ? event.from : undefined]
    const isReturning = judges.some((judge) => {
      const eyes = this.world.nodes.get(judge ?? '')?.running?.election
      // Whom it takes for away now it asked before, and may not have seen leave by then.
      return eyes?.returning.has(node.nodeId) === true && eyes.alive.has(node.nodeId)
    })
    const limitMs = isReturning ? HOLD_DOWN_MS : SIM_TIMING.welcomeMs
    if (heard !== null && heard.nodeId !== node.nodeId && upMs < limitMs && !isAskedToReplace) {
      this.violated(`${node.nodeId} took the lead from ${heard.nodeId} ${upMs} ms after its start`)
    }
  }

  ordered(node: SimNode, term: Term): void {
    const { staleTerm } = node
    if (staleTerm !== null && compareTerms(node.clusterId(), term, staleTerm) === 0) {
      this.violated(`${node.nodeId} gave an order under term ${term.number}, which it led before it stood still`)
    }
  }

  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void {
    if (!isAccepted) return
    const key = `${node.nodeId} in ${node.clusterId()}`
    const fence = this.fences.get(key)
    if (fence !== undefined && compareTerms(node.clusterId(), term, fence) < 0) {
      this.violated(
        `${node.nodeId} carried out an order of term ${term.number} of ${term.nodeId} after one of term ${fence.number} of ${fence.nodeId}`,
      )
    } else this.fences.set(key, term)
  }

  changedView(node: SimNode): void {
    if (this.trace !== null) this.tell(`${node.nodeId} sees ${[...node.awake()].toSorted().join(' ')}`)
    this.checkMoves(node)
    // Once all is quiet nobody that lives may be declared away.
    if (this.world.nowMs < this.settledMs()) return
    const live = this.live().filter((other) => node.ring.view.roster.members.has(other.nodeId))
    const awake = node.awake()
    for (const other of live) if (!awake.has(other.nodeId)) this.violated(`${node.nodeId} takes ${other.nodeId} for away, which lives`)
  }

  /** A leader plans anew whenever somebody comes or goes. */
  private checkMoves(node: SimNode): void {
    const { roster, members } = node.ring.view
    if (members.length > MOVES_RING_MAX || node.mayOrder(this.world.nowMs) === null) return
    const wrong = this.moves.see(node.nodeId, roster.clusterId, this.membersOf(node))
    if (wrong !== null) this.violated(wrong)
  }

  private membersOf(node: SimNode): PlannedNode[] {
    const awake = node.awake()
    return [...node.ring.view.roster.members.values()].map(({ nodeId, bootCounter }) => {
      return { ...this.world.book.machineOf(nodeId), bootCounter, alive: awake.has(nodeId) }
    })
  }

  /** A copy may go only while enough others stay, on machines that are off too: their disks keep them. */
  deleted(node: SimNode, blob: string): void {
    const left = [...this.world.nodes.values()].filter((each) => each.store.copies.has(blob)).length
    this.tell(`${node.nodeId} deletes its copy of ${blob}, ${left} are left`)
    if (left < COPIES_WANTED) this.violated(`${node.nodeId} deleted its copy of ${blob}, and only ${left} are left`)
  }

  happened(fault: Fault): void {
    this.tell(`-- ${canonicalJson({ ...fault })}`)
    if (fault.kind !== 'restore') return
    // What a machine once refused or carried out it cannot know any more.
    for (const key of this.fences.keys()) if (key.startsWith(`${fault.nodeId} in`)) this.fences.delete(key)
  }

  /** All that run, but for those that were removed from their ring. */
  private live(): SimNode[] {
    const running = [...this.world.nodes.values()].filter((node) => node.running !== null && !node.isOut)
    return this.world.doomed.size === 0 ? running : running.filter((node) => !this.isRemoved(node, running))
  }

  private isRemoved(node: SimNode, running: readonly SimNode[]): boolean {
    return this.world.doomed.has(node.nodeId) && running.some((other) => other.ring.view.roster.removed.has(node.nodeId))
  }

  /** Living machines by the ring that they belong to when all is over. */
  private groups(): Map<string, SimNode[]> {
    return Map.groupBy(this.live(), (node) => this.world.homeOf(node.nodeId))
  }

  private eligible(group: readonly SimNode[]): string[] {
    const live = new Set(group.map((node) => node.nodeId))
    return (group[0]?.ring.view.ranking ?? []).filter((nodeId) => live.has(nodeId))
  }

  /** How many act as leader, told in words; null when it is as it should be. */
  private wrongLeaders(group: readonly SimNode[]): string | null {
    const leaders = group.filter((node) => node.mayOrder(this.world.nowMs) !== null)
    const wanted = this.eligible(group).length > 0 ? 1 : 0
    if (leaders.length === wanted) return null
    return leaders.length === 0 ? 'nobody acts' : `${leaders.map((node) => node.nodeId).join(', ')} act`
  }

  private countOps(): void {
    for (const [home, group] of this.groups()) {
      this.opsAtPeace.set(
        home,
        new Set(group.filter((node) => !this.world.doomed.has(node.nodeId)).flatMap((node) => [...node.logs.opIds()])),
      )
    }
  }

  private lookForOneLeader(): void {
    this.wrong = new Set([...this.groups()].filter(([, group]) => this.wrongLeaders(group) !== null).map(([home]) => home))
  }

  /** During an orderly handover two act for the time a message takes, the first one fenced: wrong is only what is still wrong after that. */
  private checkOneLeader(): void {
    for (const [home, group] of this.groups()) {
      const wrong = this.wrongLeaders(group)
      if (wrong !== null && this.wrong.has(home))
        this.violated(`${wrong} as leader ${(this.world.nowMs - HEAL_MS) / 1000} s after the last fault`)
    }
  }

  private checkEnd(): void {
    this.checkOneLeader()
    for (const [home, group] of this.groups()) {
      this.checkRing(group, home)
      this.checkLeadership(group)
      this.checkRingTime(group, home)
      this.checkLayouts(group)
      this.checkLogs(group, home)
    }
    this.checkClones()
    const running = [...this.world.nodes.values()].filter((node) => node.running !== null)
    for (const node of running) if (this.isRemoved(node, running)) this.violated(`${node.nodeId} does not know that it was removed`)
  }

  /** All hold the same records, and come to the same members as the plain rule, whatever the order in which the records came. */
  private checkRing(group: readonly SimNode[], home: string): void {
    let union: Records = new Map()
    for (const node of group) union = withRecords(union, node.ring.records.values())
    const expected = dumbMembers(union, home).join(' ')
    const sample = Math.ceil(group.length / LAYOUTS_MAX)
    for (const [index, node] of group.entries()) {
      const { fingerprint, records, view } = node.ring
      if (fingerprint !== home)
        this.violated(`${node.nodeId} is in the ring of ${view.members[0] ?? ''} at the end, and should have gone over`)
      else if (view.members.join(' ') !== expected)
        this.violated(`${node.nodeId} has the members ${view.members.join(' ')}, not ${expected}`)
      if (node.known() !== view.members.length) this.violated(`${node.nodeId} has forgotten members: it knows ${node.known()}`)
      if (index % sample !== 0) continue
      const folded = [...this.world.book.foldOf(records, fingerprint).members.keys()].join(' ')
      if (folded !== view.members.join(' ')) this.violated(`the roster of ${node.nodeId} depends on the order of its records`)
    }
  }

  private checkLeadership(group: readonly SimNode[]): void {
    const alive = group.map((node) => node.nodeId).toSorted()
    const best = this.eligible(group)[0] ?? null
    // Where up to a third of the letters are lost, now and then five heartbeats in a row are: then the leader heard a moment ago counts.
    const isLossy = this.world.plot.weather.lossProbability > 0
    for (const node of group) {
      const leader = node.leader(this.world.nowMs) ?? (isLossy ? node.heardWithin(LOSSY_LEASE_MS, this.world.nowMs) : null)
      if ((leader?.nodeId ?? null) !== best)
        this.violated(`${node.nodeId} follows ${leader?.nodeId ?? 'nobody'} at the end, not ${best ?? 'nobody'}`)
      if (leader !== null && !node.accepts(leader)) this.violated(`${node.nodeId} refuses the orders of its own leader`)
      const awake = [...node.awake()].toSorted()
      if (awake.join() !== alive.join()) this.violated(`${node.nodeId} sees ${awake.join(' ')} at the end, not ${alive.join(' ')}`)
    }
  }

  private lookForTime(): void {
    const taught = new Set(
      [...this.world.nodes.values()].filter((node) => node.hasTimeServer).map((node) => this.world.homeOf(node.nodeId)),
    )
    const isTimely = (group: readonly SimNode[]): boolean => this.timesOff(group).every((ms) => Math.abs(ms) <= RING_TIME_MS_MAX)
    this.timely = new Set([...this.groups()].filter(([home, group]) => taught.has(home) && isTimely(group)).map(([home]) => home))
  }

  private timesOff(group: readonly SimNode[]): number[] {
    return group.map((node) => node.times(this.world.nowMs).ringMs - START_MS - this.world.nowMs)
  }

  /** All have one time; and where any machine follows a time server, or did and told the others, it is the right one. */
  private checkRingTime(group: readonly SimNode[], home: string): void {
    const off = this.timesOff(group)
    if (Math.max(...off) - Math.min(...off) > RING_TIME_MS_MAX) {
      this.violated(`ring time is not the same everywhere: off by ${off.map((ms) => Math.round(ms / 1000)).join(' ')} s`)
    }
    const isKnown = this.timely.has(home) || group.some((node) => node.isSynchronised)
    if (isKnown && off.some((ms) => Math.abs(ms) > RING_TIME_MS_MAX)) {
      this.violated(`ring time is off by ${Math.round((off[0] ?? 0) / 1000)} s, though a machine follows a time server, or did`)
    }
  }

  private checkClones(): void {
    for (const node of this.world.nodes.values()) {
      const isFlagged = this.world.cloud.isFlagged(node.nodeId)
      const startedAtMs = this.world.copiedAtMs.get(node.nodeId)
      if (startedAtMs === undefined) {
        if (isFlagged && !this.world.restored.has(node.nodeId)) this.violated(`${node.nodeId} is taken for a copied machine, and is none`)
        continue
      }
      const togetherMs = this.world.nowMs - Math.max(startedAtMs, node.running?.bootedAtMs ?? Infinity)
      if (!isFlagged && togetherMs > CLONE_MS_MAX) this.violated(`two machines are ${node.nodeId}, and nobody noticed`)
    }
  }

  /** All that any living machine had when peace came is everywhere, adds up to the same, and the last edit counts. */
  private checkLogs(group: readonly SimNode[], home: string): void {
    const isEditedHere = this.world.homeOf(this.world.plot.founding.rings[0]?.members[0] ?? '') === home
    for (const node of group) {
      const ids = node.logs.opIds()
      const lost = [...(this.opsAtPeace.get(home) ?? [])].filter((opId) => !ids.has(opId))
      if (lost.length > 0) this.violated(`${node.nodeId} lacks ${lost.length} ops that others had a minute ago`)
      if (node.logs.wronglyApplied > 0) this.violated(`${node.nodeId} applied an op that its author had no right to sign`)
      if (node.logs.wronglyContinued > 0) this.violated(`${node.nodeId} went on in an epoch of which others held more`)
      if (!node.logs.hasRightTags()) this.violated(`${node.nodeId} shows other tags than its edits add up to`)
      if (isEditedHere) this.checkLastEdit(node, group)
    }
    if (new Set(group.map((node) => node.logs.tagText())).size > 1) this.violated('two nodes that hold the same ops show different tags')
    if (new Set(group.map((node) => node.logs.text())).size > 1) this.violated('two nodes that hold the same ops show different titles')
  }

  /**
   * Where a clock of the ring follows a time server the last edit counts. Without one a later stamp is no later edit: what an author stamped by
   * a clock that was ahead is issued again once ring time has stepped back, maybe after the last edit; and a machine that is gone
   * may have stamped ahead by up to a minute. Then the last edit must still be seen beside it, as a conflict: nothing is lost in silence.
   */
  private checkLastEdit(node: SimNode, group: readonly SimNode[]): void {
    const { lastEdit } = this.world
    if (lastEdit === null) return
    const { winner, conflicts } = node.logs.shown(lastEdit.subject)
    if (winner?.id === lastEdit.opId) return
    if (!conflicts.some((edit) => edit.id === lastEdit.opId)) this.violated(`${node.nodeId} shows nothing of the last edit`)
    const isFromLive = group.some(({ nodeId }) => winner?.hlc.endsWith(`-${nodeId}`) === true)
    if (lastEdit.isTimeKnown && isFromLive) this.violated(`${node.nodeId} shows an older edit instead of the last one`)
  }

  /** Each node plans for itself, by its own roster and its own view of who is awake, with members in the order in which it came to know them. */
  private checkLayouts(group: readonly SimNode[]): void {
    const asked = group.filter((_, index) => index % Math.ceil(group.length / LAYOUTS_MAX) === 0)
    const layouts = asked.map((node, index) => {
      const members = this.membersOf(node)
      const { plans } = this.world.rules.layout([...members.slice(index), ...members.slice(0, index)], node.clusterId())
      return canonicalJson([...plans.values()])
    })
    if (new Set(layouts).size > 1) this.violated('two nodes that know the same come to different layouts')
  }

  private violated(what: string): void {
    this.tell(`VIOLATED: ${what}`)
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(`${(this.world.nowMs / 1000).toFixed(3)} s: ${what}`)
  }

  private tell(line: string): void {
    this.trace?.(`${(this.world.nowMs / 1000).toFixed(3).padStart(8)}  ${line}`)
  }
}
