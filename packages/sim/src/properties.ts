import { canonicalJson } from '@thatdam/protocol/canonical'
import type { Term } from '@thatdam/protocol/plan'
import type { ElectionEvent } from '@thatdam/plan/election/contract'
import type { ElectionState } from '@thatdam/plan/election/state'
import { compareTerms } from '@thatdam/plan/election/terms'
import { COPIES_WANTED } from './blobs.ts'
import { END_MS, HEAL_MS, type Fault } from './faults.ts'
import type { SimNode } from './node.ts'
import { CLUSTER_ID, HOLD_DOWN_MS } from './rules.ts'
import type { Watcher, World } from './world.ts'

/** One leader must act from here on: before the hold-down of those that started at the last fault is over. */
export const SETTLED_MS = HEAL_MS + 15_000
/** From then on at most one orderly handover to the best-ranked, and one more where its first heartbeats were lost. */
const LEADS_AFTER_SETTLED_MAX = 2
/** Heartbeats of a new leader reach the old one within this time. */
const HANDOVER_MS_MAX = 2_000
const VIOLATIONS_MAX = 20
/** In a large ring this many nodes are asked for their layout: each asks for the whole ring's. */
const LAYOUTS_MAX = 50

/** What must hold in every run. Knows more than any node: it sees all of them, and forgets nothing when one crashes. */
export class Properties implements Watcher {
  readonly violations: string[] = []
  private readonly world: World
  private readonly usedTerms = new Set<string>()
  private readonly fences = new Map<string, Term>()
  private leadsAfterSettled = 0
  private wasWrong = false
  private readonly opsAtPeace = new Set<string>()
  private readonly trace: ((line: string) => void) | null

  constructor(world: World, trace: ((line: string) => void) | null) {
    this.world = world
    this.trace = trace
  }

