import { ThatdamError } from '@thatdam/protocol/errors'
import { type OwnerProof, type RingIntroduction, RingMeetRequest } from '@thatdam/protocol/ring-meet'
import { type Answer, answerError, answerJson, tooMany } from './http-io.ts'
import { makeHello, makeNonce } from './join.ts'
import { verifySignature } from './keys.ts'
import { ownChain, type RingJoinContext } from './ring-join-server.ts'
import { type OwnOwner, sharedOwner } from './ring-owner.ts'
import { verifyChain } from './roster-chain.ts'
import { type Meeting, meetRings, type RingCard } from './roster-merge.ts'

/*
 * Two claimed rings that find each other. An admitter of each asks the other's; both come to the same (`meetRings`):
 *
 *   losing ring                                   ring that goes on
 *     │── meet ──────────────────────────────────▶│
 *     │◀─ card, proof of the owner, proof of key ─│
 *     │  same owner, and we yield: sign the       │
 *     │  forwarding record (`forward`), tell all  │
 *     │── merge: any member, all our records ────▶│  admits every member of theirs, keeping node ids
 *     │◀─ all records ────────────────────────────│
 */
export type MeetContext = Omit<RingJoinContext, 'tokens'> & {
  /** What the agent knows of its own ring. */
  own: Pick<OwnOwner, 'cloud'> & { isClaimed: boolean; isCloudPaired: boolean; isChosen: boolean; proofs: readonly OwnerProof[] }
}

export const ownerOf = ({ ring, own }: Pick<MeetContext, 'ring' | 'own'>): OwnOwner => ({
  fingerprint: ring.fingerprint,
  ownerRecoveryKey: ring.roster.ownerRecoveryKey,
  cloud: own.cloud,
})

export const buildRingMeet = (): RingMeetRequest => ({ version: 1, clientNonce: makeNonce() })

/** POST /v1/meet, open to all: tells no more than announcements do, and whose key signed it. */
export async function handleRingMeet(body: unknown, context: MeetContext): Promise<Answer> {
  const waitSeconds = await context.limiter.admit(context.address, { open: true })
  if (waitSeconds !== null) return tooMany(waitSeconds)
  const parsed = RingMeetRequest.safeParse(body)
  if (!parsed.success) {
    return answerError(new ThatdamError('BAD_REQUEST', 'The request is not as expected. Update the agent on the other machine.'))
  }
  const { ring, node, nonceSecret, nowMs, own } = context
  try {
    const { clientNonce } = parsed.data
    const { serverNonce } = makeHello({ instance: node, nonceSecret }, parsed.data, nowMs)
    const { clusterId, fingerprint, forward } = ring.roster
    const { isClaimed, isCloudPaired, isChosen } = own
    const card = { clusterId, fingerprint, isClaimed, isCloudPaired, isChosen, forward }
    const proofs = own.proofs.slice(0, 4)
    const signature = node.sign('thatdam-ring-card-v1', { clientNonce, serverNonce, card, proofs })
    const answer: RingIntroduction = {
      version: 1,
      card,
      proofs,
      serverKey: node.publicKey,
      chain: ownChain({ ring, node }),
      serverNonce,
      signature,
    }
    return answerJson(200, answer)
  } catch (error) {
    if (error instanceof ThatdamError) return answerError(error)
    throw error
  }
}

/**
 * What becomes of this ring and the one that introduced itself. `yield`: sign `forward(desk, ring)`, if this machine is an admitter. It
 * `needsConsent` of the owner in a session on the LAN where only the cloud says that the owner is the same: a cloud that was taken over must not be
 * able to hand a ring over.
 */
export type MetRing = {
  meeting: Meeting
  needsConsent: boolean
  ring: { clusterId: string; fingerprint: string }
  /** The other ring has gone over itself: ask there. */
  forward: { clusterId: string; fingerprint: string } | null
}

/** @throws ThatdamError UNAUTHENTICATED when the other side is no admitter of the ring that it speaks of. */
export function judgeIntroduction(
  answer: RingIntroduction,
  sent: RingMeetRequest,
  { ring, own }: Pick<MeetContext, 'ring' | 'own'>,
): MetRing {
  const { card, proofs, serverKey, serverNonce, chain, signature } = answer
  const theirs = verifyChain(chain, { pin: card.fingerprint, publicKey: serverKey, verify: verifySignature })
  const signed = { clientNonce: sent.clientNonce, serverNonce, card, proofs }
  if (theirs?.clusterId !== card.clusterId || !verifySignature('thatdam-ring-card-v1', signed, signature, serverKey)) {
    throw new ThatdamError('UNAUTHENTICATED', 'The machine that answers could not prove which ring it is of. Nothing was changed.')
  }
  const { clusterId, fingerprint } = card
  const shared = sharedOwner(ownerOf({ ring, own }), { clusterId, fingerprint, speaker: serverKey }, proofs)
  const owner = shared?.owner ?? null
  const { roster } = ring
  const mine: RingCard = {
    clusterId: roster.clusterId,
    fingerprint: roster.fingerprint,
    isClaimed: own.isClaimed,
    owner,
    isCloudPaired: own.isCloudPaired,
    isChosen: own.isChosen,
  }
  const { isClaimed, isCloudPaired, isChosen } = card
  // An unclaimed ring is taken in by a token or by six digits: nothing is trusted by mere presence.
  const isBoth = isClaimed && own.isClaimed
  const meeting =
    isBoth || mine.fingerprint === fingerprint
      ? meetRings(mine, { clusterId, fingerprint, isClaimed, owner, isCloudPaired, isChosen })
      : 'apart'
  return {
    meeting,
    needsConsent: meeting === 'yield' && shared?.isOwnersWord !== true,
    ring: { clusterId, fingerprint },
    forward: card.forward,
  }
}

/**
 * Where a ring's machines belong by all the forwarding that is known: the last ring of the way. Of rings that point at one another in a circle
 * (each was told to yield, behind a cut) the one with the smallest fingerprint goes on.
 */
export function homeOf(fingerprint: string, forwardOf: (fingerprint: string) => string | null): string {
  const way: string[] = []
  for (let at = fingerprint; ;) {
    const circle = way.indexOf(at)
    if (circle >= 0) return way.slice(circle).toSorted()[0] ?? at
    way.push(at)
    const next = forwardOf(at)
    if (next === null) return at
    at = next
  }
}
