import { ThatdamError } from '@thatdam/protocol/errors'
import type { NodeFacts } from '@thatdam/protocol/facts'
import {
  JOIN_RECORDS_MAX,
  type JoinHelloRequest,
  type JoinHelloResponse,
  type JoinRequest,
  type JoinResponse,
  type JoinTranscript,
} from '@thatdam/protocol/join'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { exactBytes, fingerprint, hmacSha256, randomBytes, type Signer, timingSafeEqual, verifySignature } from './keys.ts'
import { recordHash, verifyGenesis } from './roster.ts'
import { signPlace, verifyPlace } from './ring-place.ts'
import type { Organisation, Place, RedeemRefusal, StoredToken } from './store.ts'
import type { JoinToken } from './token.ts'

/*
 * Joining, without the secret on the wire:
 *
 *   joiner                                   server
 *     │  clientNonce                            │
 *     │────────────────── hello ───────────────▶│  nonce = time ‖ random ‖ HMAC: nothing is kept
 *     │◀─ serverKey, serverNonce, signature ────│
 *     │  fingerprint(serverKey) = the token's?  │
 *     │──── transcript, signed by seed + node ─▶│  seed's public half known? redeem, atomically
 *     │◀────────── signed answer ───────────────│
 */

/** How long a server nonce is good. */
export const SERVER_NONCE_LIFE_MS = 120_000
/** A token dated further ahead of the server's clock than this means that one of two clocks is wrong. */
const CLOCK_TOLERANCE_MS = 60_000

/* ---- client ---- */

/** @returns 16 random bytes as the protocol writes nonces. */
export const makeNonce = (): string => randomBytes(16).toString('base64url')

/**
 * Checks that the answering server holds the key that the token pins, before anything is told to it.
 * @throws ThatdamError UNAUTHENTICATED when it is another server; the person should compare the address.
 */
export function verifyHello(answer: JoinHelloResponse, sent: JoinHelloRequest, pinnedFingerprint: string): void {
  const { serverKey, serverNonce, serverTimeMs, signature } = answer
  const signed = { clientNonce: sent.clientNonce, serverNonce, serverKey, serverTimeMs }
  if (exactBytes(serverKey, 32) === null || fingerprint(serverKey) !== pinnedFingerprint) {
    throw new ThatdamError(
      'UNAUTHENTICATED',
      'The server at this address is not the one that made the join token. Check the address, or copy a fresh command from “Add machine”.',
    )
  }
  if (!verifySignature('thatdam-hello-v1', signed, signature, serverKey)) {
    throw new ThatdamError(
      'UNAUTHENTICATED',
      'The server could not prove its key. Something between this machine and the server alters the traffic.',
    )
  }
}

/** The body of POST /agent/v1/join. Repeating it (a new hello, the same token, node and genesis) gives the same answer. */
export function buildJoinRequest(input: {
  token: JoinToken
  hello: JoinHelloResponse
  node: Signer
  nodeId: string
  genesis: GenesisRecord
  facts: NodeFacts
  allowedIndexRoots: string[]
  /** Of its ring after the genesis record; the newest count where there are too many. */
  records?: readonly RosterRecord[]
}): JoinRequest {
  const transcript: JoinTranscript = {
    serverNonce: input.hello.serverNonce,
    serverKey: input.hello.serverKey,
    tokenKey: input.token.signer.publicKey,
    scope: input.token.scope,
    nodeKey: input.node.publicKey,
    nodeId: input.nodeId,
    genesisHash: recordHash(input.genesis.body),
  }
  return {
    version: 1,
    transcript,
    seedSignature: input.token.signer.sign('thatdam-join-seed-v1', transcript),
    nodeSignature: input.node.sign('thatdam-join-node-v1', transcript),
    genesis: input.genesis,
    facts: input.facts,
    allowedIndexRoots: input.allowedIndexRoots,
    ...(input.records === undefined || input.records.length === 0 ? {} : { records: input.records.slice(-JOIN_RECORDS_MAX) }),
  }
}

const ALTERED = 'The server’s answer to the join was altered on its way. Try again, if possible from another network.'

