import { ThatdamError } from '@thatdam/protocol/errors'
import { TOKEN_PATTERN } from '@thatdam/protocol/join'
import { type KeyPair, exactBytes, keyFromSeed, randomBytes, sha256 } from './keys.ts'

/** A token in the joiner's hands. `signer` holds the secret seed; it never crosses the wire. */
export type JoinToken = { scope: string; fingerprint: string; signer: KeyPair }

/** Scope of a token for a ring that does not exist yet. */
export const newRingScope = (organisationId: string): string => `new-${organisationId}`

const NEW_ONE = 'Make a new one with “Add machine” and copy the whole command.'

function checksum(scope: string, fingerprint: string, seed: Uint8Array): Buffer {
  return sha256('thatdam-token-v1', scope, fingerprint, seed).subarray(0, 4)
}

/**
 * Makes a join token. Show `text` once and store only `tokenKey`.
 * @param pin fingerprint the joiner shall see: of the cloud's instance key, or of a ring's genesis record.
 */
export function makeToken(scope: string, pin: string, seed: Uint8Array = randomBytes(32)): { text: string; tokenKey: string } {
  const secret = Buffer.concat([seed, checksum(scope, pin, seed)]).toString('base64url')
  const text = `td1.${scope}.${pin}.${secret}`
  if (!TOKEN_PATTERN.test(text)) throw new TypeError(`not a token scope and fingerprint: ${scope} ${pin}`)
  return { text, tokenKey: keyFromSeed(seed).publicKey }
}

/**
 * Reads a token as a person pasted it (spaces around it and quotes are forgiven). The secret is never part of a message.
 * @throws ThatdamError BAD_REQUEST that says whether it is incomplete, mistyped or something else altogether.
 */
export function parseToken(pasted: string): JoinToken {
  const text = pasted.trim().replace(/^(["'])(.*)\1$/s, '$2')
  if (text === '') throw new ThatdamError('BAD_REQUEST', `No join token was given. ${NEW_ONE}`)
  if (!text.startsWith('td1.')) {
    throw new ThatdamError('BAD_REQUEST', `This is not a ThatDAM join token: those begin with “td1.”. ${NEW_ONE}`)
  }
  const match = TOKEN_PATTERN.exec(text)
  if (match === null) {
    const [, scope = '', pin = '', secret = ''] = text.split('.')
    const incomplete = /^[A-Za-z0-9-]{0,80}$/.test(scope) && /^[0-9a-f]{0,32}$/.test(pin) && /^[A-Za-z0-9_-]{0,47}$/.test(secret)
    if (incomplete && text.split('.').length <= 4) {
      throw new ThatdamError('BAD_REQUEST', `The join token is incomplete: its end is missing. ${NEW_ONE}`)
    }
    throw new ThatdamError('BAD_REQUEST', `The join token is mistyped. ${NEW_ONE}`)
  }
  const [, scope = '', pin = '', secret = ''] = match
  const bytes = exactBytes(secret, 36)
  const seed = bytes?.subarray(0, 32)
  if (bytes === null || seed === undefined || !checksum(scope, pin, seed).equals(bytes.subarray(32))) {
    throw new ThatdamError('BAD_REQUEST', `The join token is mistyped: its check digits do not fit. ${NEW_ONE}`)
  }
  return { scope, fingerprint: pin, signer: keyFromSeed(seed) }
}
