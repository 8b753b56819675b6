import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { buildRingMeet, homeOf } from '@thatdam/control/ring-meet'
import { buildRingMerge, verifyRingMerge } from '@thatdam/control/ring-merge'
import { signOwnership } from '@thatdam/control/ring-owner'
import { forward, nameOwnerKey, remove } from '@thatdam/control/roster-edit'
import { RosterKeeper } from '@thatdam/control/roster-keeper'
import { recordHash } from '@thatdam/control/roster'
import { RingJoinResponse } from '@thatdam/protocol/ring-join'
import { FormersAnswer, RingIntroduction, type RingMergeRequest, WayAnswer } from '@thatdam/protocol/ring-meet'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openServer, type Opened } from '../agent/testing/adopting.ts'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { foundRing, identities, openPart, quietLog } from '../ring/testing/ring.ts'
import type { Identity } from '../state/identity.ts'
import { statePaths } from '../state/paths.ts'
import { Formers } from './formers.ts'
import { MeetDoor } from './meet-door.ts'

/* The routes as they are mounted, over real TLS: whose key the connection proves is part of the answer. */

const REFUSED = { code: 'UNAUTHENTICATED', message: 'Not signed in.' }
const [founder, plain, attic, laptop, thief] = identities(['pi5-desktop', 'pi5-server', 'attic', 'laptop', 'thief']) as [
  Identity,
  Identity,
  Identity,
  Identity,
  Identity,
]
const owner = generateKey()

let directory = ''
const endings: (() => unknown)[] = []
let server: Opened
let formers: Formers
let winner: RosterKeeper
let loser: RosterKeeper
const news: string[] = []
const onNews = (publicKey: string) => void news.push(publicKey)

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-meet-door-'))
  const part = await openPart(founder, foundRing([founder, plain]), { address: '127.0.0.1', port: 0, seeds: '127.0.0.1:9', ranking: [] })
  const { store } = part
  winner = store.keeper
  await winner.edit(founder.key, (desk) => nameOwnerKey(desk, owner.publicKey))
  formers = await openFormers()
  const proofs = [signOwnership(owner, store)]
  const own = () => ({ cloud: null, isClaimed: true, isCloudPaired: false, isChosen: false, proofs })
  const door = new MeetDoor({ host: { store, part }, identity: founder, formers, own, onNews, log: quietLog })
  server = await openServer(founder, door.routes(), (publicKey) => store.memberByKey(publicKey))
  const { genesis, later } = foundRing([attic, laptop, thief])
  loser = new RosterKeeper({ fingerprint: recordHash(genesis.body), records: [genesis, ...later], save: async () => {} })
  await loser.edit(attic.key, (desk) => nameOwnerKey(desk, owner.publicKey))
  endings.push(
    () => server.close(),
    () => part.stop(),
  )
})
afterEach(async () => {
  vi.useRealTimers()
  for (const end of endings.splice(0)) await end()
  rmSync(directory, { recursive: true, force: true })
})

const openFormers = () => Formers.open({ paths: statePaths(directory), log: quietLog, changed: () => {} })

/** @returns the body of the answer, whatever its status. */
async function ask(by: { key: KeyPair; nodeId: string }, path: string, body: object): Promise<unknown> {
  const client = new NodeClient(by.key, by.nodeId, new Addresses({ sighted: () => [] }))
  const asked = { publicKey: server.publicKey, method: 'POST', path, body, timeoutMs: 5_000 } as const
  try {
    return (await client.call(asked, [{ address: '127.0.0.1', port: server.port }])).body
  } catch (error) {
    const { code, message } = error as Error & { code: string }
    return { code, message }
  } finally {
    client.close()
  }
}

async function introduce(by: Identity, isNews = false): Promise<RingIntroduction> {
  return RingIntroduction.parse(await ask(by, '/v1/meet', { ...buildRingMeet(), isNews }))
}

async function requestOf(by: Identity, ring: RosterKeeper = loser): Promise<RingMergeRequest> {
  return buildRingMerge(await introduce(by), { ring, node: by.key, nodeId: by.nodeId, proofs: [signOwnership(owner, loser.roster)] })
}

const goOver = () => loser.edit(attic.key, (desk) => forward(desk, winner.roster))

