import { connect as connectPlain } from 'node:net'
import { connect } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { generateKey, type KeyPair } from '@thatdam/control/keys'
import type { Member } from '@thatdam/control/roster'
import { until } from '../testing/until.ts'
import { Addresses } from './addresses.ts'
import { makeCertificate } from './certificate.ts'
import { NodeClient } from './client.ts'
import { json, memberOf, NodeServer } from './server.ts'
import { TLS_OPTIONS } from './tls.ts'

const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

const member = (nodeId: string, key: KeyPair): Member => ({
  nodeId,
  publicKey: key.publicKey,
  bootCounter: 0,
  admitter: false,
  record: '',
  keys: [key.publicKey],
})

interface Served {
  readonly server: NodeServer
  readonly key: KeyPair
  readonly port: number
  readonly proved: string[]
  readonly held: string[]
}

async function serve(members: Member[]): Promise<Served> {
  const key = generateKey()
  const proved: string[] = []
  const held: string[] = []
  const server = await NodeServer.open({
    key,
    nodeId: 'pi',
    port: 0,
    bindAddress: '127.0.0.1',
    memberOf: (publicKey) => members.find((one) => one.publicKey === publicKey) ?? null,
    wasMember: () => false,
    routes: () => [
      { method: 'GET', path: '/v1/open', open: true, run: async ({ peer }) => json({ peer: peer?.publicKey ?? null }) },
      { method: 'GET', path: '/v1/held', open: true, run: () => new Promise<never>(() => held.push('asked')) },
      {
        method: 'GET',
        path: '/v1/endless',
        run: ({ response }) => {
          response.write('begun')
          return Promise.resolve(null)
        },
      },
      { method: 'GET', path: '/v1/who', run: async (call) => json({ who: memberOf(call).nodeId }) },
    ],
    onProved: (publicKey) => proved.push(publicKey),
    log: () => {},
  })
  opened.push(() => server.close())
  return { server, key, port: server.port, proved, held }
}

function clientOf(key: KeyPair, port: number): NodeClient {
  const client = new NodeClient(key, 'mac', new Addresses({ sighted: () => [{ address: '127.0.0.1', port }] }))
  opened.push(() => client.close())
  return client
}

