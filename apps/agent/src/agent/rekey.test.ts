import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { sealKeyFromSeed } from '@thatdam/control/seal'
import type { OpBody } from '@thatdam/protocol/ops'
import { until } from '@thatdam/testkit/hosts/command'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Addresses, type LinkAddress } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { RosterStore } from '../ring/roster-store.ts'
import { changeIdentity, readIdentity, type Identity } from '../state/identity.ts'
import { introduce, settleKey, useNewKey } from '../state/key-replacement.ts'
import { statePaths } from '../state/paths.ts'
import { readRing } from '../state/ring.ts'

const LIMIT_MS = 60_000
const PASSWORD_HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

let directory = ''
let ring: TestRing | null = null
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-rekey-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

async function up(): Promise<[RingMachine, RingMachine, RingMachine]> {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'macbook'], directory, mode: 'loopback' })
  for (const machine of ring.machines) machine.start()
  await ring.settled()
  const [, server] = ring.machines
  const mayEdit = async () => (await server?.state())?.members.find(({ self }) => self)?.admitter === true
  await until('the one that stands by may edit', mayEdit, LIMIT_MS)
  return ring.machines as unknown as [RingMachine, RingMachine, RingMachine]
}

async function identityOf({ stateDir }: RingMachine): Promise<Identity> {
  const identity = await readIdentity(statePaths(stateDir).identity)
  if (identity === null) throw new Error('no identity')
  return identity
}
async function storeOf({ stateDir }: RingMachine): Promise<RosterStore> {
  const path = statePaths(stateDir).roster
  const found = await readRing(path)
  if (found === null) throw new Error('no ring')
  return new RosterStore(path, found)
}

/** Its name: an edit that every member carries, and that an admitter signs. */
const edit = (machine: RingMachine, value: string) =>
  machine.local('POST', '/local/ops', {
    ops: [{ body: { kind: 'node.set', subject: machine.name, field: 'name', value, replaces: null } }],
  })
/** The newest seal of the owner's password, as this machine has it, opens with the present keys of these. */
async function isSealedTo(machine: RingMachine, readers: readonly RingMachine[]): Promise<boolean> {
  const feed = (await machine.local('GET', '/local/ops?after=0&limit=2000')) as { entries: { op: { body: OpBody } }[] }
  const seals = feed.entries.flatMap(({ op: { body } }) => (body.kind === 'secret.set' ? [body.sealedFor.map((box) => box.publicKey)] : []))
  const wanted = await Promise.all(readers.map(async (one) => sealKeyFromSeed((await identityOf(one)).key.seed).publicKey))
  return wanted.every((key) => seals.at(-1)?.includes(key) === true)
}
async function namesAt(machine: RingMachine): Promise<string[]> {
  const feed = (await machine.local('GET', '/local/ops?after=0&limit=2000')) as {
    entries: { op: { body: { kind: string; value?: unknown } } }[]
  }
  return feed.entries.flatMap(({ op }) => (op.body.kind === 'node.set' && typeof op.body.value === 'string' ? [op.body.value] : []))
}
const haveAll = (machines: readonly RingMachine[], names: readonly string[]) =>
  until(
    `all have ${names.join(', ')}`,
    async () => {
      const found = await Promise.all(machines.map(namesAt))
      return found.every((one) => names.every((name) => one.includes(name)))
    },
    LIMIT_MS,
  )

const addressOf = ({ host, stateDir }: RingMachine, port: number): LinkAddress => ({ address: stateDir === '' ? '' : host.address, port })
/** What a member's route answers to this key: 'taken', or the code of its refusal. */
async function asked(machine: RingMachine, key: KeyPair, nodeId: string): Promise<string> {
  const port = Number(machine.environment()['NODE_API_PORT'])
  const client = new NodeClient(key, nodeId, new Addresses({ sighted: () => [] }))
  const body = { roster: (await storeOf(machine)).digest, messages: [] }
  const request = {
    publicKey: (await identityOf(machine)).key.publicKey,
    method: 'POST',
    path: '/v1/messages',
    body,
    timeoutMs: 5_000,
  } as const
  return await client
    .call(request, [addressOf(machine, port)])
    .then(
      () => 'taken',
      (error: unknown) => (error as { code: string }).code,
    )
    .finally(() => client.close())
}

/** All know the one new key, and nobody takes the old one any more. */
async function knowIt(machines: readonly RingMachine[], nodeId: string, { old, now }: { old: KeyPair; now: KeyPair }): Promise<void> {
  const knows = async (machine: RingMachine) => (await storeOf(machine)).member(nodeId)?.keys.join() === now.publicKey
  await until('all know the new key', async () => (await Promise.all(machines.map(knows))).every(Boolean), LIMIT_MS)
  for (const machine of machines.filter(({ name }) => name !== nodeId)) {
    expect([await asked(machine, old, nodeId), await asked(machine, now, nodeId)]).toEqual(['UNAUTHENTICATED', 'taken'])
  }
}

