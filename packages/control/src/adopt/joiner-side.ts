import type { AdoptRevealResponse, AdoptStatusResponse, JoinerReveal, RingReveal } from '@thatdam/protocol/adopt'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { type Signer, verifySignature } from '../keys.ts'
import { verifyRingRecords } from '../ring-join.ts'
import { verifyChain } from '../roster-chain.ts'
import { ATTEMPTS_MAX, codeOf, commitmentOf, recent, transcriptOf } from './code.ts'

/*
 * The joiner's side: one exchange with each ring that it sees, until one takes it in.
 *
 *   waiting ──“opened”──▶ revealing ──checked──▶ showing ──own yes, and the ring's records──▶ joined
 *      └────────────────────────┴───── no, late, wrong ─┴──▶ over
 */
export const EXCHANGES_MAX = 4
/** Without an answer for so long, an exchange is over; a new one may be started. */
const SILENCE_MS = 60_000

/** `target`: the ring's admitter, as discovery names it. */
export type Exchange = {
  readonly target: string
  readonly own: JoinerReveal
  readonly commitment: string
  /** Given by the ring; null before its answer. */
  readonly id: string | null
  readonly ringCommitment: string | null
  readonly phase: 'waiting' | 'revealing' | 'showing' | 'joined' | 'over'
  readonly ring: RingReveal | null
  readonly transcript: string | null
  readonly said: 'nothing' | 'yes' | 'no'
  /** Why it is over; before, what the ring last said of having no place yet. */
  readonly reason: string | null
  readonly heardAtMs: number
}
export type JoinerState = {
  readonly exchanges: ReadonlyMap<string, Exchange>
  /** When this machine last showed its key and nonce. */
  readonly attempts: readonly number[]
}
export const ALONE: JoinerState = { exchanges: new Map(), attempts: [] }

/** `node`: this machine. `isAdopted`: installed with `--adopt`, so that nobody here has to say yes. */
export type JoinerSelf = { readonly node: Signer; readonly nodeId: string; readonly bootCounter: number; readonly isAdopted: boolean }
export type JoinerEvent =
  | { readonly kind: 'start' | 'confirm' | 'cancel' | 'tick'; readonly target: string }
  | { readonly kind: 'committed'; readonly target: string; readonly id: string; readonly commitment: string }
  | { readonly kind: 'status'; readonly target: string; readonly answer: AdoptStatusResponse }
  | { readonly kind: 'revealed'; readonly target: string; readonly answer: AdoptRevealResponse }
  /** The ring refused: its sentence. A network that is away is no failure; ask again. */
  | { readonly kind: 'failed'; readonly target: string; readonly reason: string }
  /** 429 or 503: the ring's sentence; it is asked again. */
  | { readonly kind: 'busy'; readonly target: string; readonly reason: string }
export type JoinerAction =
  | { readonly kind: 'show'; readonly target: string; readonly code: string; readonly ring: RingReveal }
  | { readonly kind: 'joined'; readonly target: string; readonly records: readonly RosterRecord[] }
  | { readonly kind: 'over'; readonly target: string; readonly reason: string }
export type JoinerStep = { readonly state: JoinerState; readonly actions: readonly JoinerAction[] }

const WRONG =
  'The other side did not show what it had promised to. Somebody may be between this machine and the ring; do not go on in this network.'
const OTHERS = 'It was cancelled at the ring.'

/** @param now.random a fresh nonce: 16 random bytes, base64url. */
export function stepJoiner(
  state: JoinerState,
  event: JoinerEvent,
  { self, ms, random }: { readonly self: JoinerSelf; readonly ms: number; readonly random: () => string },
): JoinerStep {
  const exchange = state.exchanges.get(event.target)
  if (event.kind === 'start') return start(state, event.target, { self, ms, random })
  if (exchange === undefined || exchange.phase === 'over' || exchange.phase === 'joined') return { state, actions: [] }
  const heard = { ...exchange, heardAtMs: ms }
  if (event.kind === 'revealed') return revealed(state, heard, event.answer, self)
  if (event.kind === 'status') return status(state, heard, event.answer, ms)
  if (event.kind === 'cancel') return end(state, { ...exchange, said: 'no' }, 'It was cancelled on this machine.')
  if (event.kind === 'busy') return { state: put(state, { ...heard, reason: event.reason }), actions: [] }
  if (event.kind === 'failed') return end(state, exchange, event.reason)
  if (event.kind === 'confirm') {
    return { state: exchange.phase === 'showing' ? put(state, { ...exchange, said: 'yes' }) : state, actions: [] }
  }
  if (event.kind === 'committed') {
    // The ring is bound by its first answer.
    const bound = { ...heard, id: event.id, ringCommitment: event.commitment, reason: null }
    return { state: exchange.id === null ? put(state, bound) : state, actions: [] }
  }
  if (ms - exchange.heardAtMs >= SILENCE_MS) return end(state, exchange, 'The ring does not answer any more. Start again when it is there.')
  return { state, actions: [] }
}