/** @throws ThatdamError UNAUTHENTICATED when the answer was not made by the pinned server for this very request. */
export function verifyJoinResponse(answer: JoinResponse, request: JoinRequest): void {
  const { nodeKey, genesisHash, serverKey } = request.transcript
  const signed = { nodeId: answer.nodeId, nodeKey, organisationId: answer.organisation.id, genesisHash }
  if (!verifySignature('thatdam-join-answer-v1', signed, answer.signature, serverKey)) {
    throw new ThatdamError('UNAUTHENTICATED', ALTERED)
  }
  if (answer.ring === undefined) return
  const machine = { nodeKey, organisationId: answer.organisation.id, instanceKey: serverKey }
  if (!verifyPlace(answer.ring, machine)) throw new ThatdamError('UNAUTHENTICATED', ALTERED)
}

/* ---- server ---- */

/** What a server joins machines with. `nonceSecret`: 32 random bytes, made at start; all replicas that share an address share it. */
export type JoinServer = { instance: Signer; nonceSecret: Uint8Array }

function nonceMac(server: JoinServer, stamp: Buffer): Buffer {
  return hmacSha256(server.nonceSecret, stamp).subarray(0, 16)
}

export function makeHello(server: JoinServer, request: JoinHelloRequest, nowMs: number): JoinHelloResponse {
  const stamp = Buffer.concat([Buffer.alloc(8), randomBytes(16)])
  stamp.writeBigUInt64BE(BigInt(nowMs))
  const serverNonce = Buffer.concat([stamp, nonceMac(server, stamp)]).toString('base64url')
  const signed = { clientNonce: request.clientNonce, serverNonce, serverKey: server.instance.publicKey, serverTimeMs: nowMs }
  return {
    version: 1,
    serverKey: signed.serverKey,
    serverNonce,
    serverTimeMs: nowMs,
    signature: server.instance.sign('thatdam-hello-v1', signed),
  }
}

/** `old` also covers one that another instance made: the joiner asks again. */
export function serverNonceAge(server: JoinServer, serverNonce: string, nowMs: number): 'fresh' | 'old' {
  const bytes = exactBytes(serverNonce, 40)
  if (bytes === null) return 'old'
  const stamp = bytes.subarray(0, 24)
  if (!timingSafeEqual(nonceMac(server, stamp), bytes.subarray(24))) return 'old'
  const ageMs = nowMs - Number(stamp.readBigUInt64BE(0))
  return ageMs >= -1000 && ageMs <= SERVER_NONCE_LIFE_MS ? 'fresh' : 'old'
}

/** `stranger`: gets UNAUTHENTICATED_BODY, the same bytes whatever was wrong. `refused`: proved the seed, so gets the reason. */
export type JoinDecision =
  | { kind: 'stranger'; detail: string }
  | { kind: 'refused'; token: StoredToken; error: ThatdamError }
  | { kind: 'redeem'; token: StoredToken }

const AGAIN = 'Make a new token with “Add machine” in the cloud app.'

/** The sentence for each reason why `redeemToken` does not take a proven token. */
const REFUSALS: Record<RedeemRefusal, (nodeId: string) => ThatdamError> = {
  used: () => new ThatdamError('TOKEN_USED', `This join token has already been used by another machine. ${AGAIN}`),
  expired: () => new ThatdamError('TOKEN_EXPIRED', `This join token has expired. ${AGAIN}`),
  revoked: () => new ThatdamError('TOKEN_REVOKED', `This join token was withdrawn by its owner. ${AGAIN}`),
  removed: (nodeId) =>
    new ThatdamError('NODE_REVOKED', `The machine ${nodeId} was removed by its owner after it had used this token. ${AGAIN}`),
  'node-id-taken': (nodeId) =>
    new ThatdamError('CONFLICT', `Another machine is already called ${nodeId}. Choose another NODE_ID for this one, then register again.`),
  'other-organisation': () =>
    new ThatdamError(
      'TOKEN_WRONG_RING',
      'This machine belongs to another organisation of this cloud app. Its owner removes it there on the page “Machines”; then run the same command again: the token is still good.',
    ),
  'other-ring': () =>
    new ThatdamError(
      'CONFLICT',
      'This machine is in a ring with other machines, and this organisation has another ring. Take the machine out of its ring first, on the page “Nodes” of that ring’s console; then run the same command again: the token is still good.',
    ),
  'no-ring': () =>
    new ThatdamError(
      'CONFLICT',
      'This machine was taken out of its ring, and this organisation has no ring yet that could take it in. Register another machine first; then run the same command again: the token is still good.',
    ),
  'ring-elsewhere': () =>
    new ThatdamError(
      'TOKEN_WRONG_RING',
      'The ring that this machine is in belongs to another organisation of this cloud app. Take the machine out of it first, on the page “Nodes” of that ring’s console; then run the same command again: the token is still good.',
    ),
}
export const joinRefusal = (kind: RedeemRefusal, nodeId: string): ThatdamError => REFUSALS[kind](nodeId)

