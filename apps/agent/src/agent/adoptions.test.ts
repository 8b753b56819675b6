import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type AddressInfo } from 'node:net'
import { generateKey } from '@thatdam/control/keys'
import { Adoption } from '@thatdam/protocol/ring-door'
import { until } from '@thatdam/testkit/hosts/command'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { foundRing } from '@thatdam/testkit/ring/found'
import { TestRing } from '@thatdam/testkit/ring/ring'
import { afterEach, beforeEach, expect, test } from 'vitest'

const PASSWORD_HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const LIMIT_MS = 60_000

let directory = ''
let ring: TestRing | null = null
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-adopt-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

/** Gets an owner, as at its first run. */
async function claim(machine: RingMachine): Promise<void> {
  await machine.answers()
  await machine.local('PUT', '/local/owner', { passwordHash: PASSWORD_HASH })
}

async function adoptionsOf(machine: RingMachine): Promise<Adoption[]> {
  return (await machine.state())?.adoptions ?? []
}

async function adoptionIn(machine: RingMachine, state: Adoption['state']): Promise<Adoption> {
  let found: Adoption | undefined
  const look = async () => (found = (await adoptionsOf(machine)).find((one) => one.state === state)) !== undefined
  await until(`${machine.name} tells of an adoption that is ${state}`, look, LIMIT_MS).catch(async (error: unknown) => {
    throw new Error(`${String(error)}; it tells of ${JSON.stringify(await adoptionsOf(machine))}`, { cause: error })
  })
  return found as Adoption
}

/** The owner chooses the waiting machine, and both sides show digits. `desk`: the machine at which it waits. */
async function compare(owner: RingMachine, joiner: RingMachine, desk = owner): Promise<{ inside: Adoption; outside: Adoption }> {
  let publicKey = ''
  const nearby = async () => {
    publicKey = (await owner.state())?.ring.waiting.find(({ nodeId }) => nodeId === joiner.name)?.publicKey ?? ''
    return publicKey !== ''
  }
  await until(`${owner.name} sees ${joiner.name} wait`, nearby, LIMIT_MS)
  const opened = Adoption.parse(await owner.local('POST', '/local/adoptions', { publicKey }, 15_000))
  expect(opened).toMatchObject({ nodeId: joiner.name, publicKey, direction: 'in', state: 'waiting', code: null })
  const [inside, outside] = [await adoptionIn(owner, 'compare'), await adoptionIn(joiner, 'compare')]
  expect([inside.id, outside.direction, outside.nodeId]).toEqual([opened.id, 'out', desk.name])
  expect(inside.code).toMatch(/^\d{6}$/)
  expect(outside.code).toBe(inside.code)
  return { inside, outside }
}

const say = async (machine: RingMachine, { id }: Adoption, word: 'confirm' | 'cancel') =>
  Adoption.parse(await machine.local('POST', `/local/adoptions/${id}/${word}`, {}))

/** Each of them sees exactly these awake, and all name one leader. */
const inOneRing = async (machines: readonly RingMachine[]) => await ring?.settled({ among: machines, limitMs: LIMIT_MS })

