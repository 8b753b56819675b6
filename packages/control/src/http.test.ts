import { request as httpRequest } from 'node:http'
import { NOT_FOUND_BODY, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import { RenewResponse } from '@thatdam/protocol/join'
import type { PollNews } from './store.ts'
import { afterEach, describe, expect, test } from 'vitest'
import { issueAccessToken } from './access-node.ts'
import { makeNonce } from './join.ts'
import { generateKey } from './keys.ts'
import { DEFAULT_RATE_LIMITS, network } from './rate-limits.ts'
import { rekey, useKey } from './roster-edit.ts'
import { recordHash } from './roster.ts'
import { TestRing } from './testing/ring.ts'
import { reportOf, sampleMachine, sampleToken } from './testing/samples.ts'
import { TestControl, until } from './testing/server.ts'

let control: TestControl
const start = async (options?: ConstructorParameters<typeof TestControl>[0]): Promise<TestControl> => {
  control = await new TestControl(options).start()
  return control
}
afterEach(async () => {
  await control.stop()
  expect(control.errors).toEqual([])
  expect(control.hub.size).toBe(0)
})
const codeOf = async (response: Response): Promise<string> =>
  `${response.status} ${((await response.json()) as { error: { code: string } }).error.code}`
const news = (revision: number): PollNews => ({ version: 1, revision, settings: null, commands: [], plan: null })

describe('renewal over the wire', () => {
  test('grant, repeated answer, next, clone: both locked and one audit event', async () => {
    await start()
    const { node, nodeId, row, headers } = await control.member()
    const requestNonce = makeNonce()
    const second = RenewResponse.parse(await (await control.renew(node, { nodeId, sequence: 1, requestNonce })).json())
    expect(second).toMatchObject({ sequence: 2, expiresInSeconds: 3600 })
    const again = RenewResponse.parse(await (await control.renew(node, { nodeId, sequence: 1, requestNonce })).json())
    expect(again.sequence).toBe(2)
    control.skewMs = 10
    expect(await codeOf(await control.renew(node, { nodeId, sequence: 1 }))).toBe('401 NODE_LOCKED')
    expect(await codeOf(await control.renew(node, { nodeId, sequence: 2 }))).toBe('401 NODE_LOCKED')
    expect(control.store.events.filter((event) => event.kind === 'node.clone-suspected')).toHaveLength(1)
    expect(await codeOf(await fetch(`${control.url}/agent/v1/poll`, { headers }))).toBe('401 NODE_LOCKED')
    expect(await control.store.isRevoked(row.id)).toBe(true)
  })

  test('a lock closes the poll that the other machine holds', async () => {
    await start()
    const { node, nodeId, poll } = await control.member()
    await control.renew(node, { nodeId, sequence: 1 })
    const held = poll()
    await until(() => control.hub.size === 1)
    control.skewMs = 10
    await control.renew(node, { nodeId, sequence: 0 })
    expect(await codeOf(await held)).toBe('401 NODE_LOCKED')
  })

  test('a replaced key: the old one is good until the new one’s first use, then a stranger’s, and its poll ends (THREATS 7)', async () => {
    await start()
    const { node, nodeId, genesis, poll } = await control.member()
    const ring = new TestRing([genesis], recordHash(genesis.body))
    const [second, third] = [generateKey(), generateKey()]
    const first = rekey(ring.desk(node), nodeId, second.publicKey)
    ring.take(first)
    // Asked for, and not used: a crash here leaves all as it was.
    expect((await control.renew(node, { nodeId, sequence: 1 })).status).toBe(200)
    const held = poll()
    await until(() => control.hub.size === 1)
    const requestNonce = makeNonce()
    const ask = { nodeId, sequence: 2, requestNonce, rekeys: [first] }
    const granted = RenewResponse.parse(await (await control.renew(second, ask)).json())
    expect(granted.sequence).toBe(3)
    // Its answer was lost.
    expect(RenewResponse.parse(await (await control.renew(second, ask)).json()).sequence).toBe(3)
    expect((await held).status).toBe(401)
    expect((await control.renew(node, { nodeId, sequence: 3 })).status).toBe(401)
    expect((await control.renew(node, { nodeId, sequence: 3, rekeys: [first] })).status).toBe(401)
    expect((await poll()).status).toBe(401)
    // Twice more while the cloud was away: it is shown all of them at once.
    ring.take(useKey(ring.desk(second)))
    const next = rekey(ring.desk(second), nodeId, third.publicKey)
    expect((await control.renew(third, { nodeId, sequence: 3, rekeys: [next, first] })).status).toBe(200)
    expect(control.store.events.filter(({ kind }) => kind === 'node.key-replaced')).toHaveLength(2)
    expect(control.store.nodes.size).toBe(1)
  })

  test('nobody takes a machine over by a record that its key did not sign, and a lock outlasts a new key', async () => {
    await start()
    const { node, nodeId, genesis, row } = await control.member()
    const other = await control.member('other-machine')
    const ring = new TestRing([genesis], recordHash(genesis.body))
    const fresh = generateKey()
    const sound = rekey(ring.desk(node), nodeId, fresh.publicKey)
    const thief = generateKey()
    const body = { ...(sound.body as Extract<typeof sound.body, { kind: 'rekey' }>), newKey: thief.publicKey }
    const forged = [
      { ...sound, body },
      { body, signer: thief.publicKey, signature: thief.sign('thatdam-roster-v1', body) },
      { body: { ...body, oldKey: thief.publicKey }, signer: thief.publicKey, signature: thief.sign('thatdam-roster-v1', body) },
    ]
    for (const record of forged) expect((await control.renew(thief, { nodeId, sequence: 1, rekeys: [record] })).status).toBe(401)
    // Another machine’s name, with one’s own key.
    const named = { ...body, oldKey: other.node.publicKey }
    const taken = { body: named, signer: other.node.publicKey, signature: other.node.sign('thatdam-roster-v1', named) }
    expect((await control.renew(thief, { nodeId, sequence: 1, rekeys: [taken] })).status).toBe(401)
    expect(await control.store.getNode(node.publicKey)).toMatchObject({ id: row.id })
    control.skewMs = 10
    expect(await codeOf(await control.renew(node, { nodeId, sequence: 0 }))).toBe('401 NODE_LOCKED')
    expect(await codeOf(await control.renew(fresh, { nodeId, sequence: 1, rekeys: [sound] }))).toBe('401 NODE_LOCKED')
  })

  test('another key, another server, an unknown node: the stranger’s 401', async () => {
    await start()
    const { node, nodeId } = await control.member()
    for (const response of [
      await control.renew(generateKey(), { nodeId, sequence: 1 }),
      await control.renew(node, { nodeId: 'somebody', sequence: 1 }),
    ]) {
      expect([response.status, await response.text()]).toEqual([401, UNAUTHENTICATED_BODY])
    }
    expect(await codeOf(await control.renew(node, { nodeId, sequence: 1, sentAtMs: 1 }))).toBe('401 CLOCK_SKEW')
  })
})

describe('held polls', () => {
  test('news at once, or when it comes, in far under a second', async () => {
    await start()
    const { node, row, poll } = await control.member()
    control.store.news.set(node.publicKey, news(1))
    expect(await (await poll(0)).json()).toEqual(news(1))
    const held = poll(1)
    await until(() => control.hub.size === 1)
    const startedAt = performance.now()
    control.store.news.set(node.publicKey, news(2))
    expect(control.hub.wake(row.id)).toBe(true)
    expect(await (await held).json()).toEqual(news(2))
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  test('a change that nobody told of is found by asking again', async () => {
    await start({ requeryMs: 300 })
    const { node, poll } = await control.member()
    const held = poll(0)
    await until(() => control.store.loads >= 1)
    control.store.news.set(node.publicKey, news(5))
    expect(await (await held).json()).toEqual(news(5))
  })

  test('without news: 204 when the time is over', async () => {
    await start({ holdMs: [400, 800] })
    const { poll } = await control.member()
    const response = await poll(0)
    expect([response.status, await response.text()]).toEqual([204, ''])
  })

  test('a removed node’s poll ends within a second with 401, and it gets no other', async () => {
    await start()
    const { node, row, poll } = await control.member()
    const held = poll(0)
    await until(() => control.hub.size === 1)
    control.store.nodes.set(node.publicKey, { ...row, revokedAtMs: 1 })
    const startedAt = performance.now()
    control.hub.close(row.id)
    expect(await codeOf(await held)).toBe('401 NODE_REVOKED')
    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect(await codeOf(await poll(0))).toBe('401 NODE_REVOKED')
  })

  test('a removal between the check of the credential and the wait is not missed', async () => {
    await start()
    const { node, row, poll } = await control.member()
    control.deps.onContact = () => control.store.nodes.set(node.publicKey, { ...row, revokedAtMs: 1 })
    expect(await codeOf(await poll(0))).toBe('401 NODE_REVOKED')
  })

  test('a client that hangs up frees its place; a newer poll replaces an older', async () => {
    await start()
    const { row, node, poll } = await control.member()
    const hangUp = new AbortController()
    const left = poll(0, hangUp.signal)
    await until(() => control.hub.size === 1)
    hangUp.abort()
    await expect(left).rejects.toThrow()
    await until(() => control.hub.size === 0)
    const older = poll(0)
    await until(() => control.hub.size === 1)
    const newer = poll(0)
    expect((await older).status).toBe(204)
    control.store.news.set(node.publicKey, news(1))
    control.hub.wake(row.id)
    expect((await newer).status).toBe(200)
  })

  test('a bad cursor, no token, somebody else’s, an expired one', async () => {
    await start()
    const { nodeId, row, poll } = await control.member()
    expect(await codeOf(await poll('-1'))).toBe('400 BAD_REQUEST')
    expect(await codeOf(await poll('1e99'))).toBe('400 BAD_REQUEST')
    const claims = { nodeId, nodeKey: row.nodeKey, organisationId: row.organisationId, expiresAtMs: control.now() + 1000 }
    const forged = issueAccessToken(claims, generateKey())
    const expired = issueAccessToken({ ...claims, expiresAtMs: 1 }, control.instance)
    const moved = issueAccessToken({ ...claims, organisationId: 'org-2' }, control.instance)
    for (const authorization of ['', 'Bearer', 'Basic abc', `Bearer ${forged}`, `Bearer ${expired}`, `Bearer ${moved}`]) {
      const response = await fetch(`${control.url}/agent/v1/poll`, { headers: { authorization } })
      expect([response.status, await response.text()]).toEqual([401, UNAUTHENTICATED_BODY])
    }
  })
})

describe('reports and bodies', () => {
  test('a report is kept; one for another node is refused', async () => {
    await start()
    const { nodeId, headers } = await control.member()
    expect((await control.post('/agent/v1/report', reportOf(nodeId), headers)).status).toBe(204)
    expect(control.store.reports).toEqual([reportOf(nodeId)])
    expect(await codeOf(await control.post('/agent/v1/report', reportOf('other'), headers))).toBe('403 FORBIDDEN')
    expect((await control.post('/agent/v1/report', reportOf(nodeId))).status).toBe(401)
  })

  test('too large, not JSON, not UTF-8, another type, wrong fields', async () => {
    await start()
    const { nodeId, headers } = await control.member()
    const post = (path: string, value: unknown, more: Record<string, string> = {}): Promise<string> =>
      control.post(path, value, { ...headers, ...more }).then(codeOf)
    expect(await post('/agent/v1/report', ' '.repeat(1024 * 1024 + 1))).toBe('413 TOO_LARGE')
    expect(await post('/agent/v1/join/hello', ' '.repeat(64 * 1024 + 1))).toBe('413 TOO_LARGE')
    expect(await post('/agent/v1/report', '{')).toBe('400 BAD_REQUEST')
    expect(await post('/agent/v1/report', {})).toBe('400 BAD_REQUEST')
    expect(await post('/agent/v1/report', reportOf(nodeId), { 'content-type': 'text/plain' })).toBe('400 BAD_REQUEST')
    expect(await post('/agent/v1/report', reportOf(nodeId), { 'content-type': 'application/json; charset=latin1' })).toBe('400 BAD_REQUEST')
    expect(await post('/agent/v1/report', reportOf(nodeId), { 'content-encoding': 'gzip' })).toBe('400 BAD_REQUEST')
    const latin1 = Buffer.from('{"version":1,"clientNonce":"é"}', 'latin1')
    const response = await fetch(`${control.url}/agent/v1/join/hello`, {
      method: 'POST',
      body: latin1,
      headers: { 'content-type': 'application/json; charset=UTF-8' },
    })
    expect(await codeOf(response)).toBe('400 BAD_REQUEST')
    const named = await control.post('/agent/v1/join/hello', { version: 1, clientNonce: 'short' })
    expect(await named.text()).toContain('“clientNonce”')
  })

  test('every other path and method is the same 404; nothing of CORS', async () => {
    await start()
    const tries: [string, string][] = [
      ['GET', '/agent/v1/join'],
      ['POST', '/agent/v1/poll'],
      ['GET', '/agent/'],
      ['DELETE', '/agent/v1/report'],
      ['GET', '/agent/v1/poll/'],
      ['POST', '/agent/v1/constructor'],
      ['GET', '/agent/v1/../v1/poll%00'],
      ['OPTIONS', '/agent/v1/join'],
    ]
    for (const [method, path] of tries) {
      const response = await fetch(control.url + path, { method, headers: { origin: 'https://evil.example' } })
      expect([method, path, response.status, await response.text()]).toEqual([method, path, 404, NOT_FOUND_BODY])
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    }
  })
})

const guess = async (forwarded: string): Promise<number> =>
  (await fetch(`${control.url}/agent/v1/poll`, { headers: { 'x-forwarded-for': forwarded, authorization: 'Bearer x' } })).status

describe('rate limits', () => {
  const limits = { ...DEFAULT_RATE_LIMITS, failures: { points: 5, durationSeconds: 60 } }

  test('guessing: 429 with Retry-After, whatever X-Forwarded-For says', async () => {
    await start({ limits })
    const statuses: number[] = []
    let last: Response | null = null
    const hello = await control.hello()
    for (let round = 0; round < 8; round += 1) {
      const attempt = sampleMachine().ask(sampleToken(control.instance.publicKey, 0).text, hello)
      last = await control.post('/agent/v1/join', attempt, { 'x-forwarded-for': `10.0.0.${round}` })
      statuses.push(last.status)
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await (last as Response).json()).toMatchObject({ error: { code: 'TOO_MANY_REQUESTS', retryAfterSeconds: expect.any(Number) } })
    // A right guess is not told apart either.
    const { text, stored } = sampleToken(control.instance.publicKey, control.now())
    control.store.addToken(stored)
    expect((await control.join(sampleMachine().ask(text, hello))).status).toBe(429)
  })

  test('access tokens are not guessed either, and a good one goes on beside it', async () => {
    await start({ limits })
    const { nodeId, headers } = await control.member()
    const statuses: number[] = []
    for (let round = 0; round < 7; round += 1) {
      statuses.push((await fetch(`${control.url}/agent/v1/poll`, { headers: { authorization: `Bearer x${round}.y` } })).status)
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429])
    expect((await control.post('/agent/v1/report', reportOf(nodeId), headers)).status).toBe(204)
  })

  test('a flood from one address, and one from everywhere', async () => {
    await start({ limits: { ...limits, address: { points: 10, durationSeconds: 60 } } })
    const flood = await Promise.all(Array.from({ length: 15 }, async () => (await fetch(`${control.url}/agent/x`)).status))
    expect(flood.filter((status) => status === 429)).toHaveLength(5)
    await control.stop()
    await start({ limits: { ...limits, everyone: { points: 3, durationSeconds: 60 } } })
    const hello = { version: 1, clientNonce: makeNonce() }
    const statuses = await Promise.all(Array.from({ length: 5 }, async () => (await control.post('/agent/v1/join/hello', hello)).status))
    expect(statuses.map(String).toSorted()).toEqual(['200', '200', '200', '429', '429'])
  })

  test('behind a proxy that we trust its last foreign hop counts, and nothing that a client wrote before it', async () => {
    await start({ limits, isTrustedProxy: (address) => address === '127.0.0.1' })
    for (let round = 0; round < 5; round += 1) expect(await guess(`1.1.1.${round}, 203.0.113.7, 127.0.0.1`)).toBe(401)
    expect(await guess('9.9.9.9, 203.0.113.7')).toBe(429)
    expect(await guess('203.0.113.8')).toBe(401)
  })

  test('addresses count by network', () => {
    expect(network('::ffff:192.0.2.1')).toBe('192.0.2.1')
    expect(network('192.0.2.1')).toBe('192.0.2.1')
    expect(network('2001:db8:0:1::5')).toBe(network('2001:0db8:0000:0001:ffff:1:2:3'))
    expect(network('2001:db8:0:1::5')).not.toBe(network('2001:db8:0:2::5'))
    expect(network('fe80::1%eth0')).toBe('fe80:0:0:0')
    expect(network('::1')).toBe('0:0:0:0')
  })
})

test('a body that stops half way does not hold the server up', async () => {
  await start()
  const half = httpRequest(`${control.url}/agent/v1/join/hello`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': '1000' },
  })
  const failed = new Promise((resolve) => half.once('error', resolve))
  half.write('{"version"')
  await control.hello()
  half.destroy()
  await failed
  await control.hello()
})
