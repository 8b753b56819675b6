import type { RingHistory, TimelineCut, TimelineEvent, TimelineNode, TimelineRole, TimelineSegment } from '@thatdam/ui/ring-timeline-data'
import { STANDBYS_MAX } from '@thatdam/plan/election/elect'
import type { ElectionEvent } from '@thatdam/plan/election/contract'
import type { ElectionState } from '@thatdam/plan/election/state'
import { synthesise } from '@thatdam/plan/synthesis/synthesise'
import type { Term } from '@thatdam/protocol/plan'
import { DEFAULT_POLICY } from '@thatdam/protocol/settings'
import { END_MS, type Fault } from './faults.ts'
import { Details } from './history-details.ts'
import { changeWords, faultWords, layoutChanges, plural, profileOf, type Layout } from './history-words.ts'
import type { SimNode } from './node.ts'
import type { Properties } from './properties.ts'
import type { Rules } from './rules.ts'
import { runSeed, type Observer, type Run } from './run.ts'
import type { World } from './world.ts'

/** Every machine is looked at this often, as often as it ticks; what a hook tells of is known to the millisecond. */
const SAMPLE_MS = 100

/** Plays a seed as `runSeed` does, and writes down what happened. Equal histories for equal seeds. */
export function recordSeed(seed: number, range: { from: number; to: number }, rules: Rules): { run: Run; history: RingHistory } {
  const recorders: HistoryRecorder[] = []
  const run = runSeed(seed, range, rules, null, (world, properties) => {
    const recorder = new HistoryRecorder(world, properties)
    recorders.push(recorder)
    return recorder
  })
  const history = recorders[0]?.history(`Seed ${seed}: a ring of ${run.nodes}`)
  if (history === undefined) throw new RangeError('the run was not observed')
  return { run, history }
}

type Cut = Extract<Fault, { kind: 'cut' }>

/**
 * Writes down what the machines of a run did, for the page. It looks, and changes nothing: a run comes to the same state hash with and
 * without it. Stands between the world and the properties, whose violations it notes too.
 */
export class HistoryRecorder implements Observer {
  private readonly world: World
  private readonly properties: Properties
  private readonly events: TimelineEvent[] = []
  private readonly details = new Details()
  private readonly segments = new Map<string, TimelineSegment[]>()
  private readonly cuts: TimelineCut[] = []
  private open: { readonly fromMs: number; readonly cut: Cut }[] = []
  /** When a fault last struck a machine: what is seen of it at the next look began then. */
  private readonly struckAtMs = new Map<string, number>()
  private readonly crashed = new Set<string>()
  private readonly seen = new Map<string, ReadonlySet<string>>()
  private readonly planned = new Map<string, string>()
  /** The layout last planned, by ring. */
  private readonly layouts = new Map<string, Layout>()
  /** Rings are counted as they are first seen. */
  private readonly rings = new Map<string, string>()
  private readonly ringOfNode = new Map<string, string>()
  /** Those that know they were removed from the ring: each is told of once. */
  private readonly out = new Set<string>()
  private violationsNoted = 0

  constructor(world: World, properties: Properties) {
    this.world = world
    this.properties = properties
  }

  checkpoints(): ReadonlyMap<number, () => void> {
    const checks = new Map<number, () => void>()
    for (let atMs = 0; atMs <= END_MS; atMs += SAMPLE_MS) checks.set(atMs, () => this.look())
    for (const [atMs, check] of this.properties.checkpoints()) {
      const look = checks.get(atMs)
      checks.set(atMs, () => {
        check()
        this.noteViolations()
        look?.()
      })
    }
    return checks
  }

  took(node: SimNode, term: Term, before: ElectionState, event: ElectionEvent): void {
    this.properties.took(node, term, before, event)
    this.note('lead', `leads, term ${term.number}`, `${node.nodeId} leads, term ${term.number}`, [node.nodeId])
    this.noteViolations()
    this.lookAt(node, new Map())
  }

  ordered(node: SimNode, term: Term): void {
    this.properties.ordered(node, term)
    this.noteViolations()
  }

