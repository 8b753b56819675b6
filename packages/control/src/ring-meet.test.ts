import { UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import { RingJoinResponse } from '@thatdam/protocol/ring-join'
import { type FormerRing, type OwnerProof, RingIntroduction, type RingMergeRequest } from '@thatdam/protocol/ring-meet'
import type { RosterRecord } from '@thatdam/protocol/roster'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Answer } from './http-io.ts'
import { generateKey, type KeyPair, randomBytes, verifySignature } from './keys.ts'
import { RateLimiter } from './rate-limits.ts'
import type { RingAuditEvent } from './ring-join-server.ts'
import { buildRingMeet, handleRingMeet, homeOf, judgeIntroduction, type MetRing } from './ring-meet.ts'
import { buildRingMerge, handleRingMerge, type MergeContext, verifyRingMerge, yieldTo } from './ring-merge.ts'
import { signOwnership } from './ring-owner.ts'
import { signPlace } from './ring-place.ts'
import { admit, nameOwnerKey, remove } from './roster-edit.ts'
import { RosterKeeper } from './roster-keeper.ts'
import { mergeRecords } from './roster-sync.ts'
import { recordHash } from './roster.ts'
import { sampleGenesis } from './testing/samples.ts'

const NOW = 1_800_000_000_000
const WIDE = { points: 1_000_000, durationSeconds: 60 }
const read = (answer: Answer): unknown => JSON.parse(answer.body ?? 'null')
const onWire = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

/** An admitter of a claimed ring. */
class Side {
  readonly key = generateKey()
  readonly keeper: RosterKeeper
  readonly nonceSecret = randomBytes(32)
  readonly formers: FormerRing[] = []
  readonly events: RingAuditEvent[] = []
  readonly keys = new Map<string, KeyPair>()
  own: MergeContext['own']
  nowMs = NOW

  constructor(clusterId: string, owner: KeyPair | null, founder = 'leader') {
    const genesis = sampleGenesis(this.key, founder, clusterId)
    this.keeper = new RosterKeeper({ fingerprint: recordHash(genesis.body), records: [genesis], save: async () => {} })
    this.keys.set(founder, this.key)
    const proofs = owner === null ? [] : [signOwnership(owner, this.keeper.roster)]
    this.own = { cloud: null, isClaimed: true, isCloudPaired: false, isChosen: false, proofs }
  }

  get context(): MergeContext {
    return {
      node: this.key,
      ring: this.keeper,
      nonceSecret: this.nonceSecret,
      limiter: new RateLimiter({ address: WIDE, everyone: WIDE, failures: WIDE }),
      audit: (event) => this.events.push(event),
      address: '192.168.1.9',
      nowMs: this.nowMs,
      own: this.own,
      forwardOf: () => null,
      keepFormer: async (former) => void this.formers.push(former),
    }
  }

  get names(): string[] {
    return [...this.keeper.roster.members.keys()]
  }

  async claim(owner: KeyPair): Promise<this> {
    await this.keeper.edit(this.key, (desk) => nameOwnerKey(desk, owner.publicKey))
    return this
  }

  async member(nodeId: string, key = generateKey()): Promise<KeyPair> {
    await this.keeper.edit(this.key, (desk) => admit(desk, { nodeId, publicKey: key.publicKey, bootCounter: 1 }))
    this.keys.set(nodeId, key)
    return key
  }

  async introduce(): Promise<{ answer: RingIntroduction; sent: ReturnType<typeof buildRingMeet> }> {
    const sent = buildRingMeet()
    return { sent, answer: RingIntroduction.parse(read(await handleRingMeet(onWire(sent), this.context))) }
  }

  async meet(other: Side): Promise<MetRing> {
    const { answer, sent } = await other.introduce()
    return judgeIntroduction(answer, sent, this.context)
  }

  /** This side's member goes over. */
  async goOver(nodeId: string, to: Side, change: (request: RingMergeRequest) => RingMergeRequest = (same) => same): Promise<Answer> {
    const { answer } = await to.introduce()
    return handleRingMerge(onWire(change(this.request(nodeId, answer))), to.context)
  }

  request(nodeId: string, to: RingIntroduction): RingMergeRequest {
    const node = this.keys.get(nodeId) as KeyPair
    return buildRingMerge(to, { ring: this.keeper, node, nodeId, proofs: this.own.proofs })
  }
}

const FIRST = '00000000-0000-4000-8000-000000000001'
const SECOND = '00000000-0000-4000-8000-000000000002'

