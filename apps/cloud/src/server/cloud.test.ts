import { hostname } from 'node:os'
import path from 'node:path'
import { verifyHandoffToken } from '@thatdam/control/access-node'
import { createClient, type Database } from '@thatdam/db/client'
import { startPostgres } from '@thatdam/db/postgres'
import { reportOf } from '@thatdam/control/testing/samples'
import { NOT_FOUND_BODY, UNAUTHENTICATED_BODY } from '@thatdam/protocol/errors'
import type { PollResponse } from '@thatdam/protocol/poll'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { NodeView } from '../domain/node-view.ts'
import type { TokenProgress } from '../domain/tokens.ts'
import { Browser, PASSWORD, ask, signedUp } from '../testing/browser.ts'
import { type CloudProcess, startCloud } from '../testing/cloud-process.ts'
import { Machine } from '../testing/machine.ts'
import { joined, makeToken } from '../testing/owner.ts'

let cloud: CloudProcess
let db: Database

let ada: Browser
let eve: Browser

beforeAll(async () => {
  cloud = await startCloud()
  const postgres = await startPostgres({ dataDir: path.join(cloud.dataRoot, 'pg') })
  db = createClient(postgres.url('thatdam_cloud'), 2)
  ada = await signedUp(cloud.url, 'ada@example.org')
  eve = await signedUp(cloud.url, 'eve@example.org')
}, 90_000)
afterAll(async () => {
  await db.$disconnect()
  await cloud.stop()
  cloud.remove()
})

const timed = async <T>(work: Promise<T>): Promise<{ value: T; ms: number }> => {
  const before = performance.now()
  const value = await work
  return { value, ms: performance.now() - before }
}

const routesOf = (nodeId: string, tokenId: string) => [
  { path: `/api/nodes/${nodeId}` },
  { method: 'PATCH', path: `/api/nodes/${nodeId}`, body: { name: 'Mine now' } },
  { method: 'DELETE', path: `/api/nodes/${nodeId}`, body: {} },
  { method: 'POST', path: `/api/nodes/${nodeId}/unlock`, body: {} },
  { method: 'POST', path: `/api/nodes/${nodeId}/console`, body: {} },
  { path: `/api/tokens/${tokenId}` },
  { method: 'DELETE', path: `/api/tokens/${tokenId}`, body: {} },
]

describe('joining', () => {
  test('a token takes one machine of fifty that come at once; the page hears of it (THREATS 1)', async () => {
    const token = await makeToken(ada)
    const machines = Array.from({ length: 50 }, (_, index) => new Machine(cloud.url, `one-of-fifty-${index}`, `127.0.1.${index + 1}`))
    const answers = await Promise.all(machines.map((machine) => machine.join(token.text)))
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1)
    expect(answers.filter((answer) => answer.status === 401)).toHaveLength(49)
    const progress = (await ada.ask({ path: `/api/tokens/${token.id}` })).json<TokenProgress>()
    expect(progress).toMatchObject({ state: 'connected', joined: [{ name: expect.stringMatching(/^one-of-fifty-/) as string }] })
    // The same machine again, its answer having been lost, is no second use.
    const winner = machines[answers.findIndex((answer) => answer.status === 201)] as Machine
    expect((await winner.join(token.text)).status).toBe(201)
  })

  test('a stranger gets one 401; who proves the token hears why; both are audited (THREATS 2)', async () => {
    const [expired, revoked, gone] = [await makeToken(ada), await makeToken(ada), await makeToken(ada)]
    await db.joinToken.update({ where: { id: expired.id }, data: { expiresAt: new Date(Date.now() - 1000) } })
    expect((await ada.ask({ method: 'DELETE', path: `/api/tokens/${revoked.id}`, body: {} })).status).toBe(204)
    await db.joinToken.delete({ where: { id: gone.id } })
    const answers = await Promise.all([expired, revoked, gone].map((token) => new Machine(cloud.url, 'late').join(token.text)))
    expect(answers.map((answer) => answer.status)).toEqual([401, 401, 401])
    expect(answers[0]?.text).toMatch(/TOKEN_EXPIRED.*has expired.*Add machine/)
    expect(answers[1]?.text).toMatch(/TOKEN_REVOKED.*withdrawn/)
    expect(answers[2]?.text).toBe(UNAUTHENTICATED_BODY)
    const kinds = await db.auditEvent.findMany({
      where: { subject: { not: '' }, action: { in: ['join.refused', 'join.stranger'] }, actor: { in: ['node:late', 'stranger'] } },
    })
    expect(kinds.map((event) => event.action).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'join.refused',
      'join.refused',
      'join.stranger',
    ])
  })

  test('nothing in a database dump is a usable secret (THREATS 4)', async () => {
    const token = await makeToken(ada)
    const secret = token.text.split('.')[3] ?? ''
    const seed = Buffer.from(secret, 'base64url').subarray(0, 32)
    const dump = JSON.stringify(
      [
        await db.user.findMany(),
        await db.userSession.findMany(),
        await db.joinToken.findMany(),
        await db.cloudNode.findMany(),
        await db.auditEvent.findMany(),
      ],
      (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
    )
    for (const spelling of [secret, seed.toString('base64url'), seed.toString('hex'), seed.toString('base64'), PASSWORD])
      expect(dump).not.toContain(spelling)
    expect(dump).toContain('$argon2id$')
  })
})