test('a member is known by its key, at each request anew', async () => {
  const mac = generateKey()
  const members = [member('mac', mac)]
  const { key, port, proved } = await serve(members)
  const client = clientOf(mac, port)
  const ask = () => client.call({ publicKey: key.publicKey, method: 'GET', path: '/v1/who', timeoutMs: 2_000 })
  expect((await ask()).body).toEqual({ who: 'mac' })
  expect(proved).toEqual([mac.publicKey])
  members.pop()
  await expect(ask()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('an answer without end ends when its reader is taken out, and no other one', async () => {
  const [mac, old, fresh] = [generateKey(), generateKey(), generateKey()]
  // One machine replaced its key, and both are good until the first use of the new one.
  const members = [member('mac', mac), member('nas', old), member('nas', fresh)]
  const { server, key, port } = await serve(members)
  const ends: string[] = []
  const clients: NodeClient[] = []
  for (const [name, one] of Object.entries({ mac, old, fresh })) {
    const client = clientOf(one, port)
    clients.push(client)
    const stream = await client.open({ publicKey: key.publicKey, method: 'GET', path: '/v1/endless', timeoutMs: 60_000 })
    stream.resume().once('error', () => ends.push(name))
  }
  server.dropFormer()
  members.splice(0, 2)
  server.dropFormer()
  await until('both are cut', () => ends.length === 2)
  const [removed, , kept] = clients.map(
    (client) => (path: string) => client.call({ publicKey: key.publicKey, method: 'GET', path, timeoutMs: 2_000 }),
  )
  // It is refused by an answer, and not by a closed door: so it learns that it was removed.
  await expect(removed?.('/v1/who')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  expect((await removed?.('/v1/open'))?.status).toBe(200)
  expect((await kept?.('/v1/who'))?.body).toEqual({ who: 'nas' })
  expect(ends.toSorted()).toEqual(['mac', 'old'])
})

test('a stranger, with a certificate or without, gets open routes and one 401 for all others', async () => {
  const { key, port } = await serve([])
  const stranger = generateKey()
  const client = clientOf(stranger, port)
  const open = await client.call({ publicKey: key.publicKey, method: 'GET', path: '/v1/open', timeoutMs: 2_000 })
  expect(open.body).toEqual({ peer: stranger.publicKey })
  for (const path of ['/v1/who', '/v1/nothing'])
    await expect(client.call({ publicKey: key.publicKey, method: 'GET', path, timeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    })
  const socket = connect({ ...TLS_OPTIONS, host: '127.0.0.1', port })
  opened.push(() => socket.destroy())
  let text = ''
  socket.on('data', (data: Buffer) => (text += data.toString()))
  socket.write('GET /v1/who HTTP/1.1\r\nhost: x\r\n\r\n')
  await until('the answer', () => text.includes('Not signed in.'))
  expect(text).toMatch(/^HTTP\/1.1 401 /)
})

test('a machine with another key at the address gets no byte of the request', async () => {
  const { port } = await serve([])
  const client = clientOf(generateKey(), port)
  const wanted = generateKey()
  await expect(client.call({ publicKey: wanted.publicKey, method: 'GET', path: '/v1/open', timeoutMs: 2_000 })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('another machine answers') as string,
  })
})

test('of several addresses the one that answers is taken, and first from then on', async () => {
  const mac = generateKey()
  const { key, port } = await serve([member('mac', mac)])
  const nobody = connectPlain({ host: '127.0.0.1', port })
  opened.push(() => nobody.destroy())
  const addresses = new Addresses({
    sighted: () => [
      { address: '127.0.0.1', port: 1 },
      { address: '127.0.0.1', port },
    ],
  })
  const client = new NodeClient(mac, 'mac', addresses)
  opened.push(() => client.close())
  await client.call({ publicKey: key.publicKey, method: 'GET', path: '/v1/who', timeoutMs: 2_000 })
  expect(addresses.of(key.publicKey, performance.now())[0]).toEqual({ address: '127.0.0.1', port })
})

test('a machine that answers nothing any more: what waits for it fails at once, what others are asked goes on', async () => {
  const [pi, nas] = [await serve([]), await serve([])]
  const client = clientOf(generateKey(), pi.port)
  const ask = (publicKey: string, port: number, path: string) =>
    client.call({ publicKey, method: 'GET', path, timeoutMs: 60_000 }, [{ address: '127.0.0.1', port }]).then(
      () => 'answered',
      () => 'failed',
    )
  const ends: string[] = []
  const waiting = ask(pi.key.publicKey, pi.port, '/v1/held').then((end) => ends.push(`pi ${end}`))
  void ask(nas.key.publicKey, nas.port, '/v1/held').then((end) => ends.push(`nas ${end}`))
  await until('both are asked', () => pi.held.length + nas.held.length === 2)
  client.drop(pi.key.publicKey)
  await waiting
  expect(await ask(pi.key.publicKey, pi.port, '/v1/open')).toBe('answered')
  expect(ends).toEqual(['pi failed'])
})

test('older TLS and a certificate of another kind of key prove nothing', async () => {
  const { port } = await serve([])
  const old = connect({ host: '127.0.0.1', port, maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2', rejectUnauthorized: false })
  await expect(new Promise((resolve, reject) => old.once('secureConnect', resolve).once('error', reject))).rejects.toThrow()
})

test('a certificate holds the node’s key and no date that passes', async () => {
  const { X509Certificate } = await import('node:crypto')
  const key = generateKey()
  const certificate = new X509Certificate(makeCertificate(key, 'pi5-server-0a1b2c').cert)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.subject).toBe('CN=pi5-server-0a1b2c')
  expect(certificate.validTo).toContain('9999')
})