test('a machine gets a new key: all it wrote before and after is everywhere, the ring goes on, and the old key is a stranger’s', async () => {
  const machines = await up()
  const [desktop, server] = machines
  await desktop.local('PUT', '/local/owner', { passwordHash: PASSWORD_HASH })
  await until('the password is sealed to both', () => isSealedTo(desktop, [desktop, server]), LIMIT_MS)
  // A member, then the leader.
  for (const [machine, other] of [
    [server, desktop],
    [desktop, server],
  ] as const) {
    const { key: old } = await identityOf(machine)
    await edit(machine, `${machine.name} before`)
    const { code, output } = await machine.thatdam({}, 'rekey')
    expect([code, output]).toEqual([0, expect.stringContaining('Whoever knows it refuses the old one')])
    expect(output).toMatch(/These know it: .*macbook/)
    const { key: now, former } = await identityOf(machine)
    expect([now.publicKey === old.publicKey, former.map(({ key }) => key.publicKey)]).toEqual([false, [old.publicKey]])
    await ring?.settled({ limitMs: LIMIT_MS })
    await knowIt(machines, machine.name, { old, now })
    expect(other.logTail(400)).toContain(`came with a key that ${machine.name} has replaced`)
    await edit(machine, `${machine.name} after`)
    await haveAll(machines, [`${machine.name} before`, `${machine.name} after`])
    // The one that leads, with its former key or as another admitter, seals the owner's password to the new one.
    await until('the password is sealed to the new key', () => isSealedTo(other, [machine]), LIMIT_MS)
  }
  // A while after it came back it leads again, under the new key.
  await until('the better one leads', async () => (await desktop.cluster())?.role === 'leader', 2 * LIMIT_MS)
  await ring?.settled({ limitMs: LIMIT_MS })
}, 300_000)

/** Its owner sees it, in the console and in `thatdam status`. */
const isShown = (machine: RingMachine, words: string) => async (): Promise<boolean> =>
  (await machine.state())?.settingsProblems.some((sentence) => sentence.includes(words)) === true

test('whoever was away is shown the new key by the machine itself, also twice replaced, and a copy of its old disk stays outside', async () => {
  const machines = await up()
  const [desktop, server, mac] = machines
  const { key: old } = await identityOf(server)
  await mac.shutDown()
  await server.shutDown()
  server.saveState('old disk')
  server.start()
  await server.answers()
  await server.thatdam({}, 'rekey')
  await server.shutDown()
  // No agent runs.
  const { code, output } = await server.thatdam({}, 'rekey')
  expect([code, output]).toEqual([0, expect.stringContaining('are shown the new key when it does')])
  // Nobody else who knows is there.
  await desktop.shutDown()
  server.start()
  mac.start()
  await ring?.settled({ among: [server, mac], limitMs: LIMIT_MS })
  desktop.start()
  await ring?.settled({ limitMs: LIMIT_MS })
  const { key: now, former } = await identityOf(server)
  expect(former).toHaveLength(2)
  await knowIt(machines, server.name, { old, now })
  await edit(server, 'is one')
  await haveAll(machines, ['is one'])

  await server.powerCut()
  server.saveState('new disk')
  server.rollBack('old disk')
  server.start()
  await until('the others refuse it', isShown(desktop, 'came with a key that pi5-server has replaced'), LIMIT_MS)
  await until('it says so itself', isShown(server, 'refuses this machine’s key'), LIMIT_MS)
  const seen = async () => (await desktop.state())?.members.find(({ nodeId }) => nodeId === 'pi5-server')?.awake
  await until('it counts as away', async () => (await seen()) === false, LIMIT_MS)
  await server.powerCut()
  server.rollBack('new disk')
  server.start()
  await ring?.settled({ limitMs: LIMIT_MS })
}, 300_000)

test('the power goes at each step that is on the disk: the start takes the others (THREATS 7)', async () => {
  const machines = await up()
  const [desktop, server] = machines
  const paths = statePaths(server.stateDir)
  const steps: readonly ((identity: Identity, next: KeyPair) => Promise<void>)[] = [
    // The new key is written.
    async (identity, next) => changeIdentity(paths.identity, { ...identity, next }),
    // Its record is signed as well.
    async (identity, next) => {
      await changeIdentity(paths.identity, { ...identity, next })
      await introduce(await storeOf(server), identity, next.publicKey)
    },
    // Another machine has it.
    async (identity, next) => {
      await changeIdentity(paths.identity, { ...identity, next })
      const record = await introduce(await storeOf(server), identity, next.publicKey)
      await desktop.shutDown()
      await (await storeOf(desktop)).merge([record])
      desktop.start()
      await desktop.answers()
    },
    // The key was switched, and not used yet.
    async (identity, next) => {
      const before = { ...identity, next }
      await changeIdentity(paths.identity, before)
      await settleKey(paths, before)
    },
    // It was used, and nobody has heard of it.
    async (identity, next) => {
      const before = { ...identity, next }
      await changeIdentity(paths.identity, before)
      const settled = await settleKey(paths, before)
      expect(await useNewKey(await storeOf(server), settled)).toBe(true)
    },
  ]
  for (const [step, crash] of steps.entries()) {
    const identity = await identityOf(server)
    await server.powerCut()
    const next = generateKey()
    await crash(identity, next)
    server.start()
    await ring?.settled({ limitMs: LIMIT_MS })
    expect(await identityOf(server)).toMatchObject({ key: { publicKey: next.publicKey }, next: null })
    await knowIt(machines, server.name, { old: identity.key, now: next })
    await edit(server, `step ${step}`)
    await haveAll(machines, [`step ${step}`])
  }
}, 300_000)

test('the power goes at any moment of a replacement: the machine comes back as one, with the old key or the new one', async () => {
  const machines = await up()
  const [, server] = machines
  for (const delayMs of [5, 25, 60, 150, 400, 1_200]) {
    const { key: old } = await identityOf(server)
    const answer = server.local('POST', '/local/rekey', {}).catch(() => null)
    await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, delayMs))])
    if (delayMs > 100) await new Promise((resolve) => setTimeout(resolve, delayMs))
    await server.restart()
    await ring?.settled({ limitMs: LIMIT_MS })
    const { key: now, next } = await identityOf(server)
    expect(next).toBeNull()
    if (now.publicKey !== old.publicKey) await knowIt(machines, server.name, { old, now })
    else expect((await storeOf(server)).member(server.name)?.keys).toEqual([old.publicKey])
  }
  await edit(server, 'after all')
  await haveAll(machines, ['after all'])
}, 300_000)
