import path from 'node:path'
import { judgeJoinIntent } from '@thatdam/control/join-intent'
import { verifyJoinResponse } from '@thatdam/control/join'
import { generateKey, verifySignature } from '@thatdam/control/keys'
import { RELAY_START, relayOn } from '@thatdam/control/relay'
import { rekey, useKey } from '@thatdam/control/roster-edit'
import { recordId } from '@thatdam/control/roster-sync'
import { verifyPlace } from '@thatdam/control/ring-place'
import { foldRoster, recordHash } from '@thatdam/control/roster'
import { sampleAdmission, sampleGenesis, sampleMachine, sampleRemoval } from '@thatdam/control/testing/samples'
import { TestRing } from '@thatdam/control/testing/ring'
import { createClient, type Database } from '@thatdam/db/client'
import { startPostgres } from '@thatdam/db/postgres'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { AnnouncementBody } from '@thatdam/protocol/discovery'
import type { JoinResponse } from '@thatdam/protocol/join'
import { PollResponse } from '@thatdam/protocol/poll'
import { RendezvousResponse } from '@thatdam/protocol/rendezvous'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NodeView } from '../domain/node-view.ts'
import { type RingView, sortRing } from '../domain/ring-view.ts'
import { ask, type Browser, signedUp } from '../testing/browser.ts'
import { type CloudProcess, startCloud } from '../testing/cloud-process.ts'
import { Machine } from '../testing/machine.ts'
import { makeToken } from '../testing/owner.ts'

let cloud: CloudProcess
let db: Database
let ada: Browser
let people = 0

beforeAll(async () => {
  cloud = await startCloud()
  const postgres = await startPostgres({ dataDir: path.join(cloud.dataRoot, 'pg') })
  db = createClient(postgres.url('thatdam_cloud'), 2)
}, 90_000)
afterAll(async () => {
  await db.$disconnect()
  await cloud.stop()
  cloud.remove()
})
/** An organisation without machines. */
beforeEach(async () => {
  ada = await signedUp(cloud.url, `ada-${(people += 1)}@example.org`)
})

