import { generateKey, sha256, verifySignature } from '@thatdam/control/keys'
import type { DiscoveryMethodName } from '@thatdam/protocol/discovery'
import { createInterface } from 'node:readline'
import { Discovery } from '../all.ts'
import type { Self } from '../announcement.ts'
import { usualMethods } from '../methods.ts'

/*
 * A node that only discovers, as a process of its own for tests: `node node-main.ts <configuration as JSON>`. Prints one line of JSON an
 * event, and answers lines on its standard input: `lead`, `follow`, `stats`, `stop`.
 */

export interface NodeConfig {
  readonly nodeId: string
  readonly backend: DiscoveryMethodName | null
  readonly seeds?: readonly { host: string; port: number }[]
  readonly hint?: { host: string; port: number }
  readonly ttlMs?: number
  readonly port?: number
  readonly bindAddress?: string
  readonly tailscale?: readonly string[]
}

const config = JSON.parse(process.argv[2] ?? '{}') as NodeConfig
const key = generateKey()
const port = config.port ?? 7700
const self: Self = {
  nodeId: config.nodeId,
  publicKey: key.publicKey,
  clusterId: '6f0b7a3e-58c4-4d3c-9d6b-0a4c6d1f2b11',
  fingerprint: sha256('a ring of tests').toString('hex'),
  claimed: true,
  role: 'worker',
  term: null,
  port,
  consolePort: null,
  boot: 1,
}
const print = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`)
const discovery = new Discovery({
  self,
  sign: (domain, value) => key.sign(domain, value),
  verify: verifySignature,
  isMember: () => false,
  port,
  bindAddress: config.bindAddress ?? null,
  ...(config.ttlMs === undefined ? {} : { ttlMs: config.ttlMs }),
  log: (message) => print({ log: message }),
  methods: usualMethods({
    backend: config.backend,
    nodePort: port,
    seeds: config.seeds ?? [],
    hint: config.hint ?? null,
    memory: null,
    ask: null,
    exchange: null,
    tailscale: config.tailscale ?? [],
  }),
})
discovery.onEvent((event) => {
  if (event.kind === 'lost') print({ event: 'lost', publicKey: event.publicKey })
  else {
    const { nodeId, publicKey, role, addresses, methods } = event.sighting
    print({ event: event.kind, nodeId, publicKey, role, addresses, methods, atMs: Date.now() })
  }
})
await discovery.start()
print({ started: config.nodeId, atMs: Date.now(), methods: discovery.methodStates() })

const answers: Readonly<Record<string, () => unknown>> = {
  lead: () => discovery.announce({ ...self, role: 'leader', term: { number: 1, nodeId: self.nodeId } }, true),
  follow: () => discovery.announce(self, false),
  stats: () => {
    const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    print({
      stats: { ...discovery.counts(), rss, heapUsed, external, arrayBuffers, cpuMs: (user + system) / 1000, atMs: performance.now() },
    })
    print({
      sightings: discovery
        .sightings()
        .map(({ nodeId, addresses, methods, contactAgeMs }) => ({ nodeId, addresses, methods, contactAgeMs })),
    })
  },
  stop: async () => {
    await discovery.stop()
    process.exit()
  },
}
for await (const line of createInterface(process.stdin)) await answers[line]?.()
