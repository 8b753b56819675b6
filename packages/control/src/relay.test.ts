import type { RosterRecord } from '@thatdam/protocol/roster'
import { describe, expect, test } from 'vitest'
import { generateKey, type KeyPair } from './keys.ts'
import { keptRoster, RELAY_RECORDS_MAX, RELAY_START, relayAfter, type RelayCursor, relayOn, takeRecords } from './relay.ts'
import { sampleAdmission, sampleGenesis, sampleRemoval } from './testing/samples.ts'

const founder = generateKey()
const pi = generateKey()
const win = generateKey()
const genesis = sampleGenesis(founder, 'founder')
const start: RosterRecord[] = [genesis]
const admit = (signer: KeyPair, key: KeyPair, nodeId: string, previous: RosterRecord, admitter = false): RosterRecord =>
  sampleAdmission(signer, { publicKey: key.publicKey, nodeId, admitter }, previous)
const piIn = admit(founder, pi, 'pi', genesis, true)
const winByPi = admit(pi, win, 'win', piIn)
const names = (kept: readonly RosterRecord[]): string[] => [...keptRoster(kept).members.keys()]

describe('what the cloud keeps of a roster', () => {
  test('what is signed by one who may; the rest can come again', () => {
    const early = takeRecords(start, [winByPi])
    expect(early.taken).toEqual([])
    const { taken, roster } = takeRecords(start, [winByPi, piIn])
    expect(taken).toEqual([piIn, winByPi])
    expect([...roster.members.keys()]).toEqual(['founder', 'pi', 'win'])
    expect(takeRecords([...start, ...taken], [piIn, winByPi, piIn]).taken).toEqual([])
  })

  test('nothing forged, foreign, of another founder, or by nobody of the ring', () => {
    const stranger = generateKey()
    const forged = { ...piIn, signature: stranger.sign('thatdam-roster-v1', piIn.body) }
    const elsewhere = admit(founder, pi, 'pi', sampleGenesis(founder, 'founder'))
    const byStranger = admit(stranger, stranger, 'evil', winByPi)
    const other = sampleGenesis(stranger, 'evil')
    const { taken, roster } = takeRecords(start, [forged, elsewhere, byStranger, other, piIn, winByPi])
    expect(taken).toEqual([piIn, winByPi])
    expect([...roster.members.keys()]).toEqual(['founder', 'pi', 'win'])
  })

  test('a removal is kept beside what it undoes', () => {
    const gone = sampleRemoval(founder, 'win', winByPi, [winByPi])
    const { taken } = takeRecords(start, [piIn, winByPi, gone])
    expect(names([...start, ...taken])).toEqual(['founder', 'pi'])
  })

  test('it is bounded, and hundreds of machines take no second', () => {
    const records: RosterRecord[] = []
    let previous: RosterRecord = genesis
    const { publicKey } = generateKey()
    for (let index = 0; index < RELAY_RECORDS_MAX + 5; index += 1) {
      previous = sampleAdmission(founder, { publicKey, nodeId: `n-${index}` }, previous)
      records.push(previous)
    }
    const kept = [...start]
    for (let at = 0; at < records.length; at += 500) kept.push(...takeRecords(kept, records.slice(at, at + 500)).taken)
    expect(kept).toHaveLength(RELAY_RECORDS_MAX)
    const startedAt = performance.now()
    expect(takeRecords(kept, [piIn]).taken).toEqual([])
    expect(performance.now() - startedAt).toBeLessThan(1_000)
  }, 60_000)
})

describe('pages of records', () => {
  test('a machine gets what it lacks, and begins anew when it has others', () => {
    const ids = ['a', 'b', 'c']
    const all = relayOn(RELAY_START, ids)
    expect(all.position).toBe(3)
    expect(relayAfter(RELAY_START, all)).toBe(0)
    const first = relayOn(RELAY_START, ['a'])
    expect(relayAfter(first, all)).toBe(1)
    expect(relayOn(first, ['b', 'c'])).toEqual(all)
    expect(relayAfter(all, all)).toBeNull()
    const restored: RelayCursor = relayOn(RELAY_START, ['a', 'x', 'y'])
    expect(relayAfter(all, restored)).toBe(0)
    expect(relayAfter(all, first)).toBe(0)
  })
})
