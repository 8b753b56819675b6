import { ROSTER_RECORDS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generateKey, type KeyPair, verifySignature } from './keys.ts'
import { admit, raise, remove, retire } from './roster-edit.ts'
import { RosterKeeper } from './roster-keeper.ts'
import { mergeRecords, missing, recordId, rosterDigest } from './roster-sync.ts'
import { foldRoster } from './roster.ts'
import { TestRing } from './testing/ring.ts'
import { anyPool } from './testing/roster-pool.ts'

const keeperOf = (ring: TestRing, save = async (): Promise<void> => {}): RosterKeeper =>
  new RosterKeeper({ fingerprint: ring.fingerprint, records: ring.records, save })
describe('a roster’s door', () => {
  test('any two that tell each other all they have come to the same set, whatever it is', () => {
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
      }),
      { numRuns: 60 },
    )
  })

  test('of what honest machines sign nothing is lost at the door, on whatever sides of whatever cuts', () => {
    const anyMove = fc.record({
      side: fc.nat(2),
      kind: fc.constantFrom('join', 'join', 'join', 'raise', 'remove', 'retire', 'back', 'meet', 'meet'),
      who: fc.nat(),
      by: fc.nat(),
    })
    let removed = 0
    let voided = 0
    fc.assert(
      fc.property(fc.array(anyMove, { minLength: 10, maxLength: 40, size: 'max' }), (moves) => {
        const founder = generateKey()
        const keys = new Map([['founder', founder]])
        const first = TestRing.found(founder)
        const sides = [first, first.copy(), first.copy()] as const
        const all = new Set(first.records)
        for (const [count, move] of moves.entries()) {
          const ring = sides[move.side] as TestRing
          if (move.kind === 'meet') {
            const other = sides[move.by % 3] as TestRing
            other.take(...ring.records)
            ring.take(...other.records)
          } else for (const record of honestRecords(ring, keys, { ...move, count })) all.add(record)
        }
        for (let round = 0; round < 3; round += 1) for (const one of sides) for (const other of sides) one.take(...other.records)
        const whole = foldRoster([...all], first.fingerprint, verifySignature)
        for (const side of sides) expect(side.roster.members).toEqual(whole.members)
        const fresh = new TestRing(first.records.slice(0, 1), first.fingerprint)
        fresh.take(...sides[0].records)
        expect(fresh.roster.members).toEqual(whole.members)
        removed += whole.removed.size
        voided += whole.ignored.filter((one) => one.reason === 'void').length
      }),
      { numRuns: 80 },
    )
    expect([removed > 20, voided > 3]).toEqual([true, true])
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

const pick = (some: readonly { nodeId: string }[], by: number): string | undefined => some[by % Math.max(1, some.length)]?.nodeId

/** What the agent of somebody in the ring would sign there; nothing when nobody may. */
function honestRecords(
  ring: TestRing,
  keys: Map<string, KeyPair>,
  move: { kind: string; who: number; by: number; count: number },
): readonly RosterRecord[] {
  const { members } = ring.roster
  const admitters = [...members.values()].filter((member) => member.admitter)
  const plain = [...members.values()].filter((member) => !member.admitter)
  const signer = keys.get(pick(admitters, move.by) ?? '')
  if (signer === undefined) return []
  const before = ring.records
  const who = pick(move.kind === 'raise' ? plain : [...members.values()], move.who)
  const gone = [...ring.roster.removed.keys()].at(-1)
  if (move.kind === 'join') keys.set(`n${move.count}`, ring.join(signer, `n${move.count}`))
  else if (move.kind === 'back' && gone !== undefined) {
    const publicKey = (keys.get(gone) as KeyPair).publicKey
    ring.take(admit(ring.desk(signer), { nodeId: gone, publicKey, bootCounter: 1 }))
  } else if (who !== undefined && move.kind === 'raise') ring.take(raise(ring.desk(signer), who))
  else if (who !== undefined && who !== 'founder' && move.kind === 'remove') ring.take(remove(ring.desk(signer), who))
  else if (who !== undefined && who !== 'founder' && move.kind === 'retire') ring.take(retire(ring.desk(keys.get(who) as KeyPair)))
  return ring.records.filter((record) => !before.includes(record))
}