async function twoRings(): Promise<{ owner: KeyPair; winner: Side; loser: Side }> {
  const owner = generateKey()
  const winner = await new Side(FIRST, owner).claim(owner)
  const loser = await new Side(SECOND, owner, 'attic').claim(owner)
  await winner.member('pi')
  await loser.member('win')
  await loser.member('pi')
  return { owner, winner, loser }
}

describe('two rings of one owner', () => {
  test('both come to the same; one signs that it goes over, and all its machines are taken in with their names', async () => {
    const { winner, loser } = await twoRings()
    const [mine, theirs] = [await winner.meet(loser), await loser.meet(winner)]
    expect([mine.meeting, theirs.meeting, theirs.needsConsent]).toEqual(['go-on', 'yield', false])
    expect(await yieldTo(winner.keeper, winner.key, { met: mine, consent: null })).toBeNull()
    expect(await yieldTo(loser.keeper, loser.key, { met: theirs, consent: null })).toMatchObject({
      body: { kind: 'forwarding', toClusterId: FIRST },
    })
    expect(await yieldTo(loser.keeper, loser.key, { met: theirs, consent: null })).toBeNull()
    const { answer } = await winner.introduce()
    const request = loser.request('win', answer)
    const joined = verifyRingMerge(RingJoinResponse.parse(read(await handleRingMerge(onWire(request), winner.context))), request)
    expect(joined.nodeId).toBe('win')
    const renamed = winner.names.find((name) => name.startsWith('pi-'))
    expect(renamed).toMatch(/^pi-[0-9a-f]{6}$/)
    expect(winner.names).toEqual(['attic', 'leader', 'pi', renamed, 'win'])
    expect([...winner.keeper.roster.members.values()].filter((member) => member.admitter).map((member) => member.nodeId)).toEqual([
      'leader',
    ])
    expect(winner.formers[0]).toMatchObject({ fingerprint: loser.keeper.fingerprint })
    // The others come by themselves, also later, and hear how they are called.
    winner.nowMs += 86_400_000 * 116
    const count = winner.keeper.records.length
    const late = await winner.introduce()
    const asPi = loser.request('pi', late.answer)
    expect(verifyRingMerge(RingJoinResponse.parse(read(await handleRingMerge(onWire(asPi), winner.context))), asPi).nodeId).toBe(renamed)
    expect(winner.keeper.records).toHaveLength(count)
  })

  test('the paired ring goes on, then the one that the owner chose', async () => {
    const { winner: first, loser: second } = await twoRings()
    second.own = { ...second.own, isChosen: true }
    expect([(await first.meet(second)).meeting, (await second.meet(first)).meeting]).toEqual(['yield', 'go-on'])
    first.own = { ...first.own, isCloudPaired: true }
    expect([(await first.meet(second)).meeting, (await second.meet(first)).meeting]).toEqual(['go-on', 'yield'])
  })

  test('who was removed on either side does not come back by it', async () => {
    const { winner, loser } = await twoRings()
    const thief = await loser.member('thief')
    const before = loser.keeper.records
    await loser.keeper.edit(loser.key, (desk) => remove(desk, 'thief'))
    const gone = await loser.member('gone')
    await winner.member('gone', gone)
    await winner.keeper.edit(winner.key, (desk) => remove(desk, 'gone'))
    await yieldTo(loser.keeper, loser.key, { met: await loser.meet(winner), consent: null })
    // The thief shows all but its own removal: the forwarding record was made in sight of that.
    const partial = (request: RingMergeRequest): RingMergeRequest => {
      const forwarding = loser.keeper.records.filter(({ body }) => body.kind === 'forwarding')
      const ring = new RosterKeeper({ fingerprint: loser.keeper.fingerprint, records: [...before, ...forwarding], save: async () => {} })
      return buildRingMerge(
        { ...introduction, card: { ...introduction.card } },
        { ring, node: thief, nodeId: 'thief', proofs: request.proofs },
      )
    }
    const { answer: introduction } = await winner.introduce()
    expect(await handleRingMerge(onWire(partial(loser.request('win', introduction))), winner.context)).toEqual({
      status: 401,
      body: UNAUTHENTICATED_BODY,
    })
    expect((await loser.goOver('win', winner)).status).toBe(201)
    expect(winner.names).not.toContain('thief')
    expect(winner.names.filter((name) => name.startsWith('gone'))).toEqual([])
    expect((await loser.goOver('gone', winner)).status).toBe(401)
  })

  test('the cloud’s word alone hands no ring over: the owner has to agree on the LAN', async () => {
    const instance = generateKey()
    const [winner, loser] = [new Side(FIRST, null), new Side(SECOND, null, 'attic')]
    for (const side of [winner, loser]) {
      const genesis = side.keeper.records.find(({ body }) => body.kind === 'genesis') as Parameters<typeof signPlace>[1]['ring']['genesis']
      const founded = {
        genesis,
        genesisHash: side.keeper.fingerprint,
        founderKey: side.key.publicKey,
        appointedAtMs: NOW,
        confirmedAtMs: NOW,
      }
      const place = signPlace(instance, { role: 'founder', ring: founded }, { nodeKey: side.key.publicKey, organisationId: 'org-1' })
      const proof: OwnerProof = { kind: 'organisation', instanceKey: instance.publicKey, organisationId: 'org-1', place }
      side.own = { ...side.own, cloud: { instanceKey: instance.publicKey, organisationId: 'org-1' }, proofs: [proof] }
    }
    const met = await loser.meet(winner)
    expect([met.meeting, met.needsConsent]).toEqual(['yield', true])
    expect(await yieldTo(loser.keeper, loser.key, { met, consent: null })).toBeNull()
    expect(await yieldTo(loser.keeper, loser.key, { met, consent: loser.keeper.fingerprint })).toBeNull()
    expect(await yieldTo(loser.keeper, loser.key, { met, consent: winner.keeper.fingerprint })).not.toBeNull()
    // A machine that got into another ring before its organisation's ring let it in: its place is there all the same.
    const [ofWinner] = winner.own.proofs
    const genesis = winner.keeper.records[0] as Parameters<typeof signPlace>[1]['ring']['genesis']
    const founded = {
      genesis,
      genesisHash: winner.keeper.fingerprint,
      founderKey: winner.key.publicKey,
      appointedAtMs: NOW,
      confirmedAtMs: NOW,
    }
    const place = signPlace(instance, { role: 'member', ring: founded }, { nodeKey: loser.key.publicKey, organisationId: 'org-1' })
    loser.own = { ...loser.own, proofs: [{ kind: 'organisation', instanceKey: instance.publicKey, organisationId: 'org-1', place }] }
    expect((await winner.meet(loser)).meeting).toBe('go-on')
    expect((await loser.goOver('attic', winner, (request) => ({ ...request, proofs: ofWinner ? [ofWinner] : [] }))).status).toBe(401)
    expect((await loser.goOver('attic', winner)).status).toBe(201)
    winner.own = { ...winner.own, cloud: { instanceKey: generateKey().publicKey, organisationId: 'org-1' } }
    expect((await winner.meet(loser)).meeting).toBe('apart')
  })
})

