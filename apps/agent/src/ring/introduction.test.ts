import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { admit, rekey, remove, useKey } from '@thatdam/control/roster-edit'
import { TestRing } from '@thatdam/control/testing/ring'
import type { GenesisRecord, RosterRecord } from '@thatdam/protocol/roster'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openServer, type Opened } from '../agent/testing/adopting.ts'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { Introduction } from './introduction.ts'
import { RosterStore } from './roster-store.ts'
import { quietLog } from './testing/ring.ts'

const nobody = (): never => {
  throw new Error('nobody is asked here')
}

let directory = ''
let server: Opened
let store: RosterStore
let founder: KeyPair
let pi: KeyPair
/** What the machine that is asked knows, and what the others know beside. */
let ring: TestRing

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-introduction-'))
  founder = generateKey()
  ring = TestRing.found(founder)
  pi = ring.join(founder, 'pi')
  const [genesis, ...later] = ring.records
  store = new RosterStore(join(directory, 'roster.jsonl'), { genesis: genesis as GenesisRecord, later })
  const route = new Introduction({ nodeId: 'founder', store, client: nobody, log: quietLog, notice: () => {} }).route()
  server = await openServer({ key: founder, nodeId: 'founder' }, [route], (key) => store.memberByKey(key))
})
afterEach(async () => {
  await server.close()
  rmSync(directory, { recursive: true, force: true })
})

/** What the machine answers to this key that shows these records. */
async function shown(key: KeyPair, records: readonly RosterRecord[], changes: object = {}): Promise<string> {
  const client = new NodeClient(key, 'shows', new Addresses({ sighted: () => [] }))
  const body = { fingerprint: store.fingerprint, nodeId: 'pi', records, ...changes }
  const request = { publicKey: server.publicKey, method: 'POST', path: '/v1/key', body, timeoutMs: 5_000 } as const
  return await client
    .call(request, [{ address: '127.0.0.1', port: server.port }])
    .then(
      () => 'taken',
      (error: unknown) => (error as { code: string }).code,
    )
    .finally(() => client.close())
}

test('who has seen neither record takes the new key from its holder, and the old one is out', async () => {
  const [second, third] = [generateKey(), generateKey()]
  const made = [rekey(ring.desk(pi), 'pi', second.publicKey)]
  ring.take(...made)
  for (const [key, next] of [
    [second, third],
    [third, null],
  ] as const) {
    made.push(useKey(ring.desk(key)))
    ring.take(...made)
    if (next !== null) made.push(rekey(ring.desk(key), 'pi', next.publicKey))
    ring.take(...made)
  }
  // What does not speak of its key is left out, whoever signed it.
  const stowaway = admit(ring.desk(founder), { nodeId: 'stowaway', publicKey: generateKey().publicKey, bootCounter: 1 })
  expect(await shown(third, [stowaway, ...made.toReversed()])).toBe('taken')
  expect(store.member('pi')?.keys).toEqual([third.publicKey])
  expect([store.memberByKey(pi.publicKey), store.formerOwner(pi.publicKey)?.nodeId, store.member('stowaway')]).toEqual([null, 'pi', null])
  expect([store.isSame(pi.publicKey, pi.publicKey), store.isSame(third.publicKey, third.publicKey)]).toEqual([false, true])
  expect(store.wasMember(pi.publicKey)).toBe(false)
  expect(await shown(third, made)).toBe('taken')
})

test('until its first use both keys are the machine’s', async () => {
  const fresh = generateKey()
  expect(await shown(fresh, [rekey(ring.desk(pi), 'pi', fresh.publicKey)])).toBe('taken')
  expect(store.member('pi')?.keys.toSorted()).toEqual([pi.publicKey, fresh.publicKey].toSorted())
  expect([store.isSame(pi.publicKey, fresh.publicKey), store.isSame(fresh.publicKey, generateKey().publicKey)]).toEqual([true, false])
})

test('a key is nobody’s that no good key of the machine introduced', async () => {
  const [fresh, thief] = [generateKey(), generateKey()]
  const sound = rekey(ring.desk(pi), 'pi', fresh.publicKey)
  // Somebody recorded it, and has not the key.
  expect(await shown(thief, [sound])).toBe('UNAUTHENTICATED')
  const body = { ...sound.body, newKey: thief.publicKey } as RosterRecord['body']
  const signedBy = (key: KeyPair): RosterRecord => ({ body, signer: key.publicKey, signature: key.sign('thatdam-roster-v1', body) })
  expect(await shown(thief, [{ ...sound, body }])).toBe('UNAUTHENTICATED')
  expect(await shown(thief, [signedBy(founder)])).toBe('UNAUTHENTICATED')
  expect(await shown(fresh, [sound], { fingerprint: 'f'.repeat(64) })).toBe('UNAUTHENTICATED')
  expect(await shown(fresh, [sound], { nodeId: 'nobody' })).toBe('UNAUTHENTICATED')
  // The old key, in other hands, after the new one was used.
  const stolen = rekey(ring.desk(pi), 'pi', thief.publicKey)
  ring.take(sound)
  await store.merge([sound, useKey(ring.desk(fresh))])
  expect(await shown(thief, [stolen, signedBy(pi)])).toBe('UNAUTHENTICATED')
  expect(store.member('pi')?.keys).toEqual([fresh.publicKey])
})

test('a machine that was removed comes back by no key of its own, and records are looked at only so often', async () => {
  const fresh = generateKey()
  const sound = rekey(ring.desk(pi), 'pi', fresh.publicKey)
  await store.merge([remove(ring.desk(founder), 'pi')])
  expect([await shown(fresh, [sound]), store.wasMember(pi.publicKey)]).toEqual(['UNAUTHENTICATED', true])
  const win = ring.join(founder, 'win')
  await store.merge(ring.records.slice(1))
  const forged = { ...rekey(ring.desk(win), 'win', fresh.publicKey), signature: sound.signature }
  const answers = []
  for (let times = 0; times < 6; times += 1) answers.push(await shown(fresh, [forged], { nodeId: 'win' }))
  expect(answers).toEqual([...Array.from({ length: 5 }, () => 'UNAUTHENTICATED'), 'TOO_MANY_REQUESTS'])
})

test('a machine with no other key says so once, and shows nothing', async () => {
  const told: string[] = []
  const asked: string[] = []
  const client = { call: (request: { path: string }) => Promise.resolve(void asked.push(request.path)) } as unknown as NodeClient
  const introduction = new Introduction({
    nodeId: 'pi',
    store,
    client: () => client,
    log: quietLog,
    notice: (sentence) => void told.push(sentence),
  })
  const [member] = [...store.roster.members.values()].filter(({ nodeId }) => nodeId === 'founder')
  if (member === undefined) throw new Error('the founder is a member')
  expect([await introduction.to(member), await introduction.to(member)]).toEqual([false, false])
  expect([told.length, asked]).toEqual([1, []])
  expect(told[0]).toContain('founder refuses this machine’s key')
  await store.merge([rekey(ring.desk(pi), 'pi', generateKey().publicKey)])
  expect([await introduction.to(member), asked]).toEqual([true, ['/v1/key']])
})
