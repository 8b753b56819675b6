import { generateKey } from '@thatdam/control/keys'
import { RELAY_START, relayOn } from '@thatdam/control/relay'
import { recordId } from '@thatdam/control/roster-sync'
import { signPlace } from '@thatdam/control/ring-place'
import { recordHash } from '@thatdam/control/roster'
import { sampleAdmission, sampleGenesis } from '@thatdam/control/testing/samples'
import type { RingNews } from '@thatdam/protocol/poll'
import type { RosterRecord } from '@thatdam/protocol/roster'
import { describe, expect, test } from 'vitest'
import { RingRelay, type OwnRing } from './ring-relay.ts'

const instance = generateKey()
const founder = generateKey()
const self = generateKey()
const genesis = sampleGenesis(founder, 'founder')
const genesisHash = recordHash(genesis.body)
const machine = { nodeKey: self.publicKey, organisationId: 'org-1', instanceKey: instance.publicKey }
const own = sampleGenesis(self, 'self')
const alone: OwnRing = { genesisHash: recordHash(own.body), records: [own], members: 1 }
const admission = (nodeId: string): RosterRecord => sampleAdmission(founder, { publicKey: generateKey().publicKey, nodeId }, genesis)
const records = Array.from({ length: 6 }, (_, index) => admission(`n-${index}`))

function news(changes: Partial<RingNews> = {}, appointedAtMs = 1, founded = genesis): RingNews {
  const ring = { genesis: founded, genesisHash: recordHash(founded.body), founderKey: '', appointedAtMs, confirmedAtMs: 1 }
  const place = signPlace(instance, { role: 'member', ring }, machine)
  return {
    place,
    admitted: false,
    rendezvous: false,
    after: 0,
    position: 0,
    records: [],
    more: false,
    digest: RELAY_START.digest,
    ...changes,
  }
}
const page = (from: number, to: number, more = false): Partial<RingNews> => ({
  after: from,
  position: to,
  records: records.slice(from, to),
  more,
  digest: relayOn(RELAY_START, records.map(recordId)).digest,
})

describe('a machine that waits', () => {
  test('waits for the ring it was told of, and hands its records on only when it was admitted and has them all', () => {
    const relay = new RingRelay(machine)
    expect(relay.take(news(), alone)).toMatchObject({
      kind: 'wait',
      pending: { clusterId: genesis.body.clusterId, genesisHash, appointedAtMs: 1 },
    })
    expect(relay.take(news({ ...page(0, 4, true), admitted: true }), alone)).toEqual({ kind: 'nothing' })
    expect(relay.query).toContain('&records=4&')
    const outcome = relay.take(news({ ...page(4, 6), admitted: true }), alone)
    expect(outcome).toMatchObject({ kind: 'adopt', ring: { genesisHash, records: [genesis, ...records] } })
    const again = news({ after: 6, position: 6, digest: page(0, 6).digest ?? '', admitted: true })
    expect(relay.take(again, alone)).toEqual({ kind: 'nothing' })
    relay.notTaken()
    expect(relay.take(again, alone)).toMatchObject({ kind: 'adopt' })
  })

  test('believes only its own cloud, about itself; an older appointment does not come back', () => {
    const relay = new RingRelay(machine)
    const forged = signPlace(
      generateKey(),
      { role: 'member', ring: { genesis, genesisHash, founderKey: '', appointedAtMs: 9, confirmedAtMs: null } },
      machine,
    )
    expect(relay.take(news({ place: forged }), alone)).toEqual({ kind: 'forged' })
    const { signature } = news().place
    expect(relay.take(news({ place: { ...news().place, appointedAtMs: 99, signature } }), alone)).toEqual({ kind: 'forged' })
    const other = sampleGenesis(generateKey(), 'other')
    expect(relay.take(news({}, 5, other), alone)).toMatchObject({ kind: 'wait', pending: { genesisHash: recordHash(other.body) } })
    expect(relay.take(news({}, 4), alone)).toEqual({ kind: 'nothing' })
    expect(relay.take(news({}, 6), alone)).toMatchObject({ kind: 'wait', pending: { genesisHash } })
  })

  test('does not leave a ring that has other machines', () => {
    const relay = new RingRelay(machine)
    expect(relay.take(news({ ...page(0, 6), admitted: true }), { ...alone, members: 2 })).toEqual({ kind: 'apart' })
  })

  test('asks for everything anew when what came does not go on from what it has', () => {
    const relay = new RingRelay(machine)
    relay.take(news(page(0, 4, true)), alone)
    expect(relay.take(news({ ...page(4, 6), digest: 'f'.repeat(64), admitted: true }), alone)).toEqual({ kind: 'nothing' })
    expect(relay.query).toBe(`&records=0&digest=${RELAY_START.digest}`)
    expect(relay.take(news({ ...page(3, 6), admitted: true }), alone)).toEqual({ kind: 'nothing' })
    expect(relay.take(news({ ...page(0, 6), admitted: true }), alone)).toMatchObject({ kind: 'adopt' })
  })
})

describe('a member tells', () => {
  test('what the cloud lacks, once, and again when the cloud does not come to have it', () => {
    const relay = new RingRelay(machine)
    const ring: OwnRing = { genesisHash, records: [genesis, ...records], members: 7 }
    expect(relay.report(ring, 0)).toEqual({ genesisHash, records: [] })
    relay.take(news({ ...page(0, 2), digest: relayOn(RELAY_START, records.slice(0, 2).map(recordId)).digest }), ring)
    const { records: sent } = relay.report(ring, 0)
    expect(sent).toEqual(records.slice(2))
    relay.reported(sent, 0)
    expect(relay.report(ring, 59_000).records).toEqual([])
    expect(relay.report(ring, 60_000).records).toEqual(records.slice(2))
    relay.take(news(page(2, 6)), ring)
    expect(relay.report(ring, 1e9).records).toEqual([])
  })

  test('a page at a time', () => {
    const relay = new RingRelay(machine)
    const many = Array.from({ length: 70 }, (_, index) => admission(`m-${index}`))
    const ring: OwnRing = { genesisHash, records: [genesis, ...many], members: 71 }
    relay.take(news(), ring)
    const first = relay.report(ring, 0).records
    relay.reported(first, 0)
    expect([first.length, relay.report(ring, 0).records.length]).toEqual([64, 6])
  })
})
