import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keyFromSeed, verifySignature } from '@thatdam/control/keys'
import { forward } from '@thatdam/control/roster-edit'
import { openRecords } from '@thatdam/control/roster-sync'
import { recordHash } from '@thatdam/control/roster'
import { RosterRecord } from '@thatdam/protocol/roster'
import { NewRecoveryKey } from '@thatdam/protocol/ring-door'
import { OpFeed, OwnerCredential } from '@thatdam/protocol/local'
import { until } from '@thatdam/testkit/hosts/command'
import { foundRing } from '@thatdam/testkit/ring/found'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'
import type { ProfileName } from '@thatdam/testkit/profiles/load'
import { afterEach, beforeEach, expect, test } from 'vitest'

/* Two rings of real agents, each founded by itself, that discovery shows to each other. */

const FIRST = '00000000-0000-4000-8000-000000000001'
const SECOND = '00000000-0000-4000-8000-000000000002'
const PASSWORD_HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const THIRD = '00000000-0000-4000-8000-000000000003'
const LIMIT_MS = 90_000

let directory = ''
let ring: TestRing | null = null
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-meet-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

type Rings = {
  readonly machines: readonly RingMachine[]
  readonly winners: readonly RingMachine[]
  readonly losers: readonly RingMachine[]
}

/** Not started. The first ring has the smaller id. */
async function twoRings(winning: readonly ProfileName[], losing: readonly ProfileName[]): Promise<Rings> {
  const up = await TestRing.up({ profiles: [...winning, ...losing], directory, joined: false })
  ring = up
  const [winners, losers] = [winning, losing].map((names) => names.map((name) => up.machine(name))) as [RingMachine[], RingMachine[]]
  foundRing(winners, FIRST)
  foundRing(losers, SECOND)
  return { machines: up.machines, winners, losers }
}

async function start(machines: readonly RingMachine[]): Promise<void> {
  for (const machine of machines) machine.start()
  await Promise.all(machines.map((machine) => machine.answers()))
}

const makeKey = async (machine: RingMachine): Promise<string> =>
  NewRecoveryKey.parse(await machine.local('POST', '/local/recovery-key', {})).words
const useKey = (machine: RingMachine, words: string) => machine.local('POST', '/local/recovery-key/use', { words })

const titleOf = (machine: RingMachine, subject: string, value: string) =>
  machine.local('POST', '/local/ops', { ops: [{ body: { kind: 'asset.set', subject, field: 'title', value, replaces: null } }] })

async function titlesOn(machine: RingMachine): Promise<string[]> {
  const { entries } = OpFeed.parse(await machine.local('GET', '/local/ops?after=0&limit=2000&waitMs=0'))
  return entries
    .flatMap(({ op: { body } }) =>
      body.kind === 'asset.set' && body.field === 'title' && typeof body.value === 'string' ? [body.value] : [],
    )
    .toSorted()
}

/** A ring of one gets an owner, as at its first run. */
const claim = (machine: RingMachine, passwordHash = PASSWORD_HASH) => machine.local('PUT', '/local/owner', { passwordHash })

const passwordOf = async (machine: RingMachine) => OwnerCredential.parse(await machine.local('GET', '/local/owner')).passwordHash

async function fatesAt(machine: RingMachine): Promise<Record<string, string>> {
  const others = (await machine.state())?.ring.others ?? []
  return Object.fromEntries(others.map(({ nodeId, fate }) => [nodeId, fate]))
}

test('two rings with the same printed key become one, with what was edited in both', async () => {
  // In each the first one alone may let machines in. A Zero stands by in no ring: in the one that goes on it never may.
  const { machines, winners, losers } = await twoRings(['pi5-server', 'pi5-desktop'], ['pizero-cam1', 'win11-editor'])
  await start(machines)
  const [winner, other, loser] = [winners[0], winners[1], losers[0]] as [RingMachine, RingMachine, RingMachine]
  await titleOf(winner, 'a'.repeat(64), 'of the first')
  await titleOf(loser, 'b'.repeat(64), 'of the second')
  const words = await makeKey(winner)
  await expect(useKey(loser, words.replace(/^.{4}/, words.startsWith('ABCD') ? 'ABCE' : 'ABCD'))).rejects.toThrow(
    'its check signs do not fit. Compare it with the printed sheet.',
  )
  expect(await useKey(loser, words.toLowerCase())).toEqual({ outcome: 'named' })
  expect(await ring?.settled({ limitMs: LIMIT_MS })).toMatchObject({ clusterId: FIRST })
  // This one took no machine in, and hears of the other ring's admitter from the one that did: what that one edited counts.
  const all = async () => (await Promise.all([winner, other].map(titlesOn))).every((titles) => titles.length === 2)
  await until('both have what was edited in both', all, LIMIT_MS)
  expect(await titlesOn(other)).toEqual(['of the first', 'of the second'])
}, 240_000)

test('the ring that the owner chose goes on, though its id is the larger one', async () => {
  const { winners, losers } = await twoRings(['pi5-desktop'], ['pi5-server', 'macbook'])
  const [smaller, chosen] = [winners[0], losers[0]] as [RingMachine, RingMachine]
  await start([smaller, ...losers])
  await claim(smaller)
  await chosen.local('POST', '/local/ops', { ops: [{ body: { kind: 'policy.set', field: 'goesOn', value: SECOND, replaces: null } }] })
  await useKey(smaller, await makeKey(chosen))
  expect(await ring?.settled({ limitMs: LIMIT_MS })).toMatchObject({ clusterId: SECOND })
  // Its edits come a moment after its roster.
  const tells = async () => (await smaller.state())?.ring.policy.goesOn
  await until('the owner’s choice came along', async () => (await tells()) === SECOND, LIMIT_MS)
}, 240_000)

