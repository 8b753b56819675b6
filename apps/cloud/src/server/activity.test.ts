import path from 'node:path'
import { createClient, type Database } from '@thatdam/db/client'
import { startPostgres } from '@thatdam/db/postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ActivityPage } from '../domain/activity.ts'
import { AUDIT_KEPT_DAYS, pruneAudit } from '../domain/audit.ts'
import type { OpenToken } from '../domain/tokens.ts'
import { ask, Browser, signedUp } from '../testing/browser.ts'
import { type CloudProcess, startCloud } from '../testing/cloud-process.ts'
import { Machine } from '../testing/machine.ts'
import { joined, makeToken } from '../testing/owner.ts'

let cloud: CloudProcess
let db: Database
let eve: Browser

beforeAll(async () => {
  cloud = await startCloud()
  const postgres = await startPostgres({ dataDir: path.join(cloud.dataRoot, 'pg') })
  db = createClient(postgres.url('thatdam_cloud'), 2)
  eve = await signedUp(cloud.url, 'eve@example.org')
}, 90_000)
afterAll(async () => {
  await db.$disconnect()
  await cloud.stop()
  cloud.remove()
})

const listed = async (browser: Browser) => {
  const { tokens } = (await browser.ask({ path: '/api/tokens' })).json<{ tokens: OpenToken[] }>()
  return tokens.map(({ id, machines, usesLeft, madeBy }) => ({ id, machines, usesLeft, madeBy }))
}
const activity = async (browser: Browser, before?: string): Promise<ActivityPage> => {
  const answer = await browser.ask({ path: `/api/activity${before === undefined ? '' : `?before=${before}`}` })
  expect(answer.status).toBe(200)
  return answer.json<ActivityPage>()
}

describe('tokens that still work', () => {
  test('are listed until they are used up, expired or revoked, each to its own organisation (THREATS 8)', async () => {
    const owner = await signedUp(cloud.url, 'open-tokens@example.org')
    const [used, several, expired, revoked] = [
      await makeToken(owner),
      await makeToken(owner, { machines: 5, lifeMinutes: 1440 }),
      await makeToken(owner),
      await makeToken(owner),
    ]
    expect((await listed(owner)).map((token) => token.id)).toEqual([revoked.id, expired.id, several.id, used.id])
    await db.joinToken.update({ where: { id: expired.id }, data: { expiresAt: new Date(Date.now() - 1) } })
    expect((await new Machine(cloud.url, 'open-1').join(used.text)).status).toBe(201)
    expect((await new Machine(cloud.url, 'open-2').join(several.text)).status).toBe(201)
    expect((await owner.ask({ method: 'DELETE', path: `/api/tokens/${revoked.id}`, body: {} })).status).toBe(204)
    expect(await listed(owner)).toEqual([{ id: several.id, machines: 5, usesLeft: 4, madeBy: 'open-tokens@example.org' }])
    expect((await listed(eve)).map((token) => token.id)).not.toContain(several.id)
  })
})

