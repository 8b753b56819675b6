import * as z from 'zod/mini'
import { NodeId, Sha256Hex, UnixMs } from './ids.ts'
import { Term } from './plan.ts'
import { REKEYS_MAX, RosterRecord } from './roster.ts'

/*
 * What members of a ring say to each other in small: the messages of membership, election and ring time (packages/plan), as datagrams on UDP
 * 7700 or, when they are larger or UDP does not get through, as POST /v1/messages of the node API.
 */

const Whole = z.number().check(z.int(), z.nonnegative())
const Milliseconds = z.number().check(z.nonnegative())

/** A datagram as a whole: it fits one Ethernet frame with room for a tunnel. */
export const LINK_DATAGRAM_BYTES_MAX = 1_200
/** Members told of in one message; a ring of the largest size syncs in one. */
export const RUMOURS_MAX = 2_048
/** Candidates that a leader tells of because they came home a short while ago. */
export const RETURNING_MAX = 8
const Returning = z.readonly(z.array(z.object({ nodeId: NodeId, awakeMs: Milliseconds })).check(z.maxLength(RETURNING_MAX)))
/** Left out by a version that tells nothing of them. */
const ReturningToo = z._default(Returning, []) // oxlint-disable-line eslint/no-underscore-dangle -- zod/mini's own name

const Rumour = z.object({
  nodeId: NodeId,
  incarnation: Whole,
  liveness: z.enum(['alive', 'suspect', 'away']),
  by: z.optional(NodeId),
})
const envelope = { incarnation: Whole, rumours: z.readonly(z.array(Rumour).check(z.maxLength(RUMOURS_MAX))) }

export const MembershipWord = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ping'), sequence: Whole, ...envelope }),
  z.object({ kind: z.literal('ack'), sequence: Whole, ...envelope }),
  z.object({ kind: z.literal('ping-request'), sequence: Whole, target: NodeId, ...envelope }),
  z.object({ kind: z.literal('nack'), sequence: Whole, ...envelope }),
  z.object({ kind: z.literal('sync'), wantsReply: z.boolean(), ...envelope }),
])

const LeadershipSeen = z.object({
  highest: z.nullable(Term),
  leader: z.nullable(z.object({ term: Term, ageMs: Milliseconds, uptimeMs: Milliseconds })),
})
export const ElectionWord = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('heartbeat'), term: Term, uptimeMs: Milliseconds, returning: ReturningToo }),
  z.object({ kind: z.literal('ask') }),
  z.object({ kind: z.literal('seen'), seen: LeadershipSeen, returning: ReturningToo }),
  z.object({
    kind: z.literal('handover'),
    term: Term,
    resigning: z.boolean(),
    uptimeMs: Milliseconds,
    holdDownMs: Milliseconds,
    returning: ReturningToo,
  }),
])

export const ClockWord = z.object({
  wallMs: UnixMs,
  isSynchronised: z.boolean(),
  heard: z.readonly(
    z.array(z.object({ nodeId: NodeId, aheadMs: z.number(), isSynchronised: z.boolean(), ageMs: Milliseconds })).check(z.maxLength(64)),
  ),
})

export const NodeMessage = z.discriminatedUnion('of', [
  z.object({ of: z.literal('membership'), word: MembershipWord }),
  z.object({ of: z.literal('election'), word: ElectionWord }),
  z.object({ of: z.literal('clock'), word: ClockWord }),
])
export type NodeMessage = z.infer<typeof NodeMessage>

/** One run of a node's agent: 16 random hex digits, drawn at its start. */
export const LinkSession = z.string().check(z.regex(/^[0-9a-f]{16}$/, 'a session is 16 hex digits'))
/** First 16 hex digits of SHA-256 over the sorted hashes of the roster records that the sender holds. */
export const RosterDigest = z.string().check(z.regex(/^[0-9a-f]{16}$/, 'a roster digest is 16 hex digits'))

/**
 * Signed by the sender's node key over `thatdam-datagram-v1`. It counts only when `to` is the receiver's present session and `count` was not
 * seen before from the sender's `session`: what somebody recorded can then not be said again. `to` null asks for the receiver's session.
 */
export const LinkBody = z.object({
  /** First 16 hex digits of the ring's fingerprint. */
  ring: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  from: NodeId,
  session: LinkSession,
  to: z.nullable(LinkSession),
  count: Whole,
  roster: RosterDigest,
  message: z.nullable(NodeMessage),
})
export type LinkBody = z.infer<typeof LinkBody>

/** POST /v1/messages: what did not fit a datagram, or did not get through as one. */
export const MessagesRequest = z.object({ roster: RosterDigest, messages: z.array(NodeMessage).check(z.maxLength(64)) })
export type MessagesRequest = z.infer<typeof MessagesRequest>

export const KEY_RECORDS_MAX = 2 * REKEYS_MAX
/** POST /v1/key: a machine that replaced its key shows one that has not heard of it by which records, over a connection of the new key. */
export const KeyIntroduction = z.object({
  fingerprint: Sha256Hex,
  nodeId: NodeId,
  /** Its `rekey` and `key-use` records. */
  records: z.array(RosterRecord).check(z.maxLength(KEY_RECORDS_MAX)),
})
export type KeyIntroduction = z.infer<typeof KeyIntroduction>
