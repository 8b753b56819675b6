import type { NamespaceHosts } from '@thatdam/testkit/hosts/namespaces'
import { until } from '@thatdam/testkit/hosts/command'
import { upNamespaces } from '@thatdam/testkit/hosts/up'
import { afterEach, expect, test, vi } from 'vitest'
import { TestNode, allFound } from './testing/nodes.ts'
import type { NodeConfig } from './testing/node-main.ts'

vi.setConfig({ testTimeout: 60_000 })

let hosts: NamespaceHosts | null = null
afterEach(async () => {
  await hosts?.down()
  hosts = null
})

const startAll = (on: NamespaceHosts, config: Omit<NodeConfig, 'nodeId'>): TestNode[] => on.hosts.map((host) => new TestNode(host, config))

test.each(['mdns', 'udp'] as const)('five hosts find one another by %s alone in under 2 s', async (backend) => {
  hosts = await upNamespaces([5])
  if (!hosts) return
  const nodes = startAll(hosts, { backend })
  const worstMs = await allFound(nodes, 10_000)
  console.log(`${backend}: the slowest of 20 pairs ${worstMs} ms`)
  expect(worstMs).toBeLessThan(2_000)
  expect(nodes[0]?.last('node-1')?.methods).toEqual([backend])
})

test('where multicast is blocked, one seed is enough, across two subnets', async () => {
  hosts = await upNamespaces([3, 2])
  if (!hosts) return
  await hosts.blockMulticast()
  const nodes = startAll(hosts, { backend: null, seeds: [{ host: '10.77.0.1', port: 7700 }], ttlMs: 9_000 })
  const worstMs = await allFound(nodes, 15_000)
  console.log(`gossip: the slowest of 20 pairs ${worstMs} ms`)
  expect(nodes.flatMap((node) => node.lines.filter((line) => line.event === 'found').flatMap((line) => line.methods))).not.toContain('udp')
  // Two lives of an announcement later everybody is still there, and whoever loses power goes.
  const endMs = performance.now() + 18_000
  await until('two lives are over', () => performance.now() > endMs, 20_000)
  expect(nodes.flatMap((node) => node.lines.filter((line) => line.event === 'lost'))).toEqual([])
  await hosts.host(4).kill()
  const others = nodes.slice(0, 4)
  await until('it is lost everywhere', () => others.every((node) => node.lines.some((line) => line.event === 'lost')), 20_000)
})

test('only the seed is told of the others, yet multicast islands meet through it', async () => {
  hosts = await upNamespaces([2, 2])
  if (!hosts) return
  const nodes = hosts.hosts.map(
    (host) => new TestNode(host, { backend: null, ...(host.index === 3 ? { seeds: [{ host: '10.77.0.1', port: 7700 }] } : {}) }),
  )
  const worstMs = await allFound(nodes, 15_000)
  console.log(`islands: the slowest of 12 pairs ${worstMs} ms`)
  expect(worstMs).toBeLessThan(5_000)
})

test('container bridges and VPNs beside the LAN are neither called on nor announced', async () => {
  hosts = await upNamespaces([3])
  if (!hosts) return
  for (const host of hosts.hosts)
    await host.ip([
      'link add docker0 type bridge',
      'addr add 172.17.0.1/16 dev docker0',
      'link set docker0 up',
      'link add veth1234 type veth peer name container0',
      'link set veth1234 master docker0 up',
      'link set container0 up',
      'link add wg0 type veth peer name wgpeer0',
      'link set wgpeer0 up',
      `addr add 10.9.0.${host.index + 1}/24 dev wg0`,
      'link set wg0 up',
    ])
  const nodes = startAll(hosts, { backend: null })
  await allFound(nodes, 10_000)
  const { sightings } = await (nodes[0] as TestNode).stats()
  const addresses = sightings.find((one) => one.nodeId === 'node-1')?.addresses ?? []
  expect(addresses[0]).toMatchObject({ address: '10.77.0.2', scope: 'lan', interfaceName: 'eth0' })
  expect(addresses.map((one) => one.address)).not.toContain('172.17.0.1')
  expect(addresses.find((one) => one.address === '10.9.0.2')).toMatchObject({ scope: 'vpn' })
})

test("a leader's new address and role reach everybody, and its host name answers", async () => {
  hosts = await upNamespaces([3])
  if (!hosts) return
  const nodes = startAll(hosts, { backend: null })
  await allFound(nodes, 10_000)
  const [leader, ...others] = nodes as [TestNode, TestNode, TestNode]
  leader.say('lead')
  await until('all know the leader', () => others.every((node) => node.last('node-0')?.role === 'leader'))
  await hosts.host(0).changeAddress('10.77.0.77')
  const startMs = performance.now()
  const found = () => others.every((node) => node.last('node-0')?.addresses?.[0]?.address === '10.77.0.77')
  await until('all know the new address', found, 15_000)
  console.log(`new address known everywhere after ${Math.round(performance.now() - startMs)} ms`)
  expect(await hosts.host(1).run(process.execPath, ['-e', ASK_RING_HOST])).toContain('10.77.0.77')
  await hosts.host(2).linkDown()
  await until('the cable is out', async () => (await others[1].stats()).stats['sightings'] === 2)
  await hosts.host(2).linkUp()
  leader.say('follow')
  await until('the news arrives after the cable is back', () => others.every((node) => node.last('node-0')?.role === 'worker'), 15_000)
})

/** Asks for the ring's host name by plain mDNS, as a browser's resolver does. */
const ASK_RING_HOST = `
  const mdns = require('${import.meta.dirname}/../../../node_modules/multicast-dns')({ interface: '10.77.0.2', bind: '0.0.0.0' })
  mdns.on('response', (r) => { const a = r.answers.find((x) => x.name === 'thatdam.local'); if (a) { console.log(a.data, a.ttl); process.exit() } })
  mdns.on('ready', () => mdns.query('thatdam.local', 'A'))
  setTimeout(() => process.exit(1), 5000)`

test.each(['mdns', 'udp'] as const)('a stopped node says good-bye by %s', async (backend) => {
  hosts = await upNamespaces([3])
  if (!hosts) return
  const nodes = startAll(hosts, { backend })
  await allFound(nodes, 10_000)
  const [first, second] = nodes as [TestNode, TestNode, TestNode]
  const key = first.last('node-2')?.publicKey
  nodes[2]?.say('stop')
  const lost = (node: TestNode) => node.lines.some((line) => line.event === 'lost' && line.publicKey === key)
  const startMs = performance.now()
  await until('the good-bye is heard', () => lost(first) && lost(second), 8_000)
  expect(performance.now() - startMs).toBeLessThan(6_000)
})
