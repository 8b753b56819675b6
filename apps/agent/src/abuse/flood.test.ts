import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { LocalEndpoint } from '@thatdam/protocol/local'
import type { AbusedPort } from '@thatdam/testkit/abuse/abuse'
import { type Attack, attackFrom } from '@thatdam/testkit/abuse/attack'
import { footprintOf, watchFootprint } from '@thatdam/testkit/abuse/footprint'
import { until } from '@thatdam/testkit/hosts/command'
import type { Host } from '@thatdam/testkit/hosts/host'
import type { RingMachine } from '@thatdam/testkit/ring/machine'
import { TestRing } from '@thatdam/testkit/ring/ring'
import { afterEach, beforeEach, expect, test } from 'vitest'

/* A third machine of the LAN misbehaves at every open port of a member, while another member and a browser go about their business. */

const [WAVE_MS, LAST_WAVE_MS] = [6_000, 10_000]
/** An honest request may take so long meanwhile; the attackers run on this machine's own two cores. */
const HONEST_MS_MAX = 5_000
/** Memory at its height, times that of before; and what a repetition of the worst may add, times what was kept after the first: a leak would go on. */
const [PEAK_FACTOR, AGAIN_FACTOR] = [3, 1.25]
/** Pipes and connections of services that came up meanwhile; a flood leaves hundreds when they are not let go. */
const FILES_MORE = 60
/** As a machine that gives itself many addresses, so that limits by address do not hide one abuse behind another. */
const SOURCES = Array.from({ length: 24 }, (_, index) => `10.77.0.${index + 100}`)
const PASSWORD_HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

let directory = ''
let ring: TestRing | null = null
beforeEach(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'thatdam-abuse-'))
})
afterEach(async () => {
  await ring?.down()
  ring = null
  rmSync(directory, { recursive: true, force: true })
})

/** What a machine of the LAN can reach; a new port is a new line. */
const lanPorts = (address: string): AbusedPort[] => [
  { name: 'gateway', kind: 'http', address, port: 8080, magics: [], paths: ['/', '/health', '/cluster', '/live/cameras', '/trpc/x'] },
  {
    name: 'node API',
    kind: 'tls',
    address,
    port: 7700,
    magics: [],
    paths: [
      '/',
      '/v1/roster',
      '/v1/messages',
      '/v1/plan',
      '/v1/join/hello',
      '/v1/adopt/commit',
      '/v1/adopt/status',
      '/v1/meet',
      '/v1/meet/merge',
      '/v1/meet/way',
    ],
  },
  { name: 'node UDP', kind: 'udp', address, port: 7700, magics: ['TDD1', 'TDL1'], paths: [] },
  { name: 'mDNS', kind: 'udp', address, port: 5353, magics: ['\0\0\u0084\0\0\0\0\u0001', '\0\0\0\0\0\u0001'], paths: [] },
]

/** What a program on the machine itself can reach. */
function localPort(stateDir: string): AbusedPort {
  const { url } = LocalEndpoint.parse(JSON.parse(readFileSync(path.join(stateDir, 'local.json'), 'utf8')))
  const paths = ['/local/state', '/local/ops', '/local/owner']
  return { name: 'local API', kind: 'http', address: '127.0.0.1', port: Number(new URL(url).port), magics: [], paths }
}