test('a ring that has gone over is taken in and kept on disk; a stranger who got hold of the request hears nothing', async () => {
  await loser.edit(attic.key, (desk) => remove(desk, 'thief'))
  await goOver()
  const request = await requestOf(laptop)
  expect(await ask({ key: generateKey(), nodeId: 'stranger' }, '/v1/meet/merge', request)).toEqual(REFUSED)
  expect(winner.roster.members.size).toBe(2)
  const joined = verifyRingMerge(RingJoinResponse.parse(await ask(laptop, '/v1/meet/merge', request)), request)
  expect([joined.nodeId, [...joined.roster.members.keys()]]).toEqual(['laptop', ['attic', 'laptop', 'pi5-desktop', 'pi5-server']])
  // Its own machine may say it twice; and the rest of the ring is a member by now.
  expect(RingJoinResponse.parse(await ask(laptop, '/v1/meet/merge', request)).nodeId).toBe('laptop')
  const again = await openFormers()
  expect(again.forwardOf(loser.fingerprint)).toBe(winner.fingerprint)
  expect(again.goneOverTo(winner.fingerprint).map(({ roster }) => [...roster.members.keys()])).toEqual([['attic', 'laptop']])
})

test('an old request, one without the forwarding, and one of a removed machine that leaves its removal out are refused', async () => {
  const before = loser.records
  await loser.edit(attic.key, (desk) => remove(desk, 'thief'))
  await goOver()
  const forwarding = loser.records.filter(({ body }) => body.kind === 'forwarding')
  const partial = new RosterKeeper({ fingerprint: loser.fingerprint, records: [...before, ...forwarding], save: async () => {} })
  expect(await ask(thief, '/v1/meet/merge', await requestOf(thief, partial))).toEqual(REFUSED)
  const request = await requestOf(laptop)
  expect(await ask(laptop, '/v1/meet/merge', { ...request, records: before })).toEqual(REFUSED)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 121_000 })
  expect(await ask(laptop, '/v1/meet/merge', request)).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('two minutes') })
  expect([winner.roster.members.size, formers.goneOverTo(winner.fingerprint)]).toEqual([2, []])
})

test('the way is shown to machines of the ring that has gone over, and to nobody else', async () => {
  await loser.edit(attic.key, (desk) => remove(desk, 'thief'))
  await goOver()
  await ask(attic, '/v1/meet/merge', await requestOf(attic))
  const asked = { version: 1, fingerprint: loser.fingerprint }
  const { records } = WayAnswer.parse(await ask(laptop, '/v1/meet/way', asked))
  expect(records.some(({ body }) => body.kind === 'forwarding')).toBe(true)
  for (const by of [thief, plain, { key: generateKey(), nodeId: 'stranger' }]) {
    expect(await ask(by, '/v1/meet/way', asked)).toEqual(REFUSED)
  }
  expect(await ask(laptop, '/v1/meet/way', { version: 1, fingerprint: winner.fingerprint })).toEqual(REFUSED)
})

test('members hear which rings have come over, and the owner’s word; others do not', async () => {
  const body = { version: 1, held: [] }
  expect(FormersAnswer.parse(await ask(plain, '/v1/formers', body))).toMatchObject({ former: null, proofs: [{ kind: 'recovery-key' }] })
  await goOver()
  await ask(attic, '/v1/meet/merge', await requestOf(attic))
  const { former } = FormersAnswer.parse(await ask(plain, '/v1/formers', body))
  expect(former?.fingerprint).toBe(loser.fingerprint)
  const held = formers.goneOverTo(winner.fingerprint).map(({ fingerprint, digest }) => ({ fingerprint, digest }))
  expect(FormersAnswer.parse(await ask(plain, '/v1/formers', { version: 1, held })).former).toBeNull()
  expect(await ask({ key: generateKey(), nodeId: 'stranger' }, '/v1/formers', body)).toEqual(REFUSED)
})

test('who proves nothing again and again waits; news of another ring is heard by the key that the connection proves', async () => {
  await introduce(attic, true)
  await introduce(laptop)
  expect(news).toEqual([attic.key.publicKey])
  await goOver()
  const request = { ...(await requestOf(attic)), proofs: [] }
  const answers = new Set<unknown>()
  for (let count = 0; count < 25; count += 1) answers.add(((await ask(attic, '/v1/meet/merge', request)) as { code: string }).code)
  expect([...answers]).toEqual(['UNAUTHENTICATED', 'TOO_MANY_REQUESTS'])
})

test('of a former ring nothing is forgotten, and a damaged file is passed over', async () => {
  const before = loser.records
  await goOver()
  const { fingerprint } = loser
  await formers.keep({ fingerprint, records: [...loser.records] })
  await formers.keep({ fingerprint, records: [...before] })
  const again = await openFormers()
  expect(again.of(fingerprint)?.digest).toBe(loser.digest)
  expect(homeOf(fingerprint, (at) => again.forwardOf(at))).toBe(winner.fingerprint)
  writeFileSync(statePaths(directory).oldRoster(fingerprint), 'damaged\n')
  expect((await openFormers()).of(fingerprint)).toBeNull()
})
