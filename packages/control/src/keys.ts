import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign as signBytes,
  timingSafeEqual,
  verify as verifyBytes,
} from 'node:crypto'
import type { Json } from '@thatdam/protocol/canonical'
import { type SigningDomain, signingText } from '@thatdam/protocol/signed'

export { randomBytes, timingSafeEqual }

/** SHA-256 over the parts, one after the other; text counts as its UTF-8 bytes. */
export function sha256(...parts: (string | Uint8Array)[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export function hmacSha256(secret: Uint8Array, data: string | Uint8Array): Buffer {
  return createHmac('sha256', secret).update(data).digest()
}

/** Anything that can sign as one Ed25519 key: a node, the cloud's instance, a token's seed. */
export type Signer = {
  /** Raw 32 bytes, base64url (43 characters). */
  readonly publicKey: string
  /** @returns the signature over `signingText(domain, value)`, base64url (86 characters). */
  sign(domain: SigningDomain, value: Json): string
}

/** A key pair that can be written down. `seed` is the secret: 32 bytes, base64url; it goes into a file of mode 0600 and nowhere else. */
export type KeyPair = Signer & { readonly seed: string; readonly privateKey: KeyObject }

/* DER prefixes of RFC 8410 in front of the raw 32 bytes: quicker than a JWK, and the raw form is what travels. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** Bytes of base64url text that has exactly this many, in its one canonical spelling; else null (two spellings would be two identities). */
export function exactBytes(text: string, length: number): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.length === length && bytes.toString('base64url') === text ? bytes : null
}

export function generateKey(): KeyPair {
  return keyFromSeed(randomBytes(32))
}

/**
 * @param seed 32 raw bytes, or their base64url.
 * @throws TypeError when it is not 32 bytes.
 */
export function keyFromSeed(seed: Uint8Array | string): KeyPair {
  const bytes = typeof seed === 'string' ? exactBytes(seed, 32) : Buffer.from(seed)
  if (bytes?.length !== 32) throw new TypeError('An Ed25519 seed is 32 bytes.')
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, bytes]), format: 'der', type: 'pkcs8' })
  const publicKey = rawPublicKey(createPublicKey(privateKey))
  return {
    publicKey,
    privateKey,
    seed: bytes.toString('base64url'),
    sign: (domain, value) => signBytes(null, Buffer.from(signingText(domain, value)), privateKey).toString('base64url'),
  }
}

/** Raw base64url (43 characters) of an Ed25519 public KeyObject, as in a peer's certificate. @throws TypeError for another kind of key. */
export function rawPublicKey(key: KeyObject): string {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`Expected an Ed25519 key, got ${key.asymmetricKeyType ?? key.type}.`)
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length).toString('base64url')
}

/** Making a key costs as much as verifying with it: those of a ring are few, and come again with each message. */
const KEYS_KEPT = 256
const keptKeys = new Map<string, KeyObject>()

/** @throws TypeError when the text is not 32 bytes in canonical base64url. */
export function publicKeyObject(publicKey: string): KeyObject {
  const kept = keptKeys.get(publicKey)
  if (kept !== undefined) return kept
  const made = makePublicKey(publicKey)
  if (keptKeys.size >= KEYS_KEPT) for (const oldest of keptKeys.keys()) if (keptKeys.delete(oldest)) break
  keptKeys.set(publicKey, made)
  return made
}

function makePublicKey(publicKey: string): KeyObject {
  const bytes = exactBytes(publicKey, 32)
  if (bytes === null) throw new TypeError('A public key is 43 base64url characters.')
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' })
}

/** False for a wrong signature and for anything malformed; it never throws on input from outside. */
export function verifySignature(domain: SigningDomain, value: Json, signature: string, publicKey: string): boolean {
  const signatureBytes = exactBytes(signature, 64)
  if (signatureBytes === null) return false
  try {
    return verifyBytes(null, Buffer.from(signingText(domain, value)), publicKeyObject(publicKey), signatureBytes)
  } catch {
    return false
  }
}
/** The shape that pure code takes verification in. */
export type Verify = typeof verifySignature

/** First 32 hex digits of SHA-256 over the raw key: what a token pins. @throws TypeError when it is no public key. */
export function fingerprint(publicKey: string): string {
  const bytes = exactBytes(publicKey, 32)
  if (bytes === null) throw new TypeError('A public key is 43 base64url characters.')
  return sha256(bytes).toString('hex').slice(0, 32)
}
