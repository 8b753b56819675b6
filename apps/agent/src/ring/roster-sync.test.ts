import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { remove } from '@thatdam/control/roster-edit'
import { TestRing } from '@thatdam/control/testing/ring'
import type { GenesisRecord } from '@thatdam/protocol/roster'
import { RosterExchangeAnswer } from '@thatdam/protocol/roster-sync'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { NodeServer } from '../link/server.ts'
import { RosterStore } from './roster-store.ts'
import { RosterSync } from './roster-sync.ts'

const nobody = (): never => {
  throw new Error('nobody is asked here')
}

let directory = ''
let server: NodeServer
let store: RosterStore
let founder: KeyPair
let pi: KeyPair
let mac: KeyPair
let nas: KeyPair

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'thatdam-roster-sync-'))
  founder = generateKey()
  const ring = TestRing.found(founder)
  pi = ring.join(founder, 'pi')
  mac = ring.join(founder, 'mac')
  nas = ring.join(founder, 'nas')
  const [genesis, ...later] = ring.records
  store = new RosterStore(join(directory, 'roster.jsonl'), { genesis: genesis as GenesisRecord, later })
  const route = new RosterSync({ store, client: nobody, log: () => {} }).route()
  server = await NodeServer.open({
    key: founder,
    nodeId: 'founder',
    port: 0,
    bindAddress: '127.0.0.1',
    memberOf: (key) => store.memberByKey(key),
    wasMember: (key) => store.wasMember(key),
    routes: () => [route],
    onProved: () => {},
    log: () => {},
  })
  for (const nodeId of ['pi', 'mac']) await store.edit(founder, (desk) => remove(desk, nodeId))
})
afterEach(async () => {
  await server.close()
  rmSync(directory, { recursive: true, force: true })
})

/** How many records this key is told, or the code with which it is refused. */
async function told(key: KeyPair, changes: object = {}): Promise<number | string> {
  const client = new NodeClient(key, 'asks', new Addresses({ sighted: () => [] }))
  const body = { fingerprint: store.fingerprint, ids: [], records: [], ...changes }
  const request = { publicKey: founder.publicKey, method: 'POST', path: '/v1/roster', body, timeoutMs: 5_000 } as const
  return await client
    .call(request, [{ address: '127.0.0.1', port: server.port }])
    .then(
      (answer) => RosterExchangeAnswer.parse(answer.body).records.length,
      (error: unknown) => (error as { code: string }).code,
    )
    .finally(() => client.close())
}

test('a machine that was removed learns of it by a small question; a large one is for members', async () => {
  const padding = 'x'.repeat(1_000_000)
  const ids = Array.from({ length: 10_000 }, (_, number) => number.toString(16).padStart(32, '0'))
  const all = store.keeper.records.length
  expect([await told(pi), await told(pi, { ids }), await told(pi, { padding })]).toEqual([all, all, 'TOO_LARGE'])
  expect(await told(nas, { padding })).toBe(all)
})

test('it asks only so often, and takes nothing from others at its address', async () => {
  const answers = []
  for (let times = 0; times < 6; times += 1) answers.push(await told(pi))
  const all = store.keeper.records.length
  expect(answers).toEqual([...Array.from({ length: 5 }, () => all), 'TOO_MANY_REQUESTS'])
  expect(await told(mac)).toBe(all)
  for (let times = 0; times < 6; times += 1) expect(await told(nas)).toBe(all)
})
