import type { ElectionEvent } from '@thatdam/plan/election/contract'
import type { ElectionState } from '@thatdam/plan/election/state'
import { meetRings } from '@thatdam/control/roster-merge'
import type { PlannedNode } from '@thatdam/plan/roster-view'
import type { Term } from '@thatdam/protocol/plan'
import { CLOUD, SimCloud, SimCredential } from './credentials.ts'
import { ADMITTERS, END_MS, HEAL_MS, type Fault, type Plot } from './faults.ts'
import { blobName, drawCopies } from './blobs.ts'
import { SUBJECTS } from './logs.ts'
import { isByStream, type DiskImage, type Letter } from './letters.ts'
import { guestMachine } from './machines.ts'
import { SimNode, START_MS, type Outside } from './node.ts'
import type { Chance } from './random.ts'
import { ownRing, type RingDisk } from './ring.ts'
import { foundRing, RosterBook } from './rosters.ts'
import type { Rules } from './rules.ts'
import { Schedule } from './schedule.ts'

/** How late a machine does what is due: an agent's timer is more exact, and a loaded processor less. */
const TICK_MS = 100
/** A machine that runs from a copy of another's disk. */
const COPY_OF = 'copy of '
const YEAR_MS = 365 * 24 * 3_600_000
const EDITS_MAX = 30
const LAST_EDIT_MS = HEAL_MS + 22_000
const ORDER_MS = 700
/** Everybody tidies up at the same time, blob by blob. */
const SEEK_MS = 5_000
const SEEK_JITTER_MS = 200

