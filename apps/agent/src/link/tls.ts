import { constants } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { rawPublicKey } from '@thatdam/control/keys'

/**
 * For both sides. The handshake proves that the peer has the key of its certificate, and nothing else is asked of it: who may do what is decided
 * by the roster at each request. Resumed sessions would skip that proof, so there are none.
 */
export const TLS_OPTIONS = {
  minVersion: 'TLSv1.3',
  rejectUnauthorized: false,
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const

/** The peer's raw Ed25519 key, base64url; null when it showed no certificate, another kind of key, or resumed a session. */
export function peerKeyOf(socket: TLSSocket): string | null {
  if (socket.isSessionReused()) return null
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return null
  try {
    return rawPublicKey(certificate.publicKey)
  } catch {
    return null
  }
}
