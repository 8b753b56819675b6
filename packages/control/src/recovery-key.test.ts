import { expect, test } from 'vitest'
import { makeRecoveryKey, readRecoveryKey } from './recovery-key.ts'

const { text, key } = makeRecoveryKey(Buffer.alloc(32, 0xa7))

test('is read back as printed, in small letters, without dashes, with look-alikes', () => {
  expect(text).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/)
  const likes = text.replaceAll('0', 'o').replaceAll('1', 'l')
  for (const typed of [text, text.toLowerCase(), text.replaceAll('-', ' '), `  ${text.replaceAll('-', '')}\n`, likes]) {
    expect(readRecoveryKey(typed).publicKey).toBe(key.publicKey)
  }
  const fresh = makeRecoveryKey()
  expect(readRecoveryKey(fresh.text).seed).toBe(fresh.key.seed)
})

test('every single slip, and every two neighbours changed over, are found; the key is never repeated', () => {
  for (let place = 0; place < text.length; place += 1) {
    const at = text.charAt(place)
    if (at === '-') continue
    const slip = text.slice(0, place) + (at === '7' ? '8' : '7') + text.slice(place + 1)
    expect(() => readRecoveryKey(slip)).toThrow('mistyped')
    const next = text.charAt(place + 1)
    const swapped = text.slice(0, place) + next + at + text.slice(place + 2)
    if (next !== '-' && next !== at && next !== '') expect(() => readRecoveryKey(swapped)).toThrow('mistyped')
  }
  expect(() => readRecoveryKey(text.slice(0, -1))).toThrow('14 groups of four; this is 55 signs')
  expect(() => readRecoveryKey(text.replace(/^.{6}/, 'AAAA-U'))).toThrow('Group 2')
})