type Happening =
  | { readonly kind: 'tick' | 'order' | 'seek'; readonly node: SimNode }
  | { readonly kind: 'letter'; readonly from: string; readonly to: string; readonly letter: Letter; readonly ring: string }
  | { readonly kind: 'copy'; readonly nodeId: string }
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
  readonly book: RosterBook
  /** Who may sign what a person decides: admitters of any ring from its start on. */
  readonly admitters: ReadonlySet<string>
  /** Machines whose removal was decided. */
  readonly doomed = new Set<string>()
  /** Machines that were put back to an old image: what they seem to have forgotten is no fault of theirs. */
  readonly restored = new Set<string>()
  readonly cloud: SimCloud
  /** Since when a copy of a machine has been running. */
  readonly copiedAtMs = new Map<string, number>()
  private readonly copiesOfNodes = new Map<string, SimCredential>()
  isMeeting = false
  /** Id of the one edit that is made in peace, last of all, and its subject. */
  lastEdit: { readonly subject: string; readonly opId: string; readonly isTimeKnown: boolean } | null = null
  readonly rules: Rules
  /** Who had a copy of which blob at the start: what all believe, however stale. */
  readonly copies: ReadonlyMap<string, readonly string[]>
  private readonly schedule = new Schedule<Happening>()
  private readonly chance: Chance
  /** From whom to whom nothing comes through. */
  private readonly blocked = new Map<string, Set<string>>()
  private readonly images = new Map<string, DiskImage>()
  private readonly nodeIds: readonly string[]
  private watcher: Watcher | null = null
  /** Sum over all that happened, in order: two runs of one seed must agree on it. */
  digest = 0

  constructor(machines: readonly PlannedNode[], plot: Plot, rules: Rules, chance: Chance) {
    this.machines = machines
    this.plot = plot
    this.rules = rules
    this.chance = chance
    this.nodeIds = machines.map((machine) => machine.nodeId)
    const byId = new Map(machines.map((machine) => [machine.nodeId, machine]))
    this.book = new RosterBook(rules.fold, (nodeId) => byId.get(nodeId) ?? guestMachine(nodeId))
    this.cloud = new SimCloud(rules.credentials)
    const { rings } = plot.founding
    this.admitters = new Set(rings.flatMap((ring) => ring.members.slice(0, ADMITTERS)))
    this.nodes = this.found(chance)
    const members = rings[0]?.members ?? []
    this.copies = drawCopies(members, chance)
    for (const [blob, holders] of this.copies) for (const nodeId of holders) this.nodes.get(nodeId)?.store.copies.add(blob)
    for (const node of this.nodes.values()) {
      this.schedule.plan(SEEK_MS + chance.whole(0, SEEK_JITTER_MS), { kind: 'seek', node })
      node.wallOffsetMs = Math.round((chance.draw() * 2 - 1) * (chance.isHit(0.1) ? YEAR_MS : 5_000))
      this.schedule.plan(chance.whole(0, TICK_MS), { kind: 'tick', node })
      this.schedule.plan(chance.whole(0, ORDER_MS), { kind: 'order', node })
    }
    const editors = [...this.admitters].filter((nodeId) => members.includes(nodeId))
    for (let edits = chance.whole(0, EDITS_MAX); edits > 0; edits--) {
      const nodeId = chance.isHit(0.8) ? chance.pick(editors) : chance.pick(members)
      this.schedule.plan(chance.whole(3_000, HEAL_MS), { kind: 'edit', nodeId, subject: chance.pick(SUBJECTS) })
    }
    this.schedule.plan(LAST_EDIT_MS, { kind: 'edit', nodeId: members[0] ?? '', subject: SUBJECTS[0] })
    for (const { atMs, fault } of plot.faults) this.schedule.plan(atMs, { kind: 'fault', fault })
  }

  /** The rings with their records, and every machine with what is on its disk. Half of the houses hear a time server. */
  private found(chance: Chance): Map<string, SimNode> {
    const disks = new Map<string, RingDisk>()
    for (const [index, ring] of this.plot.founding.rings.entries()) {
      const disk = foundRing(index + 1, ring.members, ADMITTERS)
      const { clusterId } = this.book.foldOf(disk.records, disk.fingerprint)
      const { owner, isPaired: isCloudPaired, isChosen } = ring
      this.book.cards.set(disk.fingerprint, { clusterId, fingerprint: disk.fingerprint, isClaimed: true, owner, isCloudPaired, isChosen })
      for (const nodeId of ring.members) disks.set(nodeId, disk)
    }
    const isOnline = chance.isHit(0.6)
    return new Map(
      this.nodeIds.map((nodeId, index) => {
        const disk = disks.get(nodeId) ?? ownRing(nodeId, index, this.book)
        const self = { nodeId, index, disk, truth: this.admitters, hasTimeServer: isOnline && chance.isHit(0.8) }
        return [nodeId, new SimNode(self, this.rules, this, this.book, chance)]
      }),
    )
  }

  /** Those of the first ring that may lead, best first, by the first machine's roster. */
  get ranking(): readonly string[] {
    return this.nodes.get(this.nodeIds[0] ?? '')?.ring.view.ranking ?? []
  }

  /** The ring that a machine must be in when all is over: rings of one owner have become one, who had none is in the first. */
  homeOf(nodeId: string): string {
    const cards = this.plot.founding.rings.map((_, index) => [...this.book.cards.values()][index]).filter((card) => card !== undefined)
    const at = Math.max(
      0,
      this.plot.founding.rings.findIndex((ring) => ring.members.includes(nodeId)),
    )
    let home = cards[at]
    for (const card of cards) if (home !== undefined && meetRings(home, card) === 'yield') home = card
    return home?.fingerprint ?? ''
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
        this.deliver(item)
        return
      case 'copy':
        this.tickCopy(item.nodeId)
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
    const to = this.chance.pick(node.ring.view.members)
    if (to === node.nodeId) return
    this.send(node.nodeId, to, { of: 'order', term })
  }

  private deliver({ from, to, letter, ring }: Extract<Happening, { kind: 'letter' }>): void {
    const node = this.nodes.get(to)
    if (node !== undefined) node.receive(from, letter, this.nowMs, ring)
    else if (letter.of === 'credential' && to === CLOUD) {
      const message = this.cloud.receive(letter.message, this.nowMs)
      if (message !== null) this.send(CLOUD, from, { of: 'credential', message })
    } else if (letter.of === 'credential') this.copiesOfNodes.get(to)?.receive(letter.message, this.nowMs)
  }

  private tickCopy(address: string): void {
    const message = this.copiesOfNodes.get(address)?.tick(this.nowMs) ?? null
    if (message !== null) this.send(address, CLOUD, { of: 'credential', message })
    this.schedule.plan(this.nowMs + ORDER_MS, { kind: 'copy', nodeId: address })
  }

  neighbour(): string {
    return this.chance.pick(this.nodeIds)
  }

  private edit(nodeId: string, subject: string): void {
    const node = this.nodes.get(nodeId)
    if (node === undefined || node.running === null || node.isFrozen) return
    const opId = node.logs.edit(subject, node.times(this.nowMs))
    if (this.nowMs !== LAST_EDIT_MS) return
    const isTimeKnown = [...this.nodes.values()].some(
      (other) => other.running !== null && other.isSynchronised && node.ring.view.roster.members.has(other.nodeId),
    )
    this.lastEdit = { subject, opId, isTimeKnown }
  }

  private seek(node: SimNode): void {
    if (node.running === null || node.isFrozen) return
    const blob = blobName(Math.floor(this.nowMs / SEEK_MS))
    const others = (this.copies.get(blob) ?? []).filter((nodeId) => nodeId !== node.nodeId)
    node.store.seek(blob, others, this.nowMs)
  }

  send(from: string, to: string, letter: Letter): void {
    const { lossProbability, duplicateProbability, delayMsMax } = this.plot.weather
    if (this.blocked.size > 0 && this.blocked.get(from)?.has(to) === true) return
    const ring = this.nodes.get(from)?.ring.fingerprint ?? ''
    const copies = this.chance.isHit(duplicateProbability) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const isLost = this.chance.isHit(lossProbability)
      if (isLost && !isByStream(letter)) continue
      // Of datagrams one in a hundred is very late, out of order.
      const isLate = isLost || this.chance.isHit(0.01)
      const delayMs = isLate ? this.chance.whole(delayMsMax, 3_000) : this.chance.whole(1, delayMsMax)
      this.schedule.plan(this.nowMs + delayMs, { kind: 'letter', from, to, letter, ring })
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
    else if (fault.kind === 'meet') this.isMeeting = true
    else {
      const node = this.nodes.get(fault.nodeId)
      if (node !== undefined) this.strikeNode(node, fault)
    }
  }

  private cut(from: string, to: string, bothWays: boolean): void {
    this.block(from, to)
    if (bothWays) this.block(to, from)
  }

  private block(from: string, to: string): void {
    const others = this.blocked.get(from) ?? new Set()
    this.blocked.set(from, others.add(to))
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
        node.jump(fault.byMs, this.nowMs)
        return
      case 'image':
        this.images.set(node.nodeId, node.image())
        return
      case 'restore':
        this.restore(node)
        return
      case 'clone':
        this.clone(node)
        return
      case 'remove':
        this.remove(node)
        return
      case 'admit':
        if (node.running !== null && !node.isFrozen && node.ring.isAdmitter()) node.ring.admit(fault.guest, false)
        return
    }
  }

  private restore(node: SimNode): void {
    const image = this.images.get(node.nodeId)
    if (image === undefined || node.isOut) return
    node.crash()
    node.restore(image)
    this.restored.add(node.nodeId)
    this.powerOn(node)
  }

  private clone(node: SimNode): void {
    const address = `${COPY_OF}${node.nodeId}`
    const copy = new SimCredential(node.nodeId, this.rules.credentials, this.chance)
    copy.disk = node.credential.disk
    copy.boot(this.nowMs)
    this.copiedAtMs.set(node.nodeId, this.nowMs)
    this.copiesOfNodes.set(address, copy)
    this.schedule.plan(this.nowMs, { kind: 'copy', nodeId: address })
  }

  private remove(node: SimNode): void {
    const founder = this.nodes.get(this.nodeIds[0] ?? '')
    if (founder === undefined || founder.running === null || founder.isFrozen || !founder.ring.isAdmitter()) return
    this.doomed.add(node.nodeId)
    founder.ring.remove(node.nodeId)
  }

  /** A machine without a battery for its clock wakes up in the past. */
  private powerOn(node: SimNode): void {
    if (node.running !== null || node.isOut) return
    if (!node.nodeId.startsWith('win') && !node.nodeId.startsWith('mac')) {
      // Most count on from the last time on their disk, some begin in 1970.
      node.wallOffsetMs = this.chance.isHit(0.2) ? -START_MS : -this.chance.whole(0, 1_000_000) * 1_000
    }
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
