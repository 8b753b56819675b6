import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Comer, confirms, FOUNDING_LEASE_MS, type FoundedRing, isLapsed, placeInRing, standingOf } from './founding.ts'
import { generateKey, type KeyPair } from './keys.ts'
import { rekey, useKey } from './roster-edit.ts'
import { recordHash } from './roster.ts'
import { TestRing } from './testing/ring.ts'
import { sampleAdmission, sampleGenesis, sampleRemoval } from './testing/samples.ts'

const ada = generateKey()
const bob = generateKey()
const genesis = sampleGenesis(ada, 'ada')
const bobIn = sampleAdmission(ada, { publicKey: bob.publicKey, nodeId: 'bob' }, genesis)
const alone = (key: KeyPair, nodeId: string): Comer => ({
  nodeKey: key.publicKey,
  nodeId,
  genesis: sampleGenesis(key, nodeId),
  records: [],
})
const foundedBy = (comer: Comer, appointedAtMs = 0, confirmedAtMs: number | null = null): FoundedRing => ({
  genesis: comer.genesis,
  genesisHash: recordHash(comer.genesis.body),
  founderKey: comer.nodeKey,
  appointedAtMs,
  confirmedAtMs,
})
const adaAlone: Comer = { nodeKey: ada.publicKey, nodeId: 'ada', genesis, records: [] }
const bobOfAda: Comer = { nodeKey: bob.publicKey, nodeId: 'bob', genesis, records: [bobIn] }

describe('who founds the ring', () => {
  test('a machine shows by signed records what ring it is in', () => {
    expect(standingOf(adaAlone)).toEqual({ kind: 'alone' })
    expect(standingOf({ ...adaAlone, records: [bobIn] })).toEqual({ kind: 'member', others: 1 })
    expect(standingOf(bobOfAda)).toEqual({ kind: 'member', others: 1 })
    expect(standingOf({ ...bobOfAda, records: [] })).toEqual({ kind: 'unproven' })
    expect(standingOf({ ...bobOfAda, nodeKey: generateKey().publicKey })).toEqual({ kind: 'unproven' })
    const forged = { ...bobIn, signer: bob.publicKey, signature: bob.sign('thatdam-roster-v1', bobIn.body) }
    expect(standingOf({ ...bobOfAda, records: [forged] })).toEqual({ kind: 'unproven' })
    expect(standingOf({ ...bobOfAda, records: [bobIn, sampleRemoval(ada, 'bob', bobIn, [bobIn])] })).toEqual({ kind: 'removed' })
  })

  test('a machine that replaced its key is the one that founded, also for who saw neither record', () => {
    const fresh = generateKey()
    const ring = new TestRing([genesis], recordHash(genesis.body))
    ring.take(rekey(ring.desk(ada), 'ada', fresh.publicKey))
    ring.take(useKey(ring.desk(fresh)))
    const comer = { ...adaAlone, nodeKey: fresh.publicKey, records: ring.records.slice(1) }
    expect(standingOf(comer)).toEqual({ kind: 'alone' })
    expect(placeInRing(foundedBy(adaAlone), comer, 1)).toEqual({ kind: 'founder' })
    const thief = { ...comer, nodeKey: generateKey().publicKey }
    expect(placeInRing(foundedBy(adaAlone), thief, 1)).toEqual({ kind: 'member' })
    expect(standingOf({ ...comer, nodeKey: ada.publicKey })).toEqual({ kind: 'unproven' })
  })

  test('the first is appointed, the others wait; asking again changes nothing', () => {
    expect(placeInRing(null, adaAlone, 0)).toEqual({ kind: 'appoint' })
    const ring = foundedBy(adaAlone)
    expect(placeInRing(ring, adaAlone, 1)).toEqual({ kind: 'founder' })
    expect(placeInRing(ring, alone(bob, 'bob'), 1)).toEqual({ kind: 'member' })
    expect(placeInRing(ring, bobOfAda, 1)).toEqual({ kind: 'member' })
  })

  test('one that did not confirm within the lease is replaced by the next, or appointed anew; one that did stays', () => {
    const ring = foundedBy(adaAlone, 1_000)
    const next = alone(bob, 'bob')
    expect(placeInRing(ring, next, 1_000 + FOUNDING_LEASE_MS - 1)).toEqual({ kind: 'member' })
    expect(placeInRing(ring, next, 1_000 + FOUNDING_LEASE_MS)).toEqual({ kind: 'appoint' })
    expect(placeInRing(ring, adaAlone, 1_000 + FOUNDING_LEASE_MS)).toEqual({ kind: 'appoint' })
    const confirmed = { ...ring, confirmedAtMs: 2_000 }
    expect(isLapsed(confirmed, 1e15)).toBe(false)
    expect(placeInRing(confirmed, next, 1e15)).toEqual({ kind: 'member' })
  })

  test('only the appointed machine confirms, and only its own ring', () => {
    const ring = foundedBy(adaAlone)
    const { genesisHash } = ring
    expect(confirms(ring, { nodeKey: ada.publicKey, genesisHash })).toBe(true)
    expect(confirms(ring, { nodeKey: bob.publicKey, genesisHash })).toBe(false)
    expect(confirms(ring, { nodeKey: ada.publicKey, genesisHash: 'f'.repeat(64) })).toBe(false)
    expect(confirms({ ...ring, confirmedAtMs: 1 }, { nodeKey: ada.publicKey, genesisHash })).toBe(false)
  })

  test('a ring of several is brought where there is none, and kept apart where there is another', () => {
    expect(placeInRing(null, bobOfAda, 0)).toEqual({ kind: 'appoint' })
    const other = foundedBy(alone(generateKey(), 'other'), 0, 1)
    expect(placeInRing(other, bobOfAda, 1)).toEqual({ kind: 'other-ring', others: 1 })
    expect(placeInRing(other, { ...bobOfAda, records: [] }, 1)).toEqual({ kind: 'other-ring', others: 0 })
    const removed = { ...bobOfAda, records: [bobIn, sampleRemoval(ada, 'bob', bobIn, [bobIn])] }
    expect(placeInRing(other, removed, 1)).toEqual({ kind: 'member' })
    expect(placeInRing(null, removed, 1)).toEqual({ kind: 'no-ring' })
  })

  test('whatever comes when: one ring at a time, and none is replaced once confirmed', () => {
    const comers = Array.from({ length: 4 }, (_, index) => alone(generateKey(), `n${index}`))
    const event = fc.record({
      who: fc.integer({ min: 0, max: 3 }),
      what: fc.constantFrom('come', 'report'),
      waitMs: fc.integer({ min: 0, max: 40_000 }),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const now: { ring: FoundedRing | null; atMs: number } = { ring: null, atMs: 0 }
        const confirmed = new Set<string>()
        for (const { who, what, waitMs } of events) {
          now.atMs += waitMs
          const { ring } = now
          const comer = comers[who] as Comer
          if (what === 'come') {
            const { kind } = placeInRing(ring, comer, now.atMs)
            if (kind === 'appoint') now.ring = foundedBy(comer, now.atMs)
            if (kind === 'founder') expect(ring?.founderKey).toBe(comer.nodeKey)
            if (kind === 'member') expect(ring?.founderKey).not.toBe(comer.nodeKey)
          } else if (ring !== null && confirms(ring, { nodeKey: comer.nodeKey, genesisHash: recordHash(comer.genesis.body) })) {
            now.ring = { ...ring, confirmedAtMs: now.atMs }
            confirmed.add(ring.genesisHash)
          }
        }
        expect(confirmed.size).toBeLessThanOrEqual(1)
      }),
    )
  })
})