describe('rings of different owners', () => {
  test('go on apart, whatever they say of themselves', async () => {
    const { owner, winner } = await twoRings()
    const ben = generateKey()
    const strangers = [new Side(SECOND, ben), new Side(SECOND, null), new Side(SECOND, owner)]
    const [, naming, copying] = strangers as [Side, Side, Side]
    // One names the other's public key without having it; one shows the word that was said of another ring.
    for (const side of [naming, copying]) await side.claim(owner)
    naming.own = {
      ...naming.own,
      proofs: [{ ...signOwnership(ben, naming.keeper.roster), ownerKey: owner.publicKey } as OwnerProof],
    }
    copying.own = { ...copying.own, proofs: winner.own.proofs }
    for (const stranger of strangers) {
      expect([(await winner.meet(stranger)).meeting, (await stranger.meet(winner)).needsConsent]).toEqual(['apart', expect.any(Boolean)])
      await stranger.keeper.edit(stranger.key, (desk) => forwardTo(desk, winner))
      const answer = await stranger.goOver('leader', winner)
      expect(answer).toEqual({ status: 401, body: UNAUTHENTICATED_BODY })
    }
    expect(winner.names).toEqual(['leader', 'pi'])
  })

  test('another ring under this one’s CLUSTER_ID goes on apart, and nothing of its roster comes in', async () => {
    const { winner } = await twoRings()
    const ben = generateKey()
    const impostor = await new Side(FIRST, ben).claim(ben)
    await impostor.member('pi')
    expect([(await winner.meet(impostor)).meeting, (await impostor.meet(winner)).meeting]).toEqual(['apart', 'apart'])
    for (const [mine, theirs] of [
      [winner, impostor],
      [impostor, winner],
    ] as const) {
      const { records, roster } = mine.keeper
      expect(mergeRecords(records, theirs.keeper.records, { roster, verify: verifySignature }).added).toEqual([])
    }
  })

  test('two rings of one owner under one CLUSTER_ID: one of them goes over, told apart by their founding', async () => {
    const owner = generateKey()
    const one = await new Side(FIRST, owner).claim(owner)
    const two = await new Side(FIRST, owner, 'attic').claim(owner)
    const isOneFirst = one.keeper.fingerprint < two.keeper.fingerprint
    expect([(await one.meet(two)).meeting, (await two.meet(one)).meeting]).toEqual(isOneFirst ? ['go-on', 'yield'] : ['yield', 'go-on'])
  })

  test('an unclaimed ring is not taken in by mere presence', async () => {
    const { winner, loser } = await twoRings()
    loser.own = { ...loser.own, isClaimed: false }
    expect([(await winner.meet(loser)).meeting, (await loser.meet(winner)).meeting]).toEqual(['apart', 'apart'])
  })

  test('an introduction counts once, for who asked, and as it was signed', async () => {
    const { winner, loser } = await twoRings()
    const { answer, sent } = await winner.introduce()
    const judge = (changed: Partial<RingIntroduction>, asked = sent): MetRing =>
      judgeIntroduction({ ...answer, ...changed }, asked, loser.context)
    expect(judge({}).meeting).toBe('yield')
    expect(() => judge({}, buildRingMeet())).toThrow('could not prove which ring')
    expect(() => judge({ card: { ...answer.card, isCloudPaired: true } })).toThrow('could not prove which ring')
    expect(() => judge({ serverKey: loser.key.publicKey })).toThrow('could not prove which ring')
    expect(() => judge({ proofs: [] })).toThrow('could not prove which ring')
  })

  test('a request to merge counts for two minutes, for this ring, by a member of the other, after its forwarding', async () => {
    const { winner, loser } = await twoRings()
    const { answer: introduction } = await winner.introduce()
    expect(() => loser.request('win', introduction)).toThrow('has not gone over')
    await yieldTo(loser.keeper, loser.key, { met: await loser.meet(winner), consent: null })
    const { answer } = await winner.introduce()
    const request = loser.request('win', answer)
    for (const change of [
      { nodeKey: generateKey().publicKey },
      { records: request.records.slice(1) },
      { toFingerprint: loser.keeper.fingerprint },
      { proofs: [] },
    ]) {
      expect((await handleRingMerge(onWire({ ...request, ...change }), winner.context)).body).toBe(UNAUTHENTICATED_BODY)
    }
    winner.nowMs += 121_000
    expect((await handleRingMerge(onWire(request), winner.context)).status).toBe(409)
    for (const body of [null, [], { version: 1 }]) {
      expect([(await handleRingMerge(body, winner.context)).status, (await handleRingMeet(body, winner.context)).status]).toEqual([
        400, 400,
      ])
    }
  })
})

