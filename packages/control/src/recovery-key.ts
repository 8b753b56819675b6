import { ThatdamError } from '@thatdam/protocol/errors'
import { type KeyPair, keyFromSeed, randomBytes, sha256 } from './keys.ts'

/*
 * The owner's recovery key on paper: 32 bytes of seed and 3 of checksum in Crockford's base32 (no I, L, O, U: nothing to confuse), 14 groups of
 * four. The checksum is over the seed, so that a slip of the pen is found before anything is signed.
 */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CHECK_BYTES = 3
/** 35 bytes are exactly 56 digits. */
const LENGTH = 56

/** Made once: show `text` to the owner, keep `key.publicKey`, and forget the rest. */
export function makeRecoveryKey(seed: Uint8Array = randomBytes(32)): { text: string; key: KeyPair } {
  const bytes = Buffer.concat([seed, checkOf(seed)])
  const bits = BigInt(`0x${bytes.toString('hex')}`)
  const digits = Array.from({ length: LENGTH }, (_, place) => DIGITS[Number((bits >> BigInt(5 * (LENGTH - 1 - place))) & 31n)])
  return { text: digits.join('').replace(/.{4}(?=.)/g, '$&-'), key: keyFromSeed(seed) }
}

/**
 * Reads what the owner typed from the sheet: small letters, spaces and the letters that look like digits are forgiven.
 * @throws ThatdamError BAD_REQUEST that says which group to look at where that can be told; never the key itself.
 */
export function readRecoveryKey(typed: string): KeyPair {
  const text = typed
    .toUpperCase()
    .replaceAll(/[\s\-\u2013\u2014]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1')
  const odd = Array.from(text).findIndex((char) => !DIGITS.includes(char))
  if (odd >= 0) throw wrong(`Group ${Math.floor(odd / 4) + 1} of the recovery key holds a sign that is never in it.`)
  if (text.length !== LENGTH) throw wrong(`The recovery key has 14 groups of four; this is ${text.length} signs instead of ${LENGTH}.`)
  const bits = Array.from(text).reduce((sum, char) => sum * 32n + BigInt(DIGITS.indexOf(char)), 0n)
  const bytes = Buffer.from(bits.toString(16).padStart(2 * (32 + CHECK_BYTES), '0'), 'hex')
  const seed = bytes.subarray(0, 32)
  if (!checkOf(seed).equals(bytes.subarray(32))) throw wrong('The recovery key is mistyped: its check signs do not fit.')
  return keyFromSeed(seed)
}

const checkOf = (seed: Uint8Array): Buffer => sha256('thatdam-recovery-v1', seed).subarray(0, CHECK_BYTES)
const wrong = (what: string): ThatdamError => new ThatdamError('BAD_REQUEST', `${what} Compare it with the printed sheet.`)