test('a machine that nobody owns comes in by six digits: who says no ends it, and both have to say yes', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server'], directory, joined: false })
  const [owner, joiner] = [ring.machine('pi5-desktop'), ring.machine('pi5-server')]
  owner.start()
  joiner.start()
  await joiner.answers()
  await claim(owner)

  // Somebody at the machine itself does not want it.
  const first = await compare(owner, joiner)
  expect(await say(joiner, first.outside, 'cancel')).toMatchObject({ state: 'refused', reason: 'It was cancelled on this machine.' })
  expect(await adoptionIn(owner, 'refused')).toMatchObject({ reason: 'It was cancelled at the machine itself.', attemptsLeft: 4 })
  // The owner sees other digits.
  const second = await compare(owner, joiner)
  expect(second.inside.code).not.toBe(first.inside.code)
  await say(owner, second.inside, 'cancel')
  const told = async () =>
    (await adoptionsOf(joiner)).some(({ reason }) => reason === 'The owner of the ring did not take this machine in.')
  await until('the machine is told', told, LIMIT_MS)
  await expect(say(owner, second.inside, 'confirm')).rejects.toThrow('409')
  expect((await joiner.state())?.members).toHaveLength(1)

  const third = await compare(owner, joiner)
  expect(await say(owner, third.inside, 'confirm')).toMatchObject({ state: 'confirmed' })
  expect(await say(owner, third.inside, 'confirm')).toMatchObject({ state: 'confirmed' })
  expect(await say(joiner, third.outside, 'confirm')).toMatchObject({ state: 'confirmed' })
  await inOneRing([owner, joiner])
  expect(await adoptionIn(joiner, 'done')).toMatchObject({ nodeId: 'pi5-desktop', reason: '' })
  expect(await adoptionIn(owner, 'done')).toMatchObject({ nodeId: 'pi5-server', publicKey: third.inside.publicKey })
  const state = await joiner.state()
  expect([state?.ring.claimed, state?.members.map(({ nodeId }) => nodeId).toSorted()]).toEqual([true, ['pi5-desktop', 'pi5-server']])
  await expect(say(joiner, third.outside, 'cancel')).rejects.toThrow('in the ring already')
}, 240_000)

test('the admitter loses its power while the digits are shown, and the machine comes again by itself', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server'], directory, joined: false })
  const [owner, joiner] = [ring.machine('pi5-desktop'), ring.machine('pi5-server')]
  owner.start()
  joiner.start()
  await joiner.answers()
  await claim(owner)
  const before = await compare(owner, joiner)
  await say(joiner, before.outside, 'confirm')
  await owner.restart()
  await owner.answers()
  expect(await adoptionIn(joiner, 'refused')).toMatchObject({ id: before.outside.id })
  const after = await compare(owner, joiner)
  await say(joiner, after.outside, 'confirm')
  await say(owner, after.inside, 'confirm')
  await inOneRing([owner, joiner])
}, 240_000)

test('a machine that bears a member’s name is told so, one installed with --adopt says yes by itself', async () => {
  const environmentOf = { macbook: { ADOPT: '1' }, 'pi5-server': { ADOPT: '1' } }
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server', 'macbook'], directory, joined: false, environmentOf })
  const [owner, headless, namesake] = [ring.machine('pi5-desktop'), ring.machine('pi5-server'), ring.machine('macbook')]
  const { publicKey, seed } = generateKey()
  const identity = { version: 1, nodeId: 'pi5-desktop', publicKey, seed, createdAtMs: Date.now() }
  writeFileSync(join(namesake.stateDir, 'identity.json'), JSON.stringify(identity), { mode: 0o600 })
  for (const machine of [owner, headless, namesake]) machine.start()
  await Promise.all([headless.answers(), namesake.answers()])
  await claim(owner)

  const waits = async () => (await owner.state())?.ring.waiting.some((one) => one.publicKey === publicKey) === true
  await until('the namesake waits', waits, LIMIT_MS)
  await owner.local('POST', '/local/adoptions', { publicKey }, 15_000)
  const taken = 'Another machine is already called pi5-desktop. Choose another NODE_ID for this one, then join again.'
  expect(await adoptionIn(owner, 'refused')).toMatchObject({ publicKey, reason: taken })
  expect(await adoptionIn(namesake, 'refused')).toMatchObject({ reason: taken })

  const waiting = (await owner.state())?.ring.waiting.find(({ nodeId }) => nodeId === 'pi5-server')
  await owner.local('POST', '/local/adoptions', { publicKey: waiting?.publicKey }, 15_000)
  await say(owner, await adoptionIn(owner, 'compare'), 'confirm')
  await inOneRing([owner, headless])
  expect((await namesake.state())?.members).toHaveLength(1)
}, 240_000)