  checkpoints(): ReadonlyMap<number, () => void> {
    return new Map([
      [HEAL_MS + 1, () => this.countOps()],
      [SETTLED_MS, () => this.lookForOneLeader()],
      [SETTLED_MS + HANDOVER_MS_MAX, () => this.checkOneLeader()],
      [END_MS - HANDOVER_MS_MAX, () => this.lookForOneLeader()],
      [END_MS, () => this.checkEnd()],
    ])
  }

  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void {
    this.tell(`${node.nodeId} leads, term ${term.number}`)
    const key = `${term.number} of ${term.nodeId}`
    if (this.usedTerms.has(key)) this.violated(`term ${key} was used twice`)
    this.usedTerms.add(key)
    if (this.world.nowMs > SETTLED_MS && ++this.leadsAfterSettled > LEADS_AFTER_SETTLED_MAX) {
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
    if (heard !== null && heard.nodeId !== node.nodeId && upMs < HOLD_DOWN_MS && !isAskedToReplace) {
      this.violated(`${node.nodeId} took the lead from ${heard.nodeId} ${upMs} ms after its start`)
    }
  }

  ordered(node: SimNode, term: Term): void {
    const { staleTerm } = node
    if (staleTerm !== null && compareTerms(CLUSTER_ID, term, staleTerm) === 0) {
      this.violated(`${node.nodeId} gave an order under term ${term.number}, which it led before it stood still`)
    }
  }

  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void {
    if (!isAccepted) return
    const fence = this.fences.get(node.nodeId)
    if (fence !== undefined && compareTerms(CLUSTER_ID, term, fence) < 0) {
      this.violated(
        `${node.nodeId} carried out an order of term ${term.number} of ${term.nodeId} after one of term ${fence.number} of ${fence.nodeId}`,
      )
    } else this.fences.set(node.nodeId, term)
  }

  changedView(node: SimNode): void {
    this.tell(`${node.nodeId} sees ${[...node.awake()].toSorted().join(' ')}`)
    // Once all is quiet, and the network loses little, nobody that lives may be declared away.
    if (this.world.nowMs < SETTLED_MS || this.world.plot.weather.lossProbability > 0.1) return
    const live = this.live()
    const awake = node.awake()
    for (const other of live) if (!awake.has(other.nodeId)) this.violated(`${node.nodeId} takes ${other.nodeId} for away, which lives`)
  }

  /** A copy may go only while enough others stay, on machines that are off too: their disks keep them. */
  deleted(node: SimNode, blob: string): void {
    const left = [...this.world.nodes.values()].filter((each) => each.store.copies.has(blob)).length
    this.tell(`${node.nodeId} deletes its copy of ${blob}, ${left} are left`)
    if (left < COPIES_WANTED) this.violated(`${node.nodeId} deleted its copy of ${blob}, and only ${left} are left`)
  }

  happened(fault: Fault): void {
    this.tell(`-- ${canonicalJson({ ...fault })}`)
  }

  private live(): SimNode[] {
    return [...this.world.nodes.values()].filter((node) => node.running !== null)
  }

  private eligible(): string[] {
    const live = new Set(this.live().map((node) => node.nodeId))
    return this.world.ranking.filter((nodeId) => live.has(nodeId))
  }

  /** How many act as leader, told in words; null when it is as it should be. */
  private wrongLeaders(): string | null {
    const leaders = this.live().filter((node) => node.mayOrder(this.world.nowMs) !== null)
    const wanted = this.eligible().length > 0 ? 1 : 0
    if (leaders.length === wanted) return null
    return leaders.length === 0 ? 'nobody acts' : `${leaders.map((node) => node.nodeId).join(', ')} act`
  }

  private countOps(): void {
    for (const node of this.live()) for (const opId of node.logs.opIds()) this.opsAtPeace.add(opId)
  }

  private lookForOneLeader(): void {
    this.wasWrong = this.wrongLeaders() !== null
  }

  /** During an orderly handover two act for the time a message takes, the first one fenced: wrong is only what is still wrong after that. */
  private checkOneLeader(): void {
    const wrong = this.wrongLeaders()
    if (wrong !== null && this.wasWrong) this.violated(`${wrong} as leader ${(this.world.nowMs - HEAL_MS) / 1000} s after the last fault`)
  }

  private checkEnd(): void {
    this.checkOneLeader()
    const live = this.live()
    const alive = live.map((node) => node.nodeId).toSorted()
    const best = this.eligible()[0] ?? null
    // Where one letter in ten is lost, now and then five heartbeats in a row are: then the leader heard last counts.
    const isLossy = this.world.plot.weather.lossProbability > 0.1
    for (const node of live) {
      const leader = node.leader(this.world.nowMs) ?? (isLossy ? node.lastHeard() : null)
      if ((leader?.nodeId ?? null) !== best)
        this.violated(`${node.nodeId} follows ${leader?.nodeId ?? 'nobody'} at the end, not ${best ?? 'nobody'}`)
      if (leader !== null && !node.accepts(leader)) this.violated(`${node.nodeId} refuses the orders of its own leader`)
      if (node.known() !== this.world.machines.length) this.violated(`${node.nodeId} has forgotten members: it knows ${node.known()}`)
      const awake = [...node.awake()].toSorted()
      if (awake.join() !== alive.join()) this.violated(`${node.nodeId} sees ${awake.join(' ')} at the end, not ${alive.join(' ')}`)
    }
    this.checkLayouts(live)
    this.checkLogs(live)
  }

  /** All that any living machine had when peace came is everywhere, adds up to the same, and the last edit counts. */
  private checkLogs(live: readonly SimNode[]): void {
    const { lastEdit } = this.world
    for (const node of live) {
      const ids = node.logs.opIds()
      const lost = [...this.opsAtPeace].filter((opId) => !ids.has(opId))
      if (lost.length > 0) this.violated(`${node.nodeId} lacks ${lost.length} ops that others had a minute ago`)
      if (node.logs.wronglyApplied > 0) this.violated(`${node.nodeId} applied an op that its author had no right to sign`)
      const winner = lastEdit === null ? null : node.logs.winner(lastEdit.subject)
      if (lastEdit !== null && winner?.id !== lastEdit.opId) this.violated(`${node.nodeId} shows an older edit instead of the last one`)
    }
    if (new Set(live.map((node) => node.logs.text())).size > 1) this.violated('two nodes that hold the same ops show different titles')
  }

  /** Each node plans for itself, with its own view, and with members in the order in which it came to know them. */
  private checkLayouts(live: readonly SimNode[]): void {
    const asked = live.filter((_, index) => index % Math.ceil(live.length / LAYOUTS_MAX) === 0)
    const layouts = asked.map((node, index) => {
      const awake = node.awake()
      const known = [...this.world.machines.slice(index), ...this.world.machines.slice(0, index)]
      const { plans } = this.world.rules.layout(known.map((machine) => ({ ...machine, alive: awake.has(machine.nodeId) })))
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
