import { commitmentOf } from '@thatdam/control/adopt/code'
import { makeNonce } from '@thatdam/control/join'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import { AdoptCommitResponse, type JoinerReveal } from '@thatdam/protocol/adopt'
import { afterEach, expect, test } from 'vitest'
import { Addresses } from '../link/addresses.ts'
import { NodeClient } from '../link/client.ts'
import { foundRing, identities } from '../ring/testing/ring.ts'
import { openDoor, type OpenedDoor } from './testing/adopting.ts'

/* Machines that wait, over real TLS: what they prove with their connection is what the owner chooses by. */

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end()
})

class Waiting {
  readonly key: KeyPair = generateKey()
  readonly reveal: JoinerReveal
  private readonly client: NodeClient
  private readonly port: number
  private readonly expected: string

  constructor(nodeId: string, server: { port: number; publicKey: string }) {
    this.port = server.port
    this.expected = server.publicKey
    this.client = new NodeClient(this.key, nodeId, new Addresses({ sighted: () => [] }))
    endings.push(() => this.client.close())
    this.reveal = { nodeKey: this.key.publicKey, nodeId, bootCounter: 1, nonce: makeNonce() }
  }

  async ask(path: string, body: unknown): Promise<unknown> {
    const asked = { publicKey: this.expected, method: 'POST', path: `/v1/adopt/${path}`, body, timeoutMs: 5_000 } as const
    return (await this.client.call(asked, [{ address: '127.0.0.1', port: this.port }])).body
  }

  async commit(reveal = this.reveal): Promise<string> {
    const body = { version: 1, commitment: commitmentOf({ joiner: reveal }), nodeId: reveal.nodeId, hostname: reveal.nodeId }
    return AdoptCommitResponse.parse(await this.ask('commit', body)).id
  }

  show(id: string, reveal = this.reveal): Promise<unknown> {
    return this.ask('reveal', { version: 1, id, reveal })
  }
}

async function doorOf({ isClaimed = true, isAdmitter = true } = {}): Promise<OpenedDoor> {
  const [founder, second] = identities(['pi5-desktop', 'pi5-server'])
  if (founder === undefined || second === undefined) throw new Error('two')
  const opened = await openDoor(isAdmitter ? founder : second, foundRing([founder, second]), { isClaimed })
  endings.push(() => opened.close())
  return opened
}

test('two machines of one name wait: the one that the owner chose by its key shows digits, and the other one cannot in its place', async () => {
  const at = await doorOf()
  const { door } = at
  const [squatter, honest] = [new Waiting('pi', at), new Waiting('pi', at)]
  const first = await squatter.commit()
  const id = await honest.commit()
  expect(door.list()).toEqual([])
  const { publicKey } = honest.key
  expect(await door.letIn(publicKey)).toMatchObject({ id, nodeId: 'pi', publicKey, direction: 'in', state: 'waiting', attemptsLeft: 4 })
  await expect(squatter.show(first)).rejects.toMatchObject({ code: 'CONFLICT' })
  // Not even with what the honest one had promised.
  await expect(squatter.show(id, squatter.reveal)).rejects.toThrow('another key than the one that it asked with')
  expect(door.list()).toMatchObject([{ id, state: 'waiting' }])
  await honest.show(id)
  expect(door.list()).toMatchObject([{ id, state: 'compare', publicKey, code: expect.stringMatching(/^\d{6}$/) }])
  expect(await door.letIn(publicKey)).toMatchObject({ id, state: 'compare', attemptsLeft: 4 })
  expect(await door.say('cancel', id)).toMatchObject({ state: 'refused' })
  expect(await door.say('cancel', id)).toMatchObject({ state: 'refused' })
  await expect(door.say('confirm', id)).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('who promises a key that its connection does not prove shows nothing, and only the machine itself could end it', async () => {
  const at = await doorOf()
  const { door } = at
  const [middle, victim] = [new Waiting('pi', at), new Waiting('pi', at)]
  const id = await middle.commit(victim.reveal)
  await expect(door.letIn(victim.key.publicKey)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await door.letIn(middle.key.publicKey)
  await expect(middle.show(id, victim.reveal)).rejects.toThrow('another key')
  expect(door.list()).toMatchObject([{ id, code: null, state: 'waiting' }])
})

test('nobody is let in where nobody owns the machine, or where it may not; garbage and floods change nothing', async () => {
  const unclaimed = await doorOf({ isClaimed: false })
  await expect(new Waiting('pi', unclaimed).commit()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(unclaimed.door.letIn(generateKey().publicKey)).rejects.toThrow('Set a password in its console first.')
  const worker = await doorOf({ isAdmitter: false })
  await expect(new Waiting('pi', worker).commit()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(worker.door.letIn(generateKey().publicKey)).rejects.toThrow('may not let others in')

  const at = await doorOf()
  const { door } = at
  const rogue = new Waiting('rogue', at)
  for (const path of ['commit', 'reveal', 'status']) {
    for (const body of [null, [], 'x', { version: 1 }]) await expect(rogue.ask(path, body)).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  }
  await expect(rogue.ask('commit', { version: 1, hostname: 'x'.repeat(20_000) })).rejects.toMatchObject({ code: 'TOO_LARGE' })
  await expect(rogue.ask('status', { version: 1, id: makeNonce(), said: 'yes', signature: null })).rejects.toMatchObject({
    code: 'UNAUTHENTICATED',
  })
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => rogue.commit({ ...rogue.reveal, nonce: makeNonce() })))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  expect([door.list(), at.changes() > 0]).toEqual([[], true])
})
