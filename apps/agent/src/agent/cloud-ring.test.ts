import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { judgeJoinIntent } from '@thatdam/control/join-intent'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { reportOf, sampleAdmission, sampleToken } from '@thatdam/control/testing/samples'
import { TestControl } from '@thatdam/control/testing/server'
import { parseToken } from '@thatdam/control/token'
import { parseAnnouncement, signAnnouncement } from '@thatdam/discovery/announcement'
import { PendingRing } from '@thatdam/protocol/join'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readEnv } from '../env.ts'
import { makeLog } from '../log.ts'
import { register } from '../register/register.ts'
import { RosterStore, writeRoster } from '../ring/roster-store.ts'
import { readCredential } from '../state/credential.ts'
import { changeIdentity, openIdentity } from '../state/identity.ts'
import { settleKey } from '../state/key-replacement.ts'
import { statePaths } from '../state/paths.ts'
import { openRing, readRing } from '../state/ring.ts'
import { FACTS } from '../testing/plans.ts'
import { until } from '../testing/until.ts'
import { takeFirstSteps, type FirstSteps } from './first-steps.ts'

let directory: string
let control: TestControl
let token: string
const running: TestMachine[] = []

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-cloud-ring-'))
  control = await new TestControl({ holdMs: [20_000, 20_000], founds: true, requeryMs: 200 }).start()
  const { text, stored } = sampleToken(control.instance.publicKey, control.now(), { maxUses: 10 })
  control.store.addToken(stored)
  token = text
})
afterEach(async () => {
  for (const machine of running.splice(0)) await machine.stop()
  await control.stop()
  expect(control.errors).toEqual([])
  rmSync(directory, { recursive: true, force: true })
})

const gather = () => Promise.resolve(FACTS)

/** A machine with the real loops towards the cloud, and a ring of records on disk without a network of its own. */
class TestMachine {
  readonly name: string
  lines = ''
  refusals: string[] = []
  private first: FirstSteps | null = null
  private roster: RosterStore | null = null

  constructor(name: string) {
    this.name = name
  }

  get env() {
    return readEnv({ STATE_DIR: join(directory, this.name), NODE_ID: this.name })
  }

  get store(): RosterStore {
    if (!this.roster) throw new Error('not started')
    return this.roster
  }

  get members(): string[] {
    return [...this.store.roster.members.keys()]
  }

  get pending(): PendingRing | null {
    const path = join(directory, this.name, 'pending-ring.json')
    return existsSync(path) ? PendingRing.parse(JSON.parse(readFileSync(path, 'utf8'))) : null
  }

  get key(): KeyPair {
    if (!this.first) throw new Error('not started')
    return this.first.identity.key
  }

  /** As discovery's method "cloud" does. */
  async exchange() {
    const { clusterId, fingerprint } = this.store
    const { publicKey } = this.key
    const self = { nodeId: this.name, publicKey, clusterId, fingerprint, claimed: true, role: 'worker' as const, term: null }
    const said = { addresses: [], count: 1 }
    const { key } = this
    const bytes = signAnnouncement({ ...self, port: 7700, consolePort: null, boot: 1 }, said, (...signed) => key.sign(...signed))
    return (await this.first?.link.exchange(bytes, 45_000)) ?? []
  }

  register() {
    return register({ env: this.env, url: control.url, token: parseToken(token), allowedRoots: [], gather })
  }

  async start(): Promise<this> {
    running.push(this)
    const log = makeLog({ level: 'debug', format: 'text', write: (line) => (this.lines += line), file: null })
    const first = await takeFirstSteps({ env: this.env, log })
    this.first = first
    const { paths, identity, version } = first
    this.roster = new RosterStore(paths.roster, await openRing(paths.roster, identity, 0))
    first.attach({
      report: () => reportOf(identity.nodeId),
      onSettings: () => Promise.resolve(),
      onReported: () => Promise.resolve(),
      runCommand: () => Promise.resolve(''),
      ring: {
        own: () => ({ genesisHash: this.store.fingerprint, records: this.store.all(), members: this.members.length }),
        onJoinIntents: async (intents, cloud) => {
          if (!this.store.member(identity.nodeId)?.admitter) return
          for (const intent of intents) {
            const decision = judgeJoinIntent(intent, { ...cloud, genesisHash: this.store.fingerprint }, this.store.roster)
            if (decision.kind === 'refused') this.refusals.push(decision.why)
            if (decision.kind !== 'admit') continue
            const previous = this.store.all().at(-1) ?? this.store.founding
            await this.store.merge([sampleAdmission(identity.key, decision, previous)])
          }
          version.bump()
        },
        onRosterRecords: async ({ genesisHash, records }) => {
          if (genesisHash !== this.store.fingerprint) {
            const [genesis, ...later] = records
            if (genesis?.body.kind !== 'genesis') throw new Error('the genesis comes first')
            await writeRoster(paths.roster, { genesis: { ...genesis, body: genesis.body }, later })
            const ring = await readRing(paths.roster)
            if (ring) this.roster = new RosterStore(paths.roster, ring)
          } else await this.store.merge(records)
        },
      },
    })
    return this
  }

  async stop(): Promise<void> {
    await this.first?.loops.stop()
    this.first?.lock.release()
    this.first = null
  }
}

