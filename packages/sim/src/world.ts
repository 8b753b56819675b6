import type { ElectionEvent } from '@thatdam/plan/election/contract'
import type { ElectionState } from '@thatdam/plan/election/state'
import { elect } from '@thatdam/plan/election/elect'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { Term } from '@thatdam/protocol/plan'
import { END_MS, HEAL_MS, type Fault, type Plot } from './faults.ts'
import { blobName, drawCopies } from './blobs.ts'
import { SUBJECTS } from './logs.ts'
import { SimNode, type Letter, type Outside } from './node.ts'
import type { Chance } from './random.ts'
import { CLUSTER_ID, type Rules } from './rules.ts'
import { Schedule } from './schedule.ts'

const TICK_MS = 100
const ADMITTERS = 3
const EDITS_MAX = 30
const LAST_EDIT_MS = HEAL_MS + 22_000
const ORDER_MS = 700
/** Everybody tidies up at the same time, blob by blob. */
const SEEK_MS = 5_000
const SEEK_JITTER_MS = 200

type Happening =
  | { readonly kind: 'tick' | 'order' | 'seek'; readonly node: SimNode }
  | { readonly kind: 'letter'; readonly from: string; readonly to: string; readonly letter: Letter }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'edit'; readonly nodeId: string; readonly subject: string }

/** Watches a run. Every method is called in the order of virtual time. */
export interface Watcher {
  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void
  ordered(node: SimNode, term: Term): void
  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void
  changedView(node: SimNode): void
  happened(fault: Fault): void
  deleted(node: SimNode, blob: string): void
}

/** Virtual time, a network with weather, and the machines. One run of a plot; nothing outside of it decides anything. */
export class World implements Outside {
  nowMs = 0
  events = 0
  readonly nodes: ReadonlyMap<string, SimNode>
  readonly machines: readonly PlannedNode[]
  readonly plot: Plot
  readonly ranking: readonly string[]
  /** Who may sign what a person decides. The first machine is never gone for good, so there is always one. */
  readonly admitters: ReadonlySet<string>
  /** Id of the one edit that is made in peace, last of all, and its subject. */
  lastEdit: { readonly subject: string; readonly opId: string } | null = null
  readonly rules: Rules
  /** Who had a copy of which blob at the start: what all believe, however stale. */
  readonly copies: ReadonlyMap<string, readonly string[]>
  private readonly schedule = new Schedule<Happening>()
  private readonly chance: Chance
  private readonly blocked = new Set<string>()
  private watcher: Watcher | null = null
  /** Sum over all that happened, in order: two runs of one seed must agree on it. */
  digest = 0

  constructor(machines: readonly PlannedNode[], plot: Plot, rules: Rules, chance: Chance) {
    this.machines = machines
    this.plot = plot
    this.rules = rules
    this.chance = chance
    this.ranking = elect({ clusterId: CLUSTER_ID, nodes: machines }).ranking
    const members = machines.map((machine) => machine.nodeId)
    this.admitters = new Set(members.slice(0, ADMITTERS))
    this.nodes = new Map(
      members.map((nodeId) => [
        nodeId,
        new SimNode({ nodeId, members, ranking: this.ranking, admitters: this.admitters }, rules, this, chance),
      ]),
    )
    this.copies = drawCopies(members, chance)
    for (const [blob, holders] of this.copies) for (const nodeId of holders) this.nodes.get(nodeId)?.store.copies.add(blob)
    for (const node of this.nodes.values()) {
      this.schedule.plan(SEEK_MS + chance.whole(0, SEEK_JITTER_MS), { kind: 'seek', node })
      node.ringOffsetMs = chance.whole(-2_000, 2_000)
      node.wallOffsetMs = Math.round((chance.draw() * 2 - 1) * 5_000)
      this.schedule.plan(chance.whole(0, TICK_MS), { kind: 'tick', node })
      this.schedule.plan(chance.whole(0, ORDER_MS), { kind: 'order', node })
    }
    for (let edits = chance.whole(0, EDITS_MAX); edits > 0; edits--) {
      const nodeId = chance.isHit(0.8) ? chance.pick([...this.admitters]) : chance.pick(members)
      this.schedule.plan(chance.whole(3_000, HEAL_MS), { kind: 'edit', nodeId, subject: chance.pick(SUBJECTS) })
    }
    this.schedule.plan(LAST_EDIT_MS, { kind: 'edit', nodeId: members[0] ?? '', subject: SUBJECTS[0] })
    for (const { atMs, fault } of plot.faults) this.schedule.plan(atMs, { kind: 'fault', fault })
  }

  run(watcher: Watcher, checkpoints: ReadonlyMap<number, () => void>): void {
    this.watcher = watcher
    const due = [...checkpoints].toSorted(([a], [b]) => a - b)
    for (let next = this.schedule.next(); next !== undefined && next.atMs <= END_MS; next = this.schedule.next()) {
      while (due[0] !== undefined && due[0][0] <= next.atMs) {
        this.nowMs = due[0][0]
        due.shift()?.[1]()
      }
      this.nowMs = next.atMs
      this.events++
      this.happen(next.item)
    }
    this.nowMs = END_MS
    for (const [, check] of due) check()
  }

