import type { RosterRecord } from '@thatdam/protocol/roster'
import { RECORD_BYTES_MAX, RosterRecord as RosterRecordSchema } from '@thatdam/protocol/roster'
import { canonicalJson } from '@thatdam/protocol/canonical'
import { describe, expect, test } from 'vitest'
import { generateKey, type KeyPair } from './keys.ts'
import { admit, forward, nameKnownOwnerKey, nameOwnerKey, raise, rekey, remove, retire, useKey } from './roster-edit.ts'
import { recordHash } from './roster.ts'
import { TestRing } from './testing/ring.ts'

const found = (): { founder: KeyPair; ring: TestRing } => {
  const founder = generateKey()
  return { founder, ring: TestRing.found(founder) }
}
const isAdmitter = (ring: TestRing, nodeId: string): boolean | undefined => ring.roster.members.get(nodeId)?.admitter

describe('admitters', () => {
  test('a raised member admits; the raise is void when who signed it was removed unseen, and membership stays', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const win = ring.join(founder, 'win')
    expect(() => admit(ring.desk(win), { nodeId: 'mac', publicKey: generateKey().publicKey, bootCounter: 1 })).toThrow('may not admit')
    const away = ring.copy()
    away.take(raise(away.desk(pi), 'win'))
    away.join(win, 'mac')
    expect([away.names, isAdmitter(away, 'win')]).toEqual([['founder', 'mac', 'pi', 'win'], true])
    ring.take(remove(ring.desk(founder), 'pi'))
    ring.take(...away.records)
    away.take(...ring.records)
    expect([ring.names, isAdmitter(ring, 'win')]).toEqual([['founder', 'win'], false])
    expect(away.roster).toEqual(ring.roster)
    ring.take(raise(ring.desk(founder), 'win'))
    expect([ring.names, isAdmitter(ring, 'win')]).toEqual([['founder', 'mac', 'win'], true])
    expect(() => raise(ring.desk(founder), 'win')).toThrow('already')
  })

  test('two admitters remove a machine at once; one admission in sight of both takes it back', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const win = ring.join(founder, 'win')
    const away = ring.copy()
    away.take(remove(away.desk(pi), 'win'))
    ring.take(remove(ring.desk(founder), 'win'), ...away.records)
    expect(ring.names).toEqual(['founder', 'pi'])
    ring.take(admit(ring.desk(pi), { nodeId: 'win', publicKey: win.publicKey, bootCounter: 2 }))
    expect(ring.names).toEqual(['founder', 'pi', 'win'])
  })

  test('removed or retired, what it had done before stays; what the owner names void does not', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    ring.join(pi, 'win')
    const thief = forward(ring.desk(pi), { clusterId: crypto.randomUUID(), fingerprint: 'f'.repeat(64) })
    ring.take(thief)
    const seen = ring.copy()
    seen.take(remove(seen.desk(founder), 'pi'))
    expect([seen.names, seen.roster.forward !== null]).toEqual([['founder', 'win'], true])
    ring.take(remove(ring.desk(founder), 'pi', [recordHash(thief.body)]))
    expect([ring.names, ring.roster.forward]).toEqual([['founder', 'win'], null])
    const mac = ring.join(founder, 'mac')
    ring.take(retire(ring.desk(mac)))
    expect([ring.names, ring.roster.removed.get('mac')?.by]).toEqual([['founder', 'win'], mac.publicKey])
    expect(() => retire(ring.desk(mac))).toThrow('not in the ring any more')
    expect(() => remove(ring.desk(founder), 'mac')).toThrow('no machine mac')
  })

  test('names that are taken are refused with a sentence that says what to do', () => {
    const { founder, ring } = found()
    const win = ring.join(founder, 'win')
    const wish = { publicKey: generateKey().publicKey, bootCounter: 1 }
    expect(() => admit(ring.desk(founder), { ...wish, nodeId: 'win' })).toThrow(
      'Another machine is already called win. Choose another NODE_ID for this one, then join again.',
    )
    expect(() => admit(ring.desk(founder), { ...wish, publicKey: win.publicKey, nodeId: 'mac' })).toThrow('already in the ring as win')
  })

  test('each record links the newest ones, and stays below its bound with any history', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const branches = Array.from({ length: 40 }, () => ring.copy())
    for (const [index, branch] of branches.entries()) branch.join(pi, `node-${index}`)
    for (const branch of branches) ring.take(...branch.records)
    const gone = remove(ring.desk(founder), 'pi')
    expect(canonicalJson(gone).length).toBeLessThan(RECORD_BYTES_MAX)
    expect(RosterRecordSchema.safeParse(gone).success).toBe(true)
    ring.take(gone)
    expect(ring.names).toHaveLength(41)
    const last = ring.records.length
    ring.join(founder, 'mac')
    const { body } = ring.records.find((record) => record.body.kind === 'admission' && record.body.nodeId === 'mac') as RosterRecord
    expect([ring.records.length, 'also' in body && body.also?.length]).toEqual([last + 1, 16])
  })
})

