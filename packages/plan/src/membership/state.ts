import type { NodeId } from '@thatdam/protocol/ids'
import type { Liveness, MembershipAction, MembershipMessage, Rumour } from './contract.ts'
import type { Members } from './members.ts'
import { countTold, newestOf, putNews, type Telling } from './tellings.ts'

export interface MembershipTiming {
  /** One member is probed each period. */
  readonly periodMs: number
  /** A direct answer later than this lets others ask too. */
  readonly ackMs: number
  /** Shortest time a suspect has to answer for itself, times log10 of the ring's size. */
  readonly suspicionMs: number
  /** The longest is this many times the shortest: without other accusers the fault may be the accuser's. */
  readonly suspicionStretch: number
  /** So long before its time is over a suspect is asked by everybody who holds it for one. */
  readonly lastCallMs: number
  readonly syncMs: number
  /** One away member is called this often. */
  readonly callMs: number
  /** A tick later than it was due by more than this: the process stood still, and silence proves nothing. */
  readonly stallMs: number
}

export const MEMBERSHIP_TIMING: MembershipTiming = {
  periodMs: 1_000,
  ackMs: 300,
  suspicionMs: 4_000,
  suspicionStretch: 3,
  lastCallMs: 2_000,
  syncMs: 10_000,
  callMs: 1_000,
  stallMs: 400,
}

/** How many members are asked to probe for us, and how many further accusers shorten a suspicion to its minimum. */
export const HELPERS = 3
/** How many suspects are asked again at one time. */
export const URGED_MAX = 3
export const RUMOURS_PER_MESSAGE = 8
/** Lifeguard's local health: 0 is well; each missed answer slows this node's own judgement, up to this. */
export const ILLNESS_MAX = 8
/** Probes made for others at one time; more are dropped, which the asker survives. */
export const ERRANDS_MAX = 64

export interface Member {
  readonly liveness: Liveness
  readonly incarnation: number
  /** Only while suspect. */
  readonly suspectedAtMs: number
  readonly accusers: readonly NodeId[]
}

export interface Probe {
  readonly target: NodeId
  readonly sequence: number
  readonly startedAtMs: number
  readonly hasAskedHelpers: boolean
  /** Helpers who said that they live: silence of a helper speaks against our own link. */
  readonly nacks: number
  readonly helpers: number
}

/** A probe made for another member. */
export interface Errand {
  readonly sequence: number
  readonly forNode: NodeId
  readonly theirSequence: number
  readonly untilMs: number
}

/** Times are of the monotonic clock. */
export interface MembershipState {
  readonly timing: MembershipTiming
  readonly nodeId: NodeId
  readonly incarnation: number
  /** All of the roster but self. */
  readonly members: Members
  /** Those of them that count as awake, and self. The same set as long as nobody comes or goes. */
  readonly awake: ReadonlySet<NodeId>
  /** Those of them that are suspect. */
  readonly suspects: ReadonlySet<NodeId>
  /** At most one for each member, newest last, and TELLINGS_MAX in all. */
  readonly tellings: readonly Telling[]
  readonly sequence: number
  readonly probe: Probe | null
  readonly errands: readonly Errand[]
  /** Members to be probed in this round, in drawn order, and how many of them were. */
  readonly round: readonly NodeId[]
  readonly roundAt: number
  readonly nextProbeAtMs: number
  /** Away members to be called in this round, in drawn order, and how many of them were. */
  readonly callRound: readonly NodeId[]
  readonly callRoundAt: number
  readonly nextCallAtMs: number
  readonly nextUrgeAtMs: number
  readonly nextSyncAtMs: number
  /** When the next tick is due. Once it is past, only a tick changes it. */
  readonly tickDueMs: number
  readonly illness: number
}

export interface MembershipStep {
  readonly state: MembershipState
  readonly actions: readonly MembershipAction[]
}

/** Members that count as awake, self among them. */
export const awake = (state: MembershipState): ReadonlySet<NodeId> => state.awake

/**
 * One step in the making. All parts of a step work on one draft, because a message may bring word of a thousand members: the state that it began
 * with stays as it was, and a collection of it is copied when the step first changes it, once.
 */
export class Draft {
  readonly state: { -readonly [Key in keyof MembershipState]: MembershipState[Key] }
  private readonly actions: MembershipAction[] = []
  private members: Members | null = null
  private suspects: Set<NodeId> | null = null
  private tellings: Telling[] | null = null
  private isOtherSet = false

  constructor(before: MembershipState) {
    this.state = { ...before }
  }

  /** `changed`, if it comes, comes once and last. */
  end(): MembershipStep {
    if (this.isOtherSet) {
      this.state.awake = awakeOf(this.state)
      this.actions.push({ kind: 'changed' })
    }
    return { state: this.state, actions: this.actions }
  }

