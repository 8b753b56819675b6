import { randomBytes } from 'node:crypto'
import * as z from 'zod/mini'
import { verifySignature } from '@thatdam/control/keys'
import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import { ThatdamError } from '@thatdam/protocol/errors'
import { Sha256Hex, NodeId, UnixMs } from '@thatdam/protocol/ids'
import type { Session } from '@thatdam/protocol/local'
import type { RoamTicket } from '@thatdam/protocol/ring-door'
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
  expiresAtMs: UnixMs,
})
type Claims = z.infer<typeof Claims>

export interface RoamPorts {
  readonly identity: Identity
  readonly store: () => RosterStore
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

  issue(session: Pick<Session, 'displayName'> & { readonly kind: 'password' | 'handoff' }): RoamTicket {
    const { identity, store, nowMs } = this.ports
    const expiresAtMs = nowMs() + LIFE_MS
    const claims: Claims = {
      ticketId: randomBytes(16).toString('hex'),
      fingerprint: store().fingerprint,
      issuer: identity.nodeId,
      kind: session.kind,
      displayName: session.displayName,
      expiresAtMs,
    }
    const payload = Buffer.from(canonicalJson(claims)).toString('base64url')
    return { ticket: `${payload}.${identity.key.sign('thatdam-roam-v1', claims)}`, expiresAtMs }
  }

  /** @throws ThatdamError FORBIDDEN: used, over, of another ring, or signed by a machine that may not vouch for the owner. */
  redeem(ticket: string): Pick<Claims, 'kind' | 'displayName'> {
    const { store, nowMs, use } = this.ports
    const claims = this.read(ticket)
    const leftMs = (claims?.expiresAtMs ?? 0) - nowMs()
    const isInTime = leftMs > -CLOCK_TOLERANCE_MS && leftMs < LIFE_MS + CLOCK_TOLERANCE_MS
    if (claims === null || claims.fingerprint !== store().fingerprint || !isInTime || !use(claims.ticketId, claims.expiresAtMs)) {
      throw new ThatdamError('FORBIDDEN', 'This page’s way over from the other machine is used up or too old. Sign in here.')
    }
    return { kind: claims.kind, displayName: claims.displayName }
  }

  private read(ticket: string): Claims | null {
    const [payload = '', signature = ''] = ticket.split('.')
    try {
      const value = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Json
      const claims = Claims.safeParse(value)
      const issuer = claims.success ? this.ports.store().member(claims.data.issuer) : null
      if (!claims.success || issuer?.admitter !== true) return null
      return issuer.keys.some((key) => verifySignature('thatdam-roam-v1', value, signature, key)) ? claims.data : null
    } catch {
      return null
    }
  }
}
