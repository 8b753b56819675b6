import { createSocket } from 'node:dgram'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@thatdam/testkit/hosts/command'
import { afterEach, expect, test } from 'vitest'
import { create as createCloud } from './cloud/method.ts'
import { NO_COOKIE, encodeDatagram } from './datagram.ts'
import { create as createGossip } from './gossip/method.ts'
import type { DiscoveryMethod } from './method.ts'
import { create as createStatic } from './static/method.ts'
import { create as createTailscale } from './tailscale/method.ts'
import { type LoopbackNode, TEST_PORT, announcementOf, loopbackNode } from './testing/loopback.ts'
import type { NetworkWatch } from './interfaces.ts'

const running: LoopbackNode[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(({ discovery }) => discovery.stop()))
})

async function start(...args: Parameters<typeof loopbackNode>): Promise<LoopbackNode> {
  const node = loopbackNode(...args)
  running.push(node)
  await node.discovery.start()
  return node
}

const silent = () => []

test('a given address is called on by UDP, and both sides know each other', async () => {
  const target = await start('target', (context) => [createStatic({ ...context, hint: null, memory: null, ask: null })])
  const hint = { host: target.address, port: TEST_PORT }
  const caller = await start('caller', (context) => [createStatic({ ...context, hint, memory: null, ask: null })])
  await until('they know each other', () => caller.names().includes('target') && target.names().includes('caller'))
  expect(caller.discovery.sightings()[0]).toMatchObject({ methods: ['static'], addresses: [{ address: target.address, port: TEST_PORT }] })
})

test('where UDP does not get through, the given address is asked over TCP', async () => {
  const bytes = announcementOf('far')
  const ask = (host: string, port: number) => Promise.resolve(host === 'localhost' && port === 1 ? bytes : null)
  const caller = await start('caller', (context) => [createStatic({ ...context, hint: { host: 'localhost', port: 1 }, memory: null, ask })])
  await until('it is known', () => caller.names().includes('far'))
})

test('good addresses are kept over a restart and called on without any other hint', async () => {
  const saved: string[] = []
  const memory = {
    load: () => Promise.resolve(saved),
    save: (texts: readonly string[]) => {
      saved.splice(0, saved.length, ...texts)
      return Promise.resolve()
    },
  }
  const target = await start('target', (context) => [createStatic({ ...context, hint: null, memory: null, ask: null })])
  const hint = { host: target.address, port: TEST_PORT }
  const first = await start('first', (context) => [createStatic({ ...context, hint, memory, ask: null })])
  await until('found', () => first.names().includes('target'))
  await first.discovery.stop()
  expect(saved).toHaveLength(1)
  saved.push('damaged')
  const again = await start('again', (context) => [createStatic({ ...context, hint: null, memory, ask: null })])
  await until('found without a hint', () => again.names().includes('target'))
})

test('a forged good-bye is refuted by whoever is still there', async () => {
  const target = await start('target', (context) => [createStatic({ ...context, hint: null, memory: null, ask: null })])
  // Told of once and never called on again by itself, so that only the good-bye makes it be asked.
  const told = [{ bytes: target.discovery.announcement ?? new Uint8Array(), ageMs: 0 }]
  const victim = await start('victim', (context) => [
    createCloud({ ...context, exchange: () => Promise.resolve(told.splice(0)) }),
    createStatic({ ...context, hint: null, memory: null, ask: null }),
  ])
  await until('found', () => victim.names().includes('target'))
  const before = target.discovery.counts()['received'] ?? 0
  const announcement = target.discovery.announcement ?? new Uint8Array()
  const forger = createSocket('udp4')
  const bytes = encodeDatagram({ kind: 'goodbye', via: 'static', ageMs: 0, cookie: NO_COOKIE, announcement })
  await new Promise<void>((resolve) => forger.send(bytes, TEST_PORT, victim.address, () => resolve()))
  forger.close()
  await until('the target is asked', () => (target.discovery.counts()['received'] ?? 0) > before)
  await until('and heard again', () => (victim.discovery.sightings()[0]?.contactAgeMs ?? Infinity) < 5_000)
  const endMs = performance.now() + 3_500
  await until('longer than a good-bye takes', () => performance.now() > endMs)
  expect(victim.events.map((event) => event.kind)).toEqual(['found'])
})

test('nobody can make a node send more than it was sent: others are told only to who can hear the answer', async () => {
  const seed = await start('seed', (context) => [
    createGossip({ ...context, seeds: [] }),
    createCloud({
      ...context,
      exchange: () => Promise.resolve(Array.from({ length: 20 }, (_, index) => ({ bytes: announcementOf(`n-${index}`), ageMs: 0 }))),
    }),
  ])
  await until('the seed knows 20', () => seed.names().length === 20)
  const asker = createSocket('udp4')
  await new Promise<void>((resolve) => asker.bind(0, '127.0.0.1', resolve))
  const got: Buffer[] = []
  asker.on('message', (bytes) => got.push(bytes))
  const sync = (cookie: Uint8Array) =>
    asker.send(
      encodeDatagram({ kind: 'sync', via: 'gossip', ageMs: 0, cookie, announcement: announcementOf('asker') }),
      TEST_PORT,
      seed.address,
    )
  sync(NO_COOKIE)
  await until('one answer', () => got.length === 1)
  sync(got[0]?.subarray(10, 18) ?? NO_COOKIE)
  await until('now the others', () => got.length >= 21)
  asker.close()
})

