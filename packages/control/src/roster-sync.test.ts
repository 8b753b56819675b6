import { ROSTER_RECORDS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generateKey, verifySignature } from './keys.ts'
import { admit, remove } from './roster-edit.ts'
import { RosterKeeper } from './roster-keeper.ts'
import { mergeRecords, missing, recordId, rosterDigest } from './roster-sync.ts'
import { foldRoster } from './roster.ts'
import { TestRing } from './testing/ring.ts'
import { anyPool } from './testing/roster-pool.ts'

const keeperOf = (ring: TestRing, save = async (): Promise<void> => {}): RosterKeeper =>
  new RosterKeeper({ fingerprint: ring.fingerprint, records: ring.records, save })
describe('a roster’s door', () => {
  test('any two that tell each other all they have come to the same set, and the same members', () => {
    fc.assert(
      fc.property(anyPool, fc.array(fc.nat(2), { minLength: 20, maxLength: 20 }), ({ records, fingerprint }, sides) => {
        const [genesis, ...later] = records as [RosterRecord, ...RosterRecord[]]
        // The owner's key is what came first: where both sides know it alike, they agree.
        const calm = later.filter((record) => record.body.kind !== 'owner-key')
        const [left, right] = [new TestRing([genesis], fingerprint), new TestRing([genesis], fingerprint)]
        left.take(...calm.filter((_, index) => sides[index] !== 0))
        right.take(...calm.filter((_, index) => sides[index] !== 1))
        for (let round = 0; round < 6; round += 1) {
          right.take(...left.records, ...calm)
          left.take(...right.records, ...calm)
        }
        expect(rosterDigest(left.records)).toBe(rosterDigest(right.records))
        expect(left.roster.members).toEqual(foldRoster([genesis, ...calm], fingerprint, verifySignature).members)
      }),
      { numRuns: 60 },
    )
  })

  test('strangers’ records, forged, foreign and too large ones do not come in; a member’s own only a few', () => {
    const founder = generateKey()
    const ring = TestRing.found(founder)
    const zero = ring.join(founder, 'zero')
    const stranger = generateKey()
    const other = TestRing.found(stranger)
    other.join(stranger, 'evil')
    const forged = { ...(ring.records[1] as RosterRecord), signer: stranger.publicKey }
    expect(ring.take(...other.records, forged).map((one) => one.reason)).toEqual(['wrong-ring', 'wrong-ring', 'bad-signature'])
    const { clusterId } = ring.roster
    const body = {
      kind: 'admission' as const,
      version: 1 as const,
      clusterId,
      nodeId: 'evil',
      publicKey: stranger.publicKey,
      bootCounter: 1,
    }
    const signed = (key: typeof zero, more: object): RosterRecord => {
      const whole = { ...body, admitter: true, previous: ring.fingerprint, ...more }
      return { body: whole, signer: key.publicKey, signature: key.sign('thatdam-roster-v1', whole) }
    }
    expect(ring.take(signed(stranger, {}))).toMatchObject([{ reason: 'unknown-signer' }])
    const large = { also: Array.from({ length: 80 }, () => ring.fingerprint) }
    expect(ring.take(signed(founder, large))).toMatchObject([{ reason: 'too-large' }])
    const flood = Array.from({ length: 100 }, (_, index) => signed(zero, { bootCounter: index }))
    const refused = ring.take(...flood)
    expect(ring.records.filter((record) => record.signer === zero.publicKey)).toHaveLength(8)
    expect(new Set(refused.map((one) => one.reason))).toEqual(new Set(['too-many']))
    const away = ring.copy()
    away.take(...flood.toReversed())
    expect(rosterDigest(away.records)).toBe(rosterDigest(ring.records))
    expect(ring.names).toEqual(['founder', 'zero'])
  })

  test('the largest roster folds in seconds and takes no more', () => {
    const founder = generateKey()
    const ring = TestRing.found(founder)
    const { clusterId } = ring.roster
    const many = Array.from({ length: ROSTER_RECORDS_MAX + 50 }, (_, index): RosterRecord => {
      const previous = ring.fingerprint
      const publicKey = Buffer.from(String(index).padStart(32, '0')).toString('base64url')
      const body = {
        kind: 'admission' as const,
        version: 1 as const,
        clusterId,
        nodeId: `n${index}`,
        publicKey,
        bootCounter: 1,
        admitter: false,
        previous,
      }
      return { body, signer: founder.publicKey, signature: 'x' }
    })
    const startedAt = performance.now()
    const merged = mergeRecords(ring.records, many, { roster: ring.roster, verify: () => true })
    expect(merged.records).toHaveLength(ROSTER_RECORDS_MAX)
    expect(new Set(merged.refused.map((one) => one.reason))).toEqual(new Set(['too-many']))
    expect(performance.now() - startedAt).toBeLessThan(15_000)
  })
})

describe('a keeper', () => {
  test('two who ask for one name at once get it one after the other; what is not on disk did not happen', async () => {
    const founder = generateKey()
    let isFull = false
    const keeper = keeperOf(TestRing.found(founder), async () => {
      if (isFull) throw new Error('ENOSPC')
    })
    const wish = (): Promise<RosterRecord | null> =>
      keeper.edit(founder, (desk) => admit(desk, { nodeId: 'pi', publicKey: generateKey().publicKey, bootCounter: 1 }))
    const outcomes = await Promise.allSettled([wish(), wish(), wish()])
    expect(outcomes.map((one) => one.status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    isFull = true
    const digest = keeper.digest
    await expect(keeper.edit(founder, (desk) => remove(desk, 'pi'))).rejects.toThrow('ENOSPC')
    expect([keeper.digest, keeper.roster.members.has('pi')]).toEqual([digest, true])
  })
})

test('missing is what the other side has not, whoever else signed the same', () => {
  const founder = generateKey()
  const ring = TestRing.found(founder)
  ring.join(founder, 'pi')
  const [genesis, pi] = ring.records as [RosterRecord, RosterRecord]
  expect(missing(ring.records, [recordId(genesis)])).toEqual([pi])
  const same = { ...pi, signer: generateKey().publicKey }
  expect(recordId(same)).not.toBe(recordId(pi))
})
