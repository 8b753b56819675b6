import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { statSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { startPostgres } from '@thatdam/db/postgres'
import { isAlive } from '@thatdam/db/postgres-pid'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MadeToken } from '../domain/tokens.ts'
import { ask, Browser, signedUp } from '../testing/browser.ts'
import { ARCHIVE, type CloudProcess, startCloud } from '../testing/cloud-process.ts'
import { Machine } from '../testing/machine.ts'

let cloud: CloudProcess
let occupied: ReturnType<typeof createServer>
let port: number

beforeAll(async () => {
  occupied = createServer().listen(0)
  await once(occupied, 'listening')
  const address = occupied.address()
  port = typeof address === 'object' && address ? address.port : 0
  cloud = await startCloud({ PORT: String(port) })
}, 90_000)
afterAll(async () => {
  await cloud.stop()
  occupied.close()
  cloud.remove()
})

/** What the server answers to these bytes. */
async function raw(text: string): Promise<string> {
  const { hostname, port: at } = new URL(cloud.url)
  const socket = connect(Number(at), hostname)
  socket.end(text)
  let received = ''
  for await (const chunk of socket) received += String(chunk)
  return received
}

interface FirstOwner {
  email: string
  oneTimePassword: string | null
  joinToken: string
}
function bootstrap(): FirstOwner {
  const run = spawnSync(process.execPath, [path.join(import.meta.dirname, 'bootstrap.ts')], {
    env: cloud.env as NodeJS.ProcessEnv,
    encoding: 'utf8',
  })
  expect([run.status, run.stderr]).toEqual([0, ''])
  return JSON.parse(run.stdout) as FirstOwner
}

describe('starting', () => {
  test('a taken port is said, and the next free one used', () => {
    expect(new URL(cloud.url).port).not.toBe(String(port))
    expect(cloud.log()).toMatch(new RegExp(`Port ${port} is taken by another program: this server uses \\d+ instead`))
  })

  test('keys are kept for their owner alone', () => {
    for (const file of ['instance.key', 'session.secret']) expect(statSync(path.join(cloud.dataRoot, file)).mode & 0o777).toBe(0o600)
  })

  test('the first owner gets a one-time password beside the running server, must change it, and then keeps their own', async () => {
    const first = bootstrap()
    expect(first).toEqual({
      email: 'owner@thatdam.local',
      oneTimePassword: expect.stringMatching(/^\w{4}(-\w{4}){3}$/) as string,
      joinToken: expect.stringMatching(/^td1\.new-/) as string,
    })
    const again = bootstrap()
    const owner = new Browser(cloud.url)
    expect((await owner.signIn(first.email, first.oneTimePassword ?? '')).status).toBe(401)
    expect((await owner.signIn(first.email, again.oneTimePassword ?? '')).status).toBe(200)
    expect((await owner.ask({ path: '/api/nodes' })).status).toBe(403)
    const change = { current: again.oneTimePassword, next: 'my very own password' }
    expect((await owner.ask({ method: 'POST', path: '/api/password', body: change })).status).toBe(204)
    expect((await owner.signIn(first.email, change.next)).status).toBe(200)
    const third = bootstrap()
    expect(third.oneTimePassword).toBeNull()
    expect((await new Machine(cloud.url, 'this-machine').join(third.joinToken)).status).toBe(201)
    expect((await owner.ask({ path: '/api/nodes' })).text).toContain('this-machine')
  })
})

