import * as z from 'zod/mini'
import { NodeId, PublicKey, UnixMs } from './ids.ts'
import { ROSTER_RECORDS_MAX, RosterRecord } from './roster.ts'

/*
 * Who comes into the ring and who leaves it, as the console asks its agent. Each call is answered when the agent has done it, or with the
 * sentence why not: FORBIDDEN where this machine is no admitter, CONFLICT where the ring's state does not allow it now.
 */

/**
 * Letting a machine in by six digits, as one of the two machines sees it:
 *
 *   waiting ─▶ compare ── this side says yes ─▶ confirmed ── the other side too ─▶ done
 *       └──────────┴── either says no, or a key did not fit ─▶ refused      (three minutes without both: expired)
 */
export const AdoptionState = z.enum(['waiting', 'compare', 'confirmed', 'done', 'refused', 'expired'])
export type AdoptionState = z.infer<typeof AdoptionState>
export const AdoptionId = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, 'not the id of an adoption'))

export const Adoption = z.object({
  id: AdoptionId,
  /** Of the machine on the other side. */
  nodeId: NodeId,
  publicKey: PublicKey,
  /** `in`: a machine comes into this ring. `out`: this machine, which nobody owns, goes into another ring. */
  direction: z.enum(['in', 'out']),
  /** Six digits, the same on both sides; null until both have shown their keys. */
  code: z.nullable(z.string().check(z.regex(/^\d{6}$/, 'a code is six digits'))),
  state: AdoptionState,
  /** Tries that this machine still gives the other one now. */
  attemptsLeft: z.number().check(z.int(), z.nonnegative()),
  expiresAtMs: UnixMs,
  /** One sentence for the person; empty when there is nothing to say. */
  reason: z.string().check(z.maxLength(500)),
})
export type Adoption = z.infer<typeof Adoption>
/** In LocalState: those under way, and those that ended within the last minutes. */
export const ADOPTIONS_MAX = 16

/** POST /local/adoptions → 201 Adoption. Asking again for the same machine gives the one that is under way. */
export const NewAdoptionRequest = z.object({ publicKey: PublicKey })
export type NewAdoptionRequest = z.infer<typeof NewAdoptionRequest>
/* POST /local/adoptions/<id>/confirm and …/cancel → Adoption. Twice is harmless. */

export const JOIN_TOKEN_MACHINES_MAX = 100
export const JOIN_TOKEN_MINUTES_MAX = 7 * 24 * 60

/** POST /local/join-tokens: a token of this ring, redeemed by this machine alone. */
export const NewJoinTokenRequest = z.object({
  machines: z.number().check(z.int(), z.minimum(1), z.maximum(JOIN_TOKEN_MACHINES_MAX)),
  lifeMinutes: z.number().check(z.int(), z.minimum(1), z.maximum(JOIN_TOKEN_MINUTES_MAX)),
})
export type NewJoinTokenRequest = z.infer<typeof NewJoinTokenRequest>

/** A token that may still be used. Its text is nowhere: the ring keeps the public half. */
export const JoinTokenInfo = z.object({
  id: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, 'not the id of a token')),
  machines: z.number().check(z.int(), z.positive()),
  /** Machines that came with it so far. */
  used: z.number().check(z.int(), z.nonnegative()),
  madeAtMs: UnixMs,
  expiresAtMs: UnixMs,
})
export type JoinTokenInfo = z.infer<typeof JoinTokenInfo>

export const NewJoinToken = z.object({
  id: JoinTokenInfo.shape.id,
  /** `td1.…`: told this once. */
  text: z.string().check(z.maxLength(256)),
  expiresAtMs: UnixMs,
  /** Origin that serves install.sh and install.ps1, as the other machine reaches it; null: nobody does, the agent has to be there already. */
  installUrl: z.nullable(z.string().check(z.maxLength(256))),
})
export type NewJoinToken = z.infer<typeof NewJoinToken>

/** GET /local/join-tokens. DELETE /local/join-tokens/<id> revokes. */
export const JoinTokenList = z.object({ tokens: z.array(JoinTokenInfo).check(z.maxLength(256)) })
export type JoinTokenList = z.infer<typeof JoinTokenList>

/* POST /local/members/<nodeId>/remove → 204. The machine itself: it leaves. */

/** POST /local/recovery-key: made, its public half put into the roster, told this once. CONFLICT when there is one already. */
export const NewRecoveryKey = z.object({ words: z.string().check(z.maxLength(512)) })
export type NewRecoveryKey = z.infer<typeof NewRecoveryKey>

/**
 * POST /local/recovery-key/use: the printed key, as somebody typed it. A ring that has none takes it as its own; in the ring whose key it is, this
 * machine can say again whose ring this is. BAD_REQUEST for a slip of the pen, CONFLICT when the ring has another one. Kept nowhere.
 */
export const UseRecoveryKeyRequest = z.object({ words: z.string().check(z.maxLength(512)) })
export type UseRecoveryKeyRequest = z.infer<typeof UseRecoveryKeyRequest>
/** `named`: it is the ring’s recovery key from now on; `known`: it was already. */
export const UsedRecoveryKey = z.object({ outcome: z.enum(['named', 'known']) })
export type UsedRecoveryKey = z.infer<typeof UsedRecoveryKey>

/* POST /local/rings/<fingerprint>/go-over → 204: the owner agrees that this ring goes over to that one, which only the cloud says is theirs. */

/**
 * POST /local/ring → 204: roster records that take this machine into a ring, from `thatdam register`, which redeemed a token beside the running
 * agent. CONFLICT where this machine is in a ring with others.
 */
export const EnterRingRequest = z.object({ records: z.array(RosterRecord).check(z.minLength(2), z.maxLength(ROSTER_RECORDS_MAX)) })
export type EnterRingRequest = z.infer<typeof EnterRingRequest>

/** POST /local/tickets: takes a browser's session along to another machine of the ring, once. */
export const RoamTicketRequest = z.object({ sessionId: z.string().check(z.maxLength(64)) })
export type RoamTicketRequest = z.infer<typeof RoamTicketRequest>
export const RoamTicket = z.object({ ticket: z.string().check(z.regex(/^[A-Za-z0-9._-]{1,2048}$/, 'not a ticket')), expiresAtMs: UnixMs })
export type RoamTicket = z.infer<typeof RoamTicket>

/** POST /local/rekey → 202: a new key for this machine, on its disk; the agent starts again with it. */
export const NewKey = z.object({ publicKey: PublicKey })
export type NewKey = z.infer<typeof NewKey>
