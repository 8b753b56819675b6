import { ThatdamError } from '@thatdam/protocol/errors'
import type { RingJoinResponse } from '@thatdam/protocol/ring-join'
import { type FormerRing, type OwnerProof, type RingIntroduction, RingMergeRequest } from '@thatdam/protocol/ring-meet'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { type Answer, answerError, answerJson, STRANGER, tooMany } from './http-io.ts'
import { serverNonceAge } from './join.ts'
import { type Signer, verifySignature } from './keys.ts'
import { verifyRingRecords } from './ring-join.ts'
import { welcome } from './ring-join-server.ts'
import { homeOf, type MeetContext, type MetRing, ownerOf } from './ring-meet.ts'
import { sharedOwner } from './ring-owner.ts'
import { admitMany, forward } from './roster-edit.ts'
import type { RosterKeeper } from './roster-keeper.ts'
import { parentsOf } from './roster-links.ts'
import { openRecords, rosterDigest } from './roster-sync.ts'
import { recordHash, type Roster } from './roster.ts'

export type MergeContext = MeetContext & {
  /** The other ring's records are kept: they say who signed its ops, and when a laptop of it comes home years later, that it belongs here. */
  keepFormer: (former: FormerRing) => Promise<void>
  /** Of the former rings that are kept: where each has gone over to. */
  forwardOf: (fingerprint: string) => string | null
}

/**
 * An admitter of the ring that yields signs that it has gone over. From then on every member of it finds the way by itself.
 * @param consent fingerprint of the ring to which the owner agreed to go over, in a session on the LAN; null: to none.
 * @returns null when nothing is to be done now: it does not yield, has gone over already, or waits for the owner's consent.
 */
export async function yieldTo(
  ring: RosterKeeper,
  node: Signer,
  { met, consent }: { met: MetRing; consent: string | null },
): Promise<RosterRecord | null> {
  if (met.meeting !== 'yield' || met.forward !== null) return null
  if (met.needsConsent && consent !== met.ring.fingerprint) return null
  return ring.edit(node, (desk) => (desk.roster.forward === null ? forward(desk, met.ring) : null))
}

/**
 * By a member of a ring whose roster says `forward`, to an admitter of the ring that goes on.
 * @param ring of the losing ring.
 * @throws ThatdamError CONFLICT when the introduction is of another ring.
 */
export function buildRingMerge(
  to: RingIntroduction,
  {
    ring,
    node,
    nodeId,
    proofs,
  }: { ring: { records: readonly RosterRecord[]; roster: Roster }; node: Signer; nodeId: string; proofs: readonly OwnerProof[] },
): RingMergeRequest {
  const { serverKey, serverNonce, card } = to
  const { fingerprint } = ring.roster
  const toFingerprint = card.fingerprint
  if (ring.roster.forward?.fingerprint !== toFingerprint) {
    throw new ThatdamError('CONFLICT', `This ring has not gone over to ${card.clusterId}. Nothing was changed.`)
  }
  const signed = { serverKey, serverNonce, toFingerprint, fingerprint, digest: rosterDigest(ring.records) }
  return {
    version: 1,
    serverKey,
    serverNonce,
    toFingerprint,
    fingerprint,
    records: [...ring.records],
    proofs: proofs.slice(0, 4),
    nodeKey: node.publicKey,
    nodeId,
    signature: node.sign('thatdam-ring-merge-v1', signed),
  }
}

/**
 * The ring that this machine is in from now on, and how it is called there: where another machine has its name, with six digits behind it.
 * @throws ThatdamError UNAUTHENTICATED.
 */
export function verifyRingMerge(
  answer: RingJoinResponse,
  { nodeKey, toFingerprint, serverKey }: RingMergeRequest,
): { nodeId: string; records: RosterRecord[]; roster: Roster } {
  const { nodeId } = answer
  const ring = verifyRingRecords(answer, { nodeKey, nodeId, fingerprint: toFingerprint, serverKey })
  if (ring !== null) return { nodeId, ...ring }
  throw new ThatdamError('UNAUTHENTICATED', 'The answer of the ring that goes on was altered on its way. It is tried again by itself.')
}

/**
 * POST /v1/meet/merge, open to all: takes in every member of a ring of the same owner that has gone over to this one. Repeating it, and each of
 * its members doing it, is harmless. The answer is a RingJoinResponse; its node id is the member's from now on.
 */