describe('activity', () => {
  test('tells in plain words who did what, from where', async () => {
    const owner = await signedUp(cloud.url, 'teller@example.org')
    const guess = await new Browser(cloud.url).signIn('teller@example.org', 'a wrong password', '127.0.4.1')
    expect(guess.status).toBe(401)
    const { machine, node } = await joined(owner, 'pi5-told')
    const patch = { name: 'pi5-told', indexPaths: ['/srv/photos/2026'] }
    expect((await owner.ask({ method: 'PATCH', path: `/api/nodes/${node.id}`, body: patch })).status).toBe(200)
    const copy = Object.assign(new Machine(cloud.url, 'pi5-told'), { self: machine.self, serverKey: machine.serverKey, sequence: 1 })
    expect((await machine.renew()).status).toBe(200)
    expect((await copy.renew()).status).toBe(401)
    expect((await owner.ask({ method: 'POST', path: `/api/nodes/${node.id}/unlock`, body: {} })).status).toBe(204)
    const spare = await makeToken(owner, { machines: 5, lifeMinutes: 120 })
    expect((await owner.ask({ method: 'DELETE', path: `/api/tokens/${spare.id}`, body: {} })).status).toBe(204)
    expect((await new Machine(cloud.url, 'pi5-late').join(spare.text)).status).toBe(401)
    expect((await owner.ask({ method: 'DELETE', path: `/api/nodes/${node.id}`, body: {} })).status).toBe(204)
    const person = 'teller@example.org'
    const { entries, older } = await activity(owner)
    expect(entries.map(({ what, who, address, alarming }) => [what, who, address, alarming]).toReversed()).toEqual([
      ['The account teller@example.org was made', null, '127.0.0.1', false],
      ['teller@example.org signed in', null, '127.0.0.1', false],
      ['A sign-in as teller@example.org failed: wrong password', null, '127.0.4.1', true],
      ['A command to add machines was made: 1 machine, valid for 15 minutes', person, '127.0.0.1', false],
      ['pi5-told joined', null, '127.0.0.1', false],
      ['Settings of pi5-told were changed: folders to index', person, '127.0.0.1', false],
      ['Two machines came with the key of pi5-told: both are locked out', null, '127.0.0.1', true],
      ['pi5-told was unlocked', person, '127.0.0.1', false],
      ['A command to add machines was made: 5 machines, valid for 2 hours', person, '127.0.0.1', false],
      ['A command to add machines was revoked', person, '127.0.0.1', false],
      ['pi5-late could not join: its command had been revoked', null, '127.0.0.1', true],
      ['pi5-told was removed', person, '127.0.0.1', false],
    ])
    expect(older).toBeNull()
    expect((await owner.ask({ path: '/activity' })).text).toContain('Settings of pi5-told were changed')
  })

  test('is of one organisation alone, by every cursor (THREATS 8), and paged without gaps or repeats', async () => {
    const owner = await signedUp(cloud.url, 'pager@example.org')
    const { organisationId } = await db.membership.findFirstOrThrow({ where: { user: { email: 'pager@example.org' } } })
    const row = (subject: string) => ({ organisationId, actor: 'node:pager', action: 'join.accepted', subject, detail: '' })
    await db.auditEvent.createMany({ data: Array.from({ length: 120 }, (_, index) => row(String(index))) })
    const seen: string[] = []
    for (let before: string | undefined; ;) {
      const page = await activity(owner, before)
      seen.push(...page.entries.map((entry) => entry.id))
      if (page.older === null) break
      before = page.older
    }
    const own = await db.auditEvent.findMany({ where: { organisationId }, orderBy: { id: 'desc' } })
    expect([seen, seen.length]).toEqual([own.map((event) => String(event.id)), 122])
    const foreign = await activity(eve, String(BigInt(seen[0] ?? 0) + 1n))
    expect(foreign.entries.filter((entry) => seen.includes(entry.id))).toEqual([])
    expect(JSON.stringify(foreign)).not.toContain('pager')
    for (const before of ['x', '-1', '1;--', '9'.repeat(30)])
      expect((await owner.ask({ path: `/api/activity?before=${before}` })).status).toBe(400)
    expect((await ask(cloud.url, { path: '/api/activity' })).status).toBe(401)
  })

  test('is kept for half a year, and goes in small batches', async () => {
    const { organisationId } = await db.membership.findFirstOrThrow({ where: { user: { email: 'eve@example.org' } } })
    const row = (ageDays: number) => ({
      organisationId,
      actor: 'node:old',
      action: 'join.accepted',
      subject: '',
      detail: '',
      at: new Date(Date.now() - ageDays * 86_400_000),
    })
    await db.auditEvent.createMany({ data: Array.from({ length: 2_100 }, () => row(AUDIT_KEPT_DAYS + 1)) })
    await db.auditEvent.createMany({ data: Array.from({ length: 3 }, () => row(AUDIT_KEPT_DAYS - 1)) })
    expect(await pruneAudit(db, Date.now())).toBe(2_100)
    expect(await db.auditEvent.count({ where: { actor: 'node:old' } })).toBe(3)
  })
})