test('the cloud brings whom it knows; one that fails or brings rubbish harms nothing', async () => {
  const left: Uint8Array[] = []
  let fails = true
  const exchange = (bytes: Uint8Array) => {
    left.push(bytes)
    fails = !fails
    if (!fails) return Promise.reject(new Error('503'))
    return Promise.resolve(
      [Buffer.from('rubbish'), Buffer.alloc(10 << 20), announcementOf('far')].map((one) => ({ bytes: one, ageMs: 10 })),
    )
  }
  const node = await start('node', (context) => [createCloud({ ...context, exchange })])
  await until('the second time it is known', () => node.names().includes('far'), 8_000)
  expect(Buffer.from(left[0] ?? []).toString()).toBe(Buffer.from(node.discovery.announcement ?? []).toString())
})

test('Tailscale: a stand-in that prints what the real one does; its peer is called on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'thatdam-tailscale-'))
  const executable = join(folder, 'tailscale')
  const say = async (status: object) => {
    await writeFile(executable, `#!/bin/sh\n[ "$*" = "status --json" ] || exit 64\ncat <<'END'\n${JSON.stringify(status)}\nEND\n`)
    await chmod(executable, 0o755)
  }
  try {
    const make = (context: Parameters<typeof createTailscale>[0]) => [
      createTailscale({ ...context, executables: ['/nowhere/tailscale', executable], nodePort: TEST_PORT }),
    ]
    const target = await start('target', (context) => make({ ...context, executables: [], nodePort: 0 }))
    expect(target.discovery.methodStates()[0]).toMatchObject({ state: 'failed' })
    await say({ BackendState: 'Stopped' })
    const stopped = await start('stopped', (context) => make({ ...context, executables: [], nodePort: 0 }))
    expect(stopped.discovery.methodStates()[0]?.reason).toContain('Tailscale is installed but says "Stopped"')
    // MagicDNS is the system's resolver: this machine's own name service stands in for it.
    const peer = { OS: 'linux', Online: true, DNSName: 'localhost.', TailscaleIPs: [] }
    await say({ BackendState: 'Running', MagicDNSSuffix: 'x.ts.net', Peer: { a: peer } })
    const probed = createSocket('udp4')
    const heard = new Promise<Buffer>((resolve) => probed.on('message', resolve))
    await new Promise<void>((resolve) => probed.bind(TEST_PORT, '127.0.0.1', resolve))
    const caller = await start('caller', (context) => make({ ...context, executables: [], nodePort: 0 }))
    expect(caller.discovery.methodStates()[0]).toMatchObject({ state: 'running' })
    expect((await heard).toString('latin1', 0, 5)).toBe('TDD1P')
    probed.close()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a method that fails is tried again after a change of the network, and the others never notice', async () => {
  let works = false
  let network: NetworkWatch | null = null
  let locals = [
    { interfaceName: 'lo', address: '127.0.0.1', family: 'ipv4' as const, scope: 'loopback' as const, prefixLength: 32, zone: 0 },
  ]
  const odd: DiscoveryMethod = {
    name: 'mdns',
    start: () => (works ? Promise.resolve() : Promise.reject(new Error('Port 5353 is taken.'))),
    stop: () => Promise.reject(new Error('cannot stop')),
    announce: () => undefined,
    onFound: () => () => undefined,
  }
  const node = await start(
    'node',
    (context) => {
      network = context.network
      return [odd, createCloud({ ...context, exchange: () => Promise.resolve([{ bytes: announcementOf('far'), ageMs: 0 }]) })]
    },
    { interfaces: () => locals },
  )
  await until('the other one works', () => node.names().includes('far'))
  expect(node.discovery.methodStates()[0]).toEqual({ name: 'mdns', state: 'failed', reason: 'Port 5353 is taken.' })
  works = true
  locals = [...locals, { ...(locals[0] as (typeof locals)[0]), address: '127.0.0.2' }]
  await until('it is tried again', () => {
    network?.look()
    return node.discovery.methodStates()[0]?.state === 'running'
  })
})

test('a port that is taken leaves a sentence, and the rest goes on', async () => {
  const first = await start('first', silent)
  const logs: string[] = []
  const second = await start('second', silent, { bindAddress: first.address, log: (message) => logs.push(message) })
  expect(logs).toEqual([expect.stringContaining(`UDP port ${TEST_PORT} cannot be opened`)])
  expect(second.discovery.announcement).not.toBeNull()
})