export async function handleRingMerge(body: unknown, context: MergeContext): Promise<Answer> {
  const { limiter, address } = context
  const waitSeconds = (await limiter.admit(address, { open: true })) ?? (await limiter.blocked(address))
  if (waitSeconds !== null) return tooMany(waitSeconds)
  const parsed = RingMergeRequest.safeParse(body)
  if (!parsed.success) {
    return answerError(new ThatdamError('BAD_REQUEST', 'The request is not as expected. Update the agent on the other machine.'))
  }
  const former = provenRing(parsed.data, context)
  if (former === null) {
    const blockedSeconds = await limiter.fail(address)
    return blockedSeconds === null ? STRANGER : tooMany(blockedSeconds)
  }
  try {
    return await takeOver(parsed.data, former, context)
  } catch (error) {
    if (error instanceof ThatdamError) return answerError(error)
    throw error
  }
}

/**
 * The ring that has gone over to ours, when all of it is proven: the cheap proofs first. Its records must be whole: none of those may be missing that
 * the forwarding record was made in sight of, or whoever was removed before it could leave the removal out.
 */
function provenRing(request: RingMergeRequest, { ring, node, own }: MergeContext): ProvenRing | null {
  const { serverKey, serverNonce, toFingerprint, fingerprint, records, nodeKey, signature } = request
  if (serverKey !== node.publicKey || toFingerprint !== ring.fingerprint || fingerprint === ring.fingerprint) return null
  const signed = { serverKey, serverNonce, toFingerprint, fingerprint, digest: rosterDigest(records) }
  if (!verifySignature('thatdam-ring-merge-v1', signed, signature, nodeKey)) return null
  const genesis = records.find(({ body }) => body.kind === 'genesis' && recordHash(body) === fingerprint)
  if (genesis === undefined) return null
  const { clusterId } = genesis.body
  const owner = sharedOwner(ownerOf({ ring, own }), { clusterId, fingerprint, speaker: nodeKey }, request.proofs)
  if (owner === null) return null
  const former = openRecords(records, fingerprint, verifySignature)
  const known = new Set(former.records.map(({ body }) => recordHash(body)))
  const isWhole = former.records.every(({ body }) => parentsOf(body).every((hash) => known.has(hash)))
  const isHere = former.roster.forward?.fingerprint === ring.fingerprint && former.roster.byKey.has(nodeKey)
  return isWhole && isHere ? { ...former, isOurs: owner.isOfAll } : null
}

/** `isOurs`: all of it is; else the machine that asks alone, and what others of its ring signed counts for nothing here. */
type ProvenRing = { records: RosterRecord[]; roster: Roster; isOurs: boolean }

async function takeOver(
  { serverNonce, nodeKey, fingerprint }: RingMergeRequest,
  former: ProvenRing,
  context: MergeContext,
): Promise<Answer> {
  const { ring, node, nonceSecret, nowMs } = context
  if (serverNonceAge({ instance: node, nonceSecret }, serverNonce, nowMs) === 'old') {
    throw new ThatdamError('CONFLICT', 'Going over took longer than two minutes. It is tried again by itself.')
  }
  const { forward: own } = ring.roster
  const forwardOf = (at: string): string | null => {
    if (at === ring.fingerprint) return own?.fingerprint ?? null
    return at === fingerprint ? ring.fingerprint : context.forwardOf(at)
  }
  if (own !== null && homeOf(ring.fingerprint, forwardOf) !== ring.fingerprint) {
    throw new ThatdamError('CONFLICT', `This ring has gone over to ${own.clusterId} itself. Ask there.`)
  }
  if (former.isOurs) await context.keepFormer({ fingerprint, records: former.records })
  const members = [...former.roster.members.values()].filter(({ keys }) => former.isOurs || keys.includes(nodeKey))
  await ring.editMany(node, (desk) => admitMany(desk, members).records)
  const member = ring.roster.byKey.get(nodeKey)
  if (member === undefined) {
    throw new ThatdamError('NODE_REVOKED', 'This machine was removed from the ring that goes on. To take it back, make a join token there.')
  }
  const { nodeId } = member
  context.audit({
    atMs: nowMs,
    kind: 'ring.merged',
    nodeKey,
    nodeId,
    address: context.address,
    detail: `from the ring ${former.roster.clusterId}`,
  })
  return answerJson(201, welcome({ ring, node }, { nodeId, nodeKey }))
}
