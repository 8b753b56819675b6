import { NamespaceHosts } from '@thatdam/testkit/hosts/namespaces'
import { TestNode, allFound } from './nodes.ts'

/* What discovery costs while nothing happens: `node idle-cost.ts [hosts] [seconds]`, as root. Prints one line of JSON. */

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const [count = 5, seconds = 60] = process.argv.slice(2).map(Number)
const hosts = await NamespaceHosts.up([count])
try {
  const nodes = hosts.hosts.map((host) => new TestNode(host, { backend: null }))
  await allFound(nodes, 10_000)
  const [node] = nodes
  if (node === undefined) throw new RangeError('no host')
  // The questions of the first seconds are no idle cost.
  await wait(10_000)
  const before = (await node.stats()).stats
  const frames = async () =>
    (await hosts.host(0).run('cat', ['/sys/class/net/eth0/statistics/tx_packets', '/sys/class/net/eth0/statistics/rx_packets']))
      .trim()
      .split('\n')
      .map(Number)
  const [sentBefore = 0, receivedBefore = 0] = await frames()
  await wait(seconds * 1000)
  const after = (await node.stats()).stats
  const [sent = 0, received = 0] = await frames()
  const elapsedSeconds = ((after['atMs'] ?? 0) - (before['atMs'] ?? 0)) / 1000
  const perSecond = (difference: number) => Number((difference / elapsedSeconds).toFixed(3))
  console.log(
    JSON.stringify({
      hosts: count,
      seconds,
      framesSentPerSecond: perSecond(sent - sentBefore),
      framesReceivedPerSecond: perSecond(received - receivedBefore),
      cpuPercentOfACore: Number(((((after['cpuMs'] ?? 0) - (before['cpuMs'] ?? 0)) / (elapsedSeconds * 1000)) * 100).toFixed(3)),
      rssMb: Number(((after['rss'] ?? 0) / 1e6).toFixed(1)),
      heapMb: Number(((after['heapUsed'] ?? 0) / 1e6).toFixed(1)),
    }),
  )
} finally {
  await hosts.down()
}
