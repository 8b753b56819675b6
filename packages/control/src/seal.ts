import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'
import type { SealedBox } from '@thatdam/protocol/ops'
import { exactBytes, randomBytes } from './keys.ts'

/*
 * Secrets of the ring (the hash of the owner's password, a camera's password) lie in op-logs that every member carries, sealed to those that
 * need them: X25519 with a key made for this once → HKDF-SHA-256 → AES-256-GCM.
 *
 *     box = ephemeral public key (32) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
 */

/* DER prefixes of RFC 8410 in front of the raw 32 bytes. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex')
const [KEY_BYTES, NONCE_BYTES, TAG_BYTES] = [32, 12, 16]
/** Longer secrets do not fit an op. */
const SECRET_BYTES_MAX = 4096

/** A node's own key for what is sealed to it. It is made from the node's seed, so there is nothing more to keep or to lose. */
export type SealKey = { /** Raw X25519 key, base64url, 43 characters. */ readonly publicKey: string; readonly privateKey: KeyObject }

/**
 * @param seed the node's Ed25519 seed: 32 raw bytes, or their base64url. The two keys cannot be told from each other's.
 * @throws TypeError when it is not 32 bytes.
 */
export function sealKeyFromSeed(seed: Uint8Array | string): SealKey {
  const bytes = typeof seed === 'string' ? exactBytes(seed, KEY_BYTES) : Buffer.from(seed)
  if (bytes?.length !== KEY_BYTES) throw new TypeError('A node’s seed is 32 bytes.')
  const secret = Buffer.from(hkdfSync('sha256', bytes, '', 'thatdam-seal-key-v1', KEY_BYTES))
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: 'der', type: 'pkcs8' })
  return { publicKey: rawKey(createPublicKey(privateKey)), privateKey }
}

/**
 * @param purpose what the secret is and where it belongs (`owner-password <clusterId>`): opening it asks for the same, so that a box moved to
 * another place opens nothing.
 * @throws TypeError for a key that is none, or a secret over 4096 bytes.
 */
export function sealFor(publicKeys: readonly string[], secret: string | Uint8Array, purpose: string): SealedBox[] {
  const plain = Buffer.from(secret)
  if (plain.length > SECRET_BYTES_MAX) throw new TypeError(`A sealed secret is at most ${SECRET_BYTES_MAX} bytes.`)
  return [...new Set(publicKeys)].map((publicKey) => {
    const ephemeral = generateKeyPairSync('x25519')
    const ephemeralKey = rawKey(ephemeral.publicKey)
    const nonce = randomBytes(NONCE_BYTES)
    const key = sharedKey(ephemeral.privateKey, publicKey, { ephemeralKey, recipientKey: publicKey })
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated(purpose))
    const parts = [Buffer.from(ephemeralKey, 'base64url'), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
    return { publicKey, box: Buffer.concat(parts).toString('base64url') }
  })
}

/** The secret, or null when none of the boxes is for this key, or it was altered, or sealed for another purpose. It never throws on input. */
export function openSealed(boxes: readonly SealedBox[], sealKey: SealKey, purpose: string): Buffer | null {
  for (const { publicKey, box } of boxes) {
    if (publicKey !== sealKey.publicKey) continue
    const secret = openBox(Buffer.from(box, 'base64url'), sealKey, purpose)
    if (secret !== null) return secret
  }
  return null
}

function openBox(bytes: Buffer, { publicKey, privateKey }: SealKey, purpose: string): Buffer | null {
  if (bytes.length < KEY_BYTES + NONCE_BYTES + TAG_BYTES) return null
  const ephemeralKey = bytes.subarray(0, KEY_BYTES).toString('base64url')
  const nonce = bytes.subarray(KEY_BYTES, KEY_BYTES + NONCE_BYTES)
  try {
    const key = sharedKey(privateKey, ephemeralKey, { ephemeralKey, recipientKey: publicKey })
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(associated(purpose))
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(KEY_BYTES + NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return null
  }
}

/** Both public keys go into the derivation, so that a box belongs to its recipient alone (RFC 9180 §4.1 does the same). */
function sharedKey(privateKey: KeyObject, theirs: string, salt: { ephemeralKey: string; recipientKey: string }): Buffer {
  // Throws for the few points that would give everybody the same secret.
  const shared = diffieHellman({ privateKey, publicKey: keyObject(theirs) })
  return Buffer.from(hkdfSync('sha256', shared, `${salt.ephemeralKey}${salt.recipientKey}`, 'thatdam-seal-v1', KEY_BYTES))
}

const associated = (purpose: string): Buffer => Buffer.from(`thatdam-seal-v1\n${purpose}`)

function keyObject(publicKey: string): KeyObject {
  const bytes = exactBytes(publicKey, KEY_BYTES)
  if (bytes === null) throw new TypeError('A public key is 43 base64url characters.')
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' })
}

const rawKey = (key: KeyObject): string => key.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length).toString('base64url')
