import { SealedBox } from '@thatdam/protocol/ops'
import { expect, test } from 'vitest'
import { generateKey, keyFromSeed } from './keys.ts'
import { openSealed, sealFor, sealKeyFromSeed } from './seal.ts'

const nodes = Array.from({ length: 4 }, () => sealKeyFromSeed(generateKey().seed))
const [pi, win, mac, zero] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]]
const PURPOSE = 'owner-password 5f0c'

test('sealed for three, opened by each of them and by nobody else', () => {
  const boxes = sealFor([pi.publicKey, win.publicKey, mac.publicKey, pi.publicKey], 'argon2id$…', PURPOSE)
  expect(boxes.map((box) => SealedBox.parse(box).publicKey)).toEqual([pi.publicKey, win.publicKey, mac.publicKey])
  for (const node of [pi, win, mac]) expect(openSealed(boxes, node, PURPOSE)?.toString()).toBe('argon2id$…')
  expect(openSealed(boxes, zero, PURPOSE)).toBeNull()
  // The box of another node under one's own name.
  expect(openSealed([{ publicKey: zero.publicKey, box: boxes[0]?.box ?? '' }], zero, PURPOSE)).toBeNull()
  expect(openSealed(boxes, pi, 'owner-password 0000')).toBeNull()
  expect(openSealed([], pi, PURPOSE)).toBeNull()
})

test('any altered byte is noticed, and so is a cut', () => {
  const [sealed] = sealFor([pi.publicKey], Buffer.from([0, 255, 1]), PURPOSE) as [SealedBox]
  const bytes = Buffer.from(sealed.box, 'base64url')
  for (let at = 0; at < bytes.length; at += 1) {
    const altered = Buffer.from(bytes)
    altered[at] = (altered[at] as number) ^ 0x04
    expect(openSealed([{ ...sealed, box: altered.toString('base64url') }], pi, PURPOSE), `byte ${at}`).toBeNull()
    expect(openSealed([{ ...sealed, box: bytes.subarray(0, at).toString('base64url') }], pi, PURPOSE), `cut at ${at}`).toBeNull()
  }
  expect(openSealed([sealed], pi, PURPOSE)).toEqual(Buffer.from([0, 255, 1]))
})

test('the same secret twice gives two boxes that have nothing in common', () => {
  const [one, two] = [sealFor([pi.publicKey], 'x', PURPOSE)[0]?.box ?? '', sealFor([pi.publicKey], 'x', PURPOSE)[0]?.box ?? '']
  expect(one).not.toBe(two)
  expect(one.slice(0, 43)).not.toBe(two.slice(0, 43))
})

test('the seal key is the seed’s alone, and another one than the signing key', () => {
  const key = generateKey()
  expect(sealKeyFromSeed(key.seed).publicKey).toBe(sealKeyFromSeed(Buffer.from(key.seed, 'base64url')).publicKey)
  expect(sealKeyFromSeed(key.seed).publicKey).not.toBe(keyFromSeed(key.seed).publicKey)
  // Pinned: a node must open next year what was sealed to it today.
  expect(sealKeyFromSeed(Buffer.alloc(32, 7)).publicKey).toMatchInlineSnapshot(`"iRdB1xRdpyD8FBN-3dshLvbXgDR6I4Z6PLorZQPvaQY"`)
})

test('what is no key is refused, also the points that give everybody the same secret', () => {
  for (const bad of ['', 'A'.repeat(43), 'not a key', `AQ${'A'.repeat(41)}`]) expect(() => sealFor([bad], 'x', PURPOSE), bad).toThrow()
  expect(() => sealFor([pi.publicKey], 'x'.repeat(4097), PURPOSE)).toThrow(TypeError)
  expect(() => sealKeyFromSeed('short')).toThrow(TypeError)
  const zeros = Buffer.alloc(32 + 12 + 16 + 5).toString('base64url')
  expect(openSealed([{ publicKey: pi.publicKey, box: zeros }], pi, PURPOSE)).toBeNull()
})
