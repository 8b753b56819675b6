import type { NodeId } from '@thatdam/protocol/ids'
import type { Liveness, MembershipAction, MembershipMessage, Rumour } from './contract.ts'

export interface MembershipTiming {
  /** One member is probed each period. */
  readonly periodMs: number
  /** A direct answer later than this lets others ask too. */
  readonly ackMs: number
  /** Shortest time a suspect has to answer for itself, times log10 of the ring's size. */
  readonly suspicionMs: number
  /** The longest is this many times the shortest: without other accusers the fault may be the accuser's. */
  readonly suspicionStretch: number
  readonly syncMs: number
  /** One away member is called this often. */
  readonly callMs: number
  /** Ticks further apart than this: the process stood still, and silence proves nothing. */
  readonly stallMs: number
}

export const MEMBERSHIP_TIMING: MembershipTiming = {
  periodMs: 1_000,
  ackMs: 300,
  suspicionMs: 4_000,
  suspicionStretch: 3,
  syncMs: 10_000,
  callMs: 1_000,
  stallMs: 500,
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
  readonly members: ReadonlyMap<NodeId, Member>
  /** Those of them that are suspect. */
  readonly suspects: ReadonlySet<NodeId>
  /** Word to pass on, and how often it was. At most one for each member. */
  readonly rumours: ReadonlyMap<NodeId, { readonly rumour: Rumour; readonly sent: number }>
  readonly sequence: number
  readonly probe: Probe | null
  readonly errands: readonly Errand[]
  /** Members still to be probed in this round, in drawn order. */
  readonly round: readonly NodeId[]
  readonly nextProbeAtMs: number
  /** Away members still to be called in this round, in drawn order. */
  readonly callRound: readonly NodeId[]
  readonly nextCallAtMs: number
  readonly nextUrgeAtMs: number
  readonly nextSyncAtMs: number
  readonly lastTickMs: number
  readonly illness: number
}

export interface MembershipStep {
  readonly state: MembershipState
  readonly actions: readonly MembershipAction[]
}

export const done = (state: MembershipState, ...actions: MembershipAction[]): MembershipStep => ({ state, actions })

export function chain(first: MembershipStep, next: (state: MembershipState) => MembershipStep): MembershipStep {
  const second = next(first.state)
  return second.actions.length === 0
    ? { state: second.state, actions: first.actions }
    : { state: second.state, actions: [...first.actions, ...second.actions] }
}

/** Members that count as awake, self among them. */
export function awake(state: MembershipState): ReadonlySet<NodeId> {
  const known = awakeOf.get(state.members)
  if (known !== undefined) return known
  const ids = new Set<NodeId>([state.nodeId])
  for (const [nodeId, member] of state.members) if (member.liveness !== 'away') ids.add(nodeId)
  awakeOf.set(state.members, ids)
  return ids
}

/** Members are never changed in place, and asked for at every beat. */
const awakeOf = new WeakMap<MembershipState['members'], ReadonlySet<NodeId>>()

/** How often a rumour is passed on: it reaches all with high probability (SWIM §4.1, λ·log n). */
const retransmissions = (state: MembershipState): number => 3 * Math.ceil(Math.log2(state.members.size + 2))

type Bare = MembershipMessage extends infer M ? (M extends MembershipMessage ? Omit<M, 'incarnation' | 'rumours'> : never) : never

/**
 * A message with the freshest rumours on board. Who is held for suspect or away is told so first, that it may answer for itself at once
 * (Lifeguard's buddy system).
 */
export function send(state: MembershipState, to: NodeId, message: Bare): MembershipStep {
  const buddy = state.members.get(to)
  const told: Rumour[] = buddy !== undefined && buddy.liveness !== 'alive' ? [rumourOf(to, buddy)] : []
  const picked = leastSent(state, to, RUMOURS_PER_MESSAGE - told.length)
  const full = {
    ...message,
    incarnation: state.incarnation,
    rumours: [...told, ...picked.map(({ rumour }) => rumour)],
  } as MembershipMessage
  if (picked.length === 0) return done(state, { kind: 'send', to, message: full })
  const rumours = new Map(state.rumours)
  for (const { rumour, sent } of picked) {
    if (sent + 1 >= retransmissions(state)) rumours.delete(rumour.nodeId)
    else rumours.set(rumour.nodeId, { rumour, sent: sent + 1 })
  }
  return done({ ...state, rumours }, { kind: 'send', to, message: full })
}

/** The rumours that were passed on least, in one pass: in a storm of news there may be one of every member. */
function leastSent(state: MembershipState, to: NodeId, count: number): { rumour: Rumour; sent: number }[] {
  const picked: { rumour: Rumour; sent: number }[] = []
  if (state.rumours.size === 0) return picked
  for (const entry of state.rumours.values()) {
    if (entry.rumour.nodeId === to) continue
    let place = picked.length
    while (place > 0 && entry.sent < (picked[place - 1]?.sent ?? 0)) place--
    if (place >= count) continue
    picked.splice(place, 0, entry)
    if (picked.length > count) picked.pop()
  }
  return picked
}

/** All that is known, in one message. */
export function sendSync(state: MembershipState, to: NodeId, wantsReply: boolean): MembershipStep {
  const rumours = [...state.members].filter(([, member]) => member.incarnation > 0).map(([nodeId, member]) => rumourOf(nodeId, member))
  return done(state, { kind: 'send', to, message: { kind: 'sync', wantsReply, incarnation: state.incarnation, rumours } })
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