/** Waits of honest requests while the floods last, the longest last. Infinity: not answered. */
async function whileItLasts(floods: Promise<unknown>, ask: () => Promise<unknown>): Promise<number[]> {
  const end = new AbortController()
  void floods.finally(() => end.abort()).catch(() => {})
  const waits: number[] = []
  while (!end.signal.aborted) {
    const askedMs = performance.now()
    waits.push((await ask()) === null ? Number.POSITIVE_INFINITY : performance.now() - askedMs)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return waits.toSorted((a, b) => a - b)
}

const isMost = (share: number) => share >= 0.8
const megabytes = (bytes = 0) => Math.round(bytes / 1e6)

test('floods on every port: no crash, bounded memory, the ring stays a ring and honest requests are answered', async () => {
  ring = await TestRing.up({ profiles: ['pi5-server', 'pi5-desktop', 'pizero-cam1'], directory })
  if (ring.hosts.mode !== 'namespaces') {
    console.log(ring.hosts.notice)
    return
  }
  const attacker = ring.network.host(2)
  await attacker.ip(SOURCES.map((address) => `addr add ${address}/24 dev eth0`))
  const machines = [ring.machine('pi5-server'), ring.machine('pi5-desktop')]
  for (const machine of machines) machine.start()
  const before = await ring.settled({ among: machines })
  // Whoever leads has the most to answer.
  const [member, victim] = machines.toSorted((one) => (one.name === before.leader ? 1 : -1)) as [RingMachine, RingMachine]
  // With a password its console is open to the LAN.
  await victim.local('PUT', '/local/owner', { passwordHash: PASSWORD_HASH })
  const url = `http://${victim.host.address}:8080/cluster`
  const browse = async () => await member.ask({ at: 'url', method: 'GET', path: url, timeoutMs: HONEST_MS_MAX })
  await until('its console answers the LAN', async () => (await browse()) !== null)

  const pid = victim.pid ?? 0
  const quiet = footprintOf(pid)
  const peak = watchFootprint(pid)
  const startedAtMs = (await victim.state())?.node.startedAtMs
  const inside = localPort(victim.stateDir)
  const reached = new Map<string, number>()
  let seed = 1
  const wave = async (from: Host, given: Omit<Attack, 'seed'>): Promise<void> => {
    const flood = attackFrom(from, { ...given, seed: (seed += 100) })
    const waits = await whileItLasts(flood, browse)
    const deeds = await flood
    const [medianMs, worstMs] = [waits[waits.length >> 1] ?? 0, waits.at(-1) ?? 0].map(Math.round)
    console.log(JSON.stringify({ asked: waits.length, medianMs, worstMs, rssMb: megabytes(footprintOf(pid)?.rssBytes), deeds }))
    expect([given.ports[0]?.name, footprintOf(pid) !== null]).toEqual([given.ports[0]?.name, true])
    for (const [name, counts] of Object.entries(deeds))
      reached.set(name, (reached.get(name) ?? 0) + (counts['opened'] ?? counts['sent'] ?? 0))
    // In the last one, attackers and attacked share two cores to the full: whoever waits then is told above, not judged.
    if (given.durationMs === LAST_WAVE_MS) return
    // Not every one: a busy test machine keeps one waiting as well. A door that is shut keeps most of them out.
    expect([given.ports[0]?.name, waits.filter(Number.isFinite).length / waits.length]).toEqual([
      given.ports[0]?.name,
      expect.toSatisfy(isMost),
    ])
  }
  const ports = lanPorts(victim.host.address)
  // Alone first: unread answers are quiet, and what they fill is memory.
  const [gateway] = ports
  if (gateway) await wave(attacker, { ports: [gateway], only: ['slow-reader'], durationMs: WAVE_MS })
  for (const port of ports) await wave(attacker, { ports: [port], sources: SOURCES, durationMs: WAVE_MS })
  await wave(victim.host, { ports: [inside], durationMs: WAVE_MS })
  const letGo = async () => {
    await until('it lets go of their connections', () => (footprintOf(pid)?.files ?? 0) < (quiet?.files ?? 0) + FILES_MORE, 60_000)
    return megabytes(footprintOf(pid)?.rssBytes)
  }
  await wave(attacker, { ports, sources: SOURCES, durationMs: LAST_WAVE_MS })
  const keptMb = await letGo()
  await wave(attacker, { ports, sources: SOURCES, durationMs: LAST_WAVE_MS })
  const keptAgainMb = await letGo()

  expect([...reached].filter(([, times]) => times === 0)).toEqual([])
  const top = peak.stop()
  const [quietMb, peakMb] = [megabytes(quiet?.rssBytes), megabytes(top.rssBytes)]
  console.log(JSON.stringify({ quietMb, peakMb, keptMb, keptAgainMb, files: quiet?.files, filesAtPeak: top.files }))
  expect((await victim.state())?.node.startedAtMs).toBe(startedAtMs)
  expect(peakMb).toBeLessThan(quietMb * PEAK_FACTOR)
  expect(keptAgainMb).toBeLessThan(keptMb * AGAIN_FACTOR)
  // Starved of its processor it may have lost the lead to the other; what counts is that both agree, under the ring that was.
  const after = await ring.settled({ among: machines })
  expect(after.clusterId).toBe(before.clusterId)
  // Its parts may have been restarted in the meantime, each a little later than the time before.
  let health = await victim.health()
  await until('all of it runs', async () => (health = await victim.health())?.status === 'ok', 90_000).catch((error: unknown) => {
    throw new Error(`after the floods: ${JSON.stringify(health)}\n${victim.logTail(40)}`, { cause: error })
  })
}, 300_000)