  setMember(nodeId: NodeId, member: Member): void {
    const before = this.state.members.get(nodeId)
    this.members ??= this.state.members.copy()
    this.members.set(nodeId, member)
    this.state.members = this.members
    if ((before?.liveness ?? 'away') === 'away' ? member.liveness !== 'away' : member.liveness === 'away') this.isOtherSet = true
    if ((before?.liveness === 'suspect') !== (member.liveness === 'suspect')) this.setSuspect(nodeId, member.liveness === 'suspect')
  }

  /** News is passed on anew. */
  tell(rumour: Rumour): void {
    putNews(this.ownTellings(), rumour)
  }

  told(picked: readonly Telling[]): void {
    if (picked.length > 0) countTold(this.ownTellings(), picked, retransmissions(this.state))
  }

  /** Of another roster: who is not in it is forgotten. */
  retain(members: Members): void {
    const { state } = this
    if (state.members.idsWhere(isAwake).some((nodeId) => !members.has(nodeId))) this.isOtherSet = true
    state.members = members
    state.suspects = new Set([...state.suspects].filter((nodeId) => members.has(nodeId)))
    state.tellings = state.tellings.filter(({ rumour: { nodeId } }) => nodeId === state.nodeId || members.has(nodeId))
    if (!members.has(state.probe?.target ?? '')) state.probe = null
    this.members = null
    this.suspects = null
    this.tellings = null
  }

  act(action: MembershipAction): void {
    this.actions.push(action)
  }

  changeIllness(change: number): void {
    this.state.illness = Math.min(ILLNESS_MAX, Math.max(0, this.state.illness + change))
  }

  private setSuspect(nodeId: NodeId, isSuspect: boolean): void {
    this.suspects ??= new Set(this.state.suspects)
    if (isSuspect) this.suspects.add(nodeId)
    else this.suspects.delete(nodeId)
    this.state.suspects = this.suspects
  }

  private ownTellings(): Telling[] {
    this.tellings ??= [...this.state.tellings]
    this.state.tellings = this.tellings
    return this.tellings
  }
}

const awakeOf = ({ nodeId, members }: MembershipState): ReadonlySet<NodeId> => new Set([nodeId, ...members.idsWhere(isAwake)])

export const isAwake = (member: Member): boolean => member.liveness !== 'away'
/** As of the step before: `awake` has this node in it too. */
export const isAnybodyAway = ({ awake: set, members }: MembershipState): boolean => set.size <= members.size
export const isAway = (member: Member): boolean => member.liveness === 'away'

/** How often a rumour is passed on: it reaches all with high probability (SWIM §4.1, λ·log n). */
const retransmissions = (state: MembershipState): number => 3 * Math.ceil(Math.log2(state.members.size + 2))

type Bare = MembershipMessage extends infer M ? (M extends MembershipMessage ? Omit<M, 'incarnation' | 'rumours'> : never) : never

/**
 * A message with the freshest rumours on board. Who is held for suspect or away is told so first, that it may answer for itself at once
 * (Lifeguard's buddy system).
 */
export function send(draft: Draft, to: NodeId, message: Bare): void {
  const { state } = draft
  const buddy = state.members.get(to)
  const told: Rumour[] = buddy !== undefined && buddy.liveness !== 'alive' ? [rumourOf(to, buddy)] : []
  const picked = newestOf(state.tellings, to, RUMOURS_PER_MESSAGE - told.length)
  for (const { rumour } of picked) told.push(rumour)
  draft.told(picked)
  draft.act({ kind: 'send', to, message: { ...message, incarnation: state.incarnation, rumours: told } as MembershipMessage })
}

/** All that is known, in one message. */
export function sendSync(draft: Draft, to: NodeId, wantsReply: boolean): void {
  const { members, incarnation } = draft.state
  const rumours: Rumour[] = []
  for (const [place, member] of members.values().entries()) {
    if (member.incarnation > 0) rumours.push(rumourOf(members.keys()[place] ?? '', member))
  }
  draft.act({ kind: 'send', to, message: { kind: 'sync', wantsReply, incarnation, rumours } })
}

function rumourOf(nodeId: NodeId, member: Member): Rumour {
  const { liveness, incarnation } = member
  const by = member.accusers[0]
  return liveness === 'suspect' && by !== undefined ? { nodeId, incarnation, liveness, by } : { nodeId, incarnation, liveness }
}

/** A few draws from one: a shuffle needs more than one number, and an event brings only one (mulberry32). */
export function drawsFrom(random: number): () => number {
  let seed = Math.floor(random * 0x1_0000_0000) >>> 0
  return () => {
    seed = (seed + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}

export function shuffled<T>(items: readonly T[], draw: () => number): T[] {
  const result = [...items]
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(draw() * (index + 1))
    const held = result[index] as T
    result[index] = result[other] as T
    result[other] = held
  }
  return result
}
