import fc from 'fast-check'
import { expect, test } from 'vitest'
import { verifySignature } from './keys.ts'
import { raise } from './roster-edit.ts'
import { foldRoster, type Member } from './roster.ts'
import { dumbRoster } from './testing/dumb-roster.ts'
import { anyPool, FOUNDER } from './testing/roster-pool.ts'

test('the fold is what the rules say, told again slowly; whatever the order, and with repeats', () => {
  const seen = { three: 0, raised: 0, removed: 0, replaced: 0, owners: 0, forward: 0, void: 0, taken: 0 }
  fc.assert(
    fc.property(anyPool, fc.infiniteStream(fc.nat()), ({ records, fingerprint }, chance) => {
      const roster = foldRoster(records, fingerprint, verifySignature)
      const { members, owner, forward } = dumbRoster(records, fingerprint, verifySignature)
      const found = [...roster.members.values()].map(({ nodeId, publicKey, keys, admitter }) => ({ nodeId, publicKey, keys, admitter }))
      expect({ members: found, owner: roster.ownerRecoveryKey, forward: roster.forward?.fingerprint ?? null }).toEqual({
        members,
        owner,
        forward,
      })
      const weights = new Map(records.map((record) => [record, chance.next().value as number]))
      const shuffled = records.toSorted((a, b) => (weights.get(a) as number) - (weights.get(b) as number))
      expect(foldRoster([...shuffled, ...records], fingerprint, verifySignature)).toEqual(roster)
      if (members.length > 2) seen.three += 1
      if (found.filter((member) => member.admitter).length > 1) seen.raised += 1
      if (roster.removed.size > 0) seen.removed += 1
      const uses = records.filter(({ body }) => body.kind === 'key-use' && found.some((member) => member.publicKey === body.publicKey))
      if (uses.length > 0) seen.replaced += 1
      if (roster.ownerKeys.length > 1) seen.owners += 1
      if (forward !== null) seen.forward += 1
      if (roster.ignored.some((one) => one.reason === 'void')) seen.void += 1
      if (roster.ignored.some((one) => one.reason === 'taken')) seen.taken += 1
    }),
    { numRuns: 400 },
  )
  // Or the property says nothing.
  for (const [name, count] of Object.entries(seen)) expect([name, count > 5]).toEqual([name, true])
}, 60_000)

test('whatever the ring is, a raise makes its member an admitter and takes nothing from the others', () => {
  let raised = 0
  fc.assert(
    fc.property(anyPool, fc.nat(), ({ records, fingerprint }, place) => {
      const kinds = ['genesis', 'admission', 'rekey']
      const known = records.filter(({ body }) => kinds.includes(body.kind))
      const plain = [...foldRoster(known, fingerprint, verifySignature).members.values()].filter((member) => !member.admitter)
      fc.pre(plain.length > 0)
      const { nodeId, keys } = plain[place % plain.length] as Member
      // What it had signed without a right may count now, and take a name from another.
      const calm = known.filter(({ signer }) => !keys.includes(signer))
      const before = foldRoster(calm, fingerprint, verifySignature)
      fc.pre(before.members.get(nodeId)?.admitter === false)
      const record = raise({ records: calm, roster: before, signer: FOUNDER }, nodeId)
      const after = foldRoster([record, ...calm], fingerprint, verifySignature)
      expect(after.members.get(nodeId)?.admitter).toBe(true)
      for (const [id, { record: _, ...member }] of before.members) {
        expect(after.members.get(id)).toMatchObject({ ...member, admitter: member.admitter || id === nodeId })
      }
      raised += 1
    }),
    { numRuns: 100 },
  )
  expect(raised).toBe(100)
})
