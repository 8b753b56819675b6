import { ThatdamError } from '@thatdam/protocol/errors'
import {
  RingHelloRequest,
  type RingHelloResponse,
  RingJoinRequest,
  type RingJoinResponse,
  type RingToken,
} from '@thatdam/protocol/ring-join'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { type Answer, answerError, answerJson, STRANGER, tooMany } from './http-io.ts'
import { makeHello, serverNonceAge } from './join.ts'
import { exactBytes, type Signer, verifySignature } from './keys.ts'
import type { RateLimiter } from './rate-limits.ts'
import type { RingRedeemOutcome, RingTokens } from './ring-tokens.ts'
import { chainFor } from './roster-chain.ts'
import { admit, nameConflict } from './roster-edit.ts'
import type { RosterKeeper } from './roster-keeper.ts'
import { rosterDigest } from './roster-sync.ts'

/** A token dated further ahead of this machine's clock than this: the clock was set back, or starts in the past. */
const CLOCK_TOLERANCE_MS = 60_000
const AGAIN = 'Make a new token in the console of the ring.'

/** What an owner may read later. `detail` is plain words, without secrets; `address` is the peer's socket address. */
export type RingAuditEvent = {
  atMs: number
  kind:
    | 'ring.join-accepted'
    | 'ring.join-repeated'
    | 'ring.join-refused'
    | 'ring.join-stranger'
    | 'ring.adopted'
    | 'ring.adopt-refused'
    | 'ring.merged'
  nodeKey: string | null
  nodeId: string | null
  address: string
  detail: string
}

export type RingJoinContext = {
  /** This machine. */
  node: Signer
  /** 32 random bytes, made at start. */
  nonceSecret: Uint8Array
  ring: RosterKeeper
  tokens: RingTokens
  limiter: RateLimiter
  audit: (event: RingAuditEvent) => void
  /** The socket's peer. */
  address: string
  nowMs: number
}

/* A proof folds the roster: made once for each state of it. */
const proofs = new WeakMap<readonly RosterRecord[], Map<string, RosterRecord[]>>()
/** @throws ThatdamError FORBIDDEN when this machine may not admit others. */
export function ownChain({ ring, node }: Pick<RingJoinContext, 'ring' | 'node'>): RosterRecord[] {
  const { records, fingerprint } = ring
  const { publicKey } = node
  const known = proofs.get(records)?.get(publicKey)
  if (known !== undefined) return known
  const chain = chainFor(records, { fingerprint, publicKey, verify: verifySignature })
  proofs.set(records, new Map([[publicKey, chain]]))
  return chain
}

/** POST /v1/join/hello: open to all. Nothing is kept. */
export async function handleRingHello(body: unknown, context: RingJoinContext): Promise<Answer> {
  const waitSeconds = await context.limiter.admit(context.address, { open: true })
  if (waitSeconds !== null) return tooMany(waitSeconds)
  const parsed = RingHelloRequest.safeParse(body)
  if (!parsed.success) return badRequest()
  try {
    const { tokenKey } = parsed.data
    const hello = makeHello({ instance: context.node, nonceSecret: context.nonceSecret }, parsed.data, context.nowMs)
    const knowsToken = tokenKey === undefined ? null : context.tokens.find(tokenKey) !== null
    const answer: RingHelloResponse = { ...hello, knowsToken, chain: ownChain(context) }
    return answerJson(200, answer)
  } catch (error) {
    if (error instanceof ThatdamError) return answerError(error)
    throw error
  }
}

/** POST /v1/join: open to all. Who does not prove the seed of a token of this machine gets the one 401; who does, the reason. */
export async function handleRingJoin(body: unknown, context: RingJoinContext): Promise<Answer> {
  const { limiter, address } = context
  const waitSeconds = (await limiter.admit(address, { open: true })) ?? (await limiter.blocked(address))
  if (waitSeconds !== null) return tooMany(waitSeconds)
  const parsed = RingJoinRequest.safeParse(body)
  if (!parsed.success) return badRequest()
  const { transcript, seedSignature } = parsed.data
  const isProven = verifySignature('thatdam-ring-seed-v1', transcript, seedSignature, transcript.tokenKey)
  const token = context.tokens.find(transcript.tokenKey)
  if (token === null || !isProven || transcript.serverKey !== context.node.publicKey) {
    tell(context, 'ring.join-stranger', { detail: token === null ? 'unknown token key' : 'bad proof of the token' }, transcript)
    const blockedSeconds = await limiter.fail(address)
    return blockedSeconds === null ? STRANGER : tooMany(blockedSeconds)
  }
  try {
    const flaw = flawOf(parsed.data, token, context)
    if (flaw !== null) throw flaw
    return await takeIn(parsed.data, context)
  } catch (error) {
    if (!(error instanceof ThatdamError)) throw error
    tell(context, 'ring.join-refused', { detail: error.code }, transcript)
    return answerError(error)
  }
}