test('two rings that each signed to go over to the other: the one with the smaller fingerprint goes on', async () => {
  const { winner, loser } = await twoRings()
  const both = [winner, loser].toSorted((a, b) => (a.keeper.fingerprint < b.keeper.fingerprint ? -1 : 1)) as [Side, Side]
  const [small, large] = both
  await small.keeper.edit(small.key, (desk) => forwardTo(desk, large))
  await large.keeper.edit(large.key, (desk) => forwardTo(desk, small))
  expect((await small.goOver('pi', large)).status).toBe(409)
  expect((await large.goOver('pi', small)).status).toBe(201)
  expect(small.names).toHaveLength(5)
})

test('wherever forwarding leads, all who know the same come to one ring, in circles too', () => {
  const anyForwards = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.constantFrom('a', 'b', 'c', 'd', 'e'))
  fc.assert(
    fc.property(anyForwards, (forwards) => {
      const next = (fingerprint: string): string | null => forwards[fingerprint] ?? null
      for (const start of ['a', 'b', 'c', 'd', 'e']) {
        const home = homeOf(start, next)
        expect(homeOf(home, next)).toBe(home)
        const forwarded = next(start)
        if (forwarded !== null) expect(homeOf(forwarded, next)).toBe(home)
      }
    }),
  )
  expect(homeOf('b', (at) => ({ b: 'a', a: 'b' })[at] ?? null)).toBe('a')
})

function forwardTo(desk: Parameters<Parameters<RosterKeeper['edit']>[1]>[0], to: Side): RosterRecord {
  const { roster, signer } = desk
  const { clusterId, fingerprint } = to.keeper.roster
  const links = { version: 1 as const, clusterId: roster.clusterId, previous: roster.fingerprint }
  const body = { kind: 'forwarding' as const, ...links, toClusterId: clusterId, toFingerprint: fingerprint }
  return { body, signer: signer.publicKey, signature: signer.sign('thatdam-roster-v1', body) }
}