/** The next request of an exchange, every two seconds, and its route; one that is over says so once more. Null: there is nothing to say. */
export function adoptRequest(exchange: Exchange, self: JoinerSelf, hostname: string): { path: string; body: object } | null {
  const { id, own, said, transcript, phase } = exchange
  if (phase === 'joined') return null
  if (id === null) {
    if (phase === 'over') return null
    return {
      path: '/v1/adopt/commit',
      body: { version: 1, commitment: exchange.commitment, nodeId: own.nodeId, hostname: hostname.slice(0, 255) },
    }
  }
  if (phase === 'revealing') return { path: '/v1/adopt/reveal', body: { version: 1, id, reveal: own } }
  const signature = transcript === null ? null : self.node.sign('thatdam-adopt-node-v1', { transcript, said })
  return { path: '/v1/adopt/status', body: { version: 1, id, said, signature } }
}

function start(
  state: JoinerState,
  target: string,
  { self, ms, random }: { self: JoinerSelf; ms: number; random: () => string },
): JoinerStep {
  const before = state.exchanges.get(target)
  if (before !== undefined && before.phase !== 'over') return { state, actions: [] }
  const others = new Map([...state.exchanges].filter(([, { phase }]) => phase !== 'over'))
  if (others.size >= EXCHANGES_MAX) return { state, actions: [] }
  const own = { nodeKey: self.node.publicKey, nodeId: self.nodeId, bootCounter: self.bootCounter, nonce: random() }
  const blank = { heardAtMs: ms, id: null, ringCommitment: null, ring: null, transcript: null, reason: null, said: 'nothing' as const }
  const exchange: Exchange = { target, own, commitment: commitmentOf({ joiner: own }), phase: 'waiting', ...blank }
  return { state: put({ ...state, exchanges: others }, exchange), actions: [] }
}

function status(state: JoinerState, exchange: Exchange, answer: AdoptStatusResponse, nowMs: number): JoinerStep {
  if (answer.phase === 'over') return end(state, exchange, answer.reason ?? OTHERS)
  if (answer.phase === 'opened' && exchange.phase === 'waiting') {
    const attempts = recent(state.attempts, nowMs)
    if (attempts.length >= ATTEMPTS_MAX)
      return end(state, exchange, 'Five tries in ten minutes are the most. Wait ten minutes, then start again.')
    return { state: { ...put(state, { ...exchange, phase: 'revealing' }), attempts: [...attempts, nowMs] }, actions: [] }
  }
  // Records count only after this side's own yes: the digits vouch for the key that signed them.
  const isDone = answer.phase === 'admitted' && exchange.said === 'yes'
  if (!isDone || answer.join === null || exchange.ring === null) return { state: put(state, exchange), actions: [] }
  const { serverKey, fingerprint } = exchange.ring
  const ring = verifyRingRecords(answer.join, { ...exchange.own, serverKey, fingerprint })
  if (ring === null)
    return end(state, exchange, 'The ring’s records were altered on their way. Start again, if possible from another network.')
  const joined = put(state, { ...exchange, phase: 'joined' })
  return { state: joined, actions: [{ kind: 'joined', target: exchange.target, records: ring.records }] }
}

function revealed(state: JoinerState, exchange: Exchange, answer: AdoptRevealResponse, self: JoinerSelf): JoinerStep {
  if (exchange.phase !== 'revealing') return { state, actions: [] }
  const { reveal: ring, chain, signature } = answer
  const transcript = transcriptOf(exchange.own, ring)
  const roster = verifyChain(chain, { pin: ring.fingerprint, publicKey: ring.serverKey, verify: verifySignature })
  const isGood =
    commitmentOf({ ring }) === exchange.ringCommitment &&
    roster?.clusterId === ring.clusterId &&
    verifySignature('thatdam-adopt-ring-v1', { transcript }, signature, ring.serverKey)
  if (!isGood) return end(state, exchange, WRONG)
  const shown: Exchange = { ...exchange, phase: 'showing', ring, transcript, said: self.isAdopted ? 'yes' : 'nothing' }
  return { state: put(state, shown), actions: [{ kind: 'show', target: exchange.target, code: codeOf(transcript), ring }] }
}

function end(state: JoinerState, exchange: Exchange, reason: string): JoinerStep {
  const over = put(state, { ...exchange, phase: 'over', reason })
  return { state: over, actions: [{ kind: 'over', target: exchange.target, reason }] }
}

const put = (state: JoinerState, exchange: Exchange): JoinerState => ({
  ...state,
  exchanges: new Map(state.exchanges).set(exchange.target, exchange),
})