/** Joins with a token of Ada's and has its credential. */
async function join(machine: Machine, ring?: Parameters<Machine['join']>[1]): Promise<JoinResponse> {
  const answer = await machine.join((await makeToken(ada)).text, ring)
  if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`)
  await machine.renew()
  return answer.json<JoinResponse>()
}
const machineOf = (nodeId: string): Machine => new Machine(cloud.url, nodeId)
const polled = async (machine: Machine, ...asked: Parameters<Machine['poll']>): Promise<PollResponse> =>
  PollResponse.parse((await machine.poll(...asked)).json())
const rowOf = (machine: Machine) => db.cloudNode.findUniqueOrThrow({ where: { nodeKey: machine.self.node.publicKey } })
const ringRow = async (machine: Machine) => db.cluster.findUnique({ where: { organisationId: (await rowOf(machine)).organisationId } })
/** As if the lease had begun so long ago. */
async function age(machine: Machine, ms: number): Promise<void> {
  const { organisationId } = await rowOf(machine)
  await db.cluster.update({ where: { organisationId }, data: { appointedAt: new Date(Date.now() - ms) } })
}
const admitted = (founder: Machine, machine: Machine, admitter = false) =>
  sampleAdmission(
    founder.self.node,
    { publicKey: machine.self.node.publicKey, nodeId: machine.self.nodeId, admitter },
    founder.self.genesis,
  )

describe('one ring for each organisation', () => {
  test('of twelve that come at once one founds it, the others wait for that one; asking again tells the same', async () => {
    const token = await makeToken(ada, { machines: 12 })
    const machines = Array.from({ length: 12 }, (_, index) => machineOf(`at-once-${index}`))
    const answers = await Promise.all(machines.map((machine) => machine.join(token.text)))
    expect(answers.map((answer) => answer.status)).toEqual(machines.map(() => 201))
    const places = answers.map((answer) => answer.json<JoinResponse>().ring)
    const founder = machines[places.findIndex((place) => place?.role === 'founder')] as Machine
    expect(places.filter((place) => place?.role === 'founder')).toHaveLength(1)
    expect(new Set(places.map((place) => place?.genesis.body.clusterId))).toEqual(new Set([founder.self.genesis.body.clusterId]))
    for (const [index, machine] of machines.entries()) {
      const again = (await machine.join(token.text)).json<JoinResponse>()
      expect(again.ring).toEqual(places[index])
      const { organisation } = again
      const told = { instanceKey: machine.serverKey, organisationId: organisation.id, nodeKey: machine.self.node.publicKey }
      expect(again.ring && verifyPlace(again.ring, told)).toBe(true)
      expect(again.ring && verifyPlace({ ...again.ring, role: 'founder' }, told)).toBe(again.ring?.role === 'founder')
    }
    expect(await db.cluster.count({ where: { genesisHash: recordHash(founder.self.genesis.body) } })).toBe(1)
  })

  test('the answer to a join is signed with its place', async () => {
    const machine = machineOf('signed')
    const token = await makeToken(ada)
    const sent = await machine.join(token.text)
    const other = sampleGenesis(machine.self.node, 'signed')
    const request = {
      transcript: {
        nodeKey: machine.self.node.publicKey,
        genesisHash: recordHash(machine.self.genesis.body),
        serverKey: machine.serverKey,
      },
    }
    const answer = sent.json<JoinResponse>()
    const check = (given: JoinResponse) => () => verifyJoinResponse(given, request as Parameters<typeof verifyJoinResponse>[1])
    expect(check(answer)).not.toThrow()
    expect(check({ ...answer, ring: { ...(answer.ring as NonNullable<JoinResponse['ring']>), genesis: other } })).toThrow('altered')
  })

  test('a founder that does not confirm within its lease is replaced by the next that joins, and waits like the others', async () => {
    const [first, second] = [machineOf('slow-founder'), machineOf('next-founder')]
    expect((await join(first)).ring?.role).toBe('founder')
    await age(first, 59_000)
    const early = machineOf('within-the-lease')
    expect((await join(early)).ring).toMatchObject({ role: 'member', genesis: first.self.genesis })
    await age(first, 61_000)
    expect((await join(second)).ring).toMatchObject({ role: 'founder', genesis: second.self.genesis })
    // Too late: this report is of a ring that is not the organisation's any more.
    expect((await first.reportRing(first.self.genesis)).status).toBe(204)
    expect((await ringRow(first))?.confirmedAt).toBeNull()
    expect((await polled(first, 0)).ring?.place).toMatchObject({ role: 'member', genesis: second.self.genesis })
    expect((await second.reportRing(second.self.genesis)).status).toBe(204)
    const waiting = (await polled(second, 0)).joinIntents?.map((intent) => intent.transcript.nodeId)
    expect(waiting?.toSorted()).toEqual(['slow-founder', 'within-the-lease'])
    await age(first, 10_000_000)
    expect((await join(machineOf('much-later'))).ring).toMatchObject({ role: 'member', genesis: second.self.genesis })
  })

  test('a machine that waits with a held poll is appointed within seconds of the lease’s end', async () => {
    const [first, second] = [machineOf('never-started'), machineOf('waits')]
    await join(first)
    await join(second)
    const held = await second.hold()
    await age(first, 61_000)
    const news = PollResponse.parse((await held.answer).json())
    expect(news.ring?.place).toMatchObject({ role: 'founder', genesis: second.self.genesis })
  })

  test('the founder removed before anybody was let in: the ring ends with it, and another founds one', async () => {
    const [first, second] = [machineOf('sold-founder'), machineOf('stays')]
    await join(first)
    await first.reportRing(first.self.genesis)
    await join(second)
    const held = await second.hold()
    const { id } = await rowOf(first)
    expect((await ada.ask({ method: 'DELETE', path: `/api/nodes/${id}`, body: {} })).status).toBe(204)
    expect(PollResponse.parse((await held.answer).json()).ring?.place).toMatchObject({ role: 'founder', genesis: second.self.genesis })
  })
})

describe('a ring that a machine brings', () => {
  test('becomes the organisation’s where there is none; with another one it gets a clear answer and the token stays good', async () => {
    const [founder, member, other] = [machineOf('lan-founder'), machineOf('lan-member'), machineOf('of-another-ring')]
    const records = [admitted(founder, member)]
    const { genesis } = founder.self
    expect((await join(member, { genesis, records })).ring).toMatchObject({ role: 'founder', genesis })
    expect((await member.reportRing(genesis, records)).status).toBe(204)
    expect((await join(founder, { genesis, records })).ring).toMatchObject({ role: 'member', genesis })
    expect([(await rowOf(founder)).ringState, (await rowOf(member)).ringState]).toEqual(['in', 'in'])

    const stranger = machineOf('elsewhere')
    const theirs = { genesis: stranger.self.genesis, records: [admitted(stranger, other)] }
    const token = await makeToken(ada)
    const refused = await other.join(token.text, theirs)
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('another ring')])
    expect((await db.joinToken.findUniqueOrThrow({ where: { id: token.id } })).uses).toBe(0)
    const bob = await signedUp(cloud.url, `bob-${people}@example.org`)
    const newcomer = machineOf('lan-third')
    const third = sampleAdmission(founder.self.node, { publicKey: newcomer.self.node.publicKey, nodeId: 'lan-third' }, genesis)
    const elsewhere = await newcomer.join((await makeToken(bob)).text, { genesis, records: [third] })
    expect([elsewhere.status, elsewhere.text]).toEqual([401, expect.stringContaining('belongs to another organisation')])
  })
})

describe('from waiting to being let in', () => {
  test('members get the intent in under half a second, the waiting machine its admission; strangers and the waiting get none', async () => {
    const [founder, machine] = [machineOf('lets-in'), machineOf('comes-in')]
    const { organisation } = await join(founder)
    await founder.reportRing(founder.self.genesis)
    const heldByFounder = await founder.hold()
    const startedAt = performance.now()
    await join(machine)
    const told = PollResponse.parse((await heldByFounder.answer).json())
    expect(performance.now() - startedAt).toBeLessThan(500)
    const [intent] = told.joinIntents ?? []
    if (intent === undefined) throw new Error('no intent came')
    const { genesis } = founder.self
    const genesisHash = recordHash(genesis.body)
    const expected = { instanceKey: founder.serverKey, organisationId: organisation.id, genesisHash }
    const decision = judgeJoinIntent(intent, expected, foldRoster([genesis], genesisHash, verifySignature))
    expect(decision).toEqual({ kind: 'admit', nodeId: 'comes-in', publicKey: machine.self.node.publicKey, bootCounter: 1 })

    expect((await polled(machine, 0)).joinIntents).toBeUndefined()
    const heldByMachine = await machine.hold(RELAY_START)
    const record = admitted(founder, machine)
    const sentAt = performance.now()
    expect((await founder.reportRing(genesis, [record])).status).toBe(204)
    const news = PollResponse.parse((await heldByMachine.answer).json())
    expect(performance.now() - sentAt).toBeLessThan(500)
    expect(news.ring).toMatchObject({ admitted: true, after: 0, position: 1, records: [record], more: false })
    expect(news.ring?.digest).toBe(relayOn(RELAY_START, [recordId(record)]).digest)
    expect((await polled(founder, 0)).joinIntents).toBeUndefined()
    const actions = await db.auditEvent.findMany({
      where: { organisationId: organisation.id, action: { startsWith: 'ring.' } },
      orderBy: { id: 'asc' },
    })
    expect(actions.map(({ action, actor }) => [action, actor])).toEqual([
      ['ring.founded', 'node:lets-in'],
      ['ring.joined', 'node:comes-in'],
    ])
  })

  test('forged records are not kept; pages come in order and end; one that began elsewhere begins anew', async () => {
    const founder = machineOf('pages')
    await join(founder)
    const { genesis, node } = founder.self
    const forged = { ...admitted(founder, machineOf('forged')), signature: node.sign('thatdam-plan-v1', genesis.body) }
    const foreign = sampleAdmission(node, { publicKey: node.publicKey, nodeId: 'x' }, sampleGenesis(node, 'pages'))
    expect((await founder.reportRing(genesis, [forged, foreign])).status).toBe(204)
    expect((await ringRow(founder))?.position).toBe(0)
    const records = Array.from({ length: 100 }, (_, index) =>
      sampleAdmission(node, { publicKey: sampleMachine().node.publicKey, nodeId: `n-${index}` }, genesis),
    )
    await founder.reportRing(genesis, records.slice(0, 60))
    await founder.reportRing(genesis, records.slice(40))
    const first = await polled(founder, 0)
    expect(first.ring).toMatchObject({ after: 0, position: 64, more: true })
    const has = relayOn(RELAY_START, first.ring?.records.map(recordId) ?? [])
    // The same revision, and still an answer at once: there are more records.
    const second = await polled(founder, first.revision, has)
    expect(second.ring).toMatchObject({ after: 64, position: 100, more: false })
    const came = [...(first.ring?.records ?? []), ...(second.ring?.records ?? [])].map(recordId)
    expect(came.toSorted()).toEqual(records.map(recordId).toSorted())
    const all = relayOn(has, second.ring?.records.map(recordId) ?? [])
    expect(second.ring?.digest).toBe(all.digest)
    expect((await polled(founder, second.revision, { ...all, digest: 'f'.repeat(64) })).ring?.after).toBe(0)
    expect((await founder.report({ ring: { genesisHash: 'f'.repeat(64), records: records.slice(0, 5) } })).status).toBe(204)
    expect((await founder.report({ ring: { genesisHash: recordHash(genesis.body), records: [...records, ...records] } })).status).toBe(400)
  })

  test('one that the ring removed hears of it, and comes back only by a token redeemed after that', async () => {
    const [founder, machine] = [machineOf('keeps-order'), machineOf('goes-and-comes')]
    const { organisation } = await join(founder)
    await join(machine)
    const { genesis } = founder.self
    const inside = admitted(founder, machine)
    await founder.reportRing(genesis, [inside])
    const removal = sampleRemoval(founder.self.node, 'goes-and-comes', inside, [inside])
    const held = await machine.hold(relayOn(RELAY_START, [recordId(inside)]))
    await founder.reportRing(genesis, [removal])
    expect(PollResponse.parse((await held.answer).json()).ring).toMatchObject({ admitted: false, records: [removal] })
    expect((await polled(founder, 0)).joinIntents).toBeUndefined()
    await join(machine, { genesis, records: [inside, removal] })
    const [intent] = (await polled(founder, 0)).joinIntents ?? []
    expect(intent?.voucher).toMatchObject({ organisationId: organisation.id, removal: recordHash(removal.body) })
  })

  test('a machine that replaced its key goes on under the new one from its first use on, and the old one is a stranger’s (THREATS 7)', async () => {
    const [founder, machine] = [machineOf('signs-for'), machineOf('new-key')]
    await join(founder)
    await join(machine)
    const { genesis, node } = founder.self
    const old = machine.self.node
    const fresh = generateKey()
    const ring = new TestRing([genesis, admitted(founder, machine)], recordHash(genesis.body))
    ring.take(rekey(ring.desk(old), 'new-key', fresh.publicKey))
    await founder.reportRing(genesis, ring.records.slice(1))
    expect((await machine.renew()).status).toBe(200)
    expect((await rowOf(machine)).ringState).toBe('in')
    ring.take(useKey(ring.desk(fresh)))
    await founder.reportRing(genesis, ring.records.slice(1))
    expect((await machine.renew()).status).toBe(401)
    expect((await machine.poll(0)).status).toBe(401)
    Object.assign(machine.self, { node: fresh })
    expect((await machine.renew()).status).toBe(200)
    expect(await rowOf(machine)).toMatchObject({ nodeId: 'new-key', ringState: 'in', lockedAt: null })
    expect(node.publicKey).toBe((await ringRow(founder))?.founderKey)
  })

  test('the founder itself comes with a new key that nobody reported: it is who it was, and a token redeemed again is the same one', async () => {
    const [founder, other] = [machineOf('founds-anew'), machineOf('reports-first')]
    const { text } = await makeToken(ada)
    expect((await founder.join(text)).status).toBe(201)
    await founder.renew()
    const { genesis, node: old } = founder.self
    await founder.reportRing(genesis)
    await join(other)
    const fresh = generateKey()
    const ring = new TestRing([genesis], recordHash(genesis.body))
    const introduced = rekey(ring.desk(old), 'founds-anew', fresh.publicKey)
    ring.take(introduced)
    ring.take(useKey(ring.desk(fresh)))
    const stale = Object.assign(machineOf('founds-anew'), {
      self: { ...founder.self },
      serverKey: founder.serverKey,
      sequence: founder.sequence,
    })
    Object.assign(founder.self, { node: fresh })
    expect((await founder.renew()).status).toBe(401)
    expect((await founder.renew([introduced])).status).toBe(200)
    expect((await stale.renew()).status).toBe(401)
    expect((await ringRow(founder))?.founderKey).toBe(fresh.publicKey)
    expect(await db.auditEvent.count({ where: { action: 'node.key-replaced', actor: 'node:founds-anew' } })).toBe(1)
    // The first use comes later, and what another machine reports meanwhile does not put it out.
    await founder.reportRing(genesis, [
      ...ring.records.slice(1),
      sampleAdmission(fresh, { publicKey: other.self.node.publicKey, nodeId: 'reports-first' }, introduced),
    ])
    expect([(await rowOf(founder)).ringState, (await rowOf(other)).ringState]).toEqual(['in', 'in'])
    expect((await polled(founder, 0)).ring?.place.role).toBe('founder')

    // Once more, and it comes with its token before it comes for access.
    const third = generateKey()
    ring.take(rekey(ring.desk(fresh), 'founds-anew', third.publicKey))
    ring.take(useKey(ring.desk(third)))
    const { id } = await rowOf(founder)
    Object.assign(founder.self, { node: third })
    const again = await founder.join(text, { genesis, records: ring.records.slice(1) })
    expect([again.status, again.json<JoinResponse>().ring?.role]).toEqual([201, 'founder'])
    expect(await rowOf(founder)).toMatchObject({ id, nodeId: 'founds-anew', ringState: 'in' })
    // A stranger with the same story does not get in.
    const thief = machineOf('founds-anew')
    const told = (await thief.join(text, { genesis, records: ring.records.slice(1) })).text
    expect(told).not.toContain('"organisation"')
  })

  test('a machine that its owner removes while it waits is not offered any more', async () => {
    const [founder, machine] = [machineOf('the-founder'), machineOf('second-thoughts')]
    await join(founder)
    await founder.reportRing(founder.self.genesis)
    await join(machine)
    expect((await polled(founder, 0)).joinIntents).toHaveLength(1)
    const { nodes } = (await ada.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[] }>()
    const held = await founder.hold()
    const { id = '' } = nodes.find((node) => node.nodeId === 'second-thoughts') ?? {}
    expect((await ada.ask({ method: 'DELETE', path: `/api/nodes/${id}`, body: {} })).status).toBe(204)
    expect(PollResponse.parse((await held.answer).json()).joinIntents).toBeUndefined()
  })
})

const announcement = (machine: Machine, changes: Partial<AnnouncementBody> = {}): string => {
  const { node, nodeId, genesis } = machine.self
  const { publicKey } = node
  const body: AnnouncementBody = {
    version: 1,
    nodeId,
    publicKey,
    clusterId: genesis.body.clusterId,
    fingerprint: recordHash(genesis.body),
    claimed: true,
    role: 'worker',
    term: null,
    port: 7700,
    consolePort: null,
    addresses: [{ address: '192.0.2.7', scope: 'lan' }],
    boot: 1,
    count: 1,
    ...changes,
  }
  return canonicalJson({ body, signature: node.sign('thatdam-announcement-v1', body) })
}
const met = async (machine: Machine, text: string | null, ttlMs = 60_000): Promise<string[]> => {
  const answer = await machine.meet(text, ttlMs)
  expect(answer.status).toBe(200)
  return RendezvousResponse.parse(answer.json()).announcements.map((one) => one.announcement)
}
const allow = (rendezvous: boolean) => ada.ask({ method: 'PATCH', path: '/api/ring', body: { rendezvous } })

describe('finding one another through the cloud', () => {
  test('is off until the owner allows it, is for the ring’s own machines and their own words, and ends', async () => {
    const [founder, member, waits] = [machineOf('meets'), machineOf('is-met'), machineOf('only-waits')]
    for (const machine of [founder, member, waits]) await join(machine)
    const { genesis } = founder.self
    await founder.reportRing(genesis, [admitted(founder, member)])
    const fingerprint = recordHash(genesis.body)
    const own = announcement(founder)
    const others = announcement(member, { fingerprint })
    expect((await founder.meet(own)).text).toContain('FORBIDDEN')
    const held = await founder.hold(relayOn(RELAY_START, [recordId(admitted(founder, member))]))
    expect((await allow(true)).status).toBe(200)
    expect(PollResponse.parse((await held.answer).json()).ring?.rendezvous).toBe(true)

    expect(await met(founder, own)).toEqual([])
    expect(await met(member, others)).toEqual([own])
    expect(await met(founder, null)).toEqual([others])
    for (const [who, text] of [
      [waits, announcement(waits)],
      [waits, null],
      [member, own],
      [member, announcement(member)],
      [member, others.replace('192.0.2.7', '192.0.2.8')],
      [member, 'no announcement'],
    ] as const)
      expect([(await who.meet(text)).status, text]).toEqual([403, text])
    for (const [text, ttlMs] of [
      ['x'.repeat(1_300), 60_000],
      [own, 44_999],
      [own, 600_001],
    ] as const)
      expect((await founder.meet(text, ttlMs)).status).toBe(400)

    await db.rendezvous.updateMany({ where: { announcement: others }, data: { expiresAt: new Date(Date.now() - 1) } })
    expect(await met(founder, own)).toEqual([])
    expect(await db.rendezvous.count({ where: { announcement: others } })).toBe(0)
    expect((await allow(false)).status).toBe(200)
    expect(await db.rendezvous.count({ where: { announcement: own } })).toBe(0)
    expect((await founder.meet(own)).status).toBe(403)
  })

  test('only of one organisation, and only its owner’s to allow (THREATS 8, 9, 12)', async () => {
    const [mine, theirs] = [machineOf('mine'), machineOf('theirs')]
    await join(mine)
    await mine.reportRing(mine.self.genesis)
    await allow(true)
    await met(mine, announcement(mine))
    ada = await signedUp(cloud.url, `bea-${people}@example.org`)
    await join(theirs)
    await theirs.reportRing(theirs.self.genesis)
    await allow(true)
    expect(await met(theirs, announcement(theirs))).toEqual([])
    expect((await ada.ask({ method: 'PATCH', path: '/api/ring', body: { rendezvous: true, organisationId: 'x' } })).status).toBe(400)
    expect((await ask(cloud.url, { method: 'PATCH', path: '/api/ring', body: { rendezvous: false } })).status).toBe(401)
    const headers = { cookie: ada.cookie, origin: 'https://evil.example' }
    expect((await ask(cloud.url, { method: 'PATCH', path: '/api/ring', body: { rendezvous: false }, headers })).status).toBe(403)
  })
})

const names = (list: readonly NodeView[]): string[] => list.map(({ nodeId }) => nodeId)

test('the page tells who is in the ring, who leads, and who waits', async () => {
  const [founder, member, waits] = [machineOf('page-leader'), machineOf('page-member'), machineOf('page-waits')]
  for (const machine of [founder, member, waits]) await join(machine)
  const { genesis } = founder.self
  const elsewhere = sampleAdmission(founder.self.node, { publicKey: sampleMachine().node.publicKey, nodeId: 'page-elsewhere' }, genesis)
  await founder.reportRing(genesis, [admitted(founder, member), elsewhere])
  await member.report({ role: 'worker' })
  const { nodes, ring } = (await ada.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[]; ring: RingView }>()
  expect(ring).toMatchObject({ state: 'founded', members: ['page-elsewhere', 'page-leader', 'page-member'], rendezvous: false })
  const sorted = sortRing(ring, nodes)
  expect([sorted.leader?.nodeId, names(sorted.inRing), names(sorted.waiting), names(sorted.apart), sorted.elsewhere]).toEqual([
    'page-leader',
    ['page-leader', 'page-member'],
    ['page-waits'],
    [],
    ['page-elsewhere'],
  ])
  const page = await ada.ask({ path: '/nodes' })
  expect(page.text).toContain('3 machines, led by Pi.')
  expect(page.text).toContain('Waiting for Pi to let it in')
})