describe('a node', () => {
  test('hears a saved change in under a second through its held poll, and its report confirms it', async () => {
    const { machine, node } = await joined(ada, 'pi5-settings')
    const held = await machine.hold()
    const patch = { name: 'Studio Pi', labels: ['studio'], indexPaths: ['/srv/photos/2026'] }
    const saved = await ada.ask({ method: 'PATCH', path: `/api/nodes/${node.id}`, body: patch })
    expect(saved.json<NodeView>()).toMatchObject({ settings: patch, settingsState: 'saved' })
    const { value, ms } = await timed(held.answer)
    expect(ms).toBeLessThan(1000)
    const heard = value.json<PollResponse>()
    expect(heard.settings?.value).toMatchObject(patch)
    const settings = {
      cloudRevision: heard.settings?.revision ?? 0,
      value: { ...reportOf('x').settings.value, ...patch },
      problems: ['/x is not allowed.'],
    }
    expect((await machine.report({ settings })).status).toBe(204)
    const shown = (await ada.ask({ path: `/api/nodes/${node.id}` })).json<NodeView>()
    expect(shown).toMatchObject({ settings: patch, settingsState: 'applied', problems: ['/x is not allowed.'], role: 'leader' })
    expect((await machine.poll(0)).json<PollResponse>().settings).toBeNull()
  })

  test('that is removed loses its held poll within a second and is refused from then on (THREATS 6)', async () => {
    const { machine, node } = await joined(ada, 'pi5-removed')
    const held = await machine.hold()
    expect((await ada.ask({ method: 'DELETE', path: `/api/nodes/${node.id}`, body: {} })).status).toBe(204)
    const { value, ms } = await timed(held.answer)
    expect(ms).toBeLessThan(1000)
    expect([value.status, value.text]).toEqual([401, expect.stringContaining('NODE_REVOKED')])
    expect((await machine.report()).status).toBe(401)
    expect((await machine.renew()).text).toContain('NODE_REVOKED')
    expect((await ada.ask({ path: `/api/nodes/${node.id}` })).text).toBe(NOT_FOUND_BODY)
  })

  test('that is removed comes back by a fresh token, and not by the one that it had used', async () => {
    const machine = new Machine(cloud.url, 'pi5-back')
    const [used, fresh] = [await makeToken(ada), await makeToken(ada)]
    expect((await machine.join(used.text)).status).toBe(201)
    const listed = async () =>
      (await ada.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[] }>().nodes.find(({ nodeId }) => nodeId === 'pi5-back')
    const node = await listed()
    expect((await ada.ask({ method: 'DELETE', path: `/api/nodes/${node?.id}`, body: {} })).status).toBe(204)
    const refused = await machine.join(used.text)
    expect([refused.status, refused.text]).toEqual([401, expect.stringContaining('removed by its owner after it had used this token')])
    expect(await listed()).toBeUndefined()
    expect((await machine.join(fresh.text)).status).toBe(201)
    expect((await listed())?.id).toBe(node?.id)
  })

  test('of one organisation joins another only when its owner has removed it, and begins anew there', async () => {
    const { machine, node } = await joined(ada, 'pi5-sold')
    const token = await makeToken(eve)
    expect((await machine.join(token.text)).text).toMatch(/TOKEN_WRONG_RING.*Its owner removes it there.*the token is still good/)
    expect((await ada.ask({ method: 'DELETE', path: `/api/nodes/${node.id}`, body: {} })).status).toBe(204)
    expect((await machine.join(token.text)).status).toBe(201)
    machine.sequence = 0
    expect((await machine.renew()).status).toBe(200)
    const { nodes } = (await eve.ask({ path: '/api/nodes' })).json<{ nodes: NodeView[] }>()
    const moved = nodes.find((one) => one.nodeId === 'pi5-sold')
    expect(moved?.id).not.toBe(node.id)
    expect((await ada.ask({ path: `/api/nodes/${moved?.id}` })).text).toBe(NOT_FOUND_BODY)
  })

  test('whose disk was copied is kept out, both of them, until its owner decides (THREATS 5)', async () => {
    const { machine, node } = await joined(ada, 'pi5-cloned')
    const copy = Object.assign(new Machine(cloud.url, 'pi5-cloned'), {
      self: machine.self,
      serverKey: machine.serverKey,
      sequence: machine.sequence,
    })
    const held = await machine.hold()
    expect((await machine.renew()).status).toBe(200)
    const { value: caught, ms } = await timed(copy.renew())
    expect([caught.status, caught.text]).toEqual([401, expect.stringContaining('NODE_LOCKED')])
    expect(ms).toBeLessThan(1000)
    expect((await held.answer).status).not.toBe(200)
    expect((await machine.report()).text).toContain('NODE_LOCKED')
    expect((await machine.renew()).text).toContain('NODE_LOCKED')
    expect((await ada.ask({ path: `/api/nodes/${node.id}` })).json<NodeView>().locked).toBe(true)
    expect(await db.auditEvent.count({ where: { action: 'node.clone-suspected', actor: 'node:pi5-cloned' } })).toBe(1)
    expect((await ada.ask({ method: 'POST', path: `/api/nodes/${node.id}/unlock`, body: {} })).status).toBe(204)
    expect((await machine.renew()).status).toBe(200)
  })

  test('opens its own console by a hand-off that only it takes, for a minute', async () => {
    const { machine, node } = await joined(ada, 'pi5-console')
    const open = () => ada.ask({ method: 'POST', path: `/api/nodes/${node.id}/console`, body: {} })
    const closed = reportOf('x').facts
    await machine.report({ facts: { ...closed, hostname: 'elsewhere' } })
    expect(await open()).toMatchObject({ status: 409, text: expect.stringContaining('only on the machine itself') as string })
    const reachability = { lanAddresses: ['192.168.1.5'], consolePort: 8081, consoleBind: 'lan' as const }
    await machine.report({ facts: { ...closed, hostname: 'elsewhere', reachability } })
    const answer = await open()
    const target = new URL(String(answer.headers['location']))
    expect([answer.status, target.origin, target.pathname]).toEqual([303, 'http://192.168.1.5:8081', '/auth/handoff'])
    const expected = { instanceKey: machine.serverKey, nodeId: node.nodeId, nodeKey: machine.self.node.publicKey, nowMs: Date.now() }
    const token = target.searchParams.get('token') ?? ''
    expect(verifyHandoffToken(token, expected)).toMatchObject({ email: 'ada@example.org', nodeId: 'pi5-console' })
    expect(verifyHandoffToken(token, { ...expected, nowMs: Date.now() + 61_000 })).toBeNull()
    expect(verifyHandoffToken(token, { ...expected, nodeId: 'another' })).toBeNull()
    // A browser on the node's own machine comes in by loopback.
    await machine.report({ facts: { ...closed, hostname: hostname() } })
    expect(new URL(String((await open()).headers['location'])).origin).toBe('http://localhost:8080')
  })

  test('of another organisation is not there, in the same bytes as one that never was (THREATS 8)', async () => {
    const { node } = await joined(ada, 'pi5-private')
    const token = await makeToken(ada)
    const missing = '00000000-0000-4000-8000-000000000000'
    for (const given of [...routesOf(node.id, token.id), ...routesOf(missing, missing), ...routesOf('not-an-id', 'x'.repeat(300))]) {
      const answer = await eve.ask(given)
      expect([given.path, answer.status, answer.text]).toEqual([given.path, 404, NOT_FOUND_BODY])
    }
    expect((await eve.ask({ path: `/nodes/${node.id}` })).text).not.toContain('pi5-private')
    expect((await ada.ask({ path: `/api/nodes/${node.id}` })).json<NodeView>().settings.name).toBe('pi5-private')
  })

  test('takes settings and nothing else (THREATS 9)', async () => {
    const { node } = await joined(ada, 'pi5-strict')
    const before = await db.cloudNode.findUnique({ where: { id: node.id } })
    for (const extra of [{ role: 'leader' }, { organisationId: 'x' }, { revision: 99 }, { licence: 'pro' }, { lockedAt: null }]) {
      const answer = await ada.ask({ method: 'PATCH', path: `/api/nodes/${node.id}`, body: { name: 'Changed', ...extra } })
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('BAD_REQUEST')])
    }
    expect(await db.cloudNode.findUnique({ where: { id: node.id } })).toEqual(before)
    const signUp = { email: 'boss@example.org', password: PASSWORD, role: 'owner' }
    expect((await ada.ask({ method: 'POST', path: '/api/sign-up', body: signUp })).status).toBe(400)
  })
})

