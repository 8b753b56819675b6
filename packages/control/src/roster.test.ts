import type { RosterBody, RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { generateKey, type KeyPair, verifySignature } from './keys.ts'
import { opAuthors } from './op-authors.ts'
import { foldRoster, recordHash, type Roster, verifyGenesis } from './roster.ts'
import { sampleGenesis } from './testing/samples.ts'

const founder = generateKey()
const pi = generateKey()
const win = generateKey()
const zero = generateKey()
const owner = generateKey()
const plain = sampleGenesis(founder, 'founder')
const body = { ...plain.body, ownerRecoveryKey: owner.publicKey }
const genesis = { body, signer: founder.publicKey, signature: founder.sign('thatdam-roster-v1', body) }
const FINGERPRINT = recordHash(body)

function signed(signer: KeyPair, record: RosterBody): RosterRecord {
  return { body: record, signer: signer.publicKey, signature: signer.sign('thatdam-roster-v1', record) }
}
function admit(signer: KeyPair, node: { key: KeyPair; nodeId: string; admitter?: boolean }, previous: RosterRecord): RosterRecord {
  const { key, nodeId, admitter = false } = node
  const { clusterId } = body
  const publicKey = key.publicKey
  return signed(signer, {
    kind: 'admission',
    version: 1,
    clusterId,
    nodeId,
    publicKey,
    bootCounter: 1,
    admitter,
    previous: recordHash(previous.body),
  })
}
function remove(signer: KeyPair, nodeId: string, previous: RosterRecord, seen: RosterRecord[] = []): RosterRecord {
  const hashes = seen.map((record) => recordHash(record.body))
  return signed(signer, {
    kind: 'removal',
    version: 1,
    clusterId: body.clusterId,
    nodeId,
    seen: hashes,
    previous: recordHash(previous.body),
  })
}
const fold = (...records: RosterRecord[]): Roster => foldRoster([genesis, ...records], FINGERPRINT, verifySignature)
const names = (roster: Roster): string[] => [...roster.members.keys()]
const reasons = (roster: Roster): string[] => roster.ignored.map((one) => one.reason)

describe('a ring’s roster', () => {
  const piIn = admit(founder, { key: pi, nodeId: 'pi', admitter: true }, genesis)
  const winByPi = admit(pi, { key: win, nodeId: 'win' }, piIn)

  test('of one', () => {
    const roster = fold()
    expect(roster).toMatchObject({ clusterId: body.clusterId, fingerprint: FINGERPRINT, ignored: [] })
    expect([...roster.members.values()]).toEqual([
      { nodeId: 'founder', publicKey: founder.publicKey, keys: [founder.publicKey], bootCounter: 1, admitter: true, record: FINGERPRINT },
    ])
  })

  test('admitters admit, others do not; forged and foreign records change nothing', () => {
    expect(names(fold(winByPi, piIn))).toEqual(['founder', 'pi', 'win'])
    const byWin = fold(piIn, winByPi, admit(win, { key: zero, nodeId: 'zero' }, winByPi))
    expect([names(byWin), reasons(byWin)]).toEqual([['founder', 'pi', 'win'], ['no-right']])
    const forged = { ...winByPi, signer: founder.publicKey }
    expect([names(fold(piIn, forged)), reasons(fold(piIn, forged))]).toEqual([['founder', 'pi'], ['bad-signature']])
    const elsewhere = signed(founder, { ...winByPi.body, clusterId: crypto.randomUUID() })
    expect(reasons(fold(elsewhere))).toEqual(['wrong-ring'])
    expect(reasons(fold(sampleGenesis(founder, 'founder')))).toEqual(['wrong-ring'])
  })

  test('removal wins over an admission that did not see it, and yields to one that did', () => {
    const gone = remove(founder, 'win', winByPi)
    const unseeing = admit(pi, { key: win, nodeId: 'win', admitter: true }, piIn)
    expect(names(fold(piIn, winByPi, gone, unseeing))).toEqual(['founder', 'pi'])
    expect(fold(piIn, winByPi, gone).removed.get('win')).toEqual({ by: founder.publicKey, record: recordHash(gone.body), admitter: false })
    const back = admit(founder, { key: win, nodeId: 'win' }, gone)
    expect(names(fold(piIn, winByPi, gone, back))).toEqual(['founder', 'pi', 'win'])
  })

  test('what a removed admitter signed unseen by the remover is void, what was seen stays', () => {
    const zeroByPi = admit(pi, { key: zero, nodeId: 'zero' }, winByPi)
    const gone = remove(founder, 'pi', winByPi, [winByPi])
    const roster = fold(piIn, winByPi, zeroByPi, gone)
    expect([names(roster), reasons(roster)]).toEqual([['founder', 'win'], ['void']])
    const again = admit(founder, { key: zero, nodeId: 'zero' }, gone)
    expect(names(fold(piIn, winByPi, zeroByPi, gone, again))).toEqual(['founder', 'win', 'zero'])
  })

  test('two admitters remove each other: the one nearer to the founder goes on; the owner’s key outranks both', () => {
    const zeroIn = admit(pi, { key: zero, nodeId: 'zero', admitter: true }, piIn)
    const piOut = remove(zero, 'pi', zeroIn, [zeroIn])
    const zeroOut = remove(pi, 'zero', zeroIn)
    expect(names(fold(piIn, zeroIn, piOut, zeroOut))).toEqual(['founder', 'pi'])
    const byOwner = remove(owner, 'founder', genesis, [piIn])
    expect(names(fold(piIn, remove(founder, 'pi', piIn), byOwner))).toEqual(['pi'])
  })

  test('whose op batches count: members, and removed ones by what they were; a demoted one edits nothing', () => {
    const gone = remove(founder, 'pi', winByPi, [winByPi])
    const author = opAuthors([fold(piIn, winByPi, gone)])
    expect(author('pi', pi.publicKey)).toEqual({ publicKey: pi.publicKey, admitter: true })
    expect(author('win')).toEqual({ publicKey: win.publicKey, admitter: false })
    expect([author('pi', win.publicKey), author('zero'), author('zero', zero.publicKey)]).toEqual([null, null, null])
    const back = admit(founder, { key: pi, nodeId: 'pi' }, gone)
    expect(opAuthors([fold(piIn, winByPi, gone, back)])('pi', pi.publicKey)?.admitter).toBe(false)
    const voided = admit(pi, { key: zero, nodeId: 'zero', admitter: true }, winByPi)
    expect(opAuthors([fold(piIn, winByPi, voided, gone)])('zero')).toBeNull()
  })

  test('who admitted others in a ring that came over, and is a plain member here, edits as it did; a namesake is told apart by its key', () => {
    const here = fold(admit(founder, { key: pi, nodeId: 'pi' }, genesis), admit(founder, { key: win, nodeId: 'win' }, genesis))
    const former = fold(piIn, admit(pi, { key: zero, nodeId: 'win' }, piIn))
    expect(opAuthors([here])('pi', pi.publicKey)?.admitter).toBe(false)
    const author = opAuthors([here, former])
    expect(author('pi', pi.publicKey)).toEqual({ publicKey: pi.publicKey, admitter: true })
    expect([author('win')?.publicKey, author('win', zero.publicKey)?.publicKey]).toEqual([win.publicKey, zero.publicKey])
  })

  test('a member may leave by itself, and remove nobody else', () => {
    expect(names(fold(piIn, winByPi, remove(win, 'win', winByPi)))).toEqual(['founder', 'pi'])
    expect(names(fold(piIn, winByPi, remove(win, 'pi', winByPi)))).toEqual(['founder', 'pi', 'win'])
  })

  test('two keys under one name: one is taken, the same one everywhere', () => {
    const rival = admit(founder, { key: zero, nodeId: 'pi' }, genesis)
    const one = fold(piIn, rival)
    expect(one.members.size).toBe(2)
    expect(one.members).toEqual(fold(rival, piIn).members)
    expect(reasons(one)).toEqual(['taken'])
  })

  test('two who sign one body, or a wrong signature below it, count the same in any order', () => {
    const byFounder = signed(founder, winByPi.body)
    const byStranger = signed(zero, winByPi.body)
    const forged = { ...winByPi, signature: byStranger.signature }
    const all = [winByPi, byFounder, byStranger, forged]
    for (const records of [all, all.toReversed()]) {
      expect(names(fold(piIn, ...records))).toEqual(['founder', 'pi', 'win'])
      expect(names(fold(...records))).toEqual(['founder', 'win'])
    }
    expect(fold(piIn, ...all)).toEqual(fold(...all.toReversed(), piIn))
    expect([names(fold(piIn, byStranger, forged)), reasons(fold(piIn, byStranger, forged))]).toEqual([
      ['founder', 'pi'],
      ['bad-signature', 'no-right'],
    ])
  })

  test('a ring that has gone over says where, by an admitter’s word only', () => {
    const to = { toClusterId: crypto.randomUUID(), toFingerprint: 'f'.repeat(64) }
    const { clusterId } = body
    const over = (key: KeyPair): RosterRecord => signed(key, { kind: 'forwarding', version: 1, clusterId, ...to, previous: FINGERPRINT })
    expect(fold(piIn).forward).toBeNull()
    expect(fold(piIn, over(pi)).forward).toEqual({ clusterId: to.toClusterId, fingerprint: to.toFingerprint })
    expect([fold(piIn, over(win)).forward, reasons(fold(piIn, over(win)))]).toEqual([null, ['no-right']])
    const gone = remove(founder, 'pi', piIn)
    expect(fold(piIn, over(pi), gone).forward).toBeNull()
  })

  test('no genesis, or one that its founder did not sign', () => {
    expect(() => foldRoster([piIn], FINGERPRINT, verifySignature)).toThrow(RangeError)
    expect(verifyGenesis({ ...genesis, signature: founder.sign('thatdam-plan-v1', body) }, verifySignature)).toBe(false)
    const stolen = { ...genesis, signer: pi.publicKey, signature: pi.sign('thatdam-roster-v1', body) }
    expect(() => foldRoster([stolen], FINGERPRINT, verifySignature)).toThrow(RangeError)
  })

  test('any set of records gives one roster, in any order and with repeats; who may not sign changes nothing', () => {
    const keys = [founder, pi, win, zero, owner]
    const nodeIds = ['founder', 'pi', 'win', 'zero']
    const wish = fc.record({
      signer: fc.integer({ min: 0, max: 4 }),
      subject: fc.integer({ min: 0, max: 3 }),
      removal: fc.boolean(),
      admitter: fc.boolean(),
      previous: fc.nat(20),
      seen: fc.array(fc.nat(20), { maxLength: 3 }),
    })
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 10 }), fc.nat(), (wishes, seed) => {
        const records: RosterRecord[] = [genesis]
        const at = (index: number): RosterRecord => records[index % records.length] as RosterRecord
        for (const { signer, subject, removal, admitter, previous, seen } of wishes) {
          const key = keys[signer] as KeyPair
          const nodeId = nodeIds[subject] as string
          records.push(
            removal
              ? remove(key, nodeId, at(previous), seen.map(at))
              : admit(key, { key: keys[subject] as KeyPair, nodeId, admitter }, at(previous)),
          )
        }
        const roster = foldRoster(records, FINGERPRINT, verifySignature)
        const shuffled = records.toSorted((a, b) => Math.sin(seed + a.signature.charCodeAt(9)) - Math.sin(seed + b.signature.charCodeAt(9)))
        expect(foldRoster([...records, ...shuffled], FINGERPRINT, verifySignature)).toEqual(roster)
        const stranger = generateKey()
        const intruded = foldRoster([...records, admit(stranger, { key: stranger, nodeId: 'evil' }, genesis)], FINGERPRINT, verifySignature)
        expect(intruded.members).toEqual(roster.members)
        for (const member of roster.members.values()) expect(keys.map((key) => key.publicKey)).toContain(member.publicKey)
      }),
      { numRuns: 150 },
    )
  })
})