test('a machine that gets an owner of its own meanwhile asks no more, and is let in nowhere', async () => {
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server'], directory, joined: false })
  const [owner, joiner] = [ring.machine('pi5-desktop'), ring.machine('pi5-server')]
  owner.start()
  joiner.start()
  await joiner.answers()
  await claim(owner)
  const { inside, outside } = await compare(owner, joiner)
  await say(owner, inside, 'confirm')
  await claim(joiner)
  expect(await adoptionIn(owner, 'refused')).toMatchObject({ id: inside.id, reason: 'It was cancelled at the machine itself.' })
  await expect(say(joiner, outside, 'confirm')).rejects.toThrow('It was cancelled on this machine.')
  const waits = async () => (await owner.state())?.ring.waiting.length === 0 && (await owner.state())?.ring.others.length === 1
  await until('it is another ring to the owner', waits, LIMIT_MS)
  const { publicKey } = inside
  await expect(owner.local('POST', '/local/adoptions', { publicKey }, 15_000)).rejects.toThrow('pi5-server has an owner already.')
  expect((await joiner.state())?.members).toHaveLength(1)
}, 240_000)

test('a machine that lost the ring’s records after it was let in asks anew, and comes back under its own name', async () => {
  // What it announces is older than what it announced as a member: it counts once that is forgotten.
  const environment = { DISCOVERY_TTL: '8s' }
  ring = await TestRing.up({ profiles: ['pi5-desktop', 'pi5-server'], directory, joined: false, environment })
  const [owner, joiner] = [ring.machine('pi5-desktop'), ring.machine('pi5-server')]
  owner.start()
  joiner.start()
  await joiner.answers()
  await claim(owner)
  await joiner.shutDown()
  joiner.saveState('before')
  for (let time = 0; time < 2; time += 1) {
    joiner.start()
    const { inside, outside } = await compare(owner, joiner)
    await say(joiner, outside, 'confirm')
    await say(owner, inside, 'confirm')
    await inOneRing([owner, joiner])
    if (time === 1) break
    await joiner.powerCut()
    joiner.rollBack('before')
  }
}, 240_000)

/** Three, so that each is another one. */
async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()] as const
  const ports = servers.map(async (server) => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  })
  const [first = 0, second = 0, third = 0] = await Promise.all(ports)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return [first, second, third]
}

test('a machine that knows only a standby is seen, compared and let in from the console of the leader', async () => {
  const ports = await freePorts()
  const at = (place: 0 | 1 | 2, knows: 0 | 1 | null) => ({
    NODE_API_BIND: '127.0.0.1',
    NODE_API_PORT: String(ports[place]),
    DISCOVERY_BACKEND: 'static',
    ...(knows === null ? {} : { UPSTREAM_HOST: '127.0.0.1', UPSTREAM_PORT: String(ports[knows]) }),
  })
  const environmentOf = { 'pi5-desktop': at(0, null), 'pi5-server': at(1, 0), macbook: at(2, 1) }
  const profiles = ['pi5-desktop', 'pi5-server', 'macbook'] as const
  ring = await TestRing.up({ profiles, directory, joined: false, mode: 'loopback', environmentOf })
  const [leader, standby, joiner] = ring.machines as [RingMachine, RingMachine, RingMachine]
  foundRing([leader, standby], '0f0e0d0c-0b0a-4908-8706-050403020100', 2)
  for (const machine of [leader, standby]) machine.start()
  // Whoever came first hands over to it.
  await until('pi5-desktop leads', async () => (await inOneRing([leader, standby]))?.leader === 'pi5-desktop', LIMIT_MS)
  joiner.start()
  await joiner.answers()

  const first = await compare(leader, joiner, standby)
  await say(leader, first.inside, 'cancel')
  expect(await adoptionIn(leader, 'refused')).toMatchObject({ id: first.inside.id, nodeId: 'macbook' })
  const second = await compare(leader, joiner, standby)
  expect(await say(leader, second.inside, 'confirm')).toMatchObject({ state: 'confirmed' })
  await say(joiner, second.outside, 'confirm')
  expect(await adoptionIn(joiner, 'done')).toMatchObject({ nodeId: 'pi5-server' })
  expect(await adoptionIn(leader, 'done')).toMatchObject({ id: second.inside.id, direction: 'in', nodeId: 'macbook' })
  const isMember = async () => (await leader.state())?.members.some(({ nodeId }) => nodeId === 'macbook') === true
  await until('the leader has it in its ring', isMember, LIMIT_MS)
}, 240_000)