/**
 * Judges a join request. Whether the token still has uses left is decided by `JoinStore.redeemToken`, atomically.
 * @param findToken looks a token up by its public key; called for strangers too, so that they cannot tell by the time it takes.
 */
export async function verifyJoinRequest(
  server: JoinServer,
  request: JoinRequest,
  context: { nowMs: number; findToken: (tokenKey: string) => Promise<StoredToken | null> },
): Promise<JoinDecision> {
  const { transcript } = request
  const proven = verifySignature('thatdam-join-seed-v1', transcript, request.seedSignature, transcript.tokenKey)
  const token = await context.findToken(transcript.tokenKey)
  if (token === null) return { kind: 'stranger', detail: 'unknown token key' }
  if (!proven) return { kind: 'stranger', detail: 'bad seed signature' }
  if (transcript.serverKey !== server.instance.publicKey) return { kind: 'stranger', detail: 'signed for another server' }
  const error = provenTokenError(server, request, token, context.nowMs)
  return error === null ? { kind: 'redeem', token } : { kind: 'refused', token, error }
}

function provenTokenError(server: JoinServer, request: JoinRequest, token: StoredToken, nowMs: number): ThatdamError | null {
  const { transcript, genesis } = request
  if (token.createdAtMs - nowMs > CLOCK_TOLERANCE_MS) {
    const minutes = Math.ceil((token.createdAtMs - nowMs) / 60_000)
    return new ThatdamError(
      'CLOCK_SKEW',
      `The server’s clock is ${minutes} min behind the time this token was made. Set the clocks, then register again with the same token.`,
    )
  }
  if (transcript.scope !== token.scope) {
    return new ThatdamError('TOKEN_WRONG_RING', `This join token was made for another ring or organisation. ${AGAIN}`)
  }
  if (serverNonceAge(server, transcript.serverNonce, nowMs) === 'old') {
    return new ThatdamError('CONFLICT', 'The join took longer than two minutes. Register again with the same token.')
  }
  if (
    exactBytes(transcript.nodeKey, 32) === null ||
    !verifySignature('thatdam-join-node-v1', transcript, request.nodeSignature, transcript.nodeKey)
  ) {
    return new ThatdamError(
      'BAD_REQUEST',
      'The machine could not prove its own key. Remove its identity.json only if you want a new identity.',
    )
  }
  if (!verifyGenesis(genesis, verifySignature) || recordHash(genesis.body) !== transcript.genesisHash) {
    return new ThatdamError(
      'BAD_REQUEST',
      'The ring’s first record is not valid. Its roster.jsonl may be damaged; restore it, then register again.',
    )
  }
  if (!token.scope.startsWith('new-') && genesis.body.clusterId !== token.scope) {
    return new ThatdamError('TOKEN_WRONG_RING', `This join token was made for another ring than this machine is in. ${AGAIN}`)
  }
  return null
}

/** The body of the 201. Equal requests give equal bytes. */
export function makeJoinResponse(
  server: JoinServer,
  request: JoinRequest,
  joined: { nodeId: string; organisation: Organisation; place: Place | null },
): JoinResponse {
  const { nodeKey, genesisHash } = request.transcript
  const signed = { nodeId: joined.nodeId, nodeKey, organisationId: joined.organisation.id, genesisHash }
  return {
    version: 1,
    nodeId: joined.nodeId,
    organisation: { id: joined.organisation.id, name: joined.organisation.name },
    signature: server.instance.sign('thatdam-join-answer-v1', signed),
    ...(joined.place === null ? {} : { ring: signPlace(server.instance, joined.place, signed) }),
  }
}
