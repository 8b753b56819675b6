import { RELAY_START, relayOn } from '@thatdam/control/relay'
import { recordId } from '@thatdam/control/roster-sync'
import { recordHash } from '@thatdam/control/roster'
import { canonicalJson } from '@thatdam/protocol/canonical'
import type { AnnouncementBody } from '@thatdam/protocol/discovery'
import { PollResponse } from '@thatdam/protocol/poll'
import { RendezvousResponse } from '@thatdam/protocol/rendezvous'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ask } from '../testing/browser.ts'
import type { Machine } from '../testing/machine.ts'
import { admitted, RingCloud } from '../testing/ring-cloud.ts'

let cloud: RingCloud
beforeAll(async () => {
  cloud = await RingCloud.start()
}, 90_000)
afterAll(() => cloud.stop())
beforeEach(() => cloud.changeOwner())

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
const allow = (rendezvous: boolean) => cloud.owner.ask({ method: 'PATCH', path: '/api/ring', body: { rendezvous } })

describe('finding one another through the cloud', () => {
  test('is off until the owner allows it, is for the ring’s own machines and their own words, and ends', async () => {
    const [founder, member, waits] = [cloud.machine('meets'), cloud.machine('is-met'), cloud.machine('only-waits')]
    for (const machine of [founder, member, waits]) await cloud.join(machine)
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

    await cloud.db.rendezvous.updateMany({ where: { announcement: others }, data: { expiresAt: new Date(Date.now() - 1) } })
    expect(await met(founder, own)).toEqual([])
    expect(await cloud.db.rendezvous.count({ where: { announcement: others } })).toBe(0)
    expect((await allow(false)).status).toBe(200)
    expect(await cloud.db.rendezvous.count({ where: { announcement: own } })).toBe(0)
    expect((await founder.meet(own)).status).toBe(403)
  })

  test('only of one organisation, and only its owner’s to allow (THREATS 8, 9, 12)', async () => {
    const [mine, theirs] = [cloud.machine('mine'), cloud.machine('theirs')]
    await cloud.join(mine)
    await mine.reportRing(mine.self.genesis)
    await allow(true)
    await met(mine, announcement(mine))
    await cloud.changeOwner()
    await cloud.join(theirs)
    await theirs.reportRing(theirs.self.genesis)
    await allow(true)
    expect(await met(theirs, announcement(theirs))).toEqual([])
    expect((await cloud.owner.ask({ method: 'PATCH', path: '/api/ring', body: { rendezvous: true, organisationId: 'x' } })).status).toBe(
      400,
    )
    expect((await ask(cloud.url, { method: 'PATCH', path: '/api/ring', body: { rendezvous: false } })).status).toBe(401)
    const headers = { cookie: cloud.owner.cookie, origin: 'https://evil.example' }
    expect((await ask(cloud.url, { method: 'PATCH', path: '/api/ring', body: { rendezvous: false }, headers })).status).toBe(403)
  })
})
