import { canonicalJson, type Json } from '@thatdam/protocol/canonical'
import { AccessClaims, HandoffClaims, type RenewRequest } from '@thatdam/protocol/join'
import { type Signer, verifySignature } from './keys.ts'

/** Life of a hand-off from the cloud's page to a node's console. */
export const HANDOFF_LIFE_MS = 60_000
const TOKEN_LENGTH_MAX = 2048

/* A compact token: base64url(canonical JSON of the claims) "." signature over domain and claims. */
function issue(domain: 'thatdam-access-v1' | 'thatdam-handoff-v1', claims: Json, signer: Signer): string {
  return `${Buffer.from(canonicalJson(claims)).toString('base64url')}.${signer.sign(domain, claims)}`
}

function open(domain: 'thatdam-access-v1' | 'thatdam-handoff-v1', token: string, publicKey: string): Json | null {
  if (token.length > TOKEN_LENGTH_MAX) return null
  const [payload = '', signature = '', ...rest] = token.split('.')
  if (rest.length > 0) return null
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Json
    return verifySignature(domain, claims, signature, publicKey) ? claims : null
  } catch {
    return null
  }
}

export function issueAccessToken(claims: AccessClaims, instance: Signer): string {
  return issue('thatdam-access-v1', claims, instance)
}

/** Null for anything that is not a living token of this instance. Whether the node still may come is asked of the store. */
export function verifyAccessToken(token: string, instanceKey: string, nowMs: number): AccessClaims | null {
  const claims = AccessClaims.safeParse(open('thatdam-access-v1', token, instanceKey))
  return claims.success && nowMs < claims.data.expiresAtMs ? claims.data : null
}

/** Claims must expire within HANDOFF_LIFE_MS of now. */
export function issueHandoffToken(claims: HandoffClaims, instance: Signer): string {
  return issue('thatdam-handoff-v1', claims, instance)
}

/**
 * At the node. Null unless the token is signed by the pinned instance key, made for this very node and key, and not over
 * (nor dated further ahead than its life allows). The caller remembers `handoffId` until `expiresAtMs`, so that it works once.
 */
export function verifyHandoffToken(
  token: string,
  expected: { instanceKey: string; nodeId: string; nodeKey: string; nowMs: number },
): HandoffClaims | null {
  const parsed = HandoffClaims.safeParse(open('thatdam-handoff-v1', token, expected.instanceKey))
  if (!parsed.success) return null
  const claims = parsed.data
  const forThisNode = claims.nodeId === expected.nodeId && claims.nodeKey === expected.nodeKey
  const alive = expected.nowMs < claims.expiresAtMs && claims.expiresAtMs <= expected.nowMs + 2 * HANDOFF_LIFE_MS
  return forThisNode && alive ? claims : null
}

/**
 * The body of POST /agent/v1/token. `sentAtMs` is the server's time as the node knows it: after a CLOCK_SKEW answer, ask once more with the
 * time of that answer's Date header, so that a machine without a battery clock comes back too.
 */
export function buildRenewRequest(node: Signer, fields: Omit<RenewRequest, 'version' | 'nodeKey' | 'signature'>): RenewRequest {
  const signed = { version: 1 as const, nodeKey: node.publicKey, ...fields }
  return { ...signed, signature: node.sign('thatdam-renew-v1', signed) }
}

/** True when the request was made by the key it names, for this server. */
export function verifyRenewRequest(request: RenewRequest, instanceKey: string): boolean {
  const { signature, ...signed } = request
  return request.serverKey === instanceKey && verifySignature('thatdam-renew-v1', signed, signature, request.nodeKey)
}
