import {
  AdoptCommitRequest,
  type AdoptCommitResponse,
  type AdoptPhase,
  AdoptRevealRequest,
  type AdoptRevealResponse,
  AdoptStatusRequest,
  type AdoptStatusResponse,
} from '@thatdam/protocol/adopt'
import { ThatdamError } from '@thatdam/protocol/errors'
import { type Answer, answerError, answerJson, STRANGER, tooMany } from '../http-io.ts'
import { makeNonce } from '../join.ts'
import { verifySignature } from '../keys.ts'
import { ownChain, type RingAuditEvent, type RingJoinContext, welcome } from '../ring-join-server.ts'
import { admit, nameConflict } from '../roster-edit.ts'
import { ATTEMPTS_MAX, commitmentOf, recent } from './code.ts'
import {
  codeOfEntry,
  NOBODY_WAITS,
  type RingEntry,
  type RingSideAction,
  type RingSideEvent,
  type RingSideRefusal,
  type RingSideState,
  stepRingSide,
} from './ring-side.ts'

export type AdoptContext = Omit<RingJoinContext, 'tokens' | 'nonceSecret'> & {
  /** Of this machine, in the ring. */
  nodeId: string
  desk: AdoptDesk
}
/** What the console shows of a machine that waits. Names are its own word; only equal digits prove who it is. */
export type WaitingMachine = Pick<RingEntry, 'id' | 'nodeId' | 'hostname' | 'address' | 'phase' | 'reason'> & { code: string | null }

/** The machines that wait at this admitter, and the owner's word on them. In memory: whoever waits comes again after a restart. */
export class AdoptDesk {
  #state: RingSideState = NOBODY_WAITS

  list(nowMs: number): WaitingMachine[] {
    return this.entries(nowMs).map((entry) => {
      const { id, nodeId, hostname, address, phase, reason } = entry
      return { id, nodeId, hostname, address, phase, reason, code: codeOfEntry(entry) }
    })
  }

