import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formerKeys } from '@thatdam/control/key-chain'
import { generateKey, verifySignature, type KeyPair } from '@thatdam/control/keys'
import { admit, remove, useKey } from '@thatdam/control/roster-edit'
import { REKEYS_MAX, type RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RosterStore, writeRoster } from '../ring/roster-store.ts'
import { foundRing, identities } from '../ring/testing/ring.ts'
import { changeIdentity, openIdentity, readIdentity, type Identity } from './identity.ts'
import { introduce, settleKey, useNewKey } from './key-replacement.ts'
import { statePaths, type StatePaths } from './paths.ts'
import { openRing, readRing } from './ring.ts'

let directory = ''
let paths: StatePaths
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-key-'))
  paths = statePaths(directory)
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function storeNow(): Promise<RosterStore> {
  const ring = await readRing(paths.roster)
  if (ring === null) throw new Error('no ring')
  return new RosterStore(paths.roster, ring)
}
async function identityNow(): Promise<Identity> {
  const identity = await readIdentity(paths.identity)
  if (identity === null) throw new Error('no identity')
  return identity
}
/** As at a start. */
const settle = async (): Promise<Identity> => settleKey(paths, await identityNow())

/** What is on the disk when the power goes after so many steps of a replacement; 4: after the last. */
async function replaceUntil(step: number, next: KeyPair): Promise<void> {
  const identity = { ...(await identityNow()), next }
  if (step === 0) return
  await changeIdentity(paths.identity, identity)
  if (step === 1) return
  const record = await introduce(await storeNow(), identity, next.publicKey)
  if (step === 2) return
  const former = [...identity.former, { key: identity.key, record }].slice(-REKEYS_MAX)
  await changeIdentity(paths.identity, { ...identity, key: next, former, next: null })
  if (step === 3) return
  await (await storeNow()).edit(next, useKey)
}

const kinds = (records: readonly RosterRecord[], kind: string): number => records.filter(({ body }) => body.kind === kind).length

test('wherever the power goes, and however often it starts, there is one key, and it is known by the one before', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ step: fc.nat({ max: 4 }), starts: fc.integer({ min: 1, max: 2 }) }), { minLength: 1, maxLength: 11 }),
      async (replacements) => {
        rmSync(directory, { recursive: true, force: true })
        directory = mkdtempSync(join(tmpdir(), 'thatdam-key-'))
        paths = statePaths(directory)
        const first = await openIdentity(paths.identity, { nodeId: 'pi5' })
        await openRing(paths.roster, first, 1)
        const keys = [first.key]
        for (const { step, starts } of replacements) {
          const next = generateKey()
          await replaceUntil(step, next)
          for (let times = 0; times < starts; times += 1) await settle()
          if (step > 0) keys.push(next)
          const { key, former, next: left } = await identityNow()
          const { publicKey } = keys.at(-1) as KeyPair
          expect([key.publicKey, left]).toEqual([publicKey, null])
          expect(former.map((one) => one.key.publicKey)).toEqual(
            keys
              .slice(0, -1)
              .slice(-REKEYS_MAX)
              .map((one) => one.publicKey),
          )
          const chain = formerKeys(
            former.map(({ record }) => record),
            { nodeId: 'pi5', publicKey, verify: verifySignature },
          )
          expect(chain.toReversed()).toEqual(former.map((one) => one.key.publicKey))
          const { roster, keeper } = await storeNow()
          expect([...roster.byKey.keys()]).toEqual([publicKey])
          expect([kinds(keeper.records, 'rekey'), kinds(keeper.records, 'key-use')]).toEqual([keys.length - 1, keys.length - 1])
          expect(roster.members.get('pi5')).toMatchObject({ publicKey, admitter: true })
        }
      },
    ),
    { numRuns: 15 },
  )
}, 60_000)

test('one that was removed meanwhile keeps its key, and a start says why', async () => {
  const [founder, pi] = identities(['founder', 'pi5']) as [Identity, Identity]
  await writeRoster(paths.roster, foundRing([founder, pi]))
  const store = await storeNow()
  await store.edit(founder.key, (desk) => remove(desk, 'pi5'))
  const next = generateKey()
  await changeIdentity(paths.identity, { ...pi, next })
  const said: string[] = []
  const settled = await settleKey(paths, { ...pi, next }, (sentence) => void said.push(sentence))
  expect([settled.key.publicKey, settled.next, said]).toEqual([
    pi.key.publicKey,
    null,
    [expect.stringMatching(/^The key of this machine was not replaced\. There is no machine pi5/)],
  ])
  expect(await identityNow()).toMatchObject({ key: { publicKey: pi.key.publicKey }, next: null, former: [] })
})

test('an admitter with others uses its new key when it has seen what they have: whom it let in before its disk was put back stays', async () => {
  const [founder, pi] = identities(['founder', 'pi5']) as [Identity, Identity]
  await writeRoster(paths.roster, foundRing([founder]))
  const before = await storeNow()
  const others = new RosterStore(join(directory, 'others.jsonl'), { genesis: before.founding, later: before.later() })
  await others.merge(foundRing([founder, pi]).later)
  const late = generateKey()
  await others.edit(founder.key, (desk) => admit(desk, { nodeId: 'late', publicKey: late.publicKey, bootCounter: 1 }))
  // The older disk knows of the first admission alone.
  await before.merge(foundRing([founder, pi]).later)
  const next = generateKey()
  await changeIdentity(paths.identity, { ...founder, next })
  const settled = await settle()
  expect(settled.key.publicKey).toBe(next.publicKey)
  const now = await storeNow()
  expect([kinds(now.later(), 'rekey'), kinds(now.later(), 'key-use')]).toEqual([1, 0])
  await now.merge(others.later())
  expect([await useNewKey(now, settled), await useNewKey(now, settled)]).toEqual([true, false])
  await others.merge(now.later())
  expect([...others.roster.byKey.keys()].toSorted()).toEqual([next.publicKey, pi.key.publicKey, late.publicKey].toSorted())
})

test('a start without anything to do reads and writes nothing', async () => {
  const [alone] = identities(['alone']) as [Identity]
  expect(await settleKey(paths, alone)).toBe(alone)
  const { key } = await openIdentity(paths.identity, { nodeId: 'pi5' })
  expect(JSON.parse(await readFile(paths.identity, 'utf8'))).not.toHaveProperty('former')
  expect((await settle()).key.publicKey).toBe(key.publicKey)
})
