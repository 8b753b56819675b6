import { UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import { type JoinRequest, JoinResponse } from '@thatdam/protocol/join'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeNonce, verifyHello, verifyJoinResponse } from './join.ts'
import { fingerprint, generateKey } from './keys.ts'
import type { NodeRecord, StoredToken } from './store.ts'
import { sampleGenesis, sampleMachine, sampleToken } from './testing/samples.ts'
import { TestControl } from './testing/server.ts'

let control: TestControl
beforeAll(async () => {
  control = await new TestControl().start()
})
afterAll(() => control.stop())

function token(changes: Partial<StoredToken> = {}): string {
  const { text, stored } = sampleToken(control.instance.publicKey, control.now(), changes)
  control.store.addToken(stored)
  return text
}
async function refusal(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  expect(error.message).toMatch(/^[A-Z].*\.$/)
  return `${response.status} ${error.code}`
}
let ids = 0
const freshId = (): string => `node-${(ids += 1)}`

describe('joining', () => {
  test('a machine with a good token joins, and the answer is signed by the pinned server', async () => {
    const machine = sampleMachine(freshId())
    const request = machine.ask(token(), await control.hello())
    const response = await control.join(request)
    expect(response.status).toBe(201)
    const answer = JoinResponse.parse(await response.json())
    expect(answer).toMatchObject({ nodeId: machine.nodeId, organisation: { id: 'org-1', name: 'Ada’s machines' } })
    verifyJoinResponse(answer, request)
    expect(() => verifyJoinResponse({ ...answer, nodeId: 'other' }, request)).toThrow('altered')
    expect(control.store.events.at(-1)).toMatchObject({ kind: 'join.accepted', nodeId: machine.nodeId, address: '127.0.0.1' })
  })

  test('50 machines at once with one token: one 201, 49 × 401 that say it is used', async () => {
    const text = token()
    const requests = await Promise.all(Array.from({ length: 50 }, async () => sampleMachine(freshId()).ask(text, await control.hello())))
    const responses = await Promise.all(requests.map((request) => control.join(request)))
    expect(responses.filter((response) => response.status === 201)).toHaveLength(1)
    const refused = responses.filter((response) => response.status !== 201)
    expect(new Set(await Promise.all(refused.map(refusal)))).toEqual(new Set(['401 TOKEN_USED']))
    expect(control.store.events.filter((event) => event.detail === 'TOKEN_USED')).toHaveLength(49)
  })

  test('the same machine 20 times at once, then again after the token expired: always the same bytes', async () => {
    const text = token()
    const machine = sampleMachine(freshId())
    const hello = await control.hello()
    const responses = await Promise.all(Array.from({ length: 20 }, () => control.join(machine.ask(text, hello))))
    control.skewMs = 3_600_000
    responses.push(await control.join(machine.ask(text, await control.hello())))
    control.skewMs = 0
    expect(responses.map((response) => response.status)).toEqual(Array.from({ length: 21 }, () => 201))
    expect(new Set(await Promise.all(responses.map((response) => response.text()))).size).toBe(1)
  })

  test('a token for three takes three', async () => {
    const text = token({ maxUses: 3 })
    const statuses = await Promise.all(
      Array.from({ length: 10 }, async () => (await control.join(sampleMachine(freshId()).ask(text, await control.hello()))).status),
    )
    expect(statuses.filter((status) => status === 201)).toHaveLength(3)
    expect(statuses.filter((status) => status === 401)).toHaveLength(7)
  })

  test('who proves the seed gets the reason', async () => {
    const ask = async (text: string, change: (request: JoinRequest) => JoinRequest = (same) => same): Promise<string> =>
      refusal(await control.join(change(sampleMachine(freshId()).ask(text, await control.hello()))))
    const now = control.now()
    expect(await ask(token({ expiresAtMs: now - 1 }))).toBe('401 TOKEN_EXPIRED')
    expect(await ask(token({ revokedAtMs: now - 1 }))).toBe('401 TOKEN_REVOKED')
    expect(await ask(token({ createdAtMs: now + 3_600_000, expiresAtMs: now + 4_500_000 }))).toBe('401 CLOCK_SKEW')
    expect(await ask(token({ scope: crypto.randomUUID() }))).toBe('401 TOKEN_WRONG_RING')
    const clusterId = crypto.randomUUID()
    const fits = sampleMachine(freshId(), clusterId).ask(token({ scope: clusterId }), await control.hello())
    expect((await control.join(fits)).status).toBe(201)
  })

  test('the token that a machine used does not bring it back once its owner removed it; a fresh one does', async () => {
    const machine = sampleMachine(freshId())
    const used = token({ maxUses: 3 })
    const answer = async (text: string) => control.join(machine.ask(text, await control.hello()))
    expect((await answer(used)).status).toBe(201)
    const row = control.store.nodes.get(machine.node.publicKey) as NodeRecord
    control.store.nodes.set(machine.node.publicKey, { ...row, revokedAtMs: Date.now() })
    expect(await refusal(await answer(used))).toBe('401 NODE_REVOKED')
    expect((await answer(token())).status).toBe(201)
    expect(control.store.nodes.get(machine.node.publicKey)).toMatchObject({ id: row.id, revokedAtMs: null })
    // It moved on, and its new organisation removed it as well.
    control.store.nodes.set(machine.node.publicKey, { ...row, organisationId: 'org-2' })
    expect(await refusal(await answer(used))).toBe('401 NODE_REVOKED')
  })

  test('a machine of another organisation, a name that is taken', async () => {
    const machine = sampleMachine(freshId())
    expect((await control.join(machine.ask(token(), await control.hello()))).status).toBe(201)
    const elsewhere = token({ organisation: { id: 'org-2', name: 'Bob' } })
    expect(await refusal(await control.join(machine.ask(elsewhere, await control.hello())))).toBe('401 TOKEN_WRONG_RING')
    // Removed there by its owner, it may come, as a new machine.
    const row = control.store.nodes.get(machine.node.publicKey) as NodeRecord
    control.store.nodes.set(machine.node.publicKey, { ...row, revokedAtMs: Date.now(), sequence: 7 })
    expect((await control.join(machine.ask(elsewhere, await control.hello()))).status).toBe(201)
    expect(control.store.nodes.get(machine.node.publicKey)).toMatchObject({ organisationId: 'org-2', revokedAtMs: null, sequence: 0 })
    control.store.nodes.set(machine.node.publicKey, row)
    const namesake = sampleMachine(machine.nodeId)
    expect(await refusal(await control.join(namesake.ask(token(), await control.hello())))).toBe('409 CONFLICT')
    // In another organisation the same name is free.
    expect((await control.join(namesake.ask(token({ organisation: { id: 'org-2', name: 'Bob' } }), await control.hello()))).status).toBe(
      201,
    )
  })

  test('a machine cannot vouch for another key, another genesis, or wait too long', async () => {
    const machine = sampleMachine(freshId())
    const good = machine.ask(token(), await control.hello())
    const genesis = sampleGenesis(machine.node, machine.nodeId)
    expect(await refusal(await control.join({ ...good, genesis }))).toBe('400 BAD_REQUEST')
    expect(await refusal(await control.join({ ...good, nodeSignature: good.seedSignature }))).toBe('400 BAD_REQUEST')
    control.skewMs = 121_000
    expect(await refusal(await control.join(good))).toBe('409 CONFLICT')
    control.skewMs = 0
    expect((await control.join(good)).status).toBe(201)
  })
})