  carriedOut(node: SimNode, term: Term, isAccepted: boolean): void {
    this.properties.carriedOut(node, term, isAccepted)
    this.noteViolations()
    if (!isAccepted) this.details.refused(this.world.nowMs, node.nodeId, term)
  }

  changedView(node: SimNode): void {
    this.properties.changedView(node)
    this.noteViolations()
    const awake = new Set(node.awake())
    const before = this.seen.get(node.nodeId) ?? new Set([node.nodeId])
    for (const other of awake) if (!before.has(other)) this.details.saw(this.world.nowMs, node.nodeId, other, true)
    for (const other of before) if (!awake.has(other)) this.details.saw(this.world.nowMs, node.nodeId, other, false)
    this.seen.set(node.nodeId, awake)
  }

  deleted(node: SimNode, blob: string): void {
    this.properties.deleted(node, blob)
    this.noteViolations()
    this.details.deleted(this.world.nowMs, node.nodeId, blob)
  }

  happened(fault: Fault): void {
    this.properties.happened(fault)
    if (fault.kind === 'cut') this.cut(fault)
    else if (fault.kind === 'mend' || fault.kind === 'heal') this.mend(fault.kind === 'heal')
    else if (fault.kind === 'meet') this.note('network', 'rings meet', 'machines of other rings, and of none, come into sight', [])
    else this.strike(fault)
  }

  history(title: string): RingHistory {
    this.closeCuts()
    const { lossProbability, duplicateProbability, delayMsMax } = this.world.plot.weather
    const { events: details, left } = this.details.thinned()
    const order = new Map<TimelineEvent['kind'], number>([['violation', 1]])
    return {
      title,
      startMs: 0,
      endMs: END_MS,
      nodes: this.world.machines.map(({ nodeId, facts }): TimelineNode => ({
        id: nodeId,
        name: nodeId,
        profile: profileOf(facts),
        segments: (this.segments.get(nodeId) ?? []).filter((segment) => segment.toMs > segment.fromMs),
      })),
      cuts: this.cuts,
      events: [...this.events, ...details].toSorted((a, b) => a.atMs - b.atMs || (order.get(a.kind) ?? 0) - (order.get(b.kind) ?? 0)),
      notes: [
        `Virtual time. The network loses ${percent(lossProbability)} of its messages, doubles ${percent(duplicateProbability)}, and takes up to ${delayMsMax} ms for the rest. All faults end at 60 s; what comes after must settle.`,
        `Machines are looked at every ${SAMPLE_MS} ms; elections, faults and broken rules are noted to the millisecond, and all of them are here. Details (who sees whom, refused orders, deleted copies) are gathered by half seconds${left === 0 ? '' : `; of those, ${plural(left, 'entry')} evenly spread over the run ${left === 1 ? 'was' : 'were'} left out to keep the page small`.replace('entrys', 'entries')}.`,
      ],
    }
  }

  private note(kind: TimelineEvent['kind'], mark: string, text: string, nodeIds: readonly string[], atMs = this.world.nowMs): void {
    this.events.push({ atMs, kind, mark, text, nodeIds })
  }

  private noteViolations(): void {
    for (const violation of this.properties.violations.slice(this.violationsNoted)) {
      const text = violation.replace(/^[\d.]+ s: /, '')
      const named = new Set(text.split(/[^\w-]+/))
      this.note(
        'violation',
        text,
        text,
        [...this.world.nodes.keys()].filter((nodeId) => named.has(nodeId)),
      )
    }
    this.violationsNoted = this.properties.violations.length
  }

  private cut(fault: Cut): void {
    if (fault.from.length === 0 || fault.to.length === 0) return
    this.open.push({ fromMs: this.world.nowMs, cut: fault })
    const [from, to] = [fault.from.join(', '), fault.to.join(', ')]
    const text = fault.bothWays ? `${from} cut from ${to}` : `${to} no longer hear ${from}; the other way messages pass`
    this.note('network', 'cut', text, [...fault.from, ...fault.to])
  }