test('a member that was off while its ring went over comes later, and goes over by itself', async () => {
  const { winners, losers } = await twoRings(['pi5-desktop'], ['pi5-server', 'macbook'])
  const [winner, loser, laptop] = [winners[0], losers[0], losers[1]] as [RingMachine, RingMachine, RingMachine]
  await start([winner, loser])
  await claim(winner)
  await claim(loser, PASSWORD_HASH.replace(/A$/, 'B'))
  await useKey(loser, await makeKey(winner))
  await until('the ring has gone over', async () => (await loser.cluster())?.cluster_id === FIRST, LIMIT_MS)
  expect((await winner.state())?.members.map(({ nodeId }) => nodeId).toSorted()).toEqual(['macbook', 'pi5-desktop', 'pi5-server'])
  // It knows of no key, and has never seen this ring.
  await start([laptop])
  expect(await ring?.settled({ limitMs: LIMIT_MS })).toMatchObject({ clusterId: FIRST })
  // The other ring's password was set later, and is its password no more.
  await until('who stands by has the password of the ring', async () => (await passwordOf(loser)) === PASSWORD_HASH, LIMIT_MS)
  expect(await passwordOf(winner)).toBe(PASSWORD_HASH)
}, 240_000)

test('a laptop finds home when its ring went over while it was away, and the ring that took it in as well', async () => {
  const up = await TestRing.up({ profiles: ['pi5-desktop', 'win11-editor', 'pi5-server', 'macbook'], directory, joined: false })
  ring = up
  const [last, second, first, laptop] = up.machines as [RingMachine, RingMachine, RingMachine, RingMachine]
  foundRing([last], FIRST)
  foundRing([second], SECOND)
  foundRing([first, laptop], THIRD)
  await start([first, second])
  await claim(second)
  const words = await makeKey(first)
  await useKey(second, words)
  await until('the ring has gone over', async () => (await first.cluster())?.cluster_id === SECOND, LIMIT_MS)
  await start([last])
  await claim(last)
  await useKey(last, words)
  const isHome = async (machine: RingMachine) => (await machine.cluster())?.cluster_id === FIRST
  await until('both have gone over', async () => (await isHome(first)) && (await isHome(second)), LIMIT_MS)
  await start([laptop])
  expect(await up.settled({ limitMs: LIMIT_MS })).toMatchObject({ clusterId: FIRST })
}, 300_000)

test('a ring whose machine lost its power between the forwarding and the merge goes over at its next start', async () => {
  const { winners, losers } = await twoRings(['pi5-desktop'], ['pi5-server', 'macbook'])
  const [winner, loser] = [winners[0], losers[0]] as [RingMachine, RingMachine]
  await start([winner])
  await claim(winner)
  const words = await makeKey(winner)
  await winner.shutDown()
  await start(losers)
  await useKey(loser, words)
  for (const machine of losers) await machine.shutDown()
  signForwarding(loser, winner)
  await start([winner, ...losers])
  expect(await ring?.settled({ limitMs: LIMIT_MS })).toMatchObject({ clusterId: FIRST })
}, 240_000)

test('rings of two owners stay apart, with one of each owner’s rings beside them that becomes one', async () => {
  const up = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'macbook'], directory, joined: false })
  ring = up
  const [anna, ben, annas] = up.machines as [RingMachine, RingMachine, RingMachine]
  await start(up.machines)
  for (const machine of up.machines) await claim(machine)
  const words = await makeKey(anna)
  await makeKey(ben)
  await expect(useKey(ben, words)).rejects.toThrow('409')
  const before = (await ben.cluster())?.cluster_id
  await useKey(annas, words)
  const areOne = async () => (await anna.cluster())?.cluster_id === (await annas.cluster())?.cluster_id
  await until('the rings of one owner are one', areOne, LIMIT_MS)
  await up.settled({ among: [anna, annas], limitMs: LIMIT_MS })
  // Sooner than what was announced before it went over is forgotten.
  await until('one is told of the other ring, and of no more', async () => Object.keys(await fatesAt(ben)).length === 1, 20_000)
  expect(Object.values({ ...(await fatesAt(ben)), ...(await fatesAt(anna)) })).toEqual(['apart', 'apart'])
  expect([(await ben.cluster())?.cluster_id, (await ben.state())?.members.length]).toEqual([before, 1])
}, 240_000)

const recordsOf = (machine: RingMachine): RosterRecord[] =>
  readFileSync(join(machine.stateDir, 'roster.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => RosterRecord.parse(JSON.parse(line)))

/** What an admitter writes down first when its ring goes over. */
function signForwarding(machine: RingMachine, to: RingMachine): void {
  const { seed } = JSON.parse(readFileSync(join(machine.stateDir, 'identity.json'), 'utf8')) as { seed: string }
  const [genesis] = recordsOf(to)
  const records = recordsOf(machine)
  const fingerprint = recordHash(records[0]?.body as RosterRecord['body'])
  const { roster } = openRecords(records, fingerprint, verifySignature)
  const target = { clusterId: genesis?.body.clusterId ?? '', fingerprint: recordHash(genesis?.body as RosterRecord['body']) }
  const record = forward({ records, roster, signer: keyFromSeed(seed) }, target)
  appendFileSync(join(machine.stateDir, 'roster.jsonl'), `${JSON.stringify(record)}\n`)
}