async function takeIn(request: RingJoinRequest, context: RingJoinContext): Promise<Answer> {
  const { node, ring, tokens, nowMs } = context
  const { tokenKey, nodeKey, nodeId, bootCounter } = request.transcript
  if (ring.roster.byKey.get(nodeKey)?.nodeId === nodeId) {
    tell(context, 'ring.join-repeated', { detail: `node ${nodeId}` }, request.transcript)
    return answerJson(201, welcome(context, { nodeId, nodeKey }))
  }
  const conflict = nameConflict(ring.roster, { nodeId, publicKey: nodeKey })
  if (conflict !== null) throw conflict
  const removal = ring.roster.removed.get(nodeId)?.record ?? null
  const outcome = await tokens.redeem({ tokenKey, nodeKey, nodeId, removal, nowMs })
  if (outcome.kind !== 'redeemed') throw refusal(outcome.kind)
  const admission = await ring.edit(node, (desk) => {
    if (desk.roster.byKey.has(nodeKey)) return null
    // Or whoever kept an old answer could undo what the owner did.
    const now = desk.roster.removed.get(nodeId)?.record ?? null
    if (outcome.repeated && now !== null && now !== outcome.removal) throw removedSince(nodeId)
    return admit(desk, { nodeId, publicKey: nodeKey, bootCounter })
  })
  tell(context, admission === null ? 'ring.join-repeated' : 'ring.join-accepted', { detail: `node ${nodeId}` }, request.transcript)
  return answerJson(201, welcome(context, { nodeId, nodeKey }))
}

/** All records, signed as a whole. */
export function welcome(
  { node, ring }: Pick<RingJoinContext, 'node' | 'ring'>,
  member: { nodeId: string; nodeKey: string },
): RingJoinResponse {
  const { records, fingerprint } = ring
  const signed = { ...member, fingerprint, digest: rosterDigest(records) }
  return { version: 1, nodeId: member.nodeId, fingerprint, records: [...records], signature: node.sign('thatdam-ring-answer-v1', signed) }
}

function flawOf({ transcript, nodeSignature }: RingJoinRequest, token: RingToken, context: RingJoinContext): ThatdamError | null {
  const { nowMs, ring } = context
  if (ring.roster.byKey.get(context.node.publicKey)?.admitter !== true) {
    return new ThatdamError('FORBIDDEN', `This machine may not admit others any more. ${AGAIN}`)
  }
  if (token.createdAtMs - nowMs > CLOCK_TOLERANCE_MS) {
    const minutes = Math.ceil((token.createdAtMs - nowMs) / 60_000)
    return new ThatdamError(
      'CLOCK_SKEW',
      `The clock of the machine that made this token is ${minutes} min behind what it was then. Set it, then join again with the same token.`,
    )
  }
  if (transcript.fingerprint !== ring.fingerprint || transcript.clusterId !== ring.roster.clusterId) {
    return new ThatdamError('TOKEN_WRONG_RING', `This join token was made for another ring. ${AGAIN}`)
  }
  if (serverNonceAge({ instance: context.node, nonceSecret: context.nonceSecret }, transcript.serverNonce, nowMs) === 'old') {
    return new ThatdamError('CONFLICT', 'The join took longer than two minutes. Join again with the same token.')
  }
  if (
    exactBytes(transcript.nodeKey, 32) === null ||
    !verifySignature('thatdam-ring-node-v1', transcript, nodeSignature, transcript.nodeKey)
  ) {
    return new ThatdamError(
      'BAD_REQUEST',
      'The machine could not prove its own key. Remove its identity.json only if you want a new identity.',
    )
  }
  return null
}

const REFUSALS: Record<Exclude<RingRedeemOutcome['kind'], 'redeemed'>, () => ThatdamError> = {
  used: () => new ThatdamError('TOKEN_USED', `This join token has already been used by another machine. ${AGAIN}`),
  expired: () => new ThatdamError('TOKEN_EXPIRED', `This join token has expired. ${AGAIN}`),
  revoked: () => new ThatdamError('TOKEN_REVOKED', `This join token was withdrawn by its owner. ${AGAIN}`),
  unknown: () => new ThatdamError('TOKEN_REVOKED', `This join token was deleted. ${AGAIN}`),
}
const refusal = (kind: keyof typeof REFUSALS): ThatdamError => REFUSALS[kind]()
const removedSince = (nodeId: string): ThatdamError =>
  new ThatdamError(
    'NODE_REVOKED',
    `The machine ${nodeId} was removed from the ring after it had used this token. To take it back, make a new token.`,
  )
const badRequest = (): Answer =>
  answerError(new ThatdamError('BAD_REQUEST', 'The request is not as expected. Update the agent on the joining machine.'))

function tell(
  { audit, nowMs, address }: RingJoinContext,
  kind: RingAuditEvent['kind'],
  { detail }: { detail: string },
  { nodeKey, nodeId }: { nodeKey: string; nodeId: string },
): void {
  audit({ atMs: nowMs, kind, nodeKey, nodeId, address, detail })
}
