import { once } from 'node:events'
import { join } from 'node:path'
import type { NamespaceHosts } from '@thatdam/testkit/hosts/namespaces'
import { upNamespaces } from '@thatdam/testkit/hosts/up'
import { until } from '@thatdam/testkit/hosts/command'
import { afterEach, expect, test } from 'vitest'
import { SIGHTINGS_MAX } from './sightings.ts'
import { TestNode, allFound } from './testing/nodes.ts'

let hosts: NamespaceHosts | null = null
afterEach(async () => {
  await hosts?.down()
  hosts = null
})

test('a flood of rubbish and of fake nodes on every port: no crash, bounded memory, and real nodes are still found', async () => {
  hosts = await upNamespaces([3])
  if (!hosts) return
  const victim = new TestNode(hosts.host(0), { backend: null })
  await until('it runs', () => victim.startedMs !== null)
  const before = (await victim.stats()).stats
  const flood = hosts
    .host(2)
    .spawn(process.execPath, [join(import.meta.dirname, 'testing/flood-main.ts'), '10.77.0.3', '10.77.0.1', '42', '6000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const ended = once(flood, 'exit')
  await until('the flood has begun', async () => ((await victim.stats()).stats['received'] ?? 0) > 500)
  const late = new TestNode(hosts.host(1), { backend: null })
  await allFound([victim, late], 30_000)
  const duringMs = (victim.foundMs('node-1') ?? 0) - (late.startedMs ?? 0)
  expect((await ended)[0]).toBe(0)
  const { stats } = await victim.stats()
  const grownMb = ((stats['rss'] ?? 0) - (before['rss'] ?? 0)) / 1e6
  const { received, sent, limited, malformed, verified, sightings, cpuMs } = stats
  console.log(
    JSON.stringify({
      received,
      sent,
      limited,
      malformed,
      verified,
      sightings,
      cpuMs,
      grownMb: Math.round(grownMb),
      foundDuringFloodMs: duringMs,
    }),
  )
  expect(victim.exitCode).toBeNull()
  expect(received).toBeGreaterThan(1_000)
  expect(sightings).toBeLessThanOrEqual(SIGHTINGS_MAX)
  expect(grownMb).toBeLessThan(40)
  expect(sent).toBeLessThan(received ?? 0)
}, 90_000)
