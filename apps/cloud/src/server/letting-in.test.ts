import { judgeJoinIntent } from '@thatdam/control/join-intent'
import { generateKey, verifySignature } from '@thatdam/control/keys'
import { RELAY_START, relayOn } from '@thatdam/control/relay'
import { rekey, useKey } from '@thatdam/control/roster-edit'
import { recordId } from '@thatdam/control/roster-sync'
import { foldRoster, recordHash } from '@thatdam/control/roster'
import { sampleAdmission, sampleGenesis, sampleMachine, sampleRemoval } from '@thatdam/control/testing/samples'
import { TestRing } from '@thatdam/control/testing/ring'
import type { JoinResponse } from '@thatdam/protocol/join'
import { PollResponse } from '@thatdam/protocol/poll'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { NodeView } from '../domain/node-view.ts'
import { makeToken } from '../testing/owner.ts'
import { admitted, polled, RingCloud } from '../testing/ring-cloud.ts'

let cloud: RingCloud
beforeAll(async () => {
  cloud = await RingCloud.start()
}, 90_000)
afterAll(() => cloud.stop())
beforeEach(() => cloud.changeOwner())

describe('from waiting to being let in', () => {
  test('members get the intent in under half a second, the waiting machine its admission; strangers and the waiting get none', async () => {
    const [founder, machine] = [cloud.machine('lets-in'), cloud.machine('comes-in')]
    const { organisation } = await cloud.join(founder)
    await founder.reportRing(founder.self.genesis)
    const heldByFounder = await founder.hold()
    const startedAt = performance.now()
    await cloud.join(machine)
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
    const actions = await cloud.db.auditEvent.findMany({
      where: { organisationId: organisation.id, action: { startsWith: 'ring.' } },
      orderBy: { id: 'asc' },
    })
    expect(actions.map(({ action, actor }) => [action, actor])).toEqual([
      ['ring.founded', 'node:lets-in'],
      ['ring.joined', 'node:comes-in'],
    ])
  })

  test('forged records are not kept; pages come in order and end; one that began elsewhere begins anew', async () => {
    const founder = cloud.machine('pages')
    await cloud.join(founder)
    const { genesis, node } = founder.self
    const forged = { ...admitted(founder, cloud.machine('forged')), signature: node.sign('thatdam-plan-v1', genesis.body) }
    const foreign = sampleAdmission(node, { publicKey: node.publicKey, nodeId: 'x' }, sampleGenesis(node, 'pages'))
    expect((await founder.reportRing(genesis, [forged, foreign])).status).toBe(204)
    expect((await cloud.ringRow(founder))?.position).toBe(0)
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
    const [founder, machine] = [cloud.machine('keeps-order'), cloud.machine('goes-and-comes')]
    const { organisation } = await cloud.join(founder)
    await cloud.join(machine)
    const { genesis } = founder.self
    const inside = admitted(founder, machine)
    await founder.reportRing(genesis, [inside])
    const removal = sampleRemoval(founder.self.node, 'goes-and-comes', inside, [inside])
    const held = await machine.hold(relayOn(RELAY_START, [recordId(inside)]))
    await founder.reportRing(genesis, [removal])
    expect(PollResponse.parse((await held.answer).json()).ring).toMatchObject({ admitted: false, records: [removal] })
    expect((await polled(founder, 0)).joinIntents).toBeUndefined()
    await cloud.join(machine, { genesis, records: [inside, removal] })
    const [intent] = (await polled(founder, 0)).joinIntents ?? []
    expect(intent?.voucher).toMatchObject({ organisationId: organisation.id, removal: recordHash(removal.body) })
  })

  test('a machine that replaced its key goes on under the new one from its first use on, and the old one is a stranger’s (THREATS 7)', async () => {
    const [founder, machine] = [cloud.machine('signs-for'), cloud.machine('new-key')]
    await cloud.join(founder)
    await cloud.join(machine)
    const { genesis, node } = founder.self
    const old = machine.self.node
    const fresh = generateKey()
    const ring = new TestRing([genesis, admitted(founder, machine)], recordHash(genesis.body))
    ring.take(rekey(ring.desk(old), 'new-key', fresh.publicKey))
    await founder.reportRing(genesis, ring.records.slice(1))
    expect((await machine.renew()).status).toBe(200)
    expect((await cloud.rowOf(machine)).ringState).toBe('in')
    ring.take(useKey(ring.desk(fresh)))
    await founder.reportRing(genesis, ring.records.slice(1))
    expect((await machine.renew()).status).toBe(401)
    expect((await machine.poll(0)).status).toBe(401)
    Object.assign(machine.self, { node: fresh })
    expect((await machine.renew()).status).toBe(200)
    expect(await cloud.rowOf(machine)).toMatchObject({ nodeId: 'new-key', ringState: 'in', lockedAt: null })
    expect(node.publicKey).toBe((await cloud.ringRow(founder))?.founderKey)
  })

  test('the founder itself comes with a new key that nobody reported: it is who it was, and a token redeemed again is the same one', async () => {
    const [founder, other] = [cloud.machine('founds-anew'), cloud.machine('reports-first')]
    const { text } = await makeToken(cloud.owner)
    expect((await founder.join(text)).status).toBe(201)
    await founder.renew()
    const { genesis, node: old } = founder.self
    await founder.reportRing(genesis)
    await cloud.join(other)
    const fresh = generateKey()
    const ring = new TestRing([genesis], recordHash(genesis.body))
    const introduced = rekey(ring.desk(old), 'founds-anew', fresh.publicKey)
    ring.take(introduced)
    ring.take(useKey(ring.desk(fresh)))
    const stale = Object.assign(cloud.machine('founds-anew'), {
      self: { ...founder.self },
      serverKey: founder.serverKey,
      sequence: founder.sequence,
    })
    Object.assign(founder.self, { node: fresh })
    expect((await founder.renew()).status).toBe(401)
    expect((await founder.renew([introduced])).status).toBe(200)
    expect((await stale.renew()).status).toBe(401)
    expect((await cloud.ringRow(founder))?.founderKey).toBe(fresh.publicKey)
    expect(await cloud.db.auditEvent.count({ where: { action: 'node.key-replaced', actor: 'node:founds-anew' } })).toBe(1)
    // The first use comes later, and what another machine reports meanwhile does not put it out.
    await founder.reportRing(genesis, [
      ...ring.records.slice(1),
      sampleAdmission(fresh, { publicKey: other.self.node.publicKey, nodeId: 'reports-first' }, introduced),
    ])
    expect([(await cloud.rowOf(founder)).ringState, (await cloud.rowOf(other)).ringState]).toEqual(['in', 'in'])
    expect((await polled(founder, 0)).ring?.place.role).toBe('founder')

    // Once more, and it comes with its token before it comes for access.
    const third = generateKey()
    ring.take(rekey(ring.desk(fresh), 'founds-anew', third.publicKey))
    ring.take(useKey(ring.desk(third)))
    const { id } = await cloud.rowOf(founder)
    Object.assign(founder.self, { node: third })
    const again = await founder.join(text, { genesis, records: ring.records.slice(1) })
    expect([again.status, again.json<JoinResponse>().ring?.role]).toEqual([201, 'founder'])
    expect(await cloud.rowOf(founder)).toMatchObject({ id, nodeId: 'founds-anew', ringState: 'in' })
    // A stranger with the same story does not get in.
    const thief = cloud.machine('founds-anew')
    const told = (await thief.join(text, { genesis, records: ring.records.slice(1) })).text
    expect(told).not.toContain('"organisation"')
  })

  test('a machine that its owner removes while it waits is not offered any more', async () => {
    const [founder, machine] = [cloud.machine('the-founder'), cloud.machine('second-thoughts')]
    await cloud.join(founder)
    await founder.reportRing(founder.self.genesis)
    await cloud.join(machine)
    expect((await polled(founder, 0)).joinIntents).toHaveLength(1)
    const { nodes } = (await cloud.owner.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[] }>()
    const held = await founder.hold()
    const { id = '' } = nodes.find((node) => node.nodeId === 'second-thoughts') ?? {}
    expect((await cloud.owner.ask({ method: 'DELETE', path: `/api/nodes/${id}`, body: {} })).status).toBe(204)
    expect(PollResponse.parse((await held.answer).json()).joinIntents).toBeUndefined()
  })
})
