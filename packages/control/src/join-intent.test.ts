import { JoinIntent, type JoinRequest } from '@thatdam/protocol/join'
import { describe, expect, test } from 'vitest'
import { joinIntentFault, judgeJoinIntent, keepIntent, makeJoinIntent, verifyJoinIntent } from './join-intent.ts'
import { makeHello, makeNonce } from './join.ts'
import { generateKey, type KeyPair, randomBytes, verifySignature } from './keys.ts'
import { rekey, useKey } from './roster-edit.ts'
import { foldRoster, recordHash } from './roster.ts'
import { TestRing } from './testing/ring.ts'
import { sampleAdmission, sampleGenesis, sampleMachine, sampleRemoval, sampleToken } from './testing/samples.ts'

const instance = generateKey()
const founder = generateKey()
const genesis = sampleGenesis(founder, 'founder')
const genesisHash = recordHash(genesis.body)
const organisationId = 'org-1'
const ring = { organisationId, clusterId: genesis.body.clusterId, genesisHash }
const expected = { instanceKey: instance.publicKey, organisationId, genesisHash }

function redeem(server: KeyPair = instance, organisation = organisationId, machine = sampleMachine('pi5')): JoinRequest {
  const { text } = sampleToken(server.publicKey, 0, { organisation: { id: organisation, name: 'Ada' } })
  const hello = makeHello({ instance: server, nonceSecret: randomBytes(32) }, { version: 1, clientNonce: makeNonce() }, Date.now())
  return machine.ask(text, hello)
}
const pi5 = sampleMachine('pi5')
const request = redeem(instance, organisationId, pi5)
const kept = keepIntent(request, null)
const intent = makeJoinIntent(instance, kept, ring)
const rosterOf = (...records: Parameters<typeof foldRoster>[0]) => foldRoster([genesis, ...records], genesisHash, verifySignature)

describe('an admitter checks a waiting machine by itself', () => {
  test('seed, machine and cloud signed: it may come in', () => {
    expect(JoinIntent.parse(JSON.parse(JSON.stringify(intent)))).toEqual(intent)
    expect([joinIntentFault(intent, expected), verifyJoinIntent(intent, expected)]).toEqual([null, true])
    const { nodeId, nodeKey: publicKey } = request.transcript
    expect(judgeJoinIntent(intent, expected, rosterOf())).toEqual({ kind: 'admit', nodeId, publicKey, bootCounter: 1 })
  })

  test('nothing of it can be another’s: each signature covers what it vouches for', () => {
    const stranger = generateKey()
    const other = redeem()
    const { transcript, voucher } = intent
    const swap = { ...transcript, nodeKey: stranger.publicKey }
    const wrong: [string, JoinIntent][] = [
      ['cloud', { ...intent, voucher: { ...voucher, bootCounter: 9 } }],
      ['cloud', { ...intent, voucher: { ...voucher, removal: 'f'.repeat(64) } }],
      ['cloud', { ...intent, transcript: swap }],
      ['cloud', makeJoinIntent(stranger, kept, ring)],
      ['another server', makeJoinIntent(instance, keepIntent(redeem(stranger), null), ring)],
      ['another organisation', makeJoinIntent(instance, kept, { ...ring, organisationId: 'org-2' })],
      ['another ring', makeJoinIntent(instance, kept, { ...ring, genesisHash: 'f'.repeat(64) })],
      ['its token is for another ring', makeJoinIntent(instance, keepIntent(redeem(instance, 'org-2'), null), ring)],
      ['its token did not sign', makeJoinIntent(instance, { ...kept, transcript: swap }, ring)],
      ['its token did not sign', makeJoinIntent(instance, { ...kept, seedSignature: kept.nodeSignature }, ring)],
      ['its token did not sign', makeJoinIntent(instance, { ...kept, transcript: other.transcript }, ring)],
      ['the machine did not sign', makeJoinIntent(instance, { ...kept, nodeSignature: other.nodeSignature }, ring)],
    ]
    for (const [why, given] of wrong) {
      expect(joinIntentFault(given, expected)).toContain(why)
      expect(judgeJoinIntent(given, expected, rosterOf()).kind).toBe('refused')
    }
  })

  test('one that is in stays in; a name that is taken and an intent from before a removal are refused', () => {
    const { nodeId, nodeKey: publicKey } = request.transcript
    const inside = sampleAdmission(founder, { publicKey, nodeId }, genesis)
    expect(judgeJoinIntent(intent, expected, rosterOf(inside))).toEqual({ kind: 'known' })
    const namesake = sampleAdmission(founder, { publicKey: generateKey().publicKey, nodeId }, genesis)
    expect(judgeJoinIntent(intent, expected, rosterOf(namesake))).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('another machine') as string,
    })
    const removal = sampleRemoval(founder, nodeId, inside, [inside])
    // Redeemed again under the key that it had before.
    const fresh = generateKey()
    const ofRing = new TestRing([genesis, inside], genesisHash)
    ofRing.take(rekey(ofRing.desk(pi5.node), nodeId, fresh.publicKey))
    ofRing.take(useKey(ofRing.desk(fresh)))
    expect(ofRing.roster.byKey.has(publicKey)).toBe(false)
    expect(judgeJoinIntent(intent, expected, ofRing.roster)).toEqual({ kind: 'known' })
    const out = rosterOf(inside, removal)
    expect(judgeJoinIntent(intent, expected, out)).toMatchObject({ kind: 'refused', why: expect.stringContaining('fresh one') as string })
    const again = makeJoinIntent(instance, keepIntent(redeem(), recordHash(removal.body)), ring)
    expect(judgeJoinIntent(again, expected, out).kind).toBe('admit')
  })
})