  private mend(isEnd: boolean): void {
    if (isEnd) {
      for (const nodeId of this.world.nodes.keys()) this.struckAtMs.set(nodeId, this.world.nowMs)
      const gone = [...this.world.plot.goneForGood]
      for (const nodeId of gone) this.crashed.add(nodeId)
      const text = `the last of the faults is over: cables back, all machines on${gone.length === 0 ? '' : ` but ${gone.join(', ')}, which stay off`}`
      this.note('network', 'peace', text, [])
    } else if (this.open.length > 0) this.note('network', 'mended', 'the network is whole again', [])
    this.closeCuts()
  }

  private closeCuts(): void {
    for (const { fromMs, cut } of this.open) {
      this.cuts.push({ fromMs, toMs: this.world.nowMs, from: cut.from, to: cut.to, bothWays: cut.bothWays })
    }
    this.open = []
  }

  /** Notes a fault that will have an effect: who is off cannot lose power again. */
  private strike(fault: Extract<Fault, { nodeId: string }>): void {
    const node = this.world.nodes.get(fault.nodeId)
    const words = faultWords(fault)
    if (node === undefined || words === null) return
    const isOn = node.running !== null
    if (node.isOut) return
    const hasEffect = isFelt(fault.kind, { isOn, isFrozen: node.isFrozen })
    if (!hasEffect) return
    this.struckAtMs.set(fault.nodeId, this.world.nowMs)
    if (fault.kind === 'crash' && isOn) this.crashed.add(fault.nodeId)
    this.note('fault', words.mark, words.text, [fault.nodeId])
  }

  private look(): void {
    const standbys = this.standbys()
    for (const node of this.world.nodes.values()) {
      this.lookAtRing(node)
      this.lookAt(node, standbys)
      if (node.running?.election.phase.kind === 'leading' && !node.isFrozen) this.plan(node)
    }
  }

  /** Of each leader, by its own view. */
  private standbys(): ReadonlyMap<string, readonly string[]> {
    const leaders = [...this.world.nodes.values()].filter((node) => node.running?.election.phase.kind === 'leading')
    return new Map(
      leaders.map((leader) => {
        const awake = leader.awake()
        const others = leader.ring.view.ranking.filter((nodeId) => nodeId !== leader.nodeId && awake.has(nodeId))
        return [leader.nodeId, others.slice(0, STANDBYS_MAX)]
      }),
    )
  }

  /** Machines change their ring when rings meet, when they are let in, and when they are removed. */
  private lookAtRing(node: SimNode): void {
    const { nodeId } = node
    if (node.isOut && !this.out.has(nodeId)) {
      this.out.add(nodeId)
      this.note('fault', 'removed', `${nodeId} learns that it was removed from the ring, and stops`, [nodeId])
    }
    const clusterId = node.clusterId()
    const ring = this.rings.get(clusterId) ?? `ring ${this.rings.size + 1}`
    this.rings.set(clusterId, ring)
    const before = this.ringOfNode.get(nodeId)
    this.ringOfNode.set(nodeId, ring)
    if (before !== undefined && before !== ring) this.note('fault', `to ${ring}`, `${nodeId} goes over from ${before} to ${ring}`, [nodeId])
    else if (before === undefined && this.rings.size > 1) this.note('fault', `in ${ring}`, `${nodeId} begins in ${ring}`, [nodeId])
  }

  private lookAt(node: SimNode, standbys: ReadonlyMap<string, readonly string[]>): void {
    const { nodeId } = node
    const term = node.running === null ? null : leaderOf(node, this.world.nowMs)
    const role = this.roleOf(node, term, standbys)
    const segments = this.segments.get(nodeId) ?? []
    this.segments.set(nodeId, segments)
    const last = segments.at(-1)
    const nowMs = this.world.nowMs
    const isSame = last !== undefined && last.role === role && last.term?.number === term?.number && last.term?.leaderId === term?.leaderId
    const struckMs = this.struckAtMs.get(nodeId) ?? -1
    const fromMs = isSame ? nowMs : struckMs > nowMs - SAMPLE_MS && struckMs >= (last?.fromMs ?? 0) ? struckMs : nowMs
    if (last !== undefined) segments[segments.length - 1] = { ...last, toMs: isSame ? nowMs : fromMs }
    if (isSame) return
    if (last !== undefined) this.turned(node, last, { role, term })
    segments.push({ fromMs, toMs: nowMs, role, term })
  }