describe('a new key (THREATS 7)', () => {
  test('a crash at any step leaves a key that works; after the new one’s first use the old one is a stranger', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const fresh = generateKey()
    const knows = (key: KeyPair): string | undefined => ring.roster.byKey.get(key.publicKey)?.nodeId
    ring.take(rekey(ring.desk(pi), 'pi', fresh.publicKey))
    expect([knows(pi), knows(fresh), ring.roster.members.get('pi')?.publicKey]).toEqual(['pi', 'pi', pi.publicKey])
    ring.join(pi, 'win')
    ring.take(useKey(ring.desk(fresh)))
    expect([knows(pi), knows(fresh), ring.roster.members.get('pi')?.publicKey]).toEqual([undefined, 'pi', fresh.publicKey])
    expect(ring.names).toEqual(['founder', 'pi', 'win'])
    expect(() => admit(ring.desk(pi), { nodeId: 'evil', publicKey: generateKey().publicKey, bootCounter: 1 })).toThrow('may not admit')
    ring.join(fresh, 'mac')
    expect([isAdmitter(ring, 'pi'), ring.names]).toEqual([true, ['founder', 'mac', 'pi', 'win']])
    const third = generateKey()
    ring.take(rekey(ring.desk(fresh), 'pi', third.publicKey))
    ring.take(useKey(ring.desk(third)))
    expect([knows(pi), knows(fresh), knows(third)]).toEqual([undefined, undefined, 'pi'])
    ring.take(remove(ring.desk(founder), 'pi'))
    expect([knows(third), ring.names]).toEqual([undefined, ['founder', 'mac', 'win']])
  })

  test('what the old key signs after the first use, unseen by it, is void', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const thief = ring.copy()
    const fresh = generateKey()
    ring.take(rekey(ring.desk(pi), 'pi', fresh.publicKey))
    ring.take(useKey(ring.desk(fresh)))
    thief.join(pi, 'evil')
    const stolen = generateKey()
    thief.take(rekey(thief.desk(pi), 'pi', stolen.publicKey))
    ring.take(...thief.records)
    expect(ring.names).toEqual(['founder', 'pi'])
    expect(ring.roster.byKey.has(stolen.publicKey)).toBe(false)
    expect(ring.roster.ignored.map((one) => one.reason)).toEqual(['void', 'void'])
  })

  test('the owner introduces the new key of a machine that lost its own, and no admitter does; nobody’s key is taken', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi')
    const win = ring.join(founder, 'win', true)
    expect(() => rekey(ring.desk(pi), 'pi', win.publicKey)).toThrow('already')
    for (const key of [founder, win])
      expect(() => rekey(ring.desk(key), 'pi', generateKey().publicKey)).toThrow('may not give pi a new key')
    const owner = generateKey()
    ring.take(nameOwnerKey(ring.desk(founder), owner.publicKey))
    const fresh = generateKey()
    ring.take(rekey(ring.desk(owner), 'pi', fresh.publicKey))
    ring.take(useKey(ring.desk(fresh)))
    expect([ring.roster.byKey.get(fresh.publicKey)?.nodeId, ring.roster.byKey.has(pi.publicKey)]).toEqual(['pi', false])
    ring.take(raise(ring.desk(win), 'pi'))
    expect(ring.roster.byKey.get(fresh.publicKey)).toMatchObject({ nodeId: 'pi', admitter: true })
  })

  test('a removed admitter that makes itself an owner speaks as nobody nearer to the founder', () => {
    for (let time = 0; time < 20; time += 1) {
      const { founder, ring } = found()
      const pi = ring.join(founder, 'pi', true)
      const thief = ring.copy()
      ring.take(remove(ring.desk(founder), 'pi'))
      const [evil, mask] = [generateKey(), generateKey()]
      thief.take(nameOwnerKey(thief.desk(pi), evil.publicKey))
      thief.take(rekey(thief.desk(evil), 'founder', mask.publicKey))
      thief.take(useKey(thief.desk(mask)))
      ring.take(...thief.records)
      expect([ring.names, ring.roster.members.get('founder')?.publicKey]).toEqual([['founder'], founder.publicKey])
    }
  })
})