// Three: one process has four sockets to one address, and each machine holds a poll.
test('machines that registered with one token become one ring by what the cloud relays, and all know all of it', async () => {
  const machines = ['pi5-desktop', 'pi5-server', 'macbook'].map((name) => new TestMachine(name))
  const told = []
  for (const machine of machines) told.push(await machine.register())
  expect(told.map(({ waitsFor }) => waitsFor)).toEqual([null, 'pi5-desktop', 'pi5-desktop'])
  expect(machines.map(({ pending }) => pending?.clusterId !== undefined)).toEqual([false, true, true])
  await Promise.all(machines.map((machine) => machine.start()))
  const names = machines.map(({ name }) => name).toSorted()
  await until('one ring', () => machines.every(({ members }) => members.length === 3), 15_000)
  for (const { members } of machines) expect(members).toEqual(names)
  await until('nobody waits any more', () => machines.every(({ pending }) => pending === null))
  expect(control.store.rings?.rings.get('org-1')?.ring.confirmedAtMs).not.toBeNull()
  // Registered once more, with the ring it is in now, it is told the same and waits for nothing.
  const [first, second] = machines
  expect(await second?.register()).toMatchObject({ kind: 'same', waitsFor: null })
  expect(await first?.register()).toMatchObject({ kind: 'same', waitsFor: null })
  expect(machines.flatMap(({ refusals }) => refusals)).toEqual([])
}, 40_000)

test('the appointed founder never starts: after its lease one that waits founds the ring, and the late one joins that', async () => {
  const [late, next, third] = ['late', 'next', 'third'].map((name) => new TestMachine(name)) as [TestMachine, TestMachine, TestMachine]
  for (const machine of [late, next, third]) await machine.register()
  await next.start()
  await until('it waits', () => next.pending)
  // It has told all it has to tell: the cloud learns from a further report that it knows of its appointment.
  await until('it has reported', () => control.store.reports.some(({ ring }) => ring?.genesisHash === next.store.fingerprint))
  // The lease ends; the credential, with its hour, goes on.
  control.skewMs = 61_000
  await until('it founded the ring', () => control.store.rings?.rings.get('org-1')?.ring.confirmedAtMs, 15_000)
  await until('it waits no more', () => next.pending === null)
  await third.start()
  await late.start()
  await until('one ring', () => [late, next, third].every(({ members }) => members.length === 3), 15_000)
  expect(late.store.fingerprint).toBe(next.store.fingerprint)
}, 60_000)

test('a new key is shown to the cloud, however often it was replaced meanwhile and whatever answer was lost (THREATS 7)', async () => {
  const one = new TestMachine('one')
  await one.register()
  await one.start()
  await until('it founded the ring', () => control.store.rings?.rings.get('org-1')?.ring.confirmedAtMs)
  const { key: old } = one
  const row = nodeOf(old.publicKey)
  await one.stop()
  const paths = statePaths(one.env.stateDir)
  for (let times = 0; times < 2; times += 1) {
    const identity = { ...(await openIdentity(paths.identity, { nodeId: null })), next: generateKey() }
    await changeIdentity(paths.identity, identity)
    await settleKey(paths, identity)
  }
  // The first answer under the new key is lost.
  const replaceKey = control.store.replaceKey.bind(control.store)
  let isLost = false
  control.store.replaceKey = async (...given) => {
    const done = await replaceKey(...given)
    control.store.replaceKey = replaceKey
    isLost = true
    return await Promise.reject<boolean>(new Error(`lost after ${String(done)}`))
  }
  await one.start()
  await until('an answer was lost', () => isLost)
  expect(control.errors.splice(0).map(String)).toEqual(['Error: lost after true'])
  const { key: now } = one
  const known = async () => (await readCredential(paths.credential))?.nodeKey === now.publicKey
  await until('it is answered under the new key', known, 15_000)
  expect([...control.store.nodes.values()]).toMatchObject([{ id: row.id, nodeId: 'one', nodeKey: now.publicKey, lockedAtMs: null }])
  expect((await control.renew(old, { nodeId: 'one', sequence: 1 })).status).toBe(401)
  const knowsUse = () => control.store.rings?.rings.get('org-1')?.records.some(({ signer }) => signer === now.publicKey)
  await until('the ring’s records are reported under it', knowsUse, 15_000)
  expect(control.store.rings?.rings.get('org-1')?.ring.founderKey).toBe(now.publicKey)
  // Registered again it is the same machine, and no use of the token is spent.
  expect(await one.register()).toMatchObject({ kind: 'same', waitsFor: null })
  const [kept] = [...control.store.tokens.values()]
  expect(kept?.redemptions).toEqual([{ nodeKey: now.publicKey, nodeId: 'one' }])
}, 40_000)

test('announcements go through the cloud while its owner allows it, and nothing is asked otherwise', async () => {
  const [one, other] = [new TestMachine('one'), new TestMachine('other')]
  for (const machine of [one, other]) {
    await machine.register()
    await machine.start()
  }
  await until('one ring', () => [one, other].every(({ members }) => members.length === 2), 15_000)
  expect(await one.exchange()).toEqual([])
  const { rings } = control.store
  if (rings === null) throw new Error('this cloud founds rings')
  expect(rings.left.size).toBe(0)
  rings.rendezvous = true
  const late = sampleAdmission(one.key, { publicKey: generateKey().publicKey, nodeId: 'late' }, one.store.founding)
  rings.report(nodeOf(one.key.publicKey), { genesisHash: one.store.fingerprint, records: [late] }, 0)
  await until('it is allowed', async () => {
    await one.exchange()
    return rings.left.size > 0
  })
  const [met] = await until('the other one hears of it', async () => {
    const heard = await other.exchange()
    return heard.length > 0 ? heard : null
  })
  expect(parseAnnouncement(met?.bytes ?? new Uint8Array())?.body.nodeId).toBe('one')
  expect(met?.ageMs).toBeLessThan(15_000)
  rings.rendezvous = false
  await expect(one.exchange()).rejects.toThrow('has not allowed')
}, 40_000)

const nodeOf = (nodeKey: string) => {
  const node = control.store.nodes.get(nodeKey)
  if (!node) throw new Error('not registered')
  return node
}