  private roleOf(node: SimNode, term: TimelineSegment['term'], standbys: ReadonlyMap<string, readonly string[]>): TimelineRole {
    if (node.running === null) return node.isOut ? 'outside' : 'down'
    if (node.isFrozen) return 'paused'
    if (node.running.election.phase.kind === 'leading') return 'leader'
    if (!node.ring.view.ranking.includes(node.nodeId)) return 'proxy'
    if (term === null) return 'seeking'
    return standbys.get(term.leaderId)?.includes(node.nodeId) === true ? 'standby' : 'follower'
  }

  /** What no hook tells of: a leader that gives up its lead, and a machine that lost power in the midst of a step. */
  private turned(node: SimNode, from: TimelineSegment, to: Pick<TimelineSegment, 'role' | 'term'>): void {
    const { nodeId } = node
    if (to.role === 'down' && !this.crashed.delete(nodeId))
      this.note('fault', 'power cut', `${nodeId} loses power in the midst of a step`, [nodeId])
    if (from.role !== 'leader' || to.role === 'leader' || to.role === 'down' || to.role === 'paused' || to.role === 'outside') return
    const next = to.term === null ? 'and knows of no other leader yet' : `and follows ${to.term.leaderId}, term ${to.term.number}`
    this.note('lead', 'stops leading', `${nodeId} stops leading ${next}`, [nodeId])
  }

  /** A leader plans anew when its view of the ring changed: what of the ring's layout that changes. */
  private plan(node: SimNode): void {
    const awake = node.awake()
    const view = `${leaderOf(node, this.world.nowMs)?.number} ${node.ring.view.digest} ${[...awake].toSorted().join(' ')}`
    if (this.planned.get(node.nodeId) === view) return
    this.planned.set(node.nodeId, view)
    const { roster } = node.ring.view
    const nodes = [...roster.members.values()].map(({ nodeId, bootCounter }) => {
      return { ...this.world.book.machineOf(nodeId), bootCounter, alive: awake.has(nodeId) }
    })
    const { clusterId } = roster
    const { plans } = synthesise({ clusterId, nodes, policy: DEFAULT_POLICY, leader: node.nodeId })
    const before = this.layouts.get(clusterId)
    const changes = layoutChanges(before ?? new Map(), plans)
    this.layouts.set(clusterId, plans)
    if (changes.length === 0) return
    const text =
      before === undefined
        ? `${node.nodeId} gives the first plan: ${plural(changes.length, 'service')} on ${plural(plans.size, 'machine')}`
        : `${node.nodeId} plans anew, ${plural(changes.length, 'service')} change${changes.length === 1 ? 's' : ''}: ${changeWords(changes)}`
    const mark = before === undefined ? `${changes.length} services` : `${changes.length} moved`
    this.events.push({ atMs: this.world.nowMs, kind: 'plan', mark, text, nodeIds: [node.nodeId], changes: changes.length })
  }
}

const percent = (share: number) => `${Math.round(share * 100)} %`

/** Who is off cannot lose power again, and nobody wakes up who is awake. */
function isFelt(kind: Fault['kind'], { isOn, isFrozen }: { isOn: boolean; isFrozen: boolean }): boolean {
  if (kind === 'boot') return !isOn
  if (kind === 'thaw') return isOn && isFrozen
  if (kind === 'freeze' || kind === 'sleep') return isOn && !isFrozen
  return kind === 'crash' ? isOn : true
}

function leaderOf(node: SimNode, nowMs: number): TimelineSegment['term'] {
  const phase = node.running?.election.phase
  const term = phase?.kind === 'leading' ? phase.term : node.leader(nowMs)
  return term === null ? null : { number: term.number, leaderId: term.nodeId }
}
