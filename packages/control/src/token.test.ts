import { ThatdamError } from '@thatdam/protocol/errors'
import { PublicKey, Signature } from '@thatdam/protocol/ids'
import { TOKEN_PATTERN } from '@thatdam/protocol/join'
import { describe, expect, test } from 'vitest'
import { fingerprint, generateKey, keyFromSeed, publicKeyObject, rawPublicKey, verifySignature } from './keys.ts'
import { makeToken, parseToken } from './token.ts'

/** The same bytes in another base64url spelling. */
const respell = (text: string): string => {
  const bytes = Buffer.from(text, 'base64url')
  const last = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_').find(
    (char) => char !== text.at(-1) && Buffer.from(text.slice(0, -1) + char, 'base64url').equals(bytes),
  )
  return text.slice(0, -1) + String(last)
}

const messageOf = (pasted: string): string => {
  try {
    parseToken(pasted)
  } catch (error) {
    if (error instanceof ThatdamError && error.code === 'BAD_REQUEST') return error.message
    throw error
  }
  throw new Error(`accepted ${pasted}`)
}

describe('keys', () => {
  test('RFC 8032 test 1: the seed gives the public key', () => {
    const key = keyFromSeed(Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'))
    expect(Buffer.from(key.publicKey, 'base64url').toString('hex')).toBe('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a')
    expect(keyFromSeed(key.seed).publicKey).toBe(key.publicKey)
    expect(rawPublicKey(publicKeyObject(key.publicKey))).toBe(key.publicKey)
    expect(fingerprint(key.publicKey)).toBe('21fe31dfa154a261626bf854046fd227')
  })

  test('a signature holds for its domain, value and key, and for no other', () => {
    const key = generateKey()
    const signature = key.sign('thatdam-hello-v1', { b: 1, a: [2] })
    expect(PublicKey.safeParse(key.publicKey).success && Signature.safeParse(signature).success).toBe(true)
    expect(verifySignature('thatdam-hello-v1', { a: [2], b: 1 }, signature, key.publicKey)).toBe(true)
    expect(verifySignature('thatdam-plan-v1', { a: [2], b: 1 }, signature, key.publicKey)).toBe(false)
    expect(verifySignature('thatdam-hello-v1', { a: [3], b: 1 }, signature, key.publicKey)).toBe(false)
    expect(verifySignature('thatdam-hello-v1', { a: [2], b: 1 }, signature, generateKey().publicKey)).toBe(false)
  })

  test('another spelling of the same bytes is no key and no signature', () => {
    const key = generateKey()
    const signature = key.sign('thatdam-hello-v1', 1)
    expect(Buffer.from(respell(key.publicKey), 'base64url').equals(Buffer.from(key.publicKey, 'base64url'))).toBe(true)
    expect(verifySignature('thatdam-hello-v1', 1, signature, respell(key.publicKey))).toBe(false)
    expect(verifySignature('thatdam-hello-v1', 1, respell(signature), key.publicKey)).toBe(false)
    for (const text of ['', 'x', 'é'.repeat(43)]) expect(verifySignature('thatdam-hello-v1', 1, signature, text)).toBe(false)
    expect(() => keyFromSeed('short')).toThrow(TypeError)
  })
})

describe('join tokens', () => {
  const pin = fingerprint(generateKey().publicKey)
  const { text, tokenKey } = makeToken('new-org-1', pin)
  test('what is made is read back, also with spaces and quotes around it', () => {
    expect(text).toMatch(TOKEN_PATTERN)
    for (const pasted of [text, `  ${text}\n`, `"${text}"`, `'${text}'`]) {
      expect(parseToken(pasted)).toMatchObject({ scope: 'new-org-1', fingerprint: pin, signer: { publicKey: tokenKey } })
    }
  })

  test('every cut is incomplete', () => {
    for (let length = 4; length < text.length; length += 1) expect(messageOf(text.slice(0, length))).toContain('incomplete')
  })

  test('every single mistyped character is found', () => {
    for (let index = 4; index < text.length; index += 1) {
      for (const char of ['a', 'B', '7', ' ']) {
        if (text[index] === char) continue
        const typo = text.slice(0, index) + char + text.slice(index + 1)
        expect(messageOf(typo)).toMatch(/mistyped|incomplete/)
      }
    }
  })

  test('something else altogether is called so, and the secret is never repeated', () => {
    for (const pasted of ['hello', 'ghp_0123456789', 'https://example.org/join', '<token>']) {
      expect(messageOf(pasted)).toContain('not a ThatDAM join token')
    }
    expect(messageOf('  ')).toContain('No join token')
    expect(messageOf(`${text}x`)).toContain('mistyped')
    expect(messageOf(`${text}.more`)).not.toContain(text.slice(-20))
  })
})