  /** The longest here first. */
  entries(nowMs: number): RingEntry[] {
    this.#state = stepRingSide(this.#state, { kind: 'tick' }, { ms: nowMs, random: makeNonce }).state
    return [...this.#state.entries.values()]
  }

  /** How often the owner may still open one now. */
  attemptsLeft(nowMs: number): number {
    return Math.max(0, ATTEMPTS_MAX - recent(this.#state.openings, nowMs).length)
  }

  find(id: string): RingEntry | undefined {
    return this.#state.entries.get(id)
  }

  byCommitment(commitment: string): RingEntry | undefined {
    return [...this.#state.entries.values()].find((entry) => entry.commitment === commitment)
  }

  /**
   * The owner's word, in the console: `open` shows the digits on both sides, `confirm` says that they are equal, `cancel` ends it.
   * @throws ThatdamError NOT_FOUND, CONFLICT, TOO_MANY_REQUESTS.
   */
  async say(word: 'open' | 'confirm' | 'cancel', id: string, context: AdoptContext): Promise<void> {
    const why = await this.step({ kind: word, id }, context)
    if (why !== null) throw refusal(why)
  }

  /** @returns why the event was refused, or null. An admission is signed and on disk when it resolves. */
  async step(event: RingSideEvent, context: AdoptContext): Promise<RingSideRefusal | null> {
    const { state, actions } = stepRingSide(this.#state, event, { ms: context.nowMs, random: makeNonce })
    this.#state = state
    const refused = actions.find((action) => action.kind === 'refuse')
    for (const action of actions) await this.#act(action, context)
    return refused === undefined ? null : refused.why
  }

  async #act(action: RingSideAction, context: AdoptContext): Promise<void> {
    if (action.kind === 'over') tell(context, 'ring.adopt-refused', action.entry)
    if (action.kind !== 'admit') return
    const { entry } = action
    const reason = await takeIn(entry, context)
    if (reason === null) tell(context, 'ring.adopted', entry)
    await this.step({ kind: 'admitted', id: entry.id, reason }, context)
  }
}

async function takeIn({ joiner }: RingEntry, { ring, node }: AdoptContext): Promise<string | null> {
  if (joiner === null) return 'The machine has not shown its key.'
  const { nodeKey: publicKey, nodeId, bootCounter } = joiner
  try {
    await ring.edit(node, (desk) =>
      desk.roster.byKey.get(publicKey)?.nodeId === nodeId ? null : admit(desk, { nodeId, publicKey, bootCounter }),
    )
    return null
  } catch (error) {
    if (error instanceof ThatdamError) return error.message
    return 'The ring could not write the admission down. Its log says why; start again on the machine when that is mended.'
  }
}

/** POST /v1/adopt/commit, open to all. Repeated: the same answer. */
export async function handleAdoptCommit(body: unknown, context: AdoptContext): Promise<Answer> {
  return guarded(context, async () => {
    const { commitment, nodeId, hostname } = parse(AdoptCommitRequest, body)
    const { ring, node, desk, address } = context
    ownChain({ ring, node })
    const { fingerprint, roster } = ring
    const own = { serverKey: node.publicKey, nodeId: context.nodeId, clusterId: roster.clusterId, fingerprint }
    const why = await desk.step({ kind: 'commit', commitment, nodeId, hostname, address, own }, context)
    const entry = desk.byCommitment(commitment)
    if (why !== null || entry === undefined) throw refusal(why ?? 'unknown')
    const answer: AdoptCommitResponse = { version: 1, id: entry.id, commitment: commitmentOf({ ring: entry.own }) }
    return answerJson(200, answer)
  })
}

/** POST /v1/adopt/reveal, open to all. Repeated: the same answer. */
export async function handleAdoptReveal(body: unknown, context: AdoptContext): Promise<Answer> {
  return guarded(context, async () => {
    const { id, reveal } = parse(AdoptRevealRequest, body)
    const { ring, node, desk } = context
    const conflict = nameConflict(ring.roster, { nodeId: reveal.nodeId, publicKey: reveal.nodeKey })
    if (conflict !== null) {
      // Only who shows what this entry had promised may end it.
      const isOwn = desk.find(id)?.commitment === commitmentOf({ joiner: reveal })
      if (isOwn) await desk.step({ kind: 'cancel', id, reason: conflict.message }, context)
      throw conflict
    }
    const why = await desk.step({ kind: 'reveal', id, reveal }, context)
    if (why === 'unknown') return strange(context)
    const entry = desk.find(id)
    if (why !== null || entry === undefined || entry.transcript === null) throw refusal(why ?? 'not-now')
    const { own, transcript } = entry
    const signature = node.sign('thatdam-adopt-ring-v1', { transcript })
    const answer: AdoptRevealResponse = { version: 1, reveal: own, chain: ownChain({ ring, node }), signature }
    return answerJson(200, answer)
  })
}

/** POST /v1/adopt/status, open to all: what the joiner says counts by its signature, once its key is known. */
export async function handleAdoptStatus(body: unknown, context: AdoptContext): Promise<Answer> {
  return guarded(context, async () => {
    const { id, said, signature } = parse(AdoptStatusRequest, body)
    const { desk, ring, node } = context
    const before = desk.find(id)
    if (before === undefined) return strange(context)
    const { transcript, joiner } = before
    if (transcript !== null && joiner !== null) {
      const isSigned = signature !== null && verifySignature('thatdam-adopt-node-v1', { transcript, said }, signature, joiner.nodeKey)
      if (!isSigned) return strange(context)
    }
    await desk.step({ kind: 'heard', id, said }, context)
    const entry = desk.find(id)
    if (entry === undefined) return strange(context)
    const isIn = entry.phase === 'admitted' && joiner !== null
    const answer: AdoptStatusResponse = {
      version: 1,
      phase: phaseOf(entry),
      reason: entry.reason,
      join: isIn ? welcome({ ring, node }, { nodeId: joiner.nodeId, nodeKey: joiner.nodeKey }) : null,
    }
    return answerJson(200, answer)
  })
}

const phaseOf = ({ phase }: RingEntry): AdoptPhase => (phase === 'admitting' ? 'showing' : phase)

async function guarded({ limiter, address }: AdoptContext, run: () => Promise<Answer>): Promise<Answer> {
  const waitSeconds = (await limiter.admit(address, { open: true })) ?? (await limiter.blocked(address))
  if (waitSeconds !== null) return tooMany(waitSeconds)
  try {
    return await run()
  } catch (error) {
    if (error instanceof ThatdamError) return answerError(error)
    throw error
  }
}

async function strange({ limiter, address }: AdoptContext): Promise<Answer> {
  const waitSeconds = await limiter.fail(address)
  return waitSeconds === null ? STRANGER : tooMany(waitSeconds)
}

function parse<T>(schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } }, body: unknown): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new ThatdamError('BAD_REQUEST', 'The request is not as expected. Update the agent on the joining machine.')
}

const REFUSALS: Record<RingSideRefusal, () => ThatdamError> = {
  full: () => new ThatdamError('UNAVAILABLE', 'As many machines as can be wait already. This one asks again by itself.'),
  'too-many': () =>
    new ThatdamError('TOO_MANY_REQUESTS', 'Too many tries: five in ten minutes are the most. Wait ten minutes, then start again.'),
  unknown: () => new ThatdamError('NOT_FOUND', 'This machine does not wait any more. Start again on it.'),
  'not-now': () => new ThatdamError('CONFLICT', 'This cannot be done at this point. Look at what the list of waiting machines says now.'),
  'not-what-was-committed': () =>
    new ThatdamError('CONFLICT', 'The machine did not show what it had promised to. Somebody may be between it and the ring.'),
}
const refusal = (why: RingSideRefusal): ThatdamError => REFUSALS[why]()

function tell({ audit, nowMs }: AdoptContext, kind: RingAuditEvent['kind'], entry: RingEntry): void {
  const { nodeId, joiner, address, reason } = entry
  audit({ atMs: nowMs, kind, nodeKey: joiner?.nodeKey ?? null, nodeId, address, detail: reason ?? `node ${nodeId}` })
}