describe('strangers', () => {
  test('get one answer, the same bytes, whatever they tried; each is audited', async () => {
    const text = token()
    const request = sampleMachine(freshId()).ask(text, await control.hello())
    const unknown = sampleMachine(freshId()).ask(sampleToken(control.instance.publicKey, 0).text, await control.hello())
    const expired = sampleMachine(freshId()).ask(token({ expiresAtMs: 1 }), await control.hello())
    const tries: JoinRequest[] = [
      unknown,
      { ...request, seedSignature: request.nodeSignature },
      { ...expired, seedSignature: request.seedSignature },
      { ...request, transcript: { ...request.transcript, nodeId: 'somebody' } },
      { ...request, transcript: { ...request.transcript, serverKey: generateKey().publicKey } },
    ]
    const before = control.store.events.length
    for (const attempt of tries) {
      const response = await control.join(attempt)
      expect(response.status).toBe(401)
      expect(await response.text()).toBe(UNAUTHENTICATED_BODY)
      const headers = Object.fromEntries(response.headers)
      delete headers['date']
      expect(headers).toEqual({
        'cache-control': 'no-store',
        connection: 'keep-alive',
        'content-length': String(UNAUTHENTICATED_BODY.length),
        'content-type': 'application/json; charset=utf-8',
        'keep-alive': 'timeout=5',
        'x-content-type-options': 'nosniff',
      })
    }
    expect(control.store.events.slice(before).map((event) => event.kind)).toEqual(Array.from({ length: 5 }, () => 'join.stranger'))
    expect(JSON.stringify(control.store.events)).not.toContain(text.slice(-48))
    expect((await control.join(request)).status).toBe(201)
  })

  test('the joiner refuses a server that is not the pinned one', async () => {
    const other = await new TestControl().start()
    const request = { version: 1 as const, clientNonce: makeNonce() }
    const answer = await other.hello()
    await other.stop()
    const pinned = fingerprint(control.instance.publicKey)
    expect(() => verifyHello(answer, request, pinned)).toThrow('not the one that made the join token')
    expect(() => verifyHello({ ...answer, serverKey: control.instance.publicKey }, request, pinned)).toThrow('could not prove')
  })

  test('a dump of the store joins nobody: it holds only public keys', () => {
    const dump = JSON.stringify([...control.store.tokens.values(), ...control.store.nodes.values()])
    const { text, stored } = sampleToken(control.instance.publicKey, 0)
    const secret = text.split('.')[3] as string
    expect(JSON.stringify(stored)).not.toContain(secret)
    expect(dump).not.toMatch(/[A-Za-z0-9_-]{44}/)
  })
})