  private happen(item: Happening): void {
    switch (item.kind) {
      case 'tick':
        item.node.tick(this.nowMs)
        this.schedule.plan(this.nowMs + TICK_MS, item)
        return
      case 'order':
        this.order(item.node)
        this.schedule.plan(this.nowMs + ORDER_MS, item)
        return
      case 'seek':
        this.seek(item.node)
        this.schedule.plan(this.nowMs + SEEK_MS, item)
        return
      case 'edit':
        this.edit(item.nodeId, item.subject)
        return
      case 'letter':
        this.mix(this.nowMs, item.to.length)
        this.nodes.get(item.to)?.receive(item.from, item.letter, this.nowMs)
        return
      case 'fault':
        this.strike(item.fault)
        return
    }
  }

  /** Whoever takes itself for the leader gives orders, as a control core does. */
  private order(node: SimNode): void {
    const term = node.mayOrder(this.nowMs)
    if (term === null) return
    this.watcher?.ordered(node, term)
    const to = this.chance.pick(this.machines).nodeId
    if (to === node.nodeId) return
    this.send(node.nodeId, to, { of: 'order', term })
  }

  private edit(nodeId: string, subject: string): void {
    const node = this.nodes.get(nodeId)
    if (node === undefined || node.running === null || node.isFrozen) return
    const opId = node.logs.edit(subject, node.times(this.nowMs))
    if (this.nowMs === LAST_EDIT_MS) this.lastEdit = { subject, opId }
  }

  private seek(node: SimNode): void {
    if (node.running === null || node.isFrozen) return
    const blob = blobName(Math.floor(this.nowMs / SEEK_MS))
    const others = (this.copies.get(blob) ?? []).filter((nodeId) => nodeId !== node.nodeId)
    node.store.seek(blob, others, this.nowMs)
  }

  send(from: string, to: string, letter: Letter): void {
    const { lossProbability, duplicateProbability, delayMsMax } = this.plot.weather
    if (this.blocked.has(`${from}>${to}`)) return
    const copies = this.chance.isHit(duplicateProbability) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const isLost = this.chance.isHit(lossProbability)
      if (isLost && letter.of !== 'log') continue
      // Logs go by stream: what is lost is sent again, and late. Of datagrams one in a hundred is very late, out of order.
      const isLate = isLost || this.chance.isHit(0.01)
      const delayMs = isLate ? this.chance.whole(delayMsMax, 3_000) : this.chance.whole(1, delayMsMax)
      this.schedule.plan(this.nowMs + delayMs, { kind: 'letter', from, to, letter })
    }
  }

  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void {
    this.mix(term.number, node.nodeId.length)
    this.watcher?.took(node, term, before, event)
  }

  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void {
    this.mix(term.number, isAccepted ? 1 : 0)
    this.watcher?.carriedOut(node, term, isAccepted)
  }

  changedView(node: SimNode): void {
    this.mix(node.awake().size, node.nodeId.length)
    this.watcher?.changedView(node)
  }

  deleted(node: SimNode, blob: string): void {
    this.mix(node.nodeId.length, blob.length)
    this.watcher?.deleted(node, blob)
  }

  /** An agent asks whether it may give an order before each order: also as the first thing it does after a standstill. */
  woke(node: SimNode): void {
    this.order(node)
  }

  private strike(fault: Fault): void {
    this.watcher?.happened(fault)
    if (fault.kind === 'cut') {
      for (const from of fault.from) for (const to of fault.to) this.cut(from, to, fault.bothWays)
    } else if (fault.kind === 'mend') this.blocked.clear()
    else if (fault.kind === 'heal') this.heal()
    else {
      const node = this.nodes.get(fault.nodeId)
      if (node !== undefined) this.strikeNode(node, fault)
    }
  }

  private cut(from: string, to: string, bothWays: boolean): void {
    this.blocked.add(`${from}>${to}`)
    if (bothWays) this.blocked.add(`${to}>${from}`)
  }

  private strikeNode(node: SimNode, fault: Extract<Fault, { nodeId: string }>): void {
    switch (fault.kind) {
      case 'boot':
        this.powerOn(node)
        return
      case 'crash':
        node.crash()
        return
      case 'crash-amid':
        node.actionsUntilCrash = fault.actions
        return
      case 'freeze':
        node.freeze(this.nowMs, false)
        return
      case 'sleep':
        node.freeze(this.nowMs, true)
        return
      case 'thaw':
        node.thaw(this.nowMs)
        return
      case 'wall-jump':
        node.wallOffsetMs += fault.byMs
        return
    }
  }

  /** A machine without a battery for its clock wakes up in the past. */
  private powerOn(node: SimNode): void {
    if (node.running !== null) return
    if (!node.nodeId.startsWith('win') && !node.nodeId.startsWith('mac')) node.wallOffsetMs = -this.chance.whole(0, 1_000_000) * 1_000
    node.boot(this.nowMs)
  }

  /** The last of it: cables back, everybody awake but those that are gone for good. */
  private heal(): void {
    this.blocked.clear()
    for (const node of this.nodes.values()) {
      node.actionsUntilCrash = -1
      if (this.plot.goneForGood.has(node.nodeId)) node.crash()
      else if (node.running === null) this.powerOn(node)
      else node.thaw(this.nowMs)
    }
  }

  private mix(a: number, b: number): void {
    this.digest = (Math.imul(this.digest ^ Math.trunc(a), 0x01000193) ^ Math.imul(b + 1, 0x9e3779b1)) >>> 0
  }
}
