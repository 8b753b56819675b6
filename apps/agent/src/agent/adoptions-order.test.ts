import { commitmentOf } from '@thatdam/control/adopt/code'
import { makeNonce } from '@thatdam/control/join'
import { generateKey } from '@thatdam/control/keys'
import type { Term } from '@thatdam/protocol/plan'
import { Adoption } from '@thatdam/protocol/ring-door'
import { afterEach, expect, test } from 'vitest'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { Orders } from '../ring/orders.ts'
import { foundRing, identities, openPart, quietLog } from '../ring/testing/ring.ts'
import type { Identity } from '../state/identity.ts'
import { Adoptions } from './adoptions.ts'
import { openServer } from './testing/adopting.ts'

/* The leader tells a member at whose door a machine waits what the owner says of it, over real TLS. */

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

const [desk, leader] = identities(['pi5-server', 'pi5-desktop']) as [Identity, Identity]
const records = foundRing([desk, leader])

/** The member with the desk, which believes this of the leader. */
async function deskOf({ mayLetIn = true, leads = true } = {}) {
  const part = await openPart(desk, records, { address: '127.0.0.1', port: 0, seeds: '127.0.0.1:9', ranking: [] })
  endings.push(() => part.stop())
  const { store } = part
  const member = (publicKey: string) => {
    const known = store.memberByKey(publicKey)
    return known?.nodeId === leader.nodeId ? { ...known, admitter: mayLetIn } : known
  }
  const orders = new Orders({
    client: () => part.client,
    member: (nodeId) => store.member(nodeId),
    orderTerm: () => null,
    accept: () => leads,
    run: () => Promise.reject(new Error('no services here')),
  })
  const host = { store, part, adopt: () => Promise.reject(new Error('it is in a ring')) }
  const adoptions = new Adoptions({
    work: { host, orders, waitingNear: () => [], reportsOfAwake: () => [] },
    identity: desk,
    self: { node: desk.key, nodeId: desk.nodeId, bootCounter: 1, isAdopted: false },
    hostname: desk.nodeId,
    log: quietLog,
    claimed: () => true,
    changed: () => {},
  })
  const server = await openServer(desk, adoptions.routes(), member)
  endings.push(() => server.close())
  return { adoptions, port: server.port }
}

function callerOf({ key, nodeId }: Identity, port: number) {
  const client = new NodeClient(key, nodeId, new Addresses({ sighted: () => [] }))
  endings.push(() => client.close())
  return async (path: string, body: object): Promise<unknown> => {
    const asked = { publicKey: desk.key.publicKey, method: 'POST', path, body, timeoutMs: 15_000 } as const
    return (await client.call(asked, [{ address: '127.0.0.1', port }])).body
  }
}

const TERM: Term = { number: 7, nodeId: leader.nodeId }
const order = (said: object, term = TERM) => ({ version: 1, term, said })

test('a machine that waits here is told to the leader, opened by its order, and ended by it', async () => {
  const { adoptions, port } = await deskOf()
  const key = generateKey()
  const { publicKey } = key
  const joiner = callerOf({ key, nodeId: 'macbook', former: [], next: null }, port)
  const reveal = { nodeKey: publicKey, nodeId: 'macbook', bootCounter: 1, nonce: makeNonce() }
  await joiner('/v1/adopt/commit', { version: 1, commitment: commitmentOf({ joiner: reveal }), nodeId: 'macbook', hostname: 'macbook' })
  expect(adoptions.told()).toMatchObject({ waiting: [{ nodeId: 'macbook', publicKey, asks: true }], adoptions: [] })

  const ask = callerOf(leader, port)
  const opened = Adoption.parse(await ask('/v1/adoptions', order({ word: 'open', publicKey })))
  expect(opened).toMatchObject({ nodeId: 'macbook', direction: 'in', state: 'waiting' })
  const { id } = opened
  await joiner('/v1/adopt/reveal', { version: 1, id, reveal })
  expect(adoptions.told()).toMatchObject({ waiting: [], adoptions: [{ id, state: 'compare', code: expect.stringMatching(/^\d{6}$/) }] })
  expect(await ask('/v1/adoptions', order({ word: 'cancel', id }))).toMatchObject({ id, state: 'refused' })
  await expect(ask('/v1/adoptions', order({ word: 'confirm', id }))).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(ask('/v1/adoptions', order({ word: 'confirm', id: makeNonce() }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('nobody else gives such an order, nor a leader of before, nor one that may not let machines in itself', async () => {
  const said = { word: 'open', publicKey: generateKey().publicKey }
  const { port } = await deskOf()
  const [stranger] = identities(['macbook']) as [Identity]
  await expect(callerOf(stranger, port)('/v1/adoptions', order(said))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  const ask = callerOf(leader, port)
  await expect(ask('/v1/adoptions', order(said, { number: 8, nodeId: 'macbook' }))).rejects.toMatchObject({ code: 'FORBIDDEN' })
  for (const bad of [{ word: 'admit', publicKey: said.publicKey }, { word: 'confirm' }, { word: 'open', publicKey: 'x' }])
    await expect(ask('/v1/adoptions', order(bad))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  await expect(callerOf(leader, (await deskOf({ leads: false })).port)('/v1/adoptions', order(said))).rejects.toMatchObject({
    code: 'STALE_TERM',
  })
  await expect(callerOf(leader, (await deskOf({ mayLetIn: false })).port)('/v1/adoptions', order(said))).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: 'pi5-desktop leads this ring, and may not let others in.',
  })
})
