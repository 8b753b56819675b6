import type { RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generateKey, verifySignature } from './keys.ts'
import { chainFor, verifyChain } from './roster-chain.ts'
import { admit, nameOwnerKey, raise, rekey, remove, retire, useKey } from './roster-edit.ts'
import { TestRing } from './testing/ring.ts'
import { anyPool } from './testing/roster-pool.ts'

const proofOf = (ring: TestRing, publicKey: string): RosterRecord[] =>
  chainFor(ring.records, { fingerprint: ring.fingerprint, publicKey, verify: verifySignature })
const proves = (chain: readonly RosterRecord[], ring: TestRing, publicKey: string, digits = 32): boolean =>
  verifyChain(chain, { pin: ring.fingerprint.slice(0, digits), publicKey, verify: verifySignature }) !== null

describe('the proof that a key is an admitter’s', () => {
  test('is short in a large ring, also for one that was raised, has a new key, and whose admitter has gone', () => {
    const founder = generateKey()
    const ring = TestRing.found(founder)
    const pi = ring.join(founder, 'pi', true)
    for (let index = 0; index < 20; index += 1) ring.join(pi, `n${index}`)
    const win = ring.join(pi, 'win')
    ring.take(raise(ring.desk(pi), 'win'))
    ring.take(retire(ring.desk(pi)))
    expect([proofOf(ring, founder.publicKey).length, proofOf(ring, win.publicKey).length]).toEqual([1, 3])
    const fresh = generateKey()
    ring.take(rekey(ring.desk(win), 'win', fresh.publicKey))
    ring.take(useKey(ring.desk(fresh)))
    const chain = proofOf(ring, fresh.publicKey)
    expect(proves(chain, ring, fresh.publicKey) && proves(chain, ring, fresh.publicKey, 64)).toBe(true)
    expect(chain.length).toBeLessThanOrEqual(5)
    const owner = generateKey()
    ring.take(nameOwnerKey(ring.desk(fresh), owner.publicKey))
    const mac = generateKey()
    ring.take(admit(ring.desk(owner), { nodeId: 'mac', publicKey: mac.publicKey, bootCounter: 1, admitter: true }))
    expect(proves(proofOf(ring, mac.publicKey), ring, mac.publicKey)).toBe(true)
  })

  test('is not had for plain members, removed ones and old keys; and not forged', () => {
    const founder = generateKey()
    const ring = TestRing.found(founder)
    const pi = ring.join(founder, 'pi', true)
    const chain = proofOf(ring, pi.publicKey)
    const zero = ring.join(pi, 'zero')
    ring.take(remove(ring.desk(founder), 'pi'))
    for (const key of [pi, zero, generateKey()]) expect(() => proofOf(ring, key.publicKey)).toThrow('may not admit others')
    const other = TestRing.found(generateKey())
    expect(proves(chain, other, pi.publicKey)).toBe(false)
    expect(proves(chain, ring, zero.publicKey)).toBe(false)
    expect(proves(chain.slice(1), ring, pi.publicKey)).toBe(false)
    expect(
      proves(
        chain.map((record) => ({ ...record, signature: zero.sign('thatdam-roster-v1', record.body) })),
        ring,
        pi.publicKey,
      ),
    ).toBe(false)
    expect(verifyChain(chain, { pin: '', publicKey: pi.publicKey, verify: verifySignature })).toBeNull()
    expect(
      proves(
        Array.from({ length: 65 }, () => chain[0] as RosterRecord),
        ring,
        founder.publicKey,
      ),
    ).toBe(false)
  })

  test('of any ring: every admitter has one that convinces, of which nothing can be left out, and nobody else has', () => {
    fc.assert(
      fc.property(anyPool, ({ records, fingerprint }) => {
        const ring = new TestRing(records, fingerprint)
        for (const [key, member] of ring.roster.byKey) {
          if (!member.admitter) {
            expect(() => proofOf(ring, key)).toThrow()
            continue
          }
          const chain = proofOf(ring, key)
          expect(proves(chain, ring, key)).toBe(true)
          for (const one of chain)
            expect(
              proves(
                chain.filter((other) => other !== one),
                ring,
                key,
              ),
            ).toBe(false)
        }
      }),
      { numRuns: 150 },
    )
  })
})
