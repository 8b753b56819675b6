import { verifyJoinResponse } from '@thatdam/control/join'
import { verifyPlace } from '@thatdam/control/ring-place'
import { recordHash } from '@thatdam/control/roster'
import { sampleAdmission, sampleGenesis, sampleMachine } from '@thatdam/control/testing/samples'
import type { JoinResponse } from '@thatdam/protocol/join'
import { PollResponse } from '@thatdam/protocol/poll'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NodeView } from '../domain/node-view.ts'
import { type RingView, sortRing } from '../domain/ring-view.ts'
import { signedUp } from '../testing/browser.ts'
import type { Machine } from '../testing/machine.ts'
import { makeToken } from '../testing/owner.ts'
import { admitted, polled, RingCloud } from '../testing/ring-cloud.ts'

let cloud: RingCloud
beforeAll(async () => {
  cloud = await RingCloud.start()
}, 90_000)
afterAll(() => cloud.stop())
beforeEach(() => cloud.changeOwner())

describe('one ring for each organisation', () => {
  test('of twelve that come at once one founds it, the others wait for that one; asking again tells the same', async () => {
    const token = await makeToken(cloud.owner, { machines: 12 })
    const machines = Array.from({ length: 12 }, (_, index) => cloud.machine(`at-once-${index}`))
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
    expect(await cloud.db.cluster.count({ where: { genesisHash: recordHash(founder.self.genesis.body) } })).toBe(1)
  })

  test('the answer to a join is signed with its place', async () => {
    const machine = cloud.machine('signed')
    const token = await makeToken(cloud.owner)
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
    const [first, second] = [cloud.machine('slow-founder'), cloud.machine('next-founder')]
    expect((await cloud.join(first)).ring?.role).toBe('founder')
    await cloud.age(first, 59_000)
    const early = cloud.machine('within-the-lease')
    expect((await cloud.join(early)).ring).toMatchObject({ role: 'member', genesis: first.self.genesis })
    await cloud.age(first, 61_000)
    expect((await cloud.join(second)).ring).toMatchObject({ role: 'founder', genesis: second.self.genesis })
    // Too late: this report is of a ring that is not the organisation's any more.
    expect((await first.reportRing(first.self.genesis)).status).toBe(204)
    expect((await cloud.ringRow(first))?.confirmedAt).toBeNull()
    expect((await polled(first, 0)).ring?.place).toMatchObject({ role: 'member', genesis: second.self.genesis })
    expect((await second.reportRing(second.self.genesis)).status).toBe(204)
    const waiting = (await polled(second, 0)).joinIntents?.map((intent) => intent.transcript.nodeId)
    expect(waiting?.toSorted()).toEqual(['slow-founder', 'within-the-lease'])
    await cloud.age(first, 10_000_000)
    expect((await cloud.join(cloud.machine('much-later'))).ring).toMatchObject({ role: 'member', genesis: second.self.genesis })
  })

  test('a machine that waits with a held poll is appointed within seconds of the lease’s end', async () => {
    const [first, second] = [cloud.machine('never-started'), cloud.machine('waits')]
    await cloud.join(first)
    await cloud.join(second)
    const held = await second.hold()
    await cloud.age(first, 61_000)
    const news = PollResponse.parse((await held.answer).json())
    expect(news.ring?.place).toMatchObject({ role: 'founder', genesis: second.self.genesis })
  })

  test('the founder removed before anybody was let in: the ring ends with it, and another founds one', async () => {
    const [first, second] = [cloud.machine('sold-founder'), cloud.machine('stays')]
    await cloud.join(first)
    await first.reportRing(first.self.genesis)
    await cloud.join(second)
    const held = await second.hold()
    const { id } = await cloud.rowOf(first)
    expect((await cloud.owner.ask({ method: 'DELETE', path: `/api/nodes/${id}`, body: {} })).status).toBe(204)
    expect(PollResponse.parse((await held.answer).json()).ring?.place).toMatchObject({ role: 'founder', genesis: second.self.genesis })
  })
})

describe('a ring that a machine brings', () => {
  test('becomes the organisation’s where there is none; with another one it gets a clear answer and the token stays good', async () => {
    const [founder, member, other] = [cloud.machine('lan-founder'), cloud.machine('lan-member'), cloud.machine('of-another-ring')]
    const records = [admitted(founder, member)]
    const { genesis } = founder.self
    expect((await cloud.join(member, { genesis, records })).ring).toMatchObject({ role: 'founder', genesis })
    expect((await member.reportRing(genesis, records)).status).toBe(204)
    expect((await cloud.join(founder, { genesis, records })).ring).toMatchObject({ role: 'member', genesis })
    expect([(await cloud.rowOf(founder)).ringState, (await cloud.rowOf(member)).ringState]).toEqual(['in', 'in'])

    const stranger = cloud.machine('elsewhere')
    const theirs = { genesis: stranger.self.genesis, records: [admitted(stranger, other)] }
    const token = await makeToken(cloud.owner)
    const refused = await other.join(token.text, theirs)
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('another ring')])
    expect((await cloud.db.joinToken.findUniqueOrThrow({ where: { id: token.id } })).uses).toBe(0)
    const bob = await signedUp(cloud.url, 'bob@example.org')
    const newcomer = cloud.machine('lan-third')
    const third = sampleAdmission(founder.self.node, { publicKey: newcomer.self.node.publicKey, nodeId: 'lan-third' }, genesis)
    const elsewhere = await newcomer.join((await makeToken(bob)).text, { genesis, records: [third] })
    expect([elsewhere.status, elsewhere.text]).toEqual([401, expect.stringContaining('belongs to another organisation')])
  })
})

const names = (list: readonly NodeView[]): string[] => list.map(({ nodeId }) => nodeId)

test('the page tells who is in the ring, who leads, and who waits', async () => {
  const [founder, member, waits] = [cloud.machine('page-leader'), cloud.machine('page-member'), cloud.machine('page-waits')]
  for (const machine of [founder, member, waits]) await cloud.join(machine)
  const { genesis } = founder.self
  const elsewhere = sampleAdmission(founder.self.node, { publicKey: sampleMachine().node.publicKey, nodeId: 'page-elsewhere' }, genesis)
  await founder.reportRing(genesis, [admitted(founder, member), elsewhere])
  await member.report({ role: 'worker' })
  const { nodes, ring } = (await cloud.owner.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[]; ring: RingView }>()
  expect(ring).toMatchObject({ state: 'founded', members: ['page-elsewhere', 'page-leader', 'page-member'], rendezvous: false })
  const sorted = sortRing(ring, nodes)
  expect([sorted.leader?.nodeId, names(sorted.inRing), names(sorted.waiting), names(sorted.apart), sorted.elsewhere]).toEqual([
    'page-leader',
    ['page-leader', 'page-member'],
    ['page-waits'],
    [],
    ['page-elsewhere'],
  ])
  const page = await cloud.owner.ask({ path: '/nodes' })
  expect(page.text).toContain('3 machines, led by Pi.')
  expect(page.text).toContain('Waiting for Pi to let it in')
})
