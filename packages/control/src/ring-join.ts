import { ThatdamError } from '@thatdam/protocol/errors'
import type {
  RingHelloRequest,
  RingHelloResponse,
  RingJoinRequest,
  RingJoinResponse,
  RingJoinTranscript,
} from '@thatdam/protocol/ring-join'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { makeNonce } from './join.ts'
import { type Signer, verifySignature } from './keys.ts'
import { verifyChain } from './roster-chain.ts'
import { openRecords, rosterDigest } from './roster-sync.ts'
import type { Roster } from './roster.ts'
import type { JoinToken } from './token.ts'

/*
 * A machine joins a ring on the LAN with a token of one of its admitters; the other side is ring-join-server.ts:
 *
 *   joiner                                         admitter that made the token
 *     │  clientNonce, token's public key              │
 *     │──────────────────── hello ───────────────────▶│
 *     │◀─ its key, nonce, signature; records from the │
 *     │   ring's genesis on that prove the key        │
 *     │  genesis = the token's fingerprint? key an    │
 *     │  admitter's?                                  │
 *     │──── transcript, signed by seed and node ─────▶│  token known and good? redeem, sign the admission
 *     │◀── all records, the admission among them ─────│
 */

/** The ring behind a hello, by proof. */
export type ProvenRing = { clusterId: string; fingerprint: string }

export const buildRingHello = (token: JoinToken | null): RingHelloRequest => ({
  version: 1,
  clientNonce: makeNonce(),
  ...(token === null ? {} : { tokenKey: token.signer.publicKey }),
})

/**
 * Checks, before anything is told to it, that the answering machine holds its key and that the key is an admitter's of the token's ring.
 * @throws ThatdamError UNAUTHENTICATED.
 */
export function verifyRingHello(
  answer: RingHelloResponse,
  sent: RingHelloRequest,
  token: Pick<JoinToken, 'scope' | 'fingerprint'>,
): ProvenRing {
  const { serverKey, serverNonce, serverTimeMs, signature, chain } = answer
  const roster = verifyChain(chain, { pin: token.fingerprint, publicKey: serverKey, verify: verifySignature })
  if (roster === null || roster.clusterId !== token.scope) {
    throw new ThatdamError(
      'UNAUTHENTICATED',
      'The machine at this address is not one that admits others to the ring of this join token. Check the address, or make a new token in the console of the ring.',
    )
  }
  const signed = { clientNonce: sent.clientNonce, serverNonce, serverKey, serverTimeMs }
  if (!verifySignature('thatdam-hello-v1', signed, signature, serverKey)) {
    throw new ThatdamError(
      'UNAUTHENTICATED',
      'The machine at this address could not prove its key. Something between the two machines alters the traffic.',
    )
  }
  return { clusterId: roster.clusterId, fingerprint: roster.fingerprint }
}

/** The body of POST /v1/join. */
export function buildRingJoinRequest(input: {
  token: JoinToken
  hello: RingHelloResponse
  ring: ProvenRing
  node: Signer
  nodeId: string
  bootCounter: number
}): RingJoinRequest {
  const { token, hello, ring, node, nodeId, bootCounter } = input
  const transcript: RingJoinTranscript = {
    serverNonce: hello.serverNonce,
    serverKey: hello.serverKey,
    tokenKey: token.signer.publicKey,
    clusterId: ring.clusterId,
    fingerprint: ring.fingerprint,
    nodeKey: node.publicKey,
    nodeId,
    bootCounter,
  }
  return {
    version: 1,
    transcript,
    seedSignature: token.signer.sign('thatdam-ring-seed-v1', transcript),
    nodeSignature: node.sign('thatdam-ring-node-v1', transcript),
  }
}

/**
 * The ring that this machine is in now: write the records down, genesis first, and go on with them.
 * @throws ThatdamError UNAUTHENTICATED when the answer was not made by the proven admitter for this very request, or does not take this machine in.
 */
export function verifyRingJoinResponse(
  answer: RingJoinResponse,
  { transcript }: RingJoinRequest,
): { records: RosterRecord[]; roster: Roster } {
  const ring = verifyRingRecords(answer, transcript)
  if (ring !== null) return ring
  throw new ThatdamError(
    'UNAUTHENTICATED',
    'The answer to the join was altered on its way, or comes from a machine that may not admit others any more. Try again with the same token; if it stays so, make a new one on another machine of the ring.',
  )
}

/** The records of an answer that an admitter signed and by which this machine is in; null when they are not such. */
export function verifyRingRecords(
  answer: RingJoinResponse,
  { nodeKey, nodeId, fingerprint, serverKey }: { nodeKey: string; nodeId: string; fingerprint: string; serverKey: string },
): { records: RosterRecord[]; roster: Roster } | null {
  const signed = { nodeId, nodeKey, fingerprint, digest: rosterDigest(answer.records) }
  if (!verifySignature('thatdam-ring-answer-v1', signed, answer.signature, serverKey)) return null
  const ring = ringOf(answer.records, fingerprint)
  const isIn = ring?.roster.byKey.get(nodeKey)?.nodeId === nodeId && ring.roster.byKey.get(serverKey)?.admitter === true
  return isIn ? ring : null
}

function ringOf(records: readonly RosterRecord[], fingerprint: string): { records: RosterRecord[]; roster: Roster } | null {
  try {
    return openRecords(records, fingerprint, verifySignature)
  } catch (error) {
    if (error instanceof RangeError) return null
    throw error
  }
}

/** The stranger's 401 says nothing on the wire; at the joiner it means one thing. */
export function ringJoinError(error: ThatdamError): ThatdamError {
  if (error.code !== 'UNAUTHENTICATED') return error
  return new ThatdamError(
    'UNAUTHENTICATED',
    'This machine does not know the join token. Only the machine that made a token redeems it: name that one’s address, or make a new token in the console of the ring.',
    { cause: error },
  )
}
