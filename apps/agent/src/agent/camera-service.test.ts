import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Json } from '@thatdam/protocol/canonical'
import type { ServiceView } from '../services/service.ts'
import { foundRing, identities, quietLog } from '../ring/testing/ring.ts'
import { endPictures } from './camera-service.ts'
import { DoorMachine } from './testing/door-machine.ts'

const RUNNING: ServiceView = { state: 'running', reason: '', restarts: 0, url: 'http://127.0.0.1:1', status: null, failedStarts: 0 }

/** It has the console and the sessions. */
let leader: DoorMachine
/** It has the camera, and may sign nothing of the owner's. */
let shed: DoorMachine
/** Not of this ring; the founder of its own. */
let stranger: DoorMachine
let url: string | null
/** What the shed's camera service was told. */
let told: Json[]

beforeEach(async () => {
  const [one, two, three] = identities(['leader', 'shed', 'stranger'])
  if (one === undefined || two === undefined || three === undefined) throw new Error('three machines')
  const records = foundRing([one, two])
  leader = await DoorMachine.open(one, records)
  shed = await DoorMachine.open(two, records)
  stranger = await DoorMachine.open(three, foundRing([three]))
  url = RUNNING.url
  told = []
  endPictures({ sessions: shed.sessions, log: quietLog, applier: fakeService() })
})
afterEach(() => {
  for (const machine of [leader, shed, stranger]) machine.close()
})

const fakeService = (): Parameters<typeof endPictures>[0]['applier'] => ({
  view: () => ({ ...RUNNING, url }),
  command: async (name, command, params) => {
    told.push([name, command, params])
    return {}
  },
})
/** The shed takes in what this machine wrote. Commands are given when all of it is folded. */
async function hears(machine: DoorMachine): Promise<void> {
  shed.hear(machine)
  await Promise.resolve()
}
const ending = (sessionId: string | null): Json => ['camera-proxy', 'end-session', { sessionId }]

test('a sign-out at the leader ends the pictures of that session on a machine that never saw its cookie (THREATS 20)', async () => {
  const [first, second] = [leader.signIn(), leader.signIn()]
  await hears(leader)
  expect(told).toEqual([])
  leader.sessions.end(first)
  await hears(leader)
  expect(told).toEqual([ending(first)])
  leader.sessions.end(second)
  await hears(leader)
  expect(told).toEqual([ending(first), ending(second)])
})

test('a change of the password ends all pictures on every machine, with one command', async () => {
  leader.sessions.end(leader.signIn())
  await leader.door.set({ passwordHash: '$argon2id$new' })
  await hears(leader)
  expect(told).toEqual([ending(null)])
})

test('an end that the ring does not count ends nothing', async () => {
  const sessionId = leader.signIn()
  stranger.hear(leader)
  const { cookieHash } = leader.sessions.byId(sessionId) ?? { cookieHash: '' }
  stranger.oplog.append([
    { body: { kind: 'session.ended', cookieHash, expiresAtMs: null } },
    { body: { kind: 'session.ended', cookieHash: 'all', expiresAtMs: null } },
  ])
  await hears(leader)
  await hears(stranger)
  expect(told).toEqual([])
})

test('a feed that was rebuilt brings no end a second time', async () => {
  leader.sessions.end(leader.signIn())
  await hears(leader)
  await leader.door.set({ passwordHash: '$argon2id$new' })
  await hears(leader)
  const { publicKey } = stranger.identity.key
  stranger.oplog.append([{ body: { kind: 'policy.set', field: 'replicas', value: 3, replaces: null } }])
  for (const batch of stranger.oplog.batches(stranger.oplog.ownLogId('ring'), 1)) {
    shed.oplog.importBatch(batch, { publicKey, admitter: true })
  }
  shed.state.absorb()
  const { feedId } = shed.oplog
  shed.oplog.rejudge((nodeId, signer) => (nodeId === 'stranger' ? null : { publicKey: signer, admitter: nodeId === 'leader' }))
  expect(shed.oplog.feedId).not.toBe(feedId)
  shed.state.absorb()
  await Promise.resolve()
  expect(told).toHaveLength(2)
})

test('very many ends at once are one command; a service that does not run gets none', async () => {
  const ends = Array.from({ length: 101 }, (_, count) => ({
    body: { kind: 'session.ended', cookieHash: count.toString(16).padStart(64, '0'), expiresAtMs: null } as const,
  }))
  leader.oplog.append(ends)
  await hears(leader)
  expect(told).toEqual([ending(null)])
  url = null
  leader.sessions.end(leader.signIn())
  await hears(leader)
  expect(told).toHaveLength(1)
})

test('a session that ends here is told of once, though the ring brings its end too', async () => {
  endPictures({ sessions: leader.sessions, log: quietLog, applier: fakeService() })
  const sessionId = leader.signIn()
  leader.sessions.end(sessionId)
  await Promise.resolve()
  expect(told).toEqual([ending(sessionId)])
})
