import { randomBytes } from 'node:crypto'
import * as z from 'zod/mini'
import { verifySignature } from '@thatdam/control/keys'
import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { Sha256Hex, NodeId, UnixMs } from '@thatdam/protocol/ids'
import { OpId } from '@thatdam/protocol/ops'
import type { RoamTicket } from '@thatdam/protocol/ring-door'
import type { KnownSession } from '../gateway/session-store.ts'
import type { RingState } from '../ring/ring-state.ts'
import type { RosterStore } from '../ring/roster-store.ts'
import type { Identity } from '../state/identity.ts'

/** A page fetches a new one long before: this one has to outlast a machine that falls silent. */
const LIFE_MS = 600_000
/** Clocks of two machines of a ring may differ, the more so without a time server. */
const CLOCK_TOLERANCE_MS = 120_000

const Claims = z.object({
  ticketId: z.string().check(z.maxLength(64)),
  /** Only in this ring. */
  fingerprint: Sha256Hex,
  issuer: NodeId,
  kind: z.enum(['password', 'handoff']),
  displayName: z.string().check(z.maxLength(200)),
  /** The session that it takes along, by the hash of its cookie: with its end the ticket is over. */
  cookieHash: Sha256Hex,
  /** The newest end of all sessions that the issuer knew; null: it knew none. As of a session, one that has not seen the newest is over. */
  seenEnd: z.nullable(OpId),
  expiresAtMs: UnixMs,
})
type Claims = z.infer<typeof Claims>

export interface RoamPorts {
  readonly identity: Identity
  readonly store: () => RosterStore
  /** Which sessions the ring knows to have ended. */
  readonly state: Pick<RingState, 'session' | 'endOfAllSessions'>
  readonly nowMs: () => number
  /** True the first time for an id. */
  readonly use: (ticketId: string, expiresAtMs: number) => boolean
}

/**
 * Takes a browser's session from a machine that falls silent to the next leader, where its cookie is not known: another host name, another cookie.
 * Signed by the machine that had the session, good at any machine of the ring that carries the console, once.
 */
export class RoamTickets {
  private readonly ports: RoamPorts

  constructor(ports: RoamPorts) {
    this.ports = ports
  }

  issue(session: KnownSession): RoamTicket {
    const { identity, store, state, nowMs } = this.ports
    const expiresAtMs = nowMs() + LIFE_MS
    const claims: Claims = {
      ticketId: randomBytes(16).toString('hex'),
      fingerprint: store().fingerprint,
      issuer: identity.nodeId,
      kind: session.kind,
      displayName: session.displayName,
      cookieHash: session.cookieHash,
      seenEnd: state.endOfAllSessions,
      expiresAtMs,
    }
    const payload = Buffer.from(canonicalJson(claims)).toString('base64url')
    return { ticket: `${payload}.${identity.key.sign('thatdam-roam-v1', claims)}`, expiresAtMs }
  }

  /**
   * @throws ThatdamError FORBIDDEN: used, over, of another ring, signed by a machine that may not vouch for the owner, or of a session that ended
   * as far as this machine heard.
   */
  redeem(ticket: string): Pick<Claims, 'kind' | 'displayName'> {
    const { store, nowMs, use } = this.ports
    const claims = this.read(ticket)
    const leftMs = (claims?.expiresAtMs ?? 0) - nowMs()
    const isInTime = leftMs > -CLOCK_TOLERANCE_MS && leftMs < LIFE_MS + CLOCK_TOLERANCE_MS
    const isGood = claims !== null && claims.fingerprint === store().fingerprint && isInTime && !this.hasEnded(claims)
    if (!isGood || !use(claims.ticketId, claims.expiresAtMs)) {
      throw new ThatdamError(
        'FORBIDDEN',
        'This page’s way over from the other machine is used up or too old, or its session there has ended. Sign in here.',
      )
    }
    return { kind: claims.kind, displayName: claims.displayName }
  }

  /** One that is unknown here has not: the other machine may have fallen silent before it could tell of it. */
  private hasEnded({ cookieHash, seenEnd }: Claims): boolean {
    const { state } = this.ports
    return seenEnd !== state.endOfAllSessions || state.session(cookieHash) === 'ended'
  }

  private read(ticket: string): Claims | null {
    const [payload = '', signature = ''] = ticket.split('.')
    try {
      const value = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Json
      const claims = Claims.safeParse(value)
      // An older agent's ticket does not say whose end is its own; those live ten minutes.
      const issuer = claims.success ? this.ports.store().member(claims.data.issuer) : null
      if (!claims.success || issuer?.admitter !== true) return null
      return issuer.keys.some((key) => verifySignature('thatdam-roam-v1', value, signature, key)) ? claims.data : null
    } catch {
      return null
    }
  }
}
