import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from '../hosts/command.ts'
import { loadProfile } from '../profiles/load.ts'
import { faketimeLibrary, NO_CLOCKS } from './clock.ts'
import { TestRing } from './ring.ts'

let directory = ''
let ring: TestRing | null = null

beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-ring-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

/** From outside the host's network. */
function throughDoor(socketPath: string, wanted: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path: wanted, headers: { host: 'localhost' } }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text))
    }).on('error', reject)
  })
}

test('a machine boots with its profile, loses power and comes back as itself, stands still and goes on', async () => {
  ring = await TestRing.up({ profiles: ['pi5-server'], directory })
  const machine = ring.machine('pi5-server')
  expect(await machine.cluster()).toBeNull()
  machine.start()
  const before = await ring.settled()
  const profile = loadProfile('pi5-server')
  const facts = (await machine.state())?.facts
  expect([facts?.hostname, facts?.cpuModel, facts?.ramBytes]).toEqual(['pi5-server', profile.cpuModel, profile.ramBytes])
  expect(before.leader).toBe('pi5-server')
  await until('its plan runs', async () => (await machine.health())?.status === 'ok', 30_000)

  expect(await throughDoor(machine.doorFile, '/discovery')).toContain('"node_id":"pi5-server"')

  await machine.powerCut()
  expect([machine.power, await machine.cluster()]).toEqual(['off', null])
  machine.start()
  // Until it leads anew it tells the term of the plan that it kept.
  await until('it leads in a later term', async () => ((await machine.cluster())?.term?.number ?? 0) > (before.term?.number ?? 0), 30_000)
  const after = await ring.settled()
  expect([after.clusterId, after.leader]).toEqual([before.clusterId, before.leader])

  await machine.pause()
  expect(await machine.ask({ at: 'gateway', method: 'GET', path: '/cluster', timeoutMs: 200 })).toBeNull()
  await machine.resume()
  expect((await ring.settled()).clusterId).toBe(before.clusterId)
  await machine.shutDown()
  expect(machine.logTail()).toContain('stopped')
}, 90_000)

test('a disk is copied, and put back: the machine is as it was then', async () => {
  ring = await TestRing.up({ profiles: ['macbook'], directory })
  const machine = ring.machine('macbook')
  machine.start()
  const named = async () => (await machine.state())?.settings.name
  await until('its local API answers', async () => (await named()) !== undefined)
  const was = await named()
  expect(() => machine.saveState('early')).toThrow('its disk can be copied while it is off')
  await machine.powerCut()
  machine.saveState('early')
  machine.start()
  await until('its local API answers', async () => (await named()) === was)
  await machine.local('POST', '/local/ops', {
    ops: [{ body: { kind: 'node.set', subject: 'macbook', field: 'name', value: 'Renamed', replaces: null } }],
  })
  await until('renamed', async () => (await named()) === 'Renamed')
  await machine.powerCut()
  machine.rollBack('early')
  machine.start()
  await until('its old name is back', async () => (await named()) === was)
}, 90_000)

test('a wall clock is set a year ahead and an hour back while the machine runs', async () => {
  if (faketimeLibrary() === null) {
    console.log(NO_CLOCKS)
    return
  }
  ring = await TestRing.up({ profiles: ['pi5-server'], directory, hasClocks: true })
  const machine = ring.machine('pi5-server')
  await machine.setClock(365 * 86_400_000)
  machine.start()
  await machine.answers()
  await machine.setClock(365 * 86_400_000)
  await machine.setClock(-3_600_000)
  expect((await ring.settled()).leader).toBe('pi5-server')
}, 90_000)

test('an agent that ends by itself is told with the end of its log', async () => {
  ring = await TestRing.up({ profiles: ['pi5-server'], directory, environment: { LOG_LEVEL: 'loud' } })
  const machine = ring.machine('pi5-server')
  machine.start()
  await expect(machine.answers()).rejects.toThrow(/has ended by itself[\s\S]*LOG_LEVEL/)
}, 60_000)

test('without namespaces two machines share one, with ports of their own', async () => {
  ring = await TestRing.up({ profiles: ['pi5-server', 'macbook'], directory, mode: 'loopback' })
  for (const machine of ring.machines) machine.start()
  const views = await Promise.all(ring.machines.map((machine) => machine.answers()))
  expect(views.map((view) => view.node_id)).toEqual(['pi5-server', 'macbook'])
  expect(() => ring?.network).toThrow('needs network namespaces')
  await ring.machine('macbook').powerCut()
  expect(await ring.machine('macbook').cluster()).toBeNull()
  expect(await ring.machine('pi5-server').cluster()).not.toBeNull()
}, 90_000)