describe('downloads', () => {
  test('install.sh names the address it was fetched by and the checksums of what was built', async () => {
    const answer = await ask(cloud.url, { path: '/install.sh', headers: { host: 'studio.local:3000' } })
    expect(answer.text).toBe(
      `#!/bin/sh\nBASE="http://studio.local:3000"\nCHECKSUMS="linux-x64 ${'ab'.repeat(32)} agent-linux-x64.tar.gz"\n`,
    )
    expect((await ask(cloud.url, { path: '/install.ps1' })).text).toContain(`$Base = "${cloud.url}"`)
    const forged = await ask(cloud.url, {
      path: '/install.sh',
      headers: { host: 'studio.local', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    })
    expect(forged.text).toContain('BASE="http://studio.local"')
    expect((await ask(cloud.url, { path: '/install.sh', headers: { host: 'a"; rm -rf ~; "' } })).status).toBe(400)
    const ada = await signedUp(cloud.url, 'ada@example.org')
    const page = await ada.ask({ path: '/add-machine', headers: { host: 'studio.local:3000' } })
    expect(page.text).toContain(createHash('sha256').update(answer.text).digest('hex'))
  })

  test('an archive of the manifest comes whole, with its length; HEAD has no body', async () => {
    const got = await ask(cloud.url, { path: '/releases/agent-linux-x64.tar.gz' })
    expect([got.status, got.headers['content-length'], got.text]).toEqual([200, String(ARCHIVE.length), ARCHIVE.toString()])
    const head = await ask(cloud.url, { method: 'HEAD', path: '/releases/agent-linux-x64.tar.gz' })
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, String(ARCHIVE.length), ''])
    expect((await ask(cloud.url, { path: '/releases/release.json' })).json<{ version: number }>().version).toBe(1)
    expect((await ask(cloud.url, { method: 'POST', path: '/releases/release.json', body: {} })).status).toBe(405)
  })

  test('no spelling of a path opens anything else (THREATS 17)', async () => {
    symlinkSync('/etc/passwd', path.join(path.dirname(cloud.dataRoot), 'release/passwd.tar.gz'))
    for (const name of [
      'secret.txt',
      'passwd.tar.gz',
      '',
      'AGENT-LINUX-X64.TAR.GZ',
      'agent-linux-x64.tar.gz.',
      'agent-linux-x64.tar.gz/',
    ]) {
      expect([name, (await ask(cloud.url, { path: `/releases/${name}` })).status]).toEqual([name, 404])
    }
    const climbing = [
      '../data/instance.key',
      '..%2fdata%2finstance.key',
      '%2e%2e/data/instance.key',
      'a%00.tar.gz',
      '..%5cdata',
      '%252e%252e/x',
      '..\\data',
      '%zz',
      './secret.txt',
      '%c0%ae%c0%ae/x',
    ]
    for (const prefix of ['/releases/', '/install.sh/../', '/api/nodes/', '/_next/static/', '/']) {
      for (const name of climbing) {
        const answer = await ask(cloud.url, { path: prefix + name })
        expect([prefix + name, answer.status]).toEqual([prefix + name, 400])
      }
    }
  })
})

describe('requests no browser or agent makes (THREATS 15)', () => {
  test.each([
    ['an absolute URI', 'GET http://127.0.0.1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['an upgrade with an absolute URI', 'GET http://10.0.0.1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    [
      'two lengths',
      'POST /api/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
    ],
    ['no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['a path without its slash', 'GET //evil.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
  ])('%s is refused', async (_name, text) => {
    expect(await raw(text)).toMatch(/^HTTP\/1.1 400 /)
  })
  test('an upgrade gets no socket', async () => {
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
    expect(await raw(`GET /agent/v1/poll HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`)).toMatch(
      /^HTTP\/1.1 404/,
    )
  })
})

test('SIGTERM ends everything in order, a held poll too, and leaves no database behind', async () => {
  const postgres = await startPostgres({ dataDir: path.join(cloud.dataRoot, 'pg') })
  const owner = await signedUp(cloud.url, 'last@example.org')
  const token = (await owner.ask({ method: 'POST', path: '/api/tokens', body: {} })).json<MadeToken>()
  const machine = new Machine(cloud.url, 'held')
  await machine.join(token.text)
  await machine.renew()
  const held = await machine.hold()
  const started = performance.now()
  expect(await cloud.stop()).toBe(0)
  expect(performance.now() - started).toBeLessThan(5_000)
  expect((await held.answer).status).toBe(204)
  expect(isAlive(postgres.pid ?? 0)).toBe(false)
})