describe('the owner’s recovery key', () => {
  test('outranks every admitter; who is stolen cannot put another in its place, nor make the ring forget it', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const owner = generateKey()
    const early = ring.copy()
    ring.take(nameOwnerKey(ring.desk(founder), owner.publicKey))
    ring.take(nameKnownOwnerKey(ring.desk(pi)) as RosterRecord)
    expect([nameKnownOwnerKey(ring.desk(pi)), nameKnownOwnerKey(ring.desk(founder))]).toEqual([null, null])
    expect(() => nameOwnerKey(ring.desk(pi), generateKey().publicKey)).toThrow('recovery key already')
    // The founder’s disk is stolen, and knows of nothing: it names its own key, removes the others, and leaves.
    const evil = generateKey()
    early.take(nameOwnerKey(early.desk(founder), evil.publicKey))
    early.take(remove(early.desk(evil), 'pi'), remove(early.desk(founder), 'pi'))
    early.take(retire(early.desk(founder)))
    const refused = ring.take(...early.records)
    expect(refused.map((one) => one.reason)).toContain('other-owner-key')
    expect([ring.names, ring.roster.ownerRecoveryKey]).toEqual([[], owner.publicKey])
    ring.take(admit(ring.desk(owner), { nodeId: 'pi', publicKey: pi.publicKey, bootCounter: 1, admitter: true }))
    expect([ring.names, isAdmitter(ring, 'pi')]).toEqual([['pi'], true])
  })

  test('removes the founder, whatever the founder says of others', () => {
    const { founder, ring } = found()
    ring.join(founder, 'pi', true)
    const owner = generateKey()
    ring.take(nameOwnerKey(ring.desk(founder), owner.publicKey))
    const stolen = ring.copy()
    stolen.take(remove(stolen.desk(founder), 'pi'))
    stolen.join(founder, 'evil', true)
    ring.take(remove(ring.desk(owner), 'founder'), ...stolen.records)
    expect(ring.names).toEqual(['pi'])
  })

  test('only itself names the one after it; what it signed before stays, what it signs after is void', () => {
    const { founder, ring } = found()
    ring.join(founder, 'pi', true)
    const first = generateKey()
    ring.take(nameOwnerKey(ring.desk(founder), first.publicKey))
    const early = ring.copy()
    ring.take(remove(ring.desk(first), 'pi'))
    const second = generateKey()
    ring.take(nameOwnerKey(ring.desk(first), second.publicKey))
    expect(ring.roster.ownerKeys).toEqual([first.publicKey, second.publicKey])
    early.take(remove(early.desk(first), 'founder'))
    early.take(nameOwnerKey(early.desk(first), generateKey().publicKey))
    expect(ring.take(...early.records).map((one) => one.reason)).toEqual(['other-owner-key'])
    expect([ring.names, ring.roster.ownerRecoveryKey]).toEqual([['founder'], second.publicKey])
    expect(() => remove(ring.desk(first), 'founder')).toThrow('may not admit')
    ring.take(remove(ring.desk(second), 'founder'))
    expect(ring.names).toEqual([])
  })

  test('an admitter that was removed before makes none', () => {
    const { founder, ring } = found()
    const pi = ring.join(founder, 'pi', true)
    const thief = ring.copy()
    ring.take(remove(ring.desk(founder), 'pi'))
    const evil = generateKey()
    thief.take(nameOwnerKey(thief.desk(pi), evil.publicKey))
    thief.take(remove(thief.desk(evil), 'founder'))
    ring.take(...thief.records)
    thief.take(...ring.records)
    expect([ring.names, ring.roster.ownerRecoveryKey]).toEqual([['founder'], null])
    expect(thief.roster.members).toEqual(ring.roster.members)
  })
})