describe('a browser', () => {
  test('on another site’s page cannot do anything here (THREATS 12)', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const attempts: Record<string, string>[] = [
      { ...form, origin: 'https://evil.example' },
      { 'content-type': 'text/plain', origin: 'https://evil.example' },
      { 'content-type': 'application/json', origin: 'null' },
      { 'content-type': 'text/plain' },
      { ...form, 'sec-fetch-site': 'cross-site' },
      { 'content-type': 'application/json', 'sec-fetch-site': 'same-site' },
    ]
    const routes: [string, string][] = [
      ['POST', '/api/tokens'],
      ['POST', '/api/password'],
      ['POST', '/api/sign-out-everywhere'],
      ['POST', '/api/sign-up'],
      ['POST', '/api/auth/signout'],
      ['POST', '/api/auth/callback/credentials'],
      ['PATCH', '/api/nodes/00000000-0000-4000-8000-000000000000'],
      ['DELETE', '/api/nodes/00000000-0000-4000-8000-000000000000'],
      ['POST', '/nodes'],
    ]
    for (const [method, route] of routes) {
      for (const headers of attempts) {
        const answer = await ask(cloud.url, { method, path: route, body: 'a=b', headers: { ...headers, cookie: ada.cookie } })
        expect([route, headers, answer.status]).toEqual([route, headers, 403])
      }
    }
  })

  test('stays signed in over plain HTTP by any address of the server', async () => {
    const { port } = new URL(cloud.url)
    for (const host of [`studio.local:${port}`, `192.168.1.9:${port}`]) {
      const signIn = await new Browser(cloud.url, host).signIn('ada@example.org', PASSWORD)
      const cookies = [signIn.headers['set-cookie'] ?? []].flat().join('; ')
      expect(cookies).toMatch(/next-auth\.session-token=.*HttpOnly/)
      expect(cookies).not.toMatch(/;\s*Secure/i)
      expect(signIn.json<{ url: string }>().url).toBe(`http://${host}/nodes`)
    }
  })

  test('whose session was ended is out at once, with a kept cookie too (THREATS 13)', async () => {
    const eva = await signedUp(cloud.url, 'eva@example.org')
    const kept = eva.cookie
    const with13 = (cookie: string) => ask(cloud.url, { path: '/api/nodes', headers: { cookie } })
    expect((await with13(kept)).status).toBe(200)
    await eva.signOut()
    expect([(await with13(kept)).status, (await with13(kept)).text]).toEqual([401, UNAUTHENTICATED_BODY])
    const [first, second] = [new Browser(cloud.url), new Browser(cloud.url)]
    for (const browser of [first, second]) expect((await browser.signIn('eva@example.org', PASSWORD)).status).toBe(200)
    const change = { current: PASSWORD, next: 'another fine password' }
    expect((await first.ask({ method: 'POST', path: '/api/password', body: change })).status).toBe(204)
    expect((await with13(second.cookie)).status).toBe(401)
    expect((await second.signIn('eva@example.org', PASSWORD)).status).toBe(401)
    expect((await second.signIn('eva@example.org', change.next)).status).toBe(200)
    const third = new Browser(cloud.url)
    await third.signIn('eva@example.org', change.next)
    expect((await second.ask({ method: 'POST', path: '/api/sign-out-everywhere', body: {} })).status).toBe(204)
    expect((await with13(third.cookie)).status).toBe(401)
  })

  test('without a session gets the same denial by every spelling of a protected page (THREATS 11)', async () => {
    for (const headers of [
      {},
      { 'x-middleware-subrequest': 'middleware:middleware' },
      { rsc: '1' },
      { rsc: '1', 'next-router-prefetch': '1' },
    ]) {
      for (const target of ['/nodes', '/nodes?_rsc=x', '/add-machine', '/activity', '/account']) {
        const answer = await ask(cloud.url, { path: target, headers })
        const denied = answer.status === 307 || /NEXT_REDIRECT.*\/sign-in/s.test(answer.text)
        expect([target, headers, denied]).toEqual([target, headers, true])
        expect(answer.text).not.toContain('ada@example.org')
      }
      const route = await ask(cloud.url, { path: '/api/nodes', headers })
      expect('rsc' in headers ? route.text : JSON.parse(route.text)).toEqual('rsc' in headers ? '' : JSON.parse(UNAUTHENTICATED_BODY))
    }
  })

  test('that guesses is slowed down, whatever it says it is (THREATS 3)', async () => {
    const guesser = new Browser(cloud.url)
    const statuses: number[] = []
    for (let guess = 0; guess < 12; guess += 1) {
      const { csrfToken } = (await guesser.ask({ path: '/api/auth/csrf' })).json<{ csrfToken: string }>()
      const answer = await guesser.ask({
        method: 'POST',
        path: '/api/auth/callback/credentials',
        body: new URLSearchParams({ csrfToken, email: 'eve@example.org', password: `guess ${guess}`, json: 'true' }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': `10.0.0.${guess}` },
        from: '127.0.3.1',
      })
      statuses.push(answer.status)
      if (answer.status === 429) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    }
    expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401))
    expect(statuses.slice(10)).toEqual([429, 429])
    expect((await new Browser(cloud.url).signIn('eve@example.org', PASSWORD)).status).toBe(200)
    const joins = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        ask(cloud.url, {
          path: '/agent/v1/poll',
          headers: { authorization: 'Bearer a.b', 'x-forwarded-for': `10.1.0.${index}` },
          from: '127.0.3.2',
        }),
      ),
    )
    expect(joins.some((answer) => answer.status === 429 && Number(answer.headers['retry-after']) > 0)).toBe(true)
  })
})
